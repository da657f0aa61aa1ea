import { MISS, UNAVAILABLE, type CacheCall, type CallKeys, type LookupResult } from './cache-call.js';
import type { CacheContext } from './cache-context.js';
import { decodeEntry, isLease, tagNames, tokenOf, type Entry } from '../ports/entry-format.js';
import { channels, type CachementEvents } from '../shared/events.js';
import type { Snapshot } from '../ports/entry-store.js';
import type { EventSubject } from '../shared/event-publisher.js';
import { decodeValue } from '../values/value-codec.js';

interface LookupRequest extends EventSubject {
  readonly tags: readonly string[];
}

/** The lookup of a cached call. A store that fails makes it `unavailable`, and never throws. */
export async function lookup<T>(
  context: CacheContext,
  call: CacheCall<T>,
  keys: CallKeys,
): Promise<LookupResult> {
  const { clock, store, pending, events } = context;
  const { storeTimeout } = call.policy;
  // guard: no-lookup-under-a-queued-invalidation
  if (pending.matches(call.key, call.tags)) return UNAVAILABLE;
  const deadline = clock.now() + storeTimeout;
  let snapshot: Snapshot;
  try {
    snapshot = await store.read(keys.entry, keys.nonces, storeTimeout);
  } catch (error) {
    events.unavailable('read', call, error);
    return UNAVAILABLE;
  }
  return validate(context, call, snapshot, deadline);
}

/** The lookup of the plain verbs, whose callers see a failure of the store. @throws StoreUnavailableError */
export async function peek(context: CacheContext, key: string): Promise<LookupResult> {
  const { store, names, pending } = context;
  // guard: no-plain-get-under-a-queued-invalidation
  if (pending.matches(key, [])) return MISS;
  const snapshot = await store.read(names.entry(key), [names.clear]);
  const found = await validate(context, { key, tags: [], method: undefined }, snapshot, undefined);
  return found.status === 'unavailable' ? MISS : found;
}

/**
 * Whether the record still counts, and its value if it does.
 * @param deadline of a second reading, of nonces, by this process' clock; undefined: that of every command
 */
export async function validate(
  context: CacheContext,
  request: LookupRequest,
  { record, nonces }: Snapshot,
  deadline: number | undefined,
): Promise<LookupResult> {
  const { pending, highWaterMarks, storeClock, events } = context;
  if (record === null) return miss(context, request, 'absent', undefined);
  const entry = decodeEntry(request.key, record);
  if (entry === undefined) {
    // guard: damaged-lease-is-named
    const lease = isLease(record);
    return miss(context, request, lease ? 'absent' : 'undecodable', lease ? undefined : tokenOf(record));
  }
  // guard: clear-nonce-is-unchanged
  if (entry.clearNonce !== nonces[0]) return miss(context, request, 'invalidated', entry.token);
  if (entry.tags.length > 0 || request.tags.length > 0) {
    // Before the nonces are read: if a pending invalidation completes meanwhile, the nonces read afterwards differ.
    // guard: no-entry-with-a-queued-tag
    if (pending.matches(request.key, tagNames(entry.tags))) return UNAVAILABLE;
    let isCurrent: boolean;
    try {
      isCurrent = await tagVersionsMatch(context, entry, request.tags, nonces, deadline);
    } catch (error) {
      events.unavailable('read', request, error);
      return UNAVAILABLE;
    }
    if (!isCurrent) return miss(context, request, 'invalidated', entry.token);
  }
  // guard: entry-is-not-below-the-high-water-mark
  if (
    !highWaterMarks.isEmpty &&
    !highWaterMarks.permits(request.key, storeClock.toLocalTime(entry.loadStart))
  ) {
    return miss(context, request, 'outdated', entry.token);
  }
  const decoded = decodeValue(entry.codec, entry.payload);
  // guard: damaged-value-is-named
  if (decoded === undefined) return miss(context, request, 'undecodable', entry.token);
  if (channels.hit.hasSubscribers) events.publish('hit', request.method, { key: request.key, tier: 'l2' });
  return { status: 'hit', value: decoded.value, tags: entry.tags };
}

/** Every tag of the entry still has its nonce, and every tag of the call is among them. */
async function tagVersionsMatch(
  { clock, names, store }: CacheContext,
  entry: Entry,
  requested: readonly string[],
  nonces: readonly (string | null)[],
  deadline: number | undefined,
): Promise<boolean> {
  const current = new Map<string, string | null>();
  requested.forEach((tag, i) => current.set(tag, nonces[i + 1] ?? null));
  const own = tagNames(entry.tags);
  // guard: entry-has-the-tags-of-the-call
  if (requested.some((tag) => !own.includes(tag))) return false;
  const others = own.filter((tag) => !current.has(tag));
  if (others.length > 0) {
    const timeout = deadline === undefined ? undefined : deadline - clock.now();
    const read = await store.nonces(names.tags(others), timeout);
    others.forEach((tag, i) => current.set(tag, read[i] ?? null));
  }
  // guard: tag-nonces-are-unchanged
  return entry.tags.every(({ tag, nonce }) => current.get(tag) === nonce);
}

function miss(
  { events }: CacheContext,
  { key, method }: EventSubject,
  cause: CachementEvents['miss']['cause'],
  replaces: string | undefined,
): LookupResult {
  if (channels.miss.hasSubscribers) events.publish('miss', method, { key, cause });
  return replaces === undefined ? MISS : { status: 'miss', replaces };
}
