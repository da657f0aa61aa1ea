import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { ioredis } from '../../src/adapters/ioredis/index.js';
import { Caching } from '../../src/index.js';
import { serveWorker, type ServedBy, type WorkerContext } from '../support/process.js';

export interface PutWorkerInit {
  readonly url: string;
  readonly namespace: string;
  /** True: with an L1. */
  readonly l1: boolean;
  /** `set`: after the write, which is the naive way. `mixed`: any of the others, or an invalidation with `safe`. */
  readonly how: 'put' | 'safe-put' | 'mixed' | 'set';
}

// A process of puts.test.ts. The rows are counters in Redis: a write is an INCR, so a larger value is a later one.
async function serve({ init, onStop }: WorkerContext<PutWorkerInit>) {
  const { url, namespace, l1, how } = init;
  const rows = new Redis(url);
  const caching = new Caching({
    adapter: ioredis(url, { timeout: '5s' }),
    namespace,
    l1,
    defaults: { ttl: '10m', storeTimeout: '5s', lockTimeout: '10s', loadTimeout: '10s' },
  });
  await caching.ready();
  onStop(async () => {
    await caching.close();
    rows.disconnect();
  });
  const row = (key: number): string => `row:${namespace}:${key}`;
  const pause = (): Promise<void> => delay(Math.random() * 4);
  const { cache } = caching;
  const write = async (key: number): Promise<number> => {
    await pause();
    const version = await rows.incr(row(key));
    await pause();
    return version;
  };
  const read = (key: number): Promise<number> =>
    cache.getOrSet(`key:${key}`, async () => {
      const version = Number(await rows.get(row(key)));
      await pause();
      return version;
    });
  const put = async (key: number): Promise<void> => {
    const name = `key:${key}`;
    const mixed = ['put', 'safe-put', 'invalidate'] as const;
    const verb = how === 'mixed' ? mixed[Math.floor(Math.random() * mixed.length)] : how;
    if (verb === 'put') await cache.put(name, () => write(key));
    else if (verb === 'safe-put') await cache.put(name, () => write(key), { safe: '30s' });
    else if (verb === 'set') await cache.set(name, await write(key));
    else await cache.invalidateAround({ keys: [name] }, () => write(key), { safe: '30s' });
  };
  return {
    /** One put and one read of each key, in any order. */
    race: async (keys: readonly number[]): Promise<void> => {
      // A write with safe that meets another call leaves nothing, so that some must not meet.
      const start = (): Promise<void> => delay(Math.random() * (how === 'put' || how === 'set' ? 4 : 30));
      await Promise.all(keys.flatMap((key) => [start().then(() => put(key)), start().then(() => read(key))]));
    },
    /** How many of the keys have a value that is not the latest, and how many have one. */
    check: async (keys: readonly number[]): Promise<{ readonly stale: number; readonly stored: number }> => {
      const stored = await cache.getMany(keys.map((key) => `key:${key}`));
      const values = await Promise.all(keys.map((key) => read(key)));
      const latest = await rows.mget(keys.map(row));
      const stale = values.filter((value, i) => String(value) !== latest[i]).length;
      return { stale, stored: stored.size };
    },
  };
}

export type PutCalls = ServedBy<typeof serve>;

await serveWorker(serve);
