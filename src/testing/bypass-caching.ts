import { memory } from '../adapters/memory/index.js';
import { Caching } from '../core/caching.js';

/**
 * Creates a `Caching` that is not enabled: decorated methods run as if they were not decorated.
 *
 * @example
 * await withCaching(bypassCaching(), () => service.find('42'));
 */
export function bypassCaching(): Caching {
  return new Caching({ adapter: memory(), namespace: 'bypass', defaults: { ttl: '1m' }, enabled: false });
}
