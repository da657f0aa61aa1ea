import type { Caching } from '../../core/caching.js';
import { shared } from '../../core/shared/registry.js';

/** What was begun for an instance. */
export interface InstanceWork {
  end(): Promise<void>;
}

/** Receives each instance that a container has made, with its `Caching`. */
export type OnInstanceMade = (instance: object, caching: Caching) => InstanceWork | undefined;

/**
 * Set by the first `@Subscribes`. A hook, so that adapters of containers do not import what only some applications use.
 */
const state = shared('made instances', (): { listener: OnInstanceMade | undefined } => ({
  listener: undefined,
}));

/** Sets the listener, if no copy of this package has set it. */
export function onInstanceMade(listener: OnInstanceMade): void {
  state.listener ??= listener;
}

/**
 * Called by the adapters of containers, and by `bindCaching`, when an instance is complete.
 *
 * @returns undefined if there is nothing to end
 */
export function instanceMade(instance: object, caching: Caching): InstanceWork | undefined {
  return state.listener?.(instance, caching);
}
