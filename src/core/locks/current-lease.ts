import { AsyncLocalStorage } from 'node:async_hooks';
import { OptionsError } from '../shared/errors.js';
import type { Lease } from './lease.js';
import { shared } from '../shared/registry.js';

/** The lease that a body runs under. */
export interface LeaseScope {
  readonly lease: Lease;
  /** The engine that acquired it, and the names on which it is held exclusively; undefined if it is not. */
  readonly exclusive: { readonly by: object; readonly names: ReadonlySet<string> } | undefined;
}

interface Frame extends LeaseScope {
  readonly outer: Frame | undefined;
}

const frames = shared('leases', () => new AsyncLocalStorage<Frame>());

/** Runs `work` so that `currentLease()` in it, and in all that it starts, is the lease of the scope. */
export function runWithin<T>(scope: LeaseScope, work: (lease: Lease) => T): T {
  return frames.run({ ...scope, outer: frames.getStore() }, work, scope.lease);
}

/** A valid lease of the present async context that is held exclusively on all of these names. */
export function leaseAround(by: object, names: readonly string[]): Lease | undefined {
  for (let frame = frames.getStore(); frame !== undefined; frame = frame.outer) {
    const { exclusive, lease } = frame;
    if (exclusive?.by !== by || !names.every((name) => exclusive.names.has(name))) continue;
    // Work that a body has left running may outlive its lease.
    // guard: lease-that-ended-is-not-entered-again
    if (lease.remainingMs > 0) return lease;
  }
  return undefined;
}

/**
 * The innermost lease of the present async context: that of `@Locked` or `withLease`. A lease from `acquire` is not
 * found: only its caller has it.
 *
 * @throws OptionsError outside of a lease
 * @example
 * @Locked({ key: 'invoice:{0.id}' })
 * async settle(invoice: Invoice): Promise<void> {
 *   await this.db.settle(invoice, currentLease().fencingToken);
 * }
 */
export function currentLease(): Lease {
  const frame = frames.getStore();
  if (frame !== undefined) return frame.lease;
  throw new OptionsError(
    'currentLease() was called outside of a lease. Call it within a method that carries @Locked, or within the ' +
      'function given to locks.withLease(), and not from a callback that was registered before.',
  );
}
