/** The files of all libraries, by the name that the questions use. */
const files = {
  'bare-get': 'bare-get.js',
  'bare-get-ioredis5': 'bare-get-ioredis5.js',
  'bare-mget': 'bare-mget.js',
  'bare-cluster-auto': 'bare-cluster-auto.js',
  'bare-cluster-pipeline': 'bare-cluster-pipeline.js',
  'by-hand': 'by-hand.js',
  'cachement-decorated': 'cachement-decorated.js',
  'cachement-imperative': 'cachement-imperative.js',
  'cachement-cluster': 'cachement-cluster.js',
  'cachement-validate': 'cachement-validate.js',
  'cachement-tracking': 'cachement-tracking.js',
  'cachement-tagged': 'cachement-tagged.js',
  'cachement-fixed-tags': 'cachement-fixed-tags.js',
  'cachement-observed': 'cachement-observed.js',
  'lru-by-hand': 'lru-by-hand.js',
  'node-redis': 'node-redis.js',
  bentocache: 'bentocache.js',
  cacheable: 'cacheable.js',
  'cache-manager': 'cache-manager.js',
  'cache-manager-memory': 'cache-manager-memory.js',
  'async-cache-dedupe': 'async-cache-dedupe.js',
  'async-cache-dedupe-memory': 'async-cache-dedupe-memory.js',
  cachified: 'cachified.js',
  'layered-loader': 'layered-loader/layered-loader.js',
  'type-cacheable': 'type-cacheable.js',
  'bare-lock': 'bare-lock.js',
  'cachement-acquire': 'cachement-acquire.js',
  'cachement-with-lease': 'cachement-with-lease.js',
  'cachement-fair': 'cachement-fair.js',
  'redis-semaphore': 'redis-semaphore.js',
  redlock: 'redlock.js',
  'redlock-using': 'redlock-using.js',
  'bare-gcra': 'bare-gcra.js',
  'rate-limiter-flexible': 'rate-limiter-flexible.js',
  'cachement-consume': 'cachement-consume.js',
  'cachement-rate-limited': 'cachement-rate-limited.js',
};

/**
 * A module here has a `name` to print, the `packages` it runs on, and `open(setup)`:
 *
 * - `setup`: the `url` of Redis, a `prefix` of its own, `ttlSeconds`, `near` (true: with memory in front of Redis,
 *   as its documentation sets that up; false: Redis alone), and a `tag` that every entry gets, or undefined;
 * - the result: `read(key, load)`; `invalidate.key / tag / clear (key, update)`, where it has them, which run
 *   `update` and have invalidated when they resolve; `close()`; `hit(key)`, where a read of what is in memory needs
 *   less than `read`.
 *
 * For the Cluster of `price.js` the `url` is that of one of its nodes.
 *
 * For `locks.js`, `open({ url, prefix, leaseMs })` gives `hold(key, work)`, which runs `work` under the lock, and
 * `close()`.
 *
 * For `limits.js`, `open({ url, prefix, limit, perSeconds, remember })` gives `consume(subject)`, which resolves with
 * whether one unit was admitted, and `close()`; `remember`: a refusal may be remembered in the process, which
 * `remembersRefusals` says that the library can.
 *
 * @param {string} library
 */
export function fileOf(library) {
  return new URL(files[library], import.meta.url).href;
}

/**
 * The name that each library prints, in the same order.
 *
 * @param {readonly string[]} libraries
 * @returns {Promise<Map<string, string>>}
 */
export async function namesOf(libraries) {
  const modules = await Promise.all(libraries.map((library) => import(fileOf(library))));
  return new Map(libraries.map((library, i) => [library, modules[i].name]));
}
