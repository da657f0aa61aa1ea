import type { Clock } from '../ports/clock.js';
import type { EntryFormat } from '../ports/entry-format.js';
import type { EntryStore } from '../ports/entry-store.js';
import { HighWaterMarks } from '../shared/high-water-marks.js';
import type { L1Cache } from '../l1/l1-cache.js';
import { l1Options } from '../l1/l1-options.js';
import { OutageCache } from './outage-cache.js';
import { defaultsOf } from '../shared/option-schema.js';
import { InFlightLoads } from './in-flight-loads.js';
import { LoadBulkhead } from './load-bulkhead.js';
import type { LoadLocks } from './load-lock.js';
import { PendingInvalidations, type InvalidationTarget } from './pending-invalidations.js';
import type { StoreKeys } from '../keys/store-keys.js';
import { RequestMemo } from './request-memo.js';
import { ReleaseRetries } from '../shared/release-retries.js';
import { IdleTouches } from './idle-touches.js';
import { EventPublisher } from '../shared/event-publisher.js';
import { StoreClock } from './store-clock.js';
import { tagBucket } from '../ports/tag-changes.js';
import { newToken } from '../shared/token.js';
import { Wakeups, type Listen } from '../shared/wakeups.js';

/** The state that the steps of cached calls share. One for each `Caching`. */
export interface CacheContext {
  readonly store: EntryStore;
  readonly format: EntryFormat;
  readonly clock: Clock;
  readonly names: StoreKeys;
  readonly events: EventPublisher;
  readonly inFlight: InFlightLoads;
  readonly highWaterMarks: HighWaterMarks;
  readonly pending: PendingInvalidations;
  readonly releases: ReleaseRetries;
  readonly storeClock: StoreClock;
  /** The calls that wait for a load of another process. */
  readonly wakeups: Wakeups;
  /** The load leases that this process holds: store key to token. */
  readonly heldLeases: Map<string, string>;
  readonly loadLocks: LoadLocks;
  /** Values in the memory of this process; undefined without the option `l1`. */
  readonly l1: L1Cache | undefined;
  /** Which entries this process keeps alive by reading them. */
  readonly touches: IdleTouches;
  /** Values loaded while the store is away. */
  readonly outage: OutageCache;
  /** Values that the current request has read. */
  readonly memo: RequestMemo;
  /** Bounds all loads; undefined if they are not bounded. */
  readonly bulkhead: LoadBulkhead | undefined;
  /** The last sequence number. Calls, lookups and loads of this process take the next one, which orders them. */
  sequence: number;
}

export interface CacheContextSetup {
  readonly namespace: string;
  readonly store: EntryStore;
  readonly format: EntryFormat;
  readonly clock: Clock;
  readonly loadLocks: LoadLocks;
  readonly names: StoreKeys;
  readonly l1: L1Cache | undefined;
  readonly maxConcurrentLoads: number | undefined;
  readonly listen?: Listen;
}

export function createCacheContext(setup: CacheContextSetup): CacheContext {
  const { namespace, store, format, clock, names, loadLocks, l1, maxConcurrentLoads, listen } = setup;
  const l1Settings = l1?.settings ?? defaultsOf(l1Options);
  const events = new EventPublisher(namespace);
  return {
    store,
    format,
    clock,
    names,
    events,
    inFlight: new InFlightLoads(),
    highWaterMarks: new HighWaterMarks(),
    pending: new PendingInvalidations((target) => sendInvalidation(store, names, target), clock),
    releases: new ReleaseRetries(clock),
    storeClock: new StoreClock(),
    wakeups: new Wakeups(listen),
    heldLeases: new Map(),
    loadLocks,
    l1,
    touches: new IdleTouches(store, names, events, clock),
    outage: new OutageCache(l1Settings, clock),
    memo: new RequestMemo(l1Settings, clock),
    bulkhead: maxConcurrentLoads === undefined ? undefined : new LoadBulkhead(maxConcurrentLoads),
    sequence: 0,
  };
}

/** Sends an invalidation to the store. @param mark the token of a mark that ends with it @throws StoreUnavailableError */
export async function sendInvalidation(
  store: Pick<EntryStore, 'remove' | 'removeNonces'>,
  names: StoreKeys,
  { keys, tags, all }: InvalidationTarget,
  mark?: string,
): Promise<void> {
  const sent: Promise<void>[] = [];
  if (keys.length > 0) {
    sent.push(
      store.remove(
        keys.map((key) => names.entry(key)),
        mark,
      ),
    );
  }
  if (all || tags.length > 0) {
    const nonceKeys = names.tags(tags);
    if (all) nonceKeys.push(names.clear);
    sent.push(store.removeNonces(nonceKeys, names.tagChanges, tags.map(tagBucket), newToken(), mark));
  }
  await Promise.all(sent);
}
