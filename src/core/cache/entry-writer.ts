import { NOT_VALIDATED, type CacheCall, type CallKeys } from './cache-call.js';
import type { CacheContext } from './cache-context.js';
import { tagNames, type TagVersion } from '../ports/entry-format.js';
import { ValueError } from '../shared/errors.js';
import { nonceTtl, removeEndedNonces, type LoadLease } from './load-lease.js';
import { ttlOf } from './result-ttl.js';
import type { EntryStore, FillReply } from '../ports/entry-store.js';
import { zipTagVersions } from './tags.js';
import { unchangedBuckets } from '../ports/tag-changes.js';
import { newToken } from '../shared/token.js';
import { serialize } from '../values/serializer.js';
import type { EncodedValue } from '../values/value-codec.js';

/** An encoded value, ready to be stored. */
export interface PreparedEntry {
  readonly encoded: EncodedValue;
  /** In ms, after jitter. */
  readonly ttl: number;
}

/** A loaded value: what the call returns, and what is stored, if anything is. */
export interface Loaded<T> {
  readonly value: T;
  readonly stored: unknown;
}

/** In place of a value that must not be stored. */
const NOTHING = Symbol('nothing');

/**
 * Checks a loaded value against the schema of the call, which may transform it.
 * @throws ValueError for a value that it rejects under `onUnsupported: 'throw'`
 */
export function acceptLoaded<T>(context: CacheContext, call: CacheCall<T>, value: T): Loaded<T> {
  const { serializer, onUnsupported } = call.policy;
  if (serializer === undefined) return { value, stored: value };
  try {
    return serializer.accept(value) as Loaded<T>;
  } catch (error) {
    if (!(error instanceof ValueError) || onUnsupported === 'throw') throw error;
    context.events.error('encode', call, error);
    context.events.notStored(call, error.reason === 'rejected' ? 'rejected' : 'unsupported');
    return { value, stored: NOTHING };
  }
}

/**
 * Encodes a value and computes its ttl.
 *
 * @param decidedTtl by the loader, in ms; undefined: that of the call
 * @returns undefined if the value must not be stored
 * @throws ValueError for an unsupported value under `onUnsupported: 'throw'`; what the function `ttl` of the call throws
 */
export function prepareEntry<T>(
  context: CacheContext,
  call: CacheCall<T>,
  { value, stored }: Loaded<T>,
  decidedTtl?: number,
): PreparedEntry | undefined {
  const { policy } = call;
  if (stored === NOTHING) return undefined;
  // The nonces live for the ttl of the call, so an entry may not live longer.
  // guard: decided-ttl-is-at-most-that-of-the-call
  const fullTtl = Math.min(ttlOf(call, value), decidedTtl ?? Infinity);
  const ttl = Math.ceil(fullTtl * (1 - policy.jitter * context.clock.random()));
  if (ttl <= 0) return undefined;
  try {
    return { encoded: serialize(policy, stored), ttl };
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
 * Replaces the lease with the entry, or releases the lease if there is no entry or its ttl has passed.
 * @returns `refused` if the lease no longer existed
 * @throws StoreUnavailableError
 * @see G1, G6
 */
export async function writeEntry(
  { clock, events, format, store }: CacheContext,
  { key, method, policy }: Pick<CacheCall<unknown>, 'key' | 'method' | 'policy'>,
  keys: CallKeys,
  lease: LoadLease,
  tags: readonly TagVersion[],
  entry: PreparedEntry | undefined,
): Promise<FillReply | 'released'> {
  const loadMs = clock.now() - lease.requestedAt;
  const ttlMs = entry === undefined ? 0 : Math.floor(entry.ttl - loadMs);
  if (entry === undefined || ttlMs + policy.grace <= 0) {
    if (entry !== undefined) events.notStored({ key, method }, 'expired');
    return releaseUnfilled(store, keys, lease);
  }
  const { encoded, ttl } = entry;
  // guard: ttl-from-load-start
  const freshUntil = lease.grantedAt + ttl;
  const staleUntil = freshUntil + policy.grace;
  // A put gives any other value the part of a refreshable one, which would break the seal.
  // guard: sealed-value-has-room-for-a-lease
  const isRefreshable = format.isSealed || policy.grace > 0 || policy.refreshAhead.by !== 'never';
  const record = format.encode(key, {
    token: lease.token,
    codec: encoded.codec,
    loadStart: lease.grantedAt,
    freshUntil,
    clearNonce: lease.tagState.nonces[0]!,
    tags,
    payload: encoded.payload,
    refreshable: isRefreshable ? { staleUntil, loadMs, retryAt: 0, refreshingUntil: 0 } : undefined,
    idleTtl: policy.idleTtl,
  });
  // Other processes may have read the kept value again since they were told that it is being replaced.
  // guard: stored-value-ends-if-it-is-not-read
  const idleUntil = lease.grantedAt + loadMs + (policy.idleTtl ?? Infinity);
  const until = Math.min(staleUntil, idleUntil);
  const reply = await store.fill(keys.entry, lease.token, record, until, keepsAnyValue(lease));
  if (reply === 'stored') {
    events.publish('fill', method, { key, bytes: record.length, ttlMs });
  } else {
    events.notStored({ key, method }, reply === 'expired' ? 'expired' : 'invalidated');
  }
  return reply;
}

/**
 * Releases the lease of a load whose value is not stored. A refresh leaves no older value behind either.
 * @throws StoreUnavailableError
 */
export async function releaseUnfilled(
  store: EntryStore,
  { entry }: CallKeys,
  lease: LoadLease,
): Promise<'released' | 'refused'> {
  const isReleased = await store.release(entry, lease.token);
  // guard: refresh-without-a-value-ends-the-kept-one
  if (isReleased && keepsAnyValue(lease)) await store.remove([entry]);
  return isReleased ? 'released' : 'refused';
}

/** True for a refresh and a put: they replace any value, which stays readable until then. */
function keepsAnyValue({ replaced }: LoadLease): boolean {
  return replaced.token === '*' && replaced.keeps !== undefined;
}

/**
 * Reads the nonces of the tags that depend on the result. They are valid if the tags have not been invalidated since the
 * load started, which the record of tag changes shows.
 * @returns undefined if one of the tags may have been invalidated
 * @throws StoreUnavailableError
 * @see G7
 */
export async function readResultTags<T>(
  context: CacheContext,
  call: CacheCall<T>,
  lease: LoadLease,
  tags: readonly string[],
): Promise<readonly TagVersion[] | undefined> {
  if (tags.length === 0) return [];
  const { events, names, store } = context;
  const now = await store.getOrCreateNonces(
    names.tags(tags),
    names.tagChanges,
    newToken(),
    nonceTtl(call.policy),
  );
  if (now.ended.length > 0) events.background(removeEndedNonces(context, now.ended));
  // guard: result-tags-are-unchanged
  return unchangedBuckets(lease.tagState.tagChanges, now.tagChanges, tags)
    ? zipTagVersions(tags, now.nonces)
    : undefined;
}

/** How long the nonces of an entry must live whose value has decided its ttl; undefined: they do already. */
export function decidedNonceTtl<T>(
  { policy, resultTtl }: CacheCall<T>,
  entry: PreparedEntry | undefined,
): number | undefined {
  // guard: nonces-live-as-long-as-a-decided-ttl
  if (resultTtl !== undefined && entry !== undefined) return nonceTtl(policy, entry.ttl);
  return undefined;
}

/**
 * Ends the lease with `finish` and reads the nonces again, in one round trip. If the lease still existed and the nonces
 * are those read before the load, the value was valid when both were sent.
 *
 * @param nonceTtl how long the nonces must live for the entry, in ms; undefined: they do
 * @returns the sequence number at which the store confirmed the value as valid, or NOT_VALIDATED
 * @throws StoreUnavailableError
 */
export async function finishAndValidate(
  context: CacheContext,
  lease: LoadLease,
  tags: readonly TagVersion[],
  nonceTtl: number | undefined,
  finish: () => Promise<FillReply | 'released'>,
): Promise<number> {
  const { names, store } = context;
  const validFrom = ++context.sequence;
  const nonceKeys = names.nonces(tagNames(tags));
  const readNonces = async (): Promise<readonly (string | null)[]> =>
    nonceTtl === undefined
      ? store.nonces(nonceKeys)
      : (await store.getOrCreateNonces(nonceKeys, undefined, newToken(), nonceTtl)).nonces;
  const [reply, nonces] = await Promise.all([finish(), readNonces()]);
  // guard: validated-by-the-clear-nonce
  // guard: validated-by-the-tag-nonces
  const isCurrent =
    nonces[0] === lease.tagState.nonces[0] && tags.every(({ nonce }, i) => nonces[i + 1] === nonce);
  // guard: validated-by-the-lease
  return reply !== 'refused' && isCurrent ? validFrom : NOT_VALIDATED;
}
