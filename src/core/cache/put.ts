import type { CacheCall, CallKeys, Replaced } from './cache-call.js';
import type { CacheContext } from './cache-context.js';
import {
  acceptLoaded,
  decidedNonceTtl,
  finishAndValidate,
  prepareEntry,
  readResultTags,
  writeEntry,
} from './entry-writer.js';
import { runLoader } from './load-context.js';
import {
  foreignError,
  hasAllNonces,
  keepExtending,
  releaseLater,
  requestLease,
  type LoadLease,
} from './load-lease.js';
import type { OnUnavailable } from './cache-options.js';
import { notMarked, StoreUnavailableError } from '../shared/errors.js';
import { newToken } from '../shared/token.js';
import { zipTagVersions } from './tags.js';
import type { WriteMark } from './write-mark.js';

/** A put ends every lease of its key, and leaves the value readable until it has another one. */
const PUT: Replaced = { token: '*', keeps: 'value', tags: [] };

/** What has come of a write and of its put. */
export interface PutResult<T> {
  readonly value: T;
  /** False: whatever is stored at the key must be invalidated. */
  readonly isStored: boolean;
  /** Why the value could not be stored: an error of the options, or of the value. */
  readonly failure?: { readonly cause: unknown } | undefined;
}

/**
 * Runs a write, and stores its result as the entry.
 *
 * The lease is taken before the write, as by a load. Loads and puts that started earlier lose theirs, so they do not store an
 * older value. A later put, or an invalidation, takes the lease away: then the order of the writes is not known, and neither
 * result is stored. A value that is stored already stays readable meanwhile.
 *
 * With a mark (`safe`), the lease stands beneath it: what stood before a mark is dropped by whatever must end the lease, too.
 * The store replaces both by the result, if no other write has a mark.
 *
 * @throws what the write throws
 * @throws InvalidationError before the write, if the store does not confirm the mark under `onUnavailable: 'throw'`
 * @see G1, G11, G12 in docs/coherence.md
 */
export async function put<T>(
  context: CacheContext,
  call: CacheCall<T>,
  keys: CallKeys,
  mark: WriteMark | undefined,
  onUnavailable: OnUnavailable,
): Promise<PutResult<T>> {
  const { policy } = call;
  // One round trip. The lease is sent first: a mark refuses leases, its own included.
  const [lease, failure] = await Promise.all([
    acquirePutLease(context, call, keys, mark?.token ?? newToken()),
    mark?.set(call.method),
  ]);
  // Beneath a mark, which is renewed, the lease has no end of its own.
  const isExtended = lease !== undefined && (mark === undefined || failure !== undefined);
  const endExtending = isExtended
    ? keepExtending(context, keys.entry, lease.token, policy.lease, () => undefined)
    : undefined;
  try {
    if (failure !== undefined && onUnavailable === 'throw') throw notMarked(failure);
    const value = await write(context, call);
    // A renewal that is sent later would mark what is stored.
    // guard: put-ends-renewals-of-its-mark
    mark?.end();
    if (lease === undefined) return { value, isStored: false };
    try {
      return { value, isStored: await store(context, call, keys, lease, value) };
    } catch (cause) {
      if (!(cause instanceof StoreUnavailableError)) return { value, isStored: false, failure: { cause } };
      context.events.unavailable('fill', call, cause);
      return { value, isStored: false };
    }
  } catch (error) {
    // guard: failed-put-lifts-its-mark
    await mark?.lift();
    // guard: failed-write-releases-its-lease
    if (lease !== undefined) releaseLater(context, keys.entry, lease.token, policy.lease);
    throw error;
  } finally {
    endExtending?.();
  }
}

/** A cached call of the same key within the write runs uncached: it would wait for the lease of the write. */
function write<T>(context: CacheContext, { key, load, site }: CacheCall<T>): Promise<T> {
  // guard: write-does-not-wait-for-itself
  return runLoader({ engine: context, key, site, isWrite: true }, undefined, load);
}

/** @returns undefined if the store is unavailable, the key has a foreign value, or another write has marked it */
async function acquirePutLease<T>(
  context: CacheContext,
  call: CacheCall<T>,
  keys: CallKeys,
  token: string,
): Promise<LoadLease | undefined> {
  const { clock, events } = context;
  const requestedAt = clock.now();
  try {
    // guard: put-ends-other-leases
    const [reply, tagState] = await requestLease(context, call, keys, token, PUT, call.policy.storeTimeout);
    if (reply.status === 'granted' && hasAllNonces(tagState)) {
      return { token, tagState, grantedAt: reply.storeTime, requestedAt, replaced: PUT };
    }
    if (reply.status === 'granted') releaseLater(context, keys.entry, token, call.policy.lease);
    if (reply.status === 'foreign') events.error('lease', call, foreignError(keys.entry));
  } catch (error) {
    events.unavailable('lease', call, error);
    releaseLater(context, keys.entry, token, call.policy.lease);
  }
  return undefined;
}

/** @throws StoreUnavailableError, ValueError, and the errors of `unless` and of the functions `tags` and `ttl` */
async function store<T>(
  context: CacheContext,
  call: CacheCall<T>,
  keys: CallKeys,
  lease: LoadLease,
  value: T,
): Promise<boolean> {
  if (call.unless?.(value) === true) return false;
  const entry = prepareEntry(context, call, acceptLoaded(context, call, value));
  if (entry === undefined) return false;
  const argumentTags = zipTagVersions(call.tags, lease.tagState.nonces, 1);
  const resultTags = await readResultTags(
    context,
    call,
    lease,
    (call.resultTags?.(value, []) ?? []).filter((tag) => !call.tags.includes(tag)),
  );
  if (argumentTags === undefined || resultTags === undefined) {
    context.events.notStored(call, 'tag-invalidated');
    return false;
  }
  const tags = [...argumentTags, ...resultTags];
  let isStored = false;
  await finishAndValidate(context, lease, tags, decidedNonceTtl(call, entry), async () => {
    const reply = await writeEntry(context, call, keys, lease, tags, entry);
    isStored = reply === 'stored';
    return reply;
  });
  return isStored;
}
