import { AsyncLocalStorage } from 'node:async_hooks';
import { OptionsError } from '../errors.js';
import type { Lease } from './lease.js';

/** A body that runs, and what it runs within. */
export interface Scope {
  readonly lease: Lease;
  /** Who gave the lease, and on which names it is held alone; undefined where it is not. */
  readonly alone: { readonly by: object; readonly names: ReadonlySet<string> } | undefined;
}

interface Frame extends Scope {
  readonly outer: Frame | undefined;
}

const frames = new AsyncLocalStorage<Frame>();

/** Runs `work` so that `currentLease()` within it, and in all that it starts, is the scope's. */
export function runWithin<T>(scope: Scope, work: (lease: Lease) => T): T {
  return frames.run({ ...scope, outer: frames.getStore() }, work, scope.lease);
}

/** A live lease under which the present async context runs, held alone on all of these names. */
export function leaseAround(by: object, names: readonly string[]): Lease | undefined {
  for (let frame = frames.getStore(); frame !== undefined; frame = frame.outer) {
    const { alone, lease } = frame;
    if (alone?.by !== by || !names.every((name) => alone.names.has(name))) continue;
    // What a body left running may outlive its lease.
    if (lease.remainingMs > 0) return lease;
  }
  return undefined;
}

/**
 * The lease under which the present async context runs, the innermost one: that of `@Locked` or `withLease`. A lease
 * from `acquire` belongs to nobody but who called it.
 *
 * @throws OptionsError outside of a lease
 */
export function currentLease(): Lease {
  const frame = frames.getStore();
  if (frame !== undefined) return frame.lease;
  throw new OptionsError(
    'currentLease() was called outside of a lease. Call it within a method that carries @Locked, or within the ' +
      'function given to locks.withLease(), and not from a callback that was registered before.',
  );
}
