import { ioredis } from '../../src/adapters/ioredis/index.js';
import { serveWorker, type ServedBy, type WorkerContext } from '../support/process.js';
import { deferred, type Deferred } from '../support/deferred.js';
import { LocalNode } from './local-node.js';
import type { HeldCall, ReadOptions, Target, Version } from './place.js';
import type { ChaosMoment } from '../../src/testing/chaos-adapter.js';
import type { ChaosVerb } from '../../src/testing/chaos-calls.js';

export interface NodeInit {
  readonly url: string;
  readonly namespace: string;
  readonly lease: number;
  readonly ttl: number;
}

/** A request to the process of the test to run a load. */
export interface LoadRequest {
  readonly load: number;
  readonly read: number;
  readonly part: 'load' | 'inner';
}

// Runs in the process of a node of processes.ts.
async function serve({ init, emit, onStop }: WorkerContext<NodeInit>) {
  const { url, ...rest } = init;
  const node = new LocalNode({ ...rest, adapter: ioredis(url) });
  await node.caching.ready();
  onStop(() => node.caching.close());
  const loads = new Map<number, Deferred<Version>>();
  const holds: HeldCall[] = [];
  let asked = 0;
  const ask = (read: number, part: LoadRequest['part']): Promise<Version> => {
    const load = ++asked;
    const landing = deferred<Version>();
    loads.set(load, landing);
    emit('load', { load, read, part } satisfies LoadRequest);
    return landing.promise;
  };
  return {
    read: (read: number, key: string, options: ReadOptions) =>
      node.read(
        key,
        () => ask(read, 'load'),
        options,
        () => ask(read, 'inner'),
      ),
    land: (load: number, value: Version): void => loads.get(load)!.resolve(value),
    crash: (load: number, message: string): void => loads.get(load)!.reject(new Error(message)),
    peek: (key: string) => node.peek(key),
    invalidate: (target: Target) => node.invalidate(target),
    hold: async (verb: ChaosVerb, moment: ChaosMoment): Promise<number> =>
      holds.push(await node.hold(verb, moment)) - 1,
    reached: (hold: number) => holds[hold]!.reached,
    release: (hold: number) => holds[hold]!.release(),
    repeat: (verb: ChaosVerb) => node.repeat(verb),
    setDown: (down: boolean) => node.setDown(down),
    pending: () => node.pending(),
    wake: (key: string) => node.wake(key),
  };
}

export type NodeCalls = ServedBy<typeof serve>;

await serveWorker(serve);
