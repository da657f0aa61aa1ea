import { subscribe } from '../../dist/index.js';
import { open as openDecorated } from './cachement-decorated.js';

export const name = 'cachement (decorated, hits are counted)';
export const rootPackages = ['cachement', 'ioredis'];

/** With a subscriber to the event `hit`, as for a metric. */
export async function open(setup) {
  const rows = await openDecorated(setup);
  let hits = 0;
  subscribe('hit', () => (hits += 1));
  return rows;
}
