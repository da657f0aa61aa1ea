import { open as openDecorated } from './cachement-decorated.js';

export const name = 'cachement (decorated, tracking)';
export const rootPackages = ['cachement', 'ioredis'];

/** Redis reports every write to the keys of the cache. */
export function open(setup) {
  return openDecorated({ ...setup, caching: { l1: { coherence: 'tracking' } } });
}
