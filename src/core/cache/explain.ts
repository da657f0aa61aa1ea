import { doubtEndsAt, isInDoubt } from '../ports/doubt-record.js';
import { isLease, tagNames, tokenOf, type Entry } from '../ports/entry-format.js';
import type { Snapshot } from '../ports/entry-store.js';
import { quote } from '../shared/describe.js';
import { newToken } from '../shared/token.js';
import type { CacheCall } from './cache-call.js';
import type { CacheContext } from './cache-context.js';
import { restore } from './lookup.js';

/**
 * Says in words what a call would do now, and why: `miss: the tag 'users' was invalidated since the value was loaded.`
 * Checks what lookup.ts checks, in the same order. Loads and stores nothing, keeps nothing in memory, publishes no event.
 *
 * @returns a text that begins with `hit`, `stale`, `miss` or `uncached`
 */
export async function explain<T>(context: CacheContext, call: CacheCall<T>): Promise<string> {
  const { format, l1, memo, names, pending, store } = context;
  const { key, policy, tags } = call;
  if (pending.matches(key, tags)) return UNSENT;
  if (policy.memo && memo.has(key)) return 'hit (memo): the request has read the value before.';
  const l1Doubt = l1?.explain(key, tags, policy.l1, policy.serializer);
  if (l1 !== undefined && l1Doubt === undefined) return 'hit (l1): the memory of this process has the value.';
  const entryKey = names.entry(key);
  let snapshot: Snapshot;
  let entry: Entry | undefined;
  let storeTime: number;
  let nonces: ReadonlyMap<string, string | null>;
  try {
    snapshot = await store.read(entryKey, names.nonces(tags), policy.storeTimeout);
    entry = snapshot.record === null ? undefined : format.decode(key, snapshot.record);
    const entryTags = tagNames(entry?.tags ?? []);
    const read = await store.nonces(names.tags(entryTags), policy.storeTimeout);
    nonces = new Map(entryTags.map((tag, i) => [tag, read[i] ?? null]));
    storeTime = snapshot.storeTime ?? (await store.time(entryKey, policy.storeTimeout));
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    return `uncached: the store does not answer, so the method runs, and its result is not stored. ${failure}`;
  }
  const aside = l1Doubt === undefined ? '' : ` The L1 is not used: ${l1Doubt}.`;
  const { record } = snapshot;
  if (record === null || isLease(record)) {
    return `miss: nothing is stored.${aside}${await loadInProgress(context, call, entryKey, record)}`;
  }
  if (isInDoubt(record)) return MARKED;
  const running = (): Promise<string> => loadInProgress(context, call, entryKey, undefined);
  if (entry === undefined) {
    const why = format.isSealed ? 'is not sealed by one of the keys, or was altered' : 'cannot be decoded';
    return `miss: what is stored ${why}.${aside}${await running()}`;
  }
  const invalid = whyInvalid(context, call, entry, snapshot, nonces);
  if (invalid !== undefined) return `miss: ${invalid}.${aside}${await running()}`;
  const { freshUntil, idleTtl, refreshable } = entry;
  const leftMs = ms(freshUntil - storeTime);
  if (storeTime < freshUntil) {
    const { cause } = restore(entry, policy);
    if (cause !== undefined) {
      const why = cause === 'rejected' ? 'is rejected by schema or revive' : 'cannot be decoded';
      return `miss: what is stored ${why}.${aside}${await running()}`;
    }
    const idle = idleTtl === undefined ? '' : `, and it ends when nobody reads it for ${ms(idleTtl)} ms`;
    return `hit (l2): the store has the value, and its ttl ends in ${leftMs} ms${idle}.${aside}`;
  }
  const lease = leaseBeside(entry, storeTime);
  const staleUntil = Math.min(refreshable?.staleUntil ?? 0, freshUntil + policy.grace);
  const expired = `its ttl ended ${ms(storeTime - freshUntil)} ms ago, at ${new Date(freshUntil).toISOString()}`;
  if (storeTime >= staleUntil) return `miss: ${expired}.${aside}${lease}${await running()}`;
  const left = `${ms(staleUntil - storeTime)} ms of its grace are left`;
  if (refreshable!.retryAt > storeTime) {
    return (
      `stale: ${expired}, and a load has failed, so the value is returned without a load for ` +
      `${ms(refreshable!.retryAt - storeTime)} ms; ${left}.${aside}`
    );
  }
  const when =
    policy.softTimeout === undefined
      ? 'is returned if the load fails'
      : `is returned if the load fails or takes longer than ${policy.softTimeout} ms`;
  return `stale: ${expired}. The call loads, and the old value ${when}; ${left}.${aside}${lease}${await running()}`;
}

const UNSENT =
  'uncached: an invalidation of this process has not reached the store yet, so the method runs, and its result is not stored.';

const MARKED =
  'uncached: a write that marks the key is running, so the method runs, and its result is not stored.';

/** Why a record is no valid value of its key; undefined: it is one, or was before its ttl ended. */
function whyInvalid<T>(
  { highWaterMarks, storeClock }: CacheContext,
  { key, tags }: CacheCall<T>,
  entry: Entry,
  snapshot: Snapshot,
  nonces: ReadonlyMap<string, string | null>,
): string | undefined {
  if (doubtEndsAt(snapshot.nonces[0]) !== undefined)
    return 'a write that marks all entries is running, or has died';
  if (entry.clearNonce !== snapshot.nonces[0]) return 'the namespace was cleared since the value was loaded';
  const marked = entry.tags.filter(({ tag }) => doubtEndsAt(nonces.get(tag)) !== undefined);
  if (marked.length > 0) return `a write that marks the tag ${quote(marked[0]!.tag)} is running, or has died`;
  const changed = entry.tags
    .filter(({ tag, nonce }) => nonces.get(tag) !== nonce)
    .map(({ tag }) => quote(tag));
  if (changed.length > 0) {
    const which = changed.length === 1 ? `the tag ${changed[0]} was` : `the tags ${changed.join(', ')} were`;
    return `${which} invalidated since the value was loaded`;
  }
  const missing = tags.filter((tag) => !entry.tags.some((one) => one.tag === tag)).map(quote);
  if (missing.length > 0) return `the stored value does not have ${missing.join(', ')}, a tag of the call`;
  if (!highWaterMarks.isEmpty && !highWaterMarks.permits(key, storeClock.toLocalTime(entry.loadStart))) {
    return 'the stored value is older than one that this process has returned';
  }
  return undefined;
}

/** A load that the call would wait for. @param record a lease, if that is what is stored */
async function loadInProgress<T>(
  { clock, heldLeases, inFlight, store }: CacheContext,
  { key, policy }: CacheCall<T>,
  entryKey: string,
  record: Uint8Array | null | undefined,
): Promise<string> {
  const load = inFlight.get(key);
  if (load !== undefined) {
    const since = load.loaderStartedAt;
    const how =
      since === undefined ? 'is about to begin' : `has been running for ${ms(clock.now() - since)} ms`;
    return ` A load of this process ${how}, and the call waits for it.`;
  }
  if (record === null || record === undefined) return '';
  if (heldLeases.get(entryKey) === tokenOf(record)) {
    return ' A load of this process holds the lease, and the call does not join it: it was invalidated or hangs.';
  }
  const forMs = await leaseEndsIn(store, entryKey);
  return forMs === undefined
    ? ''
    : ` Another process holds the lease for ${ms(forMs)} ms, and longer if it extends it. The call waits for at most ${policy.lockTimeout} ms.`;
}

/** Asks for a lease that another load has. If it has ended meanwhile, the lease of 1 ms is given back. */
async function leaseEndsIn(store: CacheContext['store'], entryKey: string): Promise<number | undefined> {
  const token = newToken();
  try {
    const reply = await store.lease(entryKey, token, 1, undefined);
    if (reply.status === 'held') return reply.forMs;
    if (reply.status === 'granted') await store.release(entryKey, token);
  } catch {
    // The store has stopped answering: there is nothing to say about the lease.
  }
  return undefined;
}

function leaseBeside({ refreshable }: Entry, storeTime: number): string {
  const forMs = (refreshable?.refreshingUntil ?? 0) - storeTime;
  return forMs > 0 ? ` A load holds the lease for ${ms(forMs)} ms, and longer if it extends it.` : '';
}

function ms(duration: number): number {
  return Math.round(duration);
}
