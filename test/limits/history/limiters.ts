import { Redis } from 'ioredis';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { Caching, RateLimitExceededError, StoreUnavailableError, type Rule } from '../../../src/index.js';
import type { Call } from './calls.js';

/** The limiter that a worker calls. `undefined`: it is unknown whether the units were taken. */
export interface Limiter {
  consume(cost: number): Promise<
    | {
        readonly allowed: boolean;
        readonly source: Call['source'];
        readonly retryAfterMs: number;
        readonly resetMs: number;
      }
    | undefined
  >;
  /** Resolves with true if the body ran. */
  run(body: () => Promise<void>): Promise<boolean | undefined>;
  close(): Promise<void>;
}

export interface LimiterSetup {
  readonly url: string;
  readonly key: string;
  readonly rules: readonly Rule[];
  readonly denialCache: boolean;
}

export async function cachementLimiter({ url, key, rules, denialCache }: LimiterSetup): Promise<Limiter> {
  const caching = new Caching({
    adapter: ioredis(url, { timeout: '2s' }),
    namespace: 'rates',
    limits: { storeTimeout: '2s', onUnavailable: 'deny', denialCache },
  });
  await caching.ready();
  // The first calls of a process are slow, and a slow call proves little about the time of its decision.
  for (let i = 0; i < 200; i++)
    await caching.limits.run(`warm-up ${process.pid}`, { limit: 9, per: 9 }, () => {}, { dryRun: true });
  return {
    async consume(cost) {
      try {
        return await caching.limits.consume(key, rules, { cost });
      } catch (error) {
        if (error instanceof StoreUnavailableError) return undefined;
        throw error;
      }
    },
    async run(body) {
      try {
        await caching.limits.run(key, rules, body);
        return true;
      } catch (error) {
        if (error instanceof StoreUnavailableError) return undefined;
        if (error instanceof RateLimitExceededError) return false;
        throw error;
      }
    },
    close: () => caching.close(),
  };
}

export interface NaiveSetup {
  readonly url: string;
  readonly key: string;
  readonly limit: number;
  readonly perMs: number;
}

/** Reads, decides and then writes: other processes read the same count in between. */
export function readThenWriteLimiter({ url, key, limit, perMs }: NaiveSetup): Limiter {
  const redis = new Redis(url);
  return naive(redis, async (cost) => {
    const [count, left] = await Promise.all([redis.get(key), redis.pttl(key)]);
    const used = Number(count ?? 0);
    const resetMs = left > 0 ? left : perMs;
    if (used + cost > limit) return { allowed: false, resetMs };
    await redis.set(key, used + cost, 'PX', resetMs);
    return { allowed: true, resetMs };
  });
}

/**
 * Counts with INCRBY, which is atomic, and sets the expiry with PEXPIRE in a second step.
 *
 * @param dies the process exits between the two steps, like a crash
 */
export function countThenExpireLimiter({ url, key, limit, perMs }: NaiveSetup, dies: boolean): Limiter {
  const redis = new Redis(url);
  return naive(redis, async (cost) => {
    const used = await redis.incrby(key, cost);
    if (used === cost) {
      if (dies) process.kill(process.pid, 'SIGKILL');
      await redis.pexpire(key, perMs);
    }
    return { allowed: used <= limit, resetMs: await redis.pttl(key) };
  });
}

function naive(
  redis: Redis,
  decide: (cost: number) => Promise<{ readonly allowed: boolean; readonly resetMs: number }>,
): Limiter {
  return {
    async consume(cost) {
      const { allowed, resetMs } = await decide(cost);
      return { allowed, resetMs, retryAfterMs: allowed ? 0 : resetMs, source: 'store' };
    },
    run: () => Promise.reject(new Error('It has no slots.')),
    async close() {
      redis.disconnect();
    },
  };
}
