import { tagNames } from '../ports/entry-format.js';
import type { CacheCall } from './cache-call.js';
import type { CacheContext } from './cache-context.js';
import { publishL1Hit, validate } from './lookup.js';

/** A stored value, and what is known about it. */
export interface Peeked<T> {
  readonly value: T;
  /** Where it was found: `l1`, the memory of this process, or `l2`, the store. */
  readonly tier: 'l1' | 'l2';
  /** The time since its load started, in ms. */
  readonly ageMs: number;
  /** What is left of its ttl, in ms; 0 for a stale value. */
  readonly ttlMs: number;
  /** How long it is kept when nobody reads it, in ms; not there if it is kept until its ttl ends. */
  readonly idleTtlMs?: number;
  /** Its tags, with the parts of the context. */
  readonly tags: readonly string[];
  /** True: its ttl has passed, and calls return it only under `grace`. */
  readonly stale: boolean;
}

/**
 * Returns the value that a call would find, and what is known about it. Loads, stores and keeps nothing.
 *
 * @returns undefined if no value is stored that the call may return
 * @throws StoreUnavailableError
 */
export async function inspect<T>(context: CacheContext, call: CacheCall<T>): Promise<Peeked<T> | undefined> {
  const { clock, format, l1, names, pending, store } = context;
  const known = l1?.find(call.key, call.policy.l1, call.policy.serializer);
  if (known?.times !== undefined && l1?.mustConfirm === false && known.hasTags(call.tags)) {
    publishL1Hit(context, call);
    const now = clock.now();
    const { loadedAt, freshUntil, idleTtl } = known.times;
    return {
      value: (await known.read()) as T,
      tier: 'l1',
      ageMs: now - loadedAt,
      ttlMs: freshUntil - now,
      ...(idleTtl === undefined ? {} : { idleTtlMs: idleTtl }),
      tags: tagNames(known.tags),
      stale: false,
    };
  }
  // guard: no-inspection-under-a-queued-invalidation
  if (pending.matches(call.key, call.tags)) return undefined;
  const entryKey = names.entry(call.key);
  const snapshot = await store.read(entryKey, names.nonces(call.tags));
  const storeTime = snapshot.storeTime ?? (await store.time(entryKey));
  const found = await validate(context, call, { ...snapshot, storeTime }, undefined, undefined, call.policy);
  if (found.status === 'unavailable' && found.error !== undefined) throw found.error;
  const entry = snapshot.record === null ? undefined : format.decode(call.key, snapshot.record);
  if (entry === undefined || (found.status !== 'hit' && found.status !== 'stale')) return undefined;
  return {
    value: found.value as T,
    tier: 'l2',
    ageMs: storeTime - entry.loadStart,
    ttlMs: Math.max(0, entry.freshUntil - storeTime),
    ...(entry.idleTtl === undefined ? {} : { idleTtlMs: entry.idleTtl }),
    tags: tagNames(entry.tags),
    stale: found.status === 'stale',
  };
}
