import { Caching } from '../../dist/index.js';
import { ioredis } from '../../dist/ioredis.js';

export const name = 'cachement (consume)';
export const rootPackages = ['cachement', 'ioredis'];
export const remembersRefusals = true;

export async function open({ url, prefix, limit, perSeconds, remember }) {
  const caching = new Caching({
    adapter: ioredis(url, { timeout: '2s' }),
    namespace: prefix,
    limits: { denialCache: remember, storeTimeout: '2s', onUnavailable: 'deny' },
  });
  await caching.ready();
  const { limits } = caching;
  const rule = { limit, per: perSeconds * 1_000 };
  return {
    consume: async (subject) => (await limits.consume(subject, rule)).allowed,
    close: () => caching.close(),
  };
}
