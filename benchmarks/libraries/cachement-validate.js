import { open as openDecorated } from './cachement-decorated.js';

export const name = 'cachement (decorated, l1 that asks Redis)';
export const rootPackages = ['cachement', 'ioredis'];

/** Each hit asks Redis whether the value in memory is unchanged, so it counts as a hit in Redis. */
export function open(setup) {
  return openDecorated({ ...setup, caching: { l1: { coherence: 'validate' } } });
}
