import { NOT_VALIDATED, type CacheCall, type CallKeys, type Replaced } from './cache-call.js';
import { LoadShedError } from '../shared/errors.js';
import type { CacheContext } from './cache-context.js';
import {
  acceptLoaded,
  decidedNonceTtl,
  finishAndValidate,
  prepareEntry,
  readResultTags,
  releaseUnfilled,
  writeEntry,
  type Loaded,
  type PreparedEntry,
} from './entry-writer.js';
import { channels } from '../shared/events.js';
import type { InFlightLoad } from './in-flight-loads.js';
import { tagNames, type TagVersion } from '../ports/entry-format.js';
import { mergeTags, runLoader, TagTracker } from './load-context.js';
import { longestRefreshLead } from './refresh-ahead.js';
import {
  acquireLoadLease,
  keepExtending,
  releaseLater,
  type LoadLease,
  type LoadLeaseResult,
} from './load-lease.js';
import { acquireLoadLock, type LoadLock } from './load-lock.js';
import type { Restored } from '../values/serializer.js';
import { zipTagVersions } from './tags.js';

/**
 * Loads a missing key: takes its turn (`maxConcurrentLoads`), acquires the lock (`stampede: 'lock'`) and the lease, calls
 * the loader, and writes the entry. Never rejects: the result or the error is passed to all waiting calls through `load`.
 *
 * @param replaced undefined: the store is unavailable
 * @param requestedAt when the call started, by this process' clock
 */
export async function loadMissing<T>(
  context: CacheContext,
  load: InFlightLoad,
  call: CacheCall<T>,
  keys: CallKeys,
  replaced: Replaced | undefined,
  requestedAt: number,
): Promise<void> {
  let validFrom = NOT_VALIDATED;
  const { turn } = load;
  let lock: LoadLock | undefined;
  try {
    if (turn !== undefined && !turn.tryTake()) await turn.wait();
    if (replaced === undefined) {
      await loadUncached(context, load, call);
      return;
    }
    // Time in the queue is not time spent on the store.
    // guard: store-time-begins-after-the-queue
    const startedAt = requestedAt + (turn?.waitedMs ?? 0);
    if (call.policy.stampede === 'lock') {
      call.batch?.decided();
      lock = await acquireLoadLock(context, call, startedAt);
    }
    const waitedMs = lock?.waitedMs ?? 0;
    const storeAskedSince = startedAt + waitedMs;
    // guard: value-that-does-not-count-is-named-at-once
    const acquired = await acquireLeaseAndTurn(
      context,
      load,
      call,
      keys,
      replaced,
      storeAskedSince,
      waitedMs,
    );
    if (acquired.status === 'granted') {
      validFrom = await loadWithLease(context, load, call, keys, acquired.lease);
    } else if (acquired.status === 'backed-off') {
      load.isBackedOff = true;
      load.permitsStale = !load.isDetached;
      load.reject(new Error('A load of another process has failed.'));
    } else if (load.isInBackground && !load.isAwaited) {
      // Nobody waits for this refresh, and its value would not be stored.
      // guard: refresh-without-a-lease-does-not-load
      load.reject(new Error('The lease of a refresh was not granted.'));
    } else if (acquired.status === 'loaded') {
      context.events.publish('coalesced', call.method, { key: call.key, with: 'fleet' });
      load.resolve(acquired.result);
    } else {
      await loadUncached(context, load, call);
    }
  } catch (error) {
    // guard: shed-load-permits-stale-values
    load.permitsStale ||= error instanceof LoadShedError && !load.isDetached;
    load.reject(error);
  } finally {
    context.inFlight.remove(load);
    load.settleValidation(validFrom);
    lock?.release();
    // guard: load-of-another-process-ends-the-turn
    turn?.giveBack();
  }
}

/**
 * Acquires the lease of a load that has its turn. While another process loads the key, the load gives its turn back, and
 * asks again without one: most times the value is there then.
 *
 * No load waits for its turn while it holds a lease or a lock: other processes would wait for it, and loads whose turns
 * it waits for might be among them.
 *
 * @throws LoadShedError
 */
async function acquireLeaseAndTurn<T>(
  context: CacheContext,
  load: InFlightLoad,
  call: CacheCall<T>,
  keys: CallKeys,
  replaced: Replaced,
  requestedAt: number,
  waitedMs: number,
): Promise<LoadLeaseResult> {
  const { clock } = context;
  const { turn } = load;
  for (;;) {
    const askedAt = clock.now();
    const acquired = await acquireLoadLease(context, load, call, keys, replaced, requestedAt, waitedMs);
    if (
      acquired.status === 'loaded' ||
      acquired.status === 'backed-off' ||
      turn === undefined ||
      turn.tryTake()
    )
      return acquired;
    waitedMs += clock.now() - askedAt;
    // guard: load-without-a-turn-keeps-no-lease
    if (acquired.status === 'granted') {
      releaseLater(context, keys.entry, acquired.lease.token, call.policy.lease);
    }
    await turn.wait();
    if (acquired.status === 'none') return acquired;
    requestedAt = clock.now();
  }
}

/** Loads a value that is returned and not stored. @throws what the loader throws */
async function loadUncached<T>(context: CacheContext, load: InFlightLoad, call: CacheCall<T>): Promise<void> {
  const { clock, highWaterMarks } = context;
  const validFrom = ++context.sequence;
  const loadedAt = (load.loaderStartedAt = clock.now());
  const { sequence } = context.outage;
  let loaded: Loaded<T>;
  try {
    loaded = await callLoader(context, load, call, false, undefined);
  } catch (error) {
    // guard: uncached-load-that-fails-permits-stale-values
    load.permitsStale = !load.isDetached;
    throw error;
  }
  // guard: uncached-load-raises-the-mark
  highWaterMarks.record(call.key, loadedAt);
  // guard: uncached-load-ends-older-values-in-memory
  context.l1?.supersede(call.key);
  // Before the callers have it: those that may not share this load look for it there.
  // guard: value-in-doubt-is-not-kept-for-an-outage
  if (call.policy.outage > 0 && !load.isInDoubt) keepForOutage(context, load, call, loaded, sequence);
  load.resolve({ value: loaded.value, validFrom, loadedAt, tags: undefined });
}

/** Never throws: the value is returned in any case, also if it cannot be kept. */
function keepForOutage<T>(
  context: CacheContext,
  { control, loaderStartedAt }: InFlightLoad,
  call: CacheCall<T>,
  loaded: Loaded<T>,
  sequence: number,
): void {
  const loadedAt = loaderStartedAt!;
  try {
    const { value } = loaded;
    if (call.unless?.(value) === true) return;
    const tags = [...call.tags, ...(call.resultTags?.(value, control.tags) ?? [])];
    const entry = prepareEntry(context, call, loaded, control.ttl);
    if (entry === undefined || decodeLoaded(context, call, entry)?.cause !== undefined) return;
    const expiresAt = loadedAt + Math.min(call.policy.outage, entry.ttl);
    const { serializer } = call.policy;
    context.outage.keep(
      call.key,
      { encoded: entry.encoded, tags, loadedAt, expiresAt, serializer },
      sequence,
    );
  } catch (error) {
    context.events.error('outage', call, error);
  }
}

/**
 * Loads a value, passes it to the waiting calls, and stores it if its lease and the nonces of its tags are unchanged.
 *
 * @returns the sequence number at which the store confirmed the value as valid, or NOT_VALIDATED
 * @see G1, G4, G7
 */
async function loadWithLease<T>(
  context: CacheContext,
  load: InFlightLoad,
  call: CacheCall<T>,
  keys: CallKeys,
  lease: LoadLease,
): Promise<number> {
  const { clock, highWaterMarks, pending, events, store } = context;
  const { policy } = call;
  const tracker = policy.inheritTags ? new TagTracker() : undefined;
  const endExtending = keepExtending(context, keys.entry, lease.token, policy.lease, () => {
    if (policy.abortOnLostLease) load.abort(new DOMException('The lease of the load is lost.', 'AbortError'));
  });
  let isResolved = false;
  try {
    // Ignore invalidations that arrived while the load waited for its lease: they precede the load.
    // guard: earlier-invalidations-do-not-concern-a-load
    load.isDetached = false;
    const validFrom = ++context.sequence;
    const loadedAt = (load.loaderStartedAt = clock.now());
    let loaded: Loaded<T>;
    try {
      loaded = await callLoader(context, load, call, true, tracker);
    } catch (error) {
      load.permitsStale = await permitsStale(context, load, call, keys, lease);
      throw error;
    }
    const { value } = loaded;
    const entry =
      call.unless?.(value) === true ? undefined : prepareEntry(context, call, loaded, load.control.ttl);
    const argumentTagVersions = mergeTags(zipTagVersions(call.tags, lease.tagState.nonces, 1), tracker);
    const resultTags = (call.resultTags?.(value, load.control.tags) ?? []).filter(
      (tag) => !argumentTagVersions?.some((one) => one.tag === tag),
    );
    // Callers get the value before it is stored, and storing may fail: do not return older entries from now on.
    // guard: load-raises-the-mark-before-it-is-stored
    const previousMark = highWaterMarks.record(call.key, loadedAt);
    // guard: load-ends-older-values-in-memory
    context.l1?.supersede(call.key);
    const sequence = context.l1?.sequence ?? 0;
    // guard: result-tags-have-no-nonce-yet
    load.resolve({
      value,
      validFrom,
      loadedAt,
      tags: resultTags.length === 0 ? argumentTagVersions : undefined,
    });
    isResolved = true;
    // guard: invalidated-load-is-not-stored
    // guard: queued-invalidation-keeps-a-load-out
    const isInvalidated = load.isDetached || pending.matches(call.key, [...call.tags, ...resultTags]);
    // guard: result-tags-are-read-for-validation-too
    const resultTagVersions =
      argumentTagVersions === undefined || isInvalidated
        ? undefined
        : await readResultTags(context, call, lease, resultTags);
    // guard: unknown-tags-are-not-validated
    if (argumentTagVersions === undefined || resultTagVersions === undefined) {
      const isByKey = argumentTagVersions === undefined || isInvalidated;
      if (entry !== undefined) events.notStored(call, isByKey ? 'invalidated' : 'tag-invalidated');
      await releaseUnfilled(store, keys, lease);
      return NOT_VALIDATED;
    }
    const tags = [...argumentTagVersions, ...resultTagVersions];
    let isStored = false;
    const storedFrom = await finishAndValidate(
      context,
      lease,
      tags,
      decidedNonceTtl(call, entry),
      async () => {
        const reply = await writeEntry(context, call, keys, lease, tags, entry);
        isStored = reply === 'stored';
        // The lease was held throughout, so no older load can be stored: restore the previous mark.
        // guard: stored-value-lowers-the-mark
        // guard: refused-value-keeps-the-mark
        if (reply !== 'refused') highWaterMarks.undo(call.key, loadedAt, previousMark);
        return reply;
      },
    );
    // A mark is of another load, which may have started later than this one.
    // guard: load-below-a-mark-is-not-kept
    // guard: only-a-validated-load-is-kept
    if (isStored && previousMark === undefined && storedFrom !== NOT_VALIDATED && policy.l1 > 0) {
      keepStored(context, call, lease, tags, entry!, sequence);
    }
    return storedFrom;
  } catch (error) {
    // guard: failed-load-releases-its-lease
    releaseLater(context, keys.entry, lease.token, policy.lease);
    if (isResolved) events.error('fill', call, error);
    else {
      if (load.isInBackground) events.error('refresh', call, error);
      load.reject(error);
    }
    return NOT_VALIDATED;
  } finally {
    endExtending();
  }
}

/**
 * A load with a lease has failed. Releases its lease, for `graceBackoff`, and asks whether the stale value still stands.
 *
 * @returns false if the value was invalidated meanwhile: nothing may be returned then
 */
async function permitsStale<T>(
  context: CacheContext,
  load: InFlightLoad,
  { policy }: CacheCall<T>,
  keys: CallKeys,
  { token, tagState, replaced }: LoadLease,
): Promise<boolean> {
  if (replaced.keeps !== 'back-off') return false;
  const { names, store } = context;
  const { storeTimeout, graceBackoff } = policy;
  try {
    const [isKept, nonces] = await Promise.all([
      store.release(keys.entry, token, graceBackoff, storeTimeout),
      store.nonces(names.nonces(tagNames(replaced.tags)), storeTimeout),
    ]);
    // guard: stale-value-stands-after-a-failure
    // guard: stale-value-has-its-nonces-after-a-failure
    return (
      isKept &&
      !load.isDetached &&
      nonces[0] === tagState.nonces[0] &&
      replaced.tags.every(({ nonce }, i) => nonces[i + 1] === nonce)
    );
  } catch {
    // The store is unavailable, too. The value was valid when the calls that have it asked for it.
    // guard: own-invalidation-ends-stale-values
    return !load.isDetached;
  }
}

/**
 * Keeps a value in the L1 that this process has loaded and stored. Without the value that the loader has returned, which its
 * owner may change: the first hit decodes a copy, or it is decoded here, if it has a serializer that may refuse to.
 */
function keepStored(
  context: CacheContext,
  call: Pick<CacheCall<unknown>, 'key' | 'method' | 'policy'>,
  { token, tagState, requestedAt }: LoadLease,
  tags: readonly TagVersion[],
  stored: PreparedEntry,
  sequence: number,
): void {
  const { clock, l1, touches } = context;
  const { idleTtl, refreshAhead, serializer } = call.policy;
  const { encoded, ttl } = stored;
  const entry = { token, clearNonce: tagState.nonces[0]!, tags, ...encoded };
  const lead = longestRefreshLead(refreshAhead, { ttl, loadMs: clock.now() - requestedAt });
  const decoded = l1 === undefined ? undefined : decodeLoaded(context, call, stored);
  // guard: value-that-cannot-be-restored-is-not-kept
  if (decoded?.cause !== undefined) return;
  const times = { loadedAt: requestedAt, freshUntil: requestedAt + ttl, idleTtl };
  const touchAt = idleTtl === undefined ? Infinity : touches.stored(token, idleTtl);
  // guard: loaded-value-leaves-the-l1-to-be-touched
  const expiresAt = Math.min(requestedAt + ttl - lead, touchAt);
  l1?.keep(call.key, { entry, decoded, expiresAt, times, serializer }, sequence);
}

/** What a later call will get, if a serializer makes it. Undefined for the standard codecs, which always restore a value. */
function decodeLoaded(
  { events }: CacheContext,
  call: Pick<CacheCall<unknown>, 'key' | 'method' | 'policy'>,
  { encoded: { codec, payload } }: PreparedEntry,
): Restored | undefined {
  const restored = call.policy.serializer?.decode(codec, payload, Infinity);
  if (restored?.cause !== undefined) events.error('decode', call, restored.error);
  return restored;
}

async function callLoader<T>(
  context: CacheContext,
  load: InFlightLoad,
  call: CacheCall<T>,
  leased: boolean,
  tracker: TagTracker | undefined,
): Promise<Loaded<T>> {
  const { clock, events } = context;
  const { turn } = load;
  const identity = { engine: context, key: call.key, site: call.site, load, current: load.control };
  turn?.giveBackAfter(call.policy.loadTimeout);
  if (!channels.load.hasSubscribers && turn === undefined) {
    return acceptLoaded(context, call, await runLoader(identity, tracker, call.load));
  }
  const startedAt = clock.now();
  let failure: unknown;
  try {
    return acceptLoaded(context, call, await runLoader(identity, tracker, call.load));
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    // The value is stored without a turn: that is no work for what it was loaded from.
    // guard: loaded-value-gives-its-turn-back
    turn?.giveBack();
    const ms = clock.now() - startedAt;
    events.publish('load', call.method, { key: call.key, ms, error: failure, leased });
  }
}
