import { openForLimits } from './cachement.js';

export const name = 'cachement (consume)';
export const rootPackages = ['cachement', 'ioredis'];
export const remembersRefusals = true;

export async function open(setup) {
  const caching = await openForLimits(setup);
  const { limits } = caching;
  const rule = { limit: setup.limit, per: setup.perSeconds * 1_000 };
  return {
    consume: async (subject) => (await limits.consume(subject, rule)).allowed,
    close: () => caching.close(),
  };
}
