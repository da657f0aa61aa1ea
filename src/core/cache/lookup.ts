import {
  MISS,
  INVALIDATION_PENDING,
  type CacheCall,
  type CallKeys,
  type LookupResult,
} from './cache-call.js';
import type { CacheContext } from './cache-context.js';
import { isLease, tagNames, tokenOf, type Entry, type Refreshable } from '../ports/entry-format.js';
import type { CachePolicy } from './cache-options.js';
import { doubtEndsAt, isInDoubt } from '../ports/doubt-record.js';
import { longestRefreshLead, refreshLead } from './refresh-ahead.js';
import { channels, type CachementEvents } from '../shared/events.js';
import type { Snapshot } from '../ports/entry-store.js';
import type { L1Entry } from '../l1/l1-entry.js';
import type { EventSubject } from '../shared/event-publisher.js';
import type { Restored } from '../values/serializer.js';
import { decodeValue } from '../values/value-codec.js';

interface LookupRequest extends EventSubject {
  readonly tags: readonly string[];
}

/** How a value is read, and whether it may be returned without a load, or besides one. */
export type ReadPolicy = Pick<CachePolicy, 'grace' | 'refreshAhead' | 'maxValueBytes' | 'serializer'>;

/** When a call has requested a record. */
interface Requested {
  /** By this process' clock. */
  readonly at: number;
  /** The sequence number of the L1; undefined: the L1 must not keep the record. */
  readonly sequence: number | undefined;
}

/**
 * Looks up the entry of a cached call in the store. Failures of the store are published and returned as `unavailable`, not
 * thrown.
 *
 * @param known an entry in memory that the store must confirm (`coherence: 'validate'`)
 */
export async function lookup<T>(
  context: CacheContext,
  call: CacheCall<T>,
  keys: CallKeys,
  known?: L1Entry,
): Promise<LookupResult> {
  const { clock, store, pending, events } = context;
  const { storeTimeout } = call.policy;
  // guard: no-lookup-under-a-queued-invalidation
  if (pending.matches(call.key, call.tags)) return INVALIDATION_PENDING;
  const requested = requestedNow(context, call.policy.l1);
  const deadline = clock.now() + storeTimeout;
  let snapshot: Snapshot;
  try {
    const nonces = known === undefined ? keys.nonces : context.names.nonces(tagsToRead(call, known));
    snapshot = await store.read(keys.entry, nonces, storeTimeout, known?.token);
  } catch (error) {
    return { status: 'unavailable', error: events.unavailable('read', call, error) };
  }
  if (known !== undefined && snapshot.isUnchanged === true) return confirm(context, call, known, snapshot);
  return validate(context, call, snapshot, deadline, requested, call.policy);
}

/**
 * Looks a key up for the plain verbs, which report a failure of the store to their callers.
 *
 * @param policy without `grace` and `refreshAhead`: a value after its ttl is a miss
 * @throws StoreUnavailableError
 */
export async function peek(
  context: CacheContext,
  key: string,
  policy: ReadPolicy,
  known?: L1Entry,
): Promise<LookupResult> {
  const { store, names, pending } = context;
  // guard: no-plain-get-under-a-queued-invalidation
  if (pending.matches(key, [])) return MISS;
  const request = { key, tags: [], method: undefined };
  const requested = requestedNow(context, Infinity);
  const nonces = names.nonces(known === undefined ? [] : tagNames(known.tags));
  const snapshot = await store.read(names.entry(key), nonces, undefined, known?.token);
  if (known !== undefined && snapshot.isUnchanged === true) return confirm(context, request, known, snapshot);
  const found = await validate(context, request, snapshot, undefined, requested, policy);
  if (found.status === 'in-doubt') return MISS;
  if (found.status !== 'unavailable') return found;
  if (found.error !== undefined) throw found.error;
  return MISS;
}

/**
 * Checks a record and decodes its value: it must be an entry of this key, stored since the last clear, with unchanged
 * tag versions, and not older than a value that this process has returned.
 *
 * @param deadline for a second reading, of nonces, by this process' clock; undefined: the timeout of every command
 * @param requested undefined: the call only looks, so that the L1 must not keep the record, and an idle value is not kept for it
 * @see G1, G4, G6, G7, G10
 */
export async function validate(
  context: CacheContext,
  request: LookupRequest,
  { record, nonces, storeTime }: Snapshot,
  deadline: number | undefined,
  requested: Requested | undefined,
  policy: ReadPolicy,
): Promise<LookupResult> {
  const { clock, format, pending, highWaterMarks, storeClock, events } = context;
  if (record === null) return miss(context, request, 'absent', undefined);
  // guard: key-in-doubt-is-not-read
  if (isInDoubt(record)) return inDoubt(context, request);
  const entry = format.decode(request.key, record);
  if (entry === undefined) {
    // guard: damaged-lease-is-named
    if (isLease(record)) return miss(context, request, 'absent', undefined);
    return miss(context, request, format.isSealed ? 'unverified' : 'undecodable', tokenOf(record));
  }
  // guard: clear-nonce-is-unchanged
  if (entry.clearNonce !== nonces[0]) {
    return invalidated(context, request, entry.token, nonces.slice(0, 1), storeTime, deadline);
  }
  if (entry.tags.length > 0 || request.tags.length > 0) {
    // Check before the nonces are read: if a pending invalidation completes meanwhile, the nonces read afterwards differ.
    // guard: no-entry-with-a-queued-tag
    if (pending.matches(request.key, tagNames(entry.tags))) return INVALIDATION_PENDING;
    let current: ReadonlyMap<string, string | null>;
    try {
      current = await readTagNonces(context, entry, request.tags, nonces, deadline);
    } catch (error) {
      return { status: 'unavailable', error: events.unavailable('read', request, error) };
    }
    if (!tagVersionsMatch(entry, request.tags, current)) {
      return invalidated(context, request, entry.token, [...current.values()], storeTime, deadline);
    }
  }
  // guard: entry-is-not-below-the-high-water-mark
  if (
    !highWaterMarks.isEmpty &&
    !highWaterMarks.permits(request.key, storeClock.toLocalTime(entry.loadStart))
  ) {
    return miss(context, request, 'outdated', entry.token);
  }
  const { refreshable } = entry;
  // Whoever can write to the store can remove the end that it has for a record (PERSIST).
  // guard: sealed-entry-ends-by-itself
  const checksEnd = refreshable !== undefined || format.isSealed;
  if (checksEnd && storeTime === undefined) {
    const timeout = deadline === undefined ? undefined : deadline - clock.now();
    try {
      storeTime = await context.store.time(context.names.entry(request.key), timeout);
    } catch (error) {
      return { status: 'unavailable', error: events.unavailable('read', request, error) };
    }
  }
  // guard: stale-value-is-no-hit
  if (checksEnd && storeTime! >= entry.freshUntil) {
    // guard: stale-value-ends-older-ones-in-memory
    context.l1?.observe(request.key, entry.token);
    if (refreshable === undefined) return miss(context, request, 'expired', entry.token);
    return staleOrExpired(context, request, entry, refreshable, storeTime!, requested, policy);
  }
  const decoded = decode(context, request, entry, policy);
  // guard: damaged-value-is-named
  if (decoded.cause !== undefined) return miss(context, request, decoded.cause, entry.token);
  // guard: looking-is-not-reading
  const touchAt = requested === undefined ? Infinity : touched(context, request, entry);
  if (requested?.sequence === undefined || storeTime === undefined) {
    // guard: value-that-the-l1-does-not-keep-ends-older-ones
    context.l1?.observe(request.key, entry.token);
  } else {
    // guard: l1-entry-ends-with-the-entry
    // guard: l1-entry-ends-before-its-refresh
    // guard: read-value-leaves-the-l1-to-be-touched
    const expiresAt = Math.min(
      requested.at + entry.freshUntil - storeTime - l1RefreshLead(entry, policy),
      touchAt,
    );
    const times = {
      loadedAt: requested.at + entry.loadStart - storeTime,
      freshUntil: requested.at + entry.freshUntil - storeTime,
      idleTtl: entry.idleTtl,
    };
    const { serializer } = policy;
    context.l1?.keep(request.key, { entry, decoded, expiresAt, times, serializer }, requested.sequence);
  }
  if (channels.hit.hasSubscribers) {
    events.publish('hit', request.method, { key: request.key, tier: 'l2' });
  }
  const refreshes = isRefreshDue(context, entry, storeTime, policy) ? entry.token : undefined;
  const { tags, token } = entry;
  return { status: 'hit', value: decoded.value, tags, token, tier: 'l2', refreshes };
}

/** A valid value after its ttl: a caller with `grace` may return it if its load fails or takes too long. */
function staleOrExpired(
  context: CacheContext,
  request: LookupRequest,
  entry: Entry,
  refreshable: Refreshable,
  storeTime: number,
  requested: Requested | undefined,
  policy: ReadPolicy,
): LookupResult {
  const { clock, storeClock } = context;
  // The shorter one of the grace that it was stored with, and of the caller's.
  // guard: stale-value-has-a-bound
  const staleUntil = Math.min(refreshable.staleUntil, entry.freshUntil + policy.grace);
  const decoded = storeTime < staleUntil ? decode(context, request, entry, policy) : undefined;
  if (decoded === undefined || decoded.cause !== undefined) {
    publishMiss(context, request, 'expired');
    return { status: 'miss', replaces: entry.token, keeps: true };
  }
  // guard: stale-value-that-is-read-is-touched
  if (requested !== undefined) touched(context, request, entry);
  return {
    status: 'stale',
    value: decoded.value,
    tags: entry.tags,
    replaces: entry.token,
    isBackedOff: storeTime < refreshable.retryAt,
    until: clock.now() + staleUntil - storeTime,
    loadedAt: storeClock.toLocalTime(entry.loadStart),
  };
}

const UNDECODABLE: Restored = { cause: 'undecodable' };

/** The value of an entry, or why a call with this policy cannot have it. */
export function restore(
  { codec, payload }: Pick<Entry, 'codec' | 'payload'>,
  { serializer, maxValueBytes }: Pick<ReadPolicy, 'serializer' | 'maxValueBytes'>,
): Restored {
  if (serializer === undefined) return decodeValue(codec, payload, maxValueBytes) ?? UNDECODABLE;
  return serializer.decode(codec, payload, maxValueBytes);
}

function decode(
  { events }: CacheContext,
  request: LookupRequest,
  entry: Entry,
  policy: ReadPolicy,
): Restored {
  const restored = restore(entry, policy);
  if (restored.cause !== undefined && restored.error !== undefined) {
    events.error('decode', request, restored.error);
  }
  return restored;
}

function isRefreshDue(
  { clock }: CacheContext,
  { refreshable, freshUntil, loadStart }: Entry,
  storeTime: number | undefined,
  policy: ReadPolicy,
): boolean {
  if (refreshable === undefined || storeTime === undefined) return false;
  if (policy.refreshAhead.by === 'never') return false;
  if (storeTime < refreshable.retryAt || storeTime < refreshable.refreshingUntil) return false;
  const times = { ttl: freshUntil - loadStart, loadMs: refreshable.loadMs };
  return storeTime >= freshUntil - refreshLead(policy.refreshAhead, times, clock.random());
}

function l1RefreshLead({ refreshable, freshUntil, loadStart }: Entry, policy: ReadPolicy): number {
  if (refreshable === undefined) return 0;
  return longestRefreshLead(policy.refreshAhead, {
    ttl: freshUntil - loadStart,
    loadMs: refreshable.loadMs,
  });
}

/** The entry in memory is the one in the store. It is valid if its nonces are unchanged, too. */
async function confirm(
  context: CacheContext,
  request: LookupRequest,
  known: L1Entry,
  { nonces, storeTime }: Snapshot,
): Promise<LookupResult> {
  const tags = tagsToRead(request, known);
  // guard: confirmed-entry-has-the-clear-nonce
  // guard: confirmed-entry-has-the-tags-of-the-call
  // guard: confirmed-entry-has-the-tag-nonces
  const isCurrent =
    nonces[0] === known.clearNonce &&
    tags.length === known.tags.length &&
    known.tags.every(({ tag, nonce }) => nonces[tags.indexOf(tag) + 1] === nonce);
  if (!isCurrent) return invalidated(context, request, known.token, nonces, storeTime, undefined);
  publishL1Hit(context, request);
  return { status: 'hit', value: await known.read(), tags: known.tags, token: known.token, tier: 'l1' };
}

/** The tags of the call, then the others of the entry. */
function tagsToRead({ tags }: { readonly tags: readonly string[] }, known: L1Entry): readonly string[] {
  return known.tags.length === 0 ? tags : [...new Set([...tags, ...tagNames(known.tags)])];
}

export function publishL1Hit({ events }: CacheContext, { key, method }: EventSubject): void {
  if (channels.hit.hasSubscribers) events.publish('hit', method, { key, tier: 'l1' });
}

/** @param maxAge in the L1, in ms; 0: the call leaves the L1 out */
function requestedNow({ clock, l1 }: CacheContext, maxAge: number): Requested {
  return l1 === undefined || maxAge === 0 ? PAST_THE_L1 : { at: clock.now(), sequence: l1.sequence };
}

const PAST_THE_L1: Requested = { at: 0, sequence: undefined };

/** A call reads an entry. @returns until when it needs no touch, by this process' clock */
function touched({ touches }: CacheContext, request: LookupRequest, { token, idleTtl }: Entry): number {
  return idleTtl === undefined ? Infinity : touches.read(request, token, idleTtl);
}

/** Reads the nonces of the tags of the entry, beside those of the call, which are there. @throws StoreUnavailableError */
async function readTagNonces(
  { clock, names, store }: CacheContext,
  entry: Entry,
  callTags: readonly string[],
  nonces: readonly (string | null)[],
  deadline: number | undefined,
): Promise<ReadonlyMap<string, string | null>> {
  const current = new Map<string, string | null>();
  callTags.forEach((tag, i) => current.set(tag, nonces[i + 1] ?? null));
  const others = tagNames(entry.tags).filter((tag) => !current.has(tag));
  if (others.length > 0 && hasAllTags(entry, callTags)) {
    const timeout = deadline === undefined ? undefined : deadline - clock.now();
    const read = await store.nonces(names.tags(others), timeout);
    others.forEach((tag, i) => current.set(tag, read[i] ?? null));
  }
  return current;
}

/** True if every tag of the entry still has the stored nonce, and the entry has every tag of the call. */
function tagVersionsMatch(
  entry: Entry,
  callTags: readonly string[],
  current: ReadonlyMap<string, string | null>,
): boolean {
  // guard: entry-has-the-tags-of-the-call
  if (!hasAllTags(entry, callTags)) return false;
  // guard: tag-nonces-are-unchanged
  return entry.tags.every(({ tag, nonce }) => current.get(tag) === nonce);
}

function hasAllTags({ tags }: Entry, callTags: readonly string[]): boolean {
  return callTags.every((tag) => tags.some((one) => one.tag === tag));
}

/**
 * A nonce has changed. If a write has marked it, the entry is not replaced: it is valid again if the write fails.
 * @param nonces those that are there now
 */
async function invalidated(
  context: CacheContext,
  request: LookupRequest,
  token: string,
  nonces: readonly (string | null)[],
  storeTime: number | undefined,
  deadline: number | undefined,
): Promise<LookupResult> {
  const endsAt = Math.max(...nonces.map((nonce) => doubtEndsAt(nonce) ?? 0));
  if (endsAt === 0) return miss(context, request, 'invalidated', token);
  const { clock, events, names, store } = context;
  try {
    const timeout = deadline === undefined ? undefined : deadline - clock.now();
    const now = storeTime ?? (await store.time(names.entry(request.key), timeout));
    // guard: entry-under-a-marked-nonce-is-kept
    return now < endsAt ? inDoubt(context, request) : miss(context, request, 'invalidated', token);
  } catch (error) {
    return { status: 'unavailable', error: events.unavailable('read', request, error) };
  }
}

function inDoubt(context: CacheContext, request: LookupRequest): LookupResult {
  publishMiss(context, request, 'in-doubt');
  return { status: 'in-doubt' };
}

function miss(
  context: CacheContext,
  subject: EventSubject,
  cause: CachementEvents['miss']['cause'],
  replaces: string | undefined,
): LookupResult {
  publishMiss(context, subject, cause);
  return replaces === undefined ? MISS : { status: 'miss', replaces, keeps: false };
}

function publishMiss(
  { events }: CacheContext,
  { key, method }: EventSubject,
  cause: CachementEvents['miss']['cause'],
): void {
  if (channels.miss.hasSubscribers) events.publish('miss', method, { key, cause });
}
