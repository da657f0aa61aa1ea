import { replacedBy, type CacheCall, type CallKeys, type Replaced } from './cache-call.js';
import type { CachePolicy } from './cache-options.js';
import type { CacheContext } from './cache-context.js';
import { Backoff } from '../shared/backoff.js';
import { StoreUnavailableError } from '../shared/errors.js';
import type { InFlightLoad, LoadResult } from './in-flight-loads.js';
import { BY_RESULT } from './result-ttl.js';
import { validate } from './lookup.js';
import type { LeaseReply, TagState } from '../ports/entry-store.js';
import { tagBucket } from '../ports/tag-changes.js';
import { newToken } from '../shared/token.js';
import { Wakeup } from '../shared/wakeups.js';

/** The right to store a loaded value. In all processes together there is at most one for each key. @see G1, G5 */
export interface LoadLease {
  readonly token: string;
  /** The tag nonces, read before the load. */
  readonly tagState: TagStateOfLease;
  /** When it was granted: ms since the epoch, by the store's clock. */
  readonly grantedAt: number;
  /** When it was requested, by this process' clock. Earlier than the grant, so ages computed from it are not too small. */
  readonly requestedAt: number;
  readonly replaced: Replaced;
}

/** The state of tags of which none is in doubt. */
export type TagStateOfLease = TagState & { readonly nonces: readonly string[] };

export type LoadLeaseResult =
  | { readonly status: 'granted'; readonly lease: LoadLease }
  /** Another process has loaded and stored the value. */
  | { readonly status: 'loaded'; readonly result: LoadResult }
  /** A load of another process has failed, and there is a stale value to return meanwhile. */
  | { readonly status: 'backed-off' }
  /** The load continues without a lease: the store is unavailable, the wait has ended, or the key has a foreign value. */
  | { readonly status: 'none' };

const NONE: LoadLeaseResult = { status: 'none' };
const INITIAL_POLL_MS = 20;
const MAX_POLL_MS = 250;
/** One extension each half lease, so a load keeps its lease for at most 20 times the lease. */
const MAX_EXTENSIONS = 40;
/** How much longer nonces live than the entries that carry them: at least this. */
const NONCE_MARGIN_MS = 60_000;

/**
 * How long nonces must live for an entry, in ms.
 *
 * @param ttl of the entry; undefined: its value is not known yet. If the value decides the ttl, that is until the value is
 * known: as long as a load may have its lease
 */
export function nonceTtl(policy: CachePolicy, ttl = Math.max(policy.ttl, policy.negativeTtl)): number {
  // guard: nonces-live-until-the-value-decides
  const life = ttl === BY_RESULT ? (policy.lease / 2) * MAX_EXTENSIONS : ttl;
  return life + policy.grace + NONCE_MARGIN_MS;
}

/**
 * Acquires the lease of a load. If another process holds it, waits for that process and returns the value it stored.
 * Failures of the store are published and returned as `none`, not thrown.
 *
 * @param replaced a stored value that may be replaced
 * @param requestedAt when the call started, by this process' clock
 * @param waitedMs how long the call has already waited for other processes
 */
export async function acquireLoadLease<T>(
  context: CacheContext,
  load: InFlightLoad,
  call: CacheCall<T>,
  keys: CallKeys,
  replaced: Replaced,
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
      const [reply, tagState] = await requestLease(context, call, keys, token, replaced, timeout);
      load.storeTimeSpent += clock.now() - askedAt;
      switch (reply.status) {
        case 'granted': {
          if (hasAllNonces(tagState)) {
            const { storeTime: grantedAt } = reply;
            return {
              status: 'granted',
              lease: { token, tagState, grantedAt, requestedAt: askedAt, replaced },
            };
          }
          // guard: ended-mark-is-an-invalidation
          if (tagState.ended.length > 0) {
            await removeEndedNonces(context, tagState.ended);
            break;
          }
          // guard: load-under-a-mark-keeps-no-lease
          releaseLater(context, keys.entry, token, call.policy.lease);
          load.isInDoubt = true;
          return NONE;
        }
        case 'in-doubt':
          load.isInDoubt = true;
          return NONE;
        case 'foreign':
          events.error('lease', call, foreignError(keys.entry));
          return NONE;
        case 'present': {
          const snapshot = { record: reply.record, nonces: tagState.nonces };
          const present = await validate(context, call, snapshot, askedAt + timeout, undefined, call.policy);
          if (present.status === 'hit') {
            const { value, tags } = present;
            return { status: 'loaded', result: { value, validFrom, loadedAt: askedAt, tags } };
          }
          const next = replacedBy(present);
          if (next === undefined) return NONE;
          if (present.status === 'stale' && (present.isBackedOff || next.token === replaced.token)) {
            return { status: 'backed-off' };
          }
          // Each round must name a value other than the previous one; otherwise the loop would not end.
          // guard: each-round-names-another-value
          if (next.token === undefined || next.token === replaced.token) {
            events.error('lease', call, notReplacedError(keys.entry));
            return NONE;
          }
          // guard: value-that-does-not-count-is-named
          replaced = next;
          break;
        }
        case 'held': {
          // guard: batch-does-not-wait-for-a-load-of-another-process
          call.batch?.decided();
          const remainingMs = waitUntil - clock.now();
          // guard: wait-for-another-process-ends
          if (remainingMs <= 0) return NONE;
          // The load runs in another process. Under `stampede: 'lock'` whoever holds the lock keeps its turn (loader.ts).
          // guard: load-of-another-process-takes-no-turn
          // guard: holder-of-a-load-lock-keeps-its-turn
          if (call.policy.stampede === 'lease') load.turn?.giveBack();
          await wakeup.within(Math.max(1, Math.min(remainingMs, polls.next(), reply.forMs + 1)));
          // The store answers: the call waits for another process, not for the store. The timeout starts again.
          load.storeTimeSpent = 0;
        }
      }
    }
  } catch (error) {
    events.unavailable('lease', call, error);
    // The store may have granted the lease: only the nonces may have failed, or the reply was lost.
    // guard: lease-whose-grant-is-lost-is-released
    releaseLater(context, keys.entry, token, call.policy.lease);
    return NONE;
  } finally {
    disarm();
  }
}

/**
 * Requests the lease and reads the nonces, in one round trip. Both are needed before the load starts.
 * @throws StoreUnavailableError
 */
export async function requestLease<T>(
  { clock, names, store, storeClock }: CacheContext,
  { policy, resultTags }: CacheCall<T>,
  keys: CallKeys,
  token: string,
  { token: replaces, keeps }: Replaced,
  timeout?: number,
): Promise<readonly [LeaseReply, TagState]> {
  const askedAt = clock.now();
  const tagChanges = resultTags === undefined ? undefined : names.tagChanges;
  const both = await Promise.all([
    store.lease(keys.entry, token, policy.lease, replaces, timeout, keeps),
    store.getOrCreateNonces(keys.nonces, tagChanges, newToken(), nonceTtl(policy), timeout),
  ]);
  const [reply] = both;
  if (reply.status === 'granted' || reply.status === 'held') storeClock.sync(reply.storeTime, askedAt);
  return both;
}

/** False if a write has marked one of the nonces: what is loaded now must not be stored. */
export function hasAllNonces(tagState: TagState): tagState is TagStateOfLease {
  return !tagState.nonces.includes(null);
}

/** Sends the invalidation of writes that have died. @throws StoreUnavailableError */
export async function removeEndedNonces(
  { names, store }: CacheContext,
  nonceKeys: readonly string[],
): Promise<void> {
  const buckets = nonceKeys.flatMap((nonceKey) => {
    const name = names.parse(nonceKey);
    return name?.kind === 'tag' ? [tagBucket(name.tag)] : [];
  });
  await store.removeNonces(nonceKeys, names.tagChanges, buckets, newToken());
}

/**
 * Extends the lease while a load runs. A lost lease is not requested again: the store will refuse the value.
 * @param onLost called if the lease no longer exists
 * @returns a function that stops the extensions
 */
export function keepExtending(
  { clock, heldLeases, events, store }: CacheContext,
  entryKey: string,
  token: string,
  leaseMs: number,
  onLost: () => void,
): () => void {
  heldLeases.set(entryKey, token);
  let extensionsLeft = MAX_EXTENSIONS;
  const extend = (): void => {
    // guard: running-load-extends-its-lease
    // guard: extensions-end
    if (extensionsLeft-- <= 0) return;
    timer = clock.after(leaseMs / 2, extend);
    events.background(
      store.extend(entryKey, token, leaseMs).then((held) => {
        if (held) return;
        if (extensionsLeft > 0) onLost();
        extensionsLeft = 0;
      }),
    );
  };
  let timer = clock.after(leaseMs / 2, extend);
  return () => {
    extensionsLeft = 0;
    timer.cancel();
    if (heldLeases.get(entryKey) === token) heldLeases.delete(entryKey);
  };
}

/** Releases a lease that the store may have granted. Retried until the store answers or the lease has expired. */
export function releaseLater(
  { clock, releases, store }: CacheContext,
  entryKey: string,
  token: string,
  leaseMs: number,
): void {
  void releases.release(() => store.release(entryKey, token), clock.now() + leaseMs);
}

/** Releases all leases that this process holds. For `close`. */
export async function releaseAll({ heldLeases, releases, store }: CacheContext): Promise<void> {
  releases.close();
  await Promise.allSettled([...heldLeases].map(([entryKey, token]) => store.release(entryKey, token)));
}

function notReplacedError(entryKey: string): StoreUnavailableError {
  return new StoreUnavailableError(
    `The store returned a record at ${entryKey} that cannot be used, and did not replace it. The call runs uncached.`,
    'refused',
  );
}

export function foreignError(entryKey: string): StoreUnavailableError {
  return new StoreUnavailableError(
    `Expected a string at ${entryKey}, got a value of another Redis type. It is not changed, and the call runs uncached. ` +
      'Remove it, or give this Caching another namespace.',
    'refused',
  );
}
