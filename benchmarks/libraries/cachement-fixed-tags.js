import { open as openDecorated } from './cachement-decorated.js';

export const name = 'cachement (decorated, two fixed tags)';
export const rootPackages = ['cachement', 'ioredis'];

/** Both tags are the same for all rows. */
export function open(setup) {
  return openDecorated({ ...setup, tags: ['rows', 'reports'] });
}
