import { NOT_VALIDATED, type CacheCall, type CallKeys, type LookupResult } from './cache-call.js';
import type { CacheContext } from './cache-context.js';
import { finishAndValidate, prepareEntry, readResultTags, writeEntry } from './entry-writer.js';
import { channels } from '../shared/events.js';
import type { InFlightLoad } from './in-flight-loads.js';
import { mergeTags, runLoader, TagTracker } from './load-context.js';
import { acquireLoadLease, keepExtending, releaseLater, type LoadLease } from './load-lease.js';
import { acquireLoadLock, type LoadLock } from './load-lock.js';
import { zipTagVersions } from './tags.js';

/**
 * The load of a missing key: lock and lease, then the loader, then the write. Never rejects: `load` carries the result
 * or the error to all calls that wait for it.
 *
 * @param requestedAt when the call began, by this process' clock
 */
export async function loadMissing<T>(
  context: CacheContext,
  load: InFlightLoad,
  call: CacheCall<T>,
  keys: CallKeys,
  found: LookupResult,
  requestedAt: number,
): Promise<void> {
  let validFrom = NOT_VALIDATED;
  let lock: LoadLock | undefined;
  try {
    if (found.status !== 'miss') {
      await loadUncached(context, load, call);
      return;
    }
    if (call.policy.stampede === 'lock') lock = await acquireLoadLock(context, call, requestedAt);
    const waitedMs = lock?.waitedMs ?? 0;
    const since = requestedAt + waitedMs;
    // guard: value-that-does-not-count-is-named-at-once
    const acquired = await acquireLoadLease(context, load, call, keys, found.replaces, since, waitedMs);
    if (acquired.status === 'granted') {
      validFrom = await loadWithLease(context, load, call, keys, acquired.lease);
    } else if (acquired.status === 'loaded') {
      context.events.publish('coalesced', call.method, { key: call.key, with: 'fleet' });
      load.resolve(acquired.result);
    } else {
      await loadUncached(context, load, call);
    }
  } catch (error) {
    load.reject(error);
  } finally {
    context.inFlight.remove(load);
    load.settleValidation(validFrom);
    lock?.release();
  }
}

/** The value is returned and never stored. @throws what the loader throws */
async function loadUncached<T>(context: CacheContext, load: InFlightLoad, call: CacheCall<T>): Promise<void> {
  const { clock, highWaterMarks } = context;
  const validFrom = ++context.sequence;
  const loadedAt = (load.loaderStartedAt = clock.now());
  const value = await callLoader(context, call, false, undefined);
  // guard: uncached-load-raises-the-mark
  highWaterMarks.record(call.key, loadedAt);
  load.resolve({ value, validFrom, loadedAt, tags: undefined });
}

/**
 * Callers get the value as soon as it is there; then it is stored, if its lease and the nonces of its tags are unchanged.
 * @returns the sequence number from which on the value is validated, or NOT_VALIDATED
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
  const endExtending = keepExtending(context, keys.entry, lease.token, policy.lease);
  let isResolved = false;
  try {
    // Invalidations that came while the load waited for its lease precede it.
    // guard: earlier-invalidations-do-not-concern-a-load
    load.isDetached = false;
    const validFrom = ++context.sequence;
    const loadedAt = (load.loaderStartedAt = clock.now());
    const value = await callLoader(context, call, true, tracker);
    const entry = call.unless?.(value) === true ? undefined : prepareEntry(context, call, value);
    const argumentTags = mergeTags(zipTagVersions(call.tags, lease.tagState.nonces, 1), tracker);
    const resultTags = (call.resultTags?.(value) ?? []).filter(
      (tag) => !argumentTags?.some((one) => one.tag === tag),
    );
    // Callers get the value before it is stored, and storing may fail.
    // guard: load-raises-the-mark-before-it-is-stored
    const floor = highWaterMarks.record(call.key, loadedAt);
    // guard: result-tags-have-no-nonce-yet
    load.resolve({ value, validFrom, loadedAt, tags: resultTags.length === 0 ? argumentTags : undefined });
    isResolved = true;
    // guard: invalidated-load-is-not-stored
    // guard: queued-invalidation-keeps-a-load-out
    const isInvalidated = load.isDetached || pending.matches(call.key, [...call.tags, ...resultTags]);
    // guard: result-tags-are-read-for-validation-too
    const moreTags =
      argumentTags === undefined || isInvalidated
        ? undefined
        : await readResultTags(context, call, lease, resultTags);
    // guard: unknown-tags-are-not-validated
    if (argumentTags === undefined || moreTags === undefined) {
      const isByKey = argumentTags === undefined || isInvalidated;
      if (entry !== undefined) events.notStored(call, isByKey ? 'invalidated' : 'tag-invalidated');
      await store.release(keys.entry, lease.token);
      return NOT_VALIDATED;
    }
    const tags = [...argumentTags, ...moreTags];
    return await finishAndValidate(context, lease, tags, async () => {
      const reply = await writeEntry(context, call, keys, lease, tags, entry);
      // The lease was held throughout, so no older load can be stored: restore the previous floor.
      // guard: stored-value-lowers-the-mark
      // guard: refused-value-keeps-the-mark
      if (reply !== 'refused') highWaterMarks.undo(call.key, loadedAt, floor);
      return reply;
    });
  } catch (error) {
    // guard: failed-load-releases-its-lease
    releaseLater(context, keys.entry, lease.token, policy.lease);
    if (isResolved) events.error('fill', call, error);
    else load.reject(error);
    return NOT_VALIDATED;
  } finally {
    endExtending();
  }
}

async function callLoader<T>(
  context: CacheContext,
  call: CacheCall<T>,
  leased: boolean,
  tracker: TagTracker | undefined,
): Promise<T> {
  const { clock, events } = context;
  const of = { engine: context, key: call.key, site: call.site };
  if (!channels.load.hasSubscribers) return runLoader(of, tracker, call.load);
  const startedAt = clock.now();
  let failure: unknown;
  try {
    return await runLoader(of, tracker, call.load);
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    const ms = clock.now() - startedAt;
    events.publish('load', call.method, { key: call.key, ms, error: failure, leased });
  }
}
