import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { fromRoot } from '../support/from-root.js';

// The same client as the others, so that the difference is the cost of the library.
const { Redis } = fromRoot('ioredis');

export const name = 'rate-limiter-flexible';
export const packages = ['rate-limiter-flexible'];
export const rootPackages = ['ioredis'];
export const remembersRefusals = true;

export async function open({ url, prefix, limit, perSeconds, remember }) {
  const redis = new Redis(url);
  await redis.ping();
  const limiter = new RateLimiterRedis({
    storeClient: redis,
    keyPrefix: prefix,
    points: limit,
    duration: perSeconds,
    ...(remember ? { inMemoryBlockOnConsumed: limit } : {}),
  });
  return {
    consume: async (subject) => {
      try {
        await limiter.consume(subject);
        return true;
      } catch (refusal) {
        if (refusal instanceof RateLimiterRes) return false;
        throw refusal;
      }
    },
    close: async () => redis.disconnect(),
  };
}
