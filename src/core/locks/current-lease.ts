import { AsyncLocalStorage } from 'node:async_hooks';
import { OptionsError } from '../shared/errors.js';
import type { Lease } from './lease.js';
import { shared } from '../shared/registry.js';

/** The lease within which a body runs. */
export interface LeaseScope {
  readonly lease: Lease;
  /** The engine that acquired the lease, and its store keys; undefined if it is not exclusive. */
  readonly exclusive: { readonly engine: object; readonly names: ReadonlySet<string> } | undefined;
}

interface Frame extends LeaseScope {
  readonly outer: Frame | undefined;
}

const frames = shared('leases', () => new AsyncLocalStorage<Frame>());

/** Runs `work` within a lease: `currentLease()` returns it in `work` and in everything that `work` starts. */
export function runWithin<T>(scope: LeaseScope, work: (lease: Lease) => T): T {
  return frames.run({ ...scope, outer: frames.getStore() }, work, scope.lease);
}

/** Finds a valid lease of the current async context that is held exclusively on all of these store keys. */
export function enclosingLease(engine: object, names: readonly string[]): Lease | undefined {
  for (let frame = frames.getStore(); frame !== undefined; frame = frame.outer) {
    const { exclusive, lease } = frame;
    if (exclusive?.engine !== engine || !names.every((name) => exclusive.names.has(name))) continue;
    // Work that a body started without awaiting it may outlive the lease.
    // guard: lease-that-ended-is-not-entered-again
    if (lease.remainingMs > 0) return lease;
  }
  return undefined;
}

/**
 * Returns the innermost lease of the current async context, from `@Locked` or `withLease`. A lease from `acquire` is not
 * found, because only its caller has it.
 *
 * @throws OptionsError outside a lease
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
    'currentLease() was called outside a lease. Call it within a method with @Locked, or within the function passed to ' +
      'locks.withLease(), and not from a callback that was registered before.',
  );
}
