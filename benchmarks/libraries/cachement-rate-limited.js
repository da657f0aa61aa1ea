import { Caching, RateLimited, RateLimitExceededError } from '../../dist/index.js';
import { ioredis } from '../../dist/ioredis.js';
import { decorate } from '../support/decorate.js';

export const name = 'cachement (@RateLimited)';
export const rootPackages = ['cachement', 'ioredis'];
export const remembersRefusals = true;

export async function open({ url, prefix, limit, perSeconds, remember }) {
  const cache = new Caching({
    adapter: ioredis(url, { timeout: '2s' }),
    namespace: prefix,
    limits: { denialCache: remember, storeTimeout: '2s', onUnavailable: 'deny' },
  });
  await cache.ready();

  class Doors {
    async open(_subject) {
      return true;
    }
  }
  decorate(Doors, 'open', RateLimited({ key: '{0}', limit, per: perSeconds * 1_000, cache }));

  const doors = new Doors();
  return {
    consume: async (subject) => {
      try {
        return await doors.open(subject);
      } catch (error) {
        if (error instanceof RateLimitExceededError) return false;
        throw error;
      }
    },
    close: () => cache.close(),
  };
}
