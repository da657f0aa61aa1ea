import { types } from 'node:util';
import { Caching } from '../../core/caching.js';
import { instanceMade } from './made-instances.js';
import { bindInstance, isBound } from './resolve-caching.js';

/**
 * Binds what a container returns to the `Caching` of that container. An object that is bound already keeps its
 * `Caching`. Of a promise, its value is bound, before those who wait for the promise have it. Functions and primitive
 * values are left alone.
 *
 * @param resolved what the container returns
 * @param find looks up what the container has for `Caching`. It is not called for a `Caching` itself
 */
export function bindResolved(resolved: unknown, find: () => unknown): void {
  if (typeof resolved !== 'object' || resolved === null || isBound(resolved)) return;
  // A proxy may construct its object at the first access, which would be too early here.
  if (!types.isProxy(resolved) && Caching.is(resolved)) return;
  const caching = find();
  if (!Caching.is(caching)) return;
  if (types.isPromise(resolved)) {
    // The container's caller handles a rejection.
    resolved.then(
      (value) => bindResolved(value, () => caching),
      () => {},
    );
  } else {
    bindInstance(resolved, caching);
    // A proxy may construct its object at the first access, which would be too early here.
    if (!types.isProxy(resolved)) instanceMade(resolved, caching);
  }
}
