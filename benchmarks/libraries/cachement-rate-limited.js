import { RateLimited, RateLimitExceededError } from '../../dist/index.js';
import { decorate } from '../support/decorate.js';
import { openForLimits } from './cachement.js';

export const name = 'cachement (@RateLimited)';
export const rootPackages = ['cachement', 'ioredis'];
export const remembersRefusals = true;

export async function open(setup) {
  const cache = await openForLimits(setup);
  const { limit, perSeconds } = setup;

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
