import { NOT_VALIDATED, type CacheCall, type CallKeys } from './cache-call.js';
import type { CacheContext } from './cache-context.js';
import { encodeEntry, tagNames, type TagVersion } from '../ports/entry-format.js';
import { ValueError } from '../shared/errors.js';
import { nonceTtl, type LoadLease } from './load-lease.js';
import type { FillReply } from '../ports/entry-store.js';
import type { EventSubject } from '../shared/event-publisher.js';
import { zipTagVersions } from './tags.js';
import { unchangedBuckets } from '../ports/tag-changes.js';
import { newToken } from '../shared/token.js';
import { MAX_DEPTH } from '../values/value-limits.js';
import { encodeValue, type EncodedValue } from '../values/value-codec.js';

/** A value that is to be stored. */
export interface PreparedEntry {
  readonly encoded: EncodedValue;
  /** In ms, the jitter taken off. */
  readonly ttl: number;
}

/**
 * Encodes a value and gives it its ttl.
 *
 * @returns undefined: the value is not to be stored
 * @throws ValueError if the value cannot be stored and the policy says to throw
 */
export function prepareEntry<T>(
  context: CacheContext,
  call: CacheCall<T>,
  value: T,
): PreparedEntry | undefined {
  const { policy } = call;
  const full = value === null || value === undefined ? policy.negativeTtl : policy.ttl;
  const ttl = Math.ceil(full * (1 - policy.jitter * context.clock.random()));
  if (ttl <= 0) return undefined;
  try {
    return { encoded: encodeValue(value, { maxBytes: policy.maxValueBytes, maxDepth: MAX_DEPTH }), ttl };
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    const isTooLarge = error.reason === 'too-large';
    if (!isTooLarge && policy.onUnsupported === 'throw') throw error;
    context.events.error('encode', call, error);
    context.events.notStored(call, isTooLarge ? 'too-large' : 'unsupported');
    return undefined;
  }
}

/**
 * Puts the entry in the place of its lease, or only releases the lease if there is nothing to store.
 * @returns `refused`: the lease was not there any more
 * @throws StoreUnavailableError
 */
export async function writeEntry(
  { clock, events, store }: CacheContext,
  subject: EventSubject,
  keys: CallKeys,
  lease: LoadLease,
  tags: readonly TagVersion[],
  entry: PreparedEntry | undefined,
): Promise<FillReply | 'released'> {
  const left = entry === undefined ? 0 : Math.floor(entry.ttl - (clock.now() - lease.askedAt));
  if (entry === undefined || left <= 0) {
    if (entry !== undefined) events.notStored(subject, 'expired');
    return (await store.release(keys.entry, lease.token)) ? 'released' : 'refused';
  }
  const { encoded, ttl } = entry;
  // guard: ttl-from-load-start
  const until = lease.grantedAt + ttl;
  const record = encodeEntry(subject.key, {
    token: lease.token,
    codec: encoded.codec,
    loadStart: lease.grantedAt,
    freshUntil: until,
    clearNonce: lease.tagState.nonces[0]!,
    tags,
    payload: encoded.payload,
  });
  const reply = await store.fill(keys.entry, lease.token, record, until);
  if (reply === 'stored') {
    events.publish('fill', subject.method, { key: subject.key, bytes: record.length, ttlMs: left });
  } else {
    events.notStored(subject, reply === 'expired' ? 'expired' : 'invalidated');
  }
  return reply;
}

/**
 * The nonces of tags that only the result tells. They count if the tags were not invalidated since before the load.
 * @returns undefined: one of them was
 * @throws StoreUnavailableError
 */
export async function readResultTags<T>(
  { names, store }: CacheContext,
  call: CacheCall<T>,
  lease: LoadLease,
  tags: readonly string[],
): Promise<readonly TagVersion[] | undefined> {
  if (tags.length === 0) return [];
  const now = await store.getOrCreateNonces(
    names.tags(tags),
    names.tagChanges,
    newToken(),
    nonceTtl(call.policy),
  );
  // guard: result-tags-are-unchanged
  return unchangedBuckets(lease.tagState.tagChanges, now.tagChanges, tags)
    ? zipTagVersions(tags, now.nonces)
    : undefined;
}

/**
 * Ends the lease by `finish` and reads the nonces again, in one round trip. If the lease was still there and the nonces
 * are those from before the load, nothing had been invalidated when the two were sent.
 *
 * @returns the sequence number from which on the value is validated, or NOT_VALIDATED
 * @throws StoreUnavailableError
 */
export async function finishAndValidate(
  context: CacheContext,
  lease: LoadLease,
  tags: readonly TagVersion[],
  finish: () => Promise<FillReply | 'released'>,
): Promise<number> {
  const { names, store } = context;
  const validFrom = ++context.sequence;
  const [reply, nonces] = await Promise.all([finish(), store.nonces(names.nonces(tagNames(tags)))]);
  // guard: validated-by-the-clear-nonce
  // guard: validated-by-the-tag-nonces
  const isCurrent =
    nonces[0] === lease.tagState.nonces[0] && tags.every(({ nonce }, i) => nonces[i + 1] === nonce);
  // guard: validated-by-the-lease
  return reply !== 'refused' && isCurrent ? validFrom : NOT_VALIDATED;
}
