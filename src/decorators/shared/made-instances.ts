import type { Caching } from '../../core/caching.js';
import { shared } from '../../core/shared/registry.js';

/** What was begun for an instance. */
export interface InstanceWork {
  end(): Promise<void>;
}

/** Receives each instance that a container has made, with its `Caching`. */
export type OnInstanceMade = (instance: object, caching: Caching) => InstanceWork | undefined;

/**
 * By the decorator that sets it. Hooks, so that adapters of containers do not import what only some applications use.
 */
const listeners = shared('made instances', () => new Map<string, OnInstanceMade>());

/**
 * Sets the listener of a decorator, if no copy of this package has set it.
 * @param decorator its name: `@Processes`
 */
export function onInstanceMade(decorator: string, listener: OnInstanceMade): void {
  if (!listeners.has(decorator)) listeners.set(decorator, listener);
}

/**
 * Called by the adapters of containers, and by `bindCaching`, when an instance is complete.
 *
 * @returns undefined if there is nothing to end
 */
export function instanceMade(instance: object, caching: Caching): InstanceWork | undefined {
  const works = [...listeners.values()].flatMap((listener) => listener(instance, caching) ?? []);
  if (works.length === 0) return undefined;
  return { end: async () => void (await Promise.all(works.map((work) => work.end()))) };
}
