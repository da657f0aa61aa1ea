import { open as openDecorated } from './cachement-decorated.js';

export const name = 'cachement (decorated, two tags)';
export const rootPackages = ['cachement', 'ioredis'];

/** Both tags depend on the argument, as `org:{0}` does. */
export function open(setup) {
  return openDecorated({ ...setup, tags: ['row:{0}', 'group:{0}'] });
}
