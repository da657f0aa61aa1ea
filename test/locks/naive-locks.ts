import type { Clock } from '../../src/core/ports/clock.js';
import type { LockRequest, LockStore } from '../../src/core/ports/lock-store.js';

/** The part of `Lease` that these worlds use. */
export interface WorldLease {
  /** Greater than 0: the holder considers the lock held. */
  readonly remainingMs: number;
}

export interface WorldOptions {
  readonly lease: number;
  readonly wait: number;
  readonly mode?: 'exclusive' | 'shared' | undefined;
  readonly permits?: number | undefined;
  readonly fair?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The part of `Locks` that these worlds use: `Locks` itself, or a lock that must fail. */
export interface WorldLocks {
  withLease<T>(
    target: { readonly keys: readonly string[] },
    options: WorldOptions,
    work: (lease: WorldLease) => Promise<T>,
  ): Promise<T>;
}

/**
 * A lock as it is often written on a correct store: it polls until the lock is granted, renews in the background, and
 * considers the lock held until it releases it.
 */
export function naiveLocks(store: LockStore, clock: Clock, namesOf: (key: string) => string): WorldLocks {
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => clock.after(ms, resolve));
  return {
    async withLease({ keys }, { lease, mode, permits = 1, wait }, work) {
      const request: LockRequest = {
        keys: keys.map(namesOf).sort(),
        leaseMs: lease,
        permits: mode === 'shared' ? Infinity : permits,
        ticket: undefined,
        ticketMs: 1_000,
      };
      const until = clock.now() + wait;
      for (;;) {
        const reply = await store.acquire(request);
        if (reply.status === 'granted') {
          const { grant } = reply;
          let timer = clock.after(lease / 3, renew);
          function renew(): void {
            timer = clock.after(lease / 3, renew);
            grant.extend(lease).catch(() => {});
          }
          let remainingMs = Infinity;
          try {
            return await work({
              get remainingMs() {
                return remainingMs;
              },
            });
          } finally {
            remainingMs = 0;
            timer.cancel();
            await grant.release();
          }
        }
        if (clock.now() >= until) throw new Error('The naive lock was not obtained.');
        await sleep(50);
      }
    },
  };
}
