import {
  MISS,
  INVALIDATION_PENDING,
  type CacheCall,
  type CallKeys,
  type LookupResult,
} from './cache-call.js';
import type { CacheContext } from './cache-context.js';
import { decodeEntry, isLease, tagNames, tokenOf, type Entry } from '../ports/entry-format.js';
import { channels, type CachementEvents } from '../shared/events.js';
import type { Snapshot } from '../ports/entry-store.js';
import type { EventSubject } from '../shared/event-publisher.js';
import { decodeValue } from '../values/value-codec.js';

interface LookupRequest extends EventSubject {
  readonly tags: readonly string[];
}

/** Looks up the entry of a cached call. Failures of the store are published and returned as `unavailable`, not thrown. */
export async function lookup<T>(
  context: CacheContext,
  call: CacheCall<T>,
  keys: CallKeys,
): Promise<LookupResult> {
  const { clock, store, pending, events } = context;
  const { storeTimeout } = call.policy;
  // guard: no-lookup-under-a-queued-invalidation
  if (pending.matches(call.key, call.tags)) return INVALIDATION_PENDING;
  const deadline = clock.now() + storeTimeout;
  let snapshot: Snapshot;
  try {
    snapshot = await store.read(keys.entry, keys.nonces, storeTimeout);
  } catch (error) {
    return { status: 'unavailable', error: events.unavailable('read', call, error) };
  }
  return validate(context, call, snapshot, deadline);
}

/**
 * Looks a key up for the plain verbs, which report a failure of the store to their callers.
 * @throws StoreUnavailableError
 */
export async function peek(context: CacheContext, key: string): Promise<LookupResult> {
  const { store, names, pending } = context;
  // guard: no-plain-get-under-a-queued-invalidation
  if (pending.matches(key, [])) return MISS;
  const snapshot = await store.read(names.entry(key), [names.clear]);
  const found = await validate(context, { key, tags: [], method: undefined }, snapshot, undefined);
  if (found.status !== 'unavailable') return found;
  if (found.error !== undefined) throw found.error;
  return MISS;
}

/**
 * Checks a record and decodes its value: it must be an entry of this key, stored since the last clear, with unchanged
 * tag versions, and not older than a value that this process has returned.
 *
 * @param deadline for a second reading, of nonces, by this process' clock; undefined: the timeout of every command
 * @see G1, G4, G7, G10
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
    // Check before the nonces are read: if a pending invalidation completes meanwhile, the nonces read afterwards differ.
    // guard: no-entry-with-a-queued-tag
    if (pending.matches(request.key, tagNames(entry.tags))) return INVALIDATION_PENDING;
    let isCurrent: boolean;
    try {
      isCurrent = await tagVersionsMatch(context, entry, request.tags, nonces, deadline);
    } catch (error) {
      return { status: 'unavailable', error: events.unavailable('read', request, error) };
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

/** True if every tag of the entry still has the stored nonce, and the entry has every tag of the call. */
async function tagVersionsMatch(
  { clock, names, store }: CacheContext,
  entry: Entry,
  callTags: readonly string[],
  nonces: readonly (string | null)[],
  deadline: number | undefined,
): Promise<boolean> {
  const current = new Map<string, string | null>();
  callTags.forEach((tag, i) => current.set(tag, nonces[i + 1] ?? null));
  const entryTags = tagNames(entry.tags);
  // guard: entry-has-the-tags-of-the-call
  if (callTags.some((tag) => !entryTags.includes(tag))) return false;
  const others = entryTags.filter((tag) => !current.has(tag));
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
