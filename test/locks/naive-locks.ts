import type { Clock } from '../../src/core/ports/clock.js';
import type { LockRequest, LockStore } from '../../src/core/ports/lock-store.js';

/** As much of a lease as the worlds of these tests look at. */
export interface WorldLease {
  /** More than 0: its holder takes it for held. */
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

/** The part of `Locks` that these worlds use: ours, or one that is to be shown to fail. */
export interface WorldLocks {
  withLease<T>(
    target: { readonly keys: readonly string[] },
    options: WorldOptions,
    work: (lease: WorldLease) => Promise<T>,
  ): Promise<T>;
}

/**
 * A lock as it is often written on a store that is right: it asks until it is granted, renews in the background, and
 * takes it for held until it gives it back.
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
