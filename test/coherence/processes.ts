import { Redis } from 'ioredis';
import { entryKey } from '../../src/core/keys/store-keys.js';
import { eventually } from '../support/eventually.js';
import { startWorker, type Worker } from '../support/process.js';
import { namesOf } from './in-process.js';
import type { LoadRequest, NodeCalls, NodeInit } from './node-worker.js';
import type { HeldCall, Load, Node, Place, ReadOptions, Target, Version } from './place.js';
import type { ChaosMoment } from '../../src/testing/chaos-adapter.js';
import type { ChaosVerb } from '../../src/testing/chaos-calls.js';

const LEASE = 600;

let places = 0;

/** Two processes on a real Redis, one for the reader and one for the writer. Loads run in the process of the test. */
export async function twoProcesses(url: string, ttl = 60_000): Promise<Place> {
  const namespace = `place-${process.pid}-${++places}`;
  const init: NodeInit = { url, namespace, lease: LEASE, ttl };
  const [reader, writer] = await Promise.all([RemoteNode.start(init), RemoteNode.start(init)]);
  const redis = new Redis(url);
  return {
    reader,
    writer,
    lease: LEASE,
    ttl,
    within: async (ms, promise) => {
      let timer: NodeJS.Timeout | undefined;
      // Messages between processes and a busy machine take additional time.
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`Expected it to settle within ${ms} ms.`)), ms + 5_000);
      });
      try {
        return await Promise.race([promise, late]);
      } finally {
        clearTimeout(timer);
      }
    },
    until: async (what, ms, condition) => void (await eventually(what, condition, ms)),
    settle: async () => {
      await Promise.all([reader.pending(), writer.pending()]);
    },
    evict: async (what) => {
      await redis.unlink([...namesOf(namespace, what)]);
    },
    outlive: async (key, ms) => {
      const end = performance.now() + ms;
      reader.worker.pause();
      await eventually(
        'the lease of a stopped process ends',
        async () => performance.now() > end && (await redis.exists(entryKey(namespace, key))) === 0,
      );
      return async () => reader.worker.resume();
    },
    crash: () => reader.worker.kill(),
    close: async () => {
      await Promise.all([reader.worker.stop(), writer.worker.stop()]);
      redis.disconnect();
    },
  };
}

class RemoteNode implements Node {
  readonly worker: Worker<NodeCalls>;
  readonly #loads = new Map<number, { readonly load: Load; readonly inner: Load }>();
  #reads = 0;

  static async start(init: NodeInit): Promise<RemoteNode> {
    return new RemoteNode(await startWorker<NodeCalls>(new URL('./node-worker.js', import.meta.url), init));
  }

  constructor(worker: Worker<NodeCalls>) {
    this.worker = worker;
    worker.on('load', (request) => void this.#load(request as LoadRequest));
  }

  async read(key: string, load: Load, options: ReadOptions = {}, inner: Load = load): Promise<Version> {
    const read = ++this.#reads;
    this.#loads.set(read, { load, inner });
    return this.worker.call('read', read, key, options);
  }

  async #load({ load, read, part }: LoadRequest): Promise<void> {
    let landed: Promise<void>;
    try {
      const value = await this.#loads.get(read)![part]();
      landed = this.worker.call('land', load, value);
    } catch (error) {
      landed = this.worker.call('crash', load, error instanceof Error ? error.message : String(error));
    }
    // Some interleavings kill the process that waits for this reply.
    await landed.catch(() => {});
  }

  peek(key: string): Promise<Version | undefined> {
    return this.worker.call('peek', key);
  }

  invalidate(target: Target): Promise<boolean> {
    return this.worker.call('invalidate', target);
  }

  async hold(verb: ChaosVerb, moment: ChaosMoment): Promise<HeldCall> {
    const hold = await this.worker.call('hold', verb, moment);
    return { reached: this.worker.call('reached', hold), release: () => this.worker.call('release', hold) };
  }

  repeat(verb: ChaosVerb): Promise<void> {
    return this.worker.call('repeat', verb);
  }

  setDown(down: boolean): Promise<void> {
    return this.worker.call('setDown', down);
  }

  pending(): Promise<boolean> {
    return this.worker.call('pending');
  }

  wake(key: string): Promise<void> {
    return this.worker.call('wake', key);
  }
}
