import type { CacheCall, CallKeys } from './cache-call.js';
import type { CachePolicy } from './cache-options.js';
import type { CacheContext } from './cache-context.js';
import { Backoff } from '../shared/backoff.js';
import { StoreUnavailableError } from '../shared/errors.js';
import type { InFlightLoad, LoadResult } from './in-flight-loads.js';
import { validate } from './lookup.js';
import type { LeaseReply, TagState } from '../ports/entry-store.js';
import { newToken } from '../shared/token.js';
import { Wakeup } from '../shared/wakeups.js';

/** The right to store what is loaded under it: one in the whole fleet for each key. */
export interface LoadLease {
  readonly token: string;
  /** The nonces as they were before the load. */
  readonly tagState: TagState;
  /** The store's clock when it was granted. */
  readonly grantedAt: number;
  /** This process' clock when it was asked for, which is earlier. */
  readonly askedAt: number;
}

export type LoadLeaseResult =
  | { readonly status: 'granted'; readonly lease: LoadLease }
  /** Another process has loaded and stored the value meanwhile. */
  | { readonly status: 'loaded'; readonly result: LoadResult }
  /** Load without a lease: the store is away, the wait is over, or the key is not ours. */
  | { readonly status: 'none' };

const NONE: LoadLeaseResult = { status: 'none' };
const INITIAL_POLL_MS = 20;
const MAX_POLL_MS = 250;
/** Every half lease, up to 20 leases. */
const MAX_EXTENSIONS = 40;
/** Nonces outlive the entries that carry them by at least this. */
const NONCE_MARGIN_MS = 60_000;

/** How long nonces must live for the entry of a call, in ms: its value is not known yet. */
export function nonceTtl({ ttl, negativeTtl }: CachePolicy): number {
  return Math.max(ttl, negativeTtl) + NONCE_MARGIN_MS;
}

/**
 * Acquires the lease of a load, or waits for the process that has it and takes what that process stored.
 *
 * @param replaces the token of a value that does not count any more, and may be replaced
 * @param requestedAt when the call began, by this process' clock
 * @param waitedMs how long the call has waited for other processes before
 */
export async function acquireLoadLease<T>(
  context: CacheContext,
  load: InFlightLoad,
  call: CacheCall<T>,
  keys: CallKeys,
  replaces: string | undefined,
  requestedAt: number,
  waitedMs: number,
): Promise<LoadLeaseResult> {
  const { clock, events, wakeups } = context;
  const token = newToken();
  // guard: lock-timeout-is-for-other-processes
  const waitUntil = clock.now() + call.policy.lockTimeout - waitedMs;
  const polls = new Backoff(clock, INITIAL_POLL_MS, MAX_POLL_MS);
  const wakeup = new Wakeup(clock);
  const disarm = wakeups.arm([keys.entry], wakeup);
  load.storeTimeSpent = clock.now() - requestedAt;
  try {
    for (;;) {
      const timeout = call.policy.storeTimeout - load.storeTimeSpent;
      if (timeout <= 0) return NONE;
      wakeup.reset();
      const askedAt = clock.now();
      const validFrom = ++context.sequence;
      const [reply, tagState] = await requestLease(context, call, keys, token, replaces, timeout);
      load.storeTimeSpent += clock.now() - askedAt;
      switch (reply.status) {
        case 'granted':
          return { status: 'granted', lease: { token, tagState, grantedAt: reply.at, askedAt } };
        case 'foreign':
          events.error('lease', call, foreignError(keys.entry));
          return NONE;
        case 'present': {
          const snapshot = { record: reply.record, nonces: tagState.nonces };
          const found = await validate(context, call, snapshot, askedAt + timeout);
          if (found.status === 'hit') {
            const { value, tags } = found;
            return { status: 'loaded', result: { value, validFrom, loadedAt: askedAt, tags } };
          }
          if (found.status === 'unavailable') return NONE;
          // Each round must name another value than the one before, or the loop would never end.
          // guard: each-round-names-another-value
          if (found.replaces === undefined || found.replaces === replaces) {
            events.error('lease', call, notReplacedError(keys.entry));
            return NONE;
          }
          // guard: value-that-does-not-count-is-named
          replaces = found.replaces;
          break;
        }
        case 'held': {
          const left = waitUntil - clock.now();
          // guard: wait-for-another-process-ends
          if (left <= 0) return NONE;
          await wakeup.within(Math.max(1, Math.min(left, polls.next(), reply.forMs + 1)));
          // The store answers, so the call waits for another process and not for the store: the timeout starts anew.
          load.storeTimeSpent = 0;
        }
      }
    }
  } catch (error) {
    events.unavailable('lease', call, error);
    // The lease may be there all the same: the nonces may be what failed, or the reply was lost.
    // guard: lease-whose-grant-is-lost-is-released
    releaseLater(context, keys.entry, token, call.policy.lease);
    return NONE;
  } finally {
    disarm();
  }
}

/**
 * Lease and nonces in one round trip: both must be there before the load begins.
 * @throws StoreUnavailableError
 */
export async function requestLease<T>(
  { clock, names, store, storeClock }: CacheContext,
  { policy, resultTags }: CacheCall<T>,
  keys: CallKeys,
  token: string,
  replaces: string | undefined,
  timeout?: number,
): Promise<readonly [LeaseReply, TagState]> {
  const askedAt = clock.now();
  const tagChanges = resultTags === undefined ? undefined : names.tagChanges;
  const both = await Promise.all([
    store.lease(keys.entry, token, policy.lease, replaces, timeout),
    store.getOrCreateNonces(keys.nonces, tagChanges, newToken(), nonceTtl(policy), timeout),
  ]);
  const [reply] = both;
  if (reply.status === 'granted' || reply.status === 'held') storeClock.sync(reply.at, askedAt);
  return both;
}

/**
 * Extends the lease while a load runs. A lease that is lost is not taken again: the store will refuse the value.
 * @returns ends that
 */
export function keepExtending(
  { clock, heldLeases, events, store }: CacheContext,
  entryKey: string,
  token: string,
  leaseMs: number,
): () => void {
  heldLeases.set(entryKey, token);
  let left = MAX_EXTENSIONS;
  const extend = (): void => {
    // guard: running-load-extends-its-lease
    // guard: extensions-end
    if (left-- <= 0) return;
    timer = clock.after(leaseMs / 2, extend);
    events.background(
      store.extend(entryKey, token, leaseMs).then((held) => {
        if (!held) left = 0;
      }),
    );
  };
  let timer = clock.after(leaseMs / 2, extend);
  return () => {
    left = 0;
    timer.cancel();
    if (heldLeases.get(entryKey) === token) heldLeases.delete(entryKey);
  };
}

/** Releases a lease that may be there, now or as soon as the store can be asked. */
export function releaseLater(
  { clock, releases, store }: CacheContext,
  entryKey: string,
  token: string,
  leaseMs: number,
): void {
  void releases.release(() => store.release(entryKey, token), clock.now() + leaseMs);
}

/** For `close`: releases all that this process holds. */
export async function releaseAll({ heldLeases, releases, store }: CacheContext): Promise<void> {
  releases.close();
  await Promise.allSettled([...heldLeases].map(([entryKey, token]) => store.release(entryKey, token)));
}

function notReplacedError(entryKey: string): StoreUnavailableError {
  return new StoreUnavailableError(
    `The store shows a record at ${entryKey} that cannot be used, and does not replace it. The method runs uncached.`,
    'refused',
  );
}

function foreignError(entryKey: string): StoreUnavailableError {
  return new StoreUnavailableError(
    `There is a value of another type at ${entryKey}. It is left alone, and the method runs uncached. ` +
      'Remove it, or give this Caching another namespace.',
    'refused',
  );
}
