import type { Clock, EntryStore } from '../ports.js';
import { Floors } from '../floors.js';
import { InFlightLoads } from './in-flight-loads.js';
import type { LoadLocks } from './load-lock.js';
import { PendingInvalidations, type Target } from '../pending-invalidations.js';
import { RedisNames } from '../redis-names.js';
import { ReleaseRetries } from '../release-retries.js';
import { Reporter } from '../reporter.js';
import { StoreTime } from '../store-time.js';
import { bucketOf } from '../tags.js';
import { newToken } from '../token.js';
import { Wakeups } from '../wakeups.js';

/** What the steps of a cached call share: one for each `Caching`. */
export interface CacheContext {
  readonly store: EntryStore;
  readonly clock: Clock;
  readonly names: RedisNames;
  readonly reporter: Reporter;
  readonly inFlight: InFlightLoads;
  readonly floors: Floors;
  readonly pending: PendingInvalidations;
  readonly releases: ReleaseRetries;
  readonly storeTime: StoreTime;
  /** Calls that wait for another process to load a key. */
  readonly wakeups: Wakeups;
  /** The load leases that this process holds: token by key in the store. */
  readonly heldLeases: Map<string, string>;
  readonly loadLocks: LoadLocks;
  /** Orders the calls, lookups and loads of this process: each gets a number of its own. */
  readonly nextSequence: () => number;
}

export interface CacheContextSetup {
  readonly namespace: string;
  readonly store: EntryStore;
  readonly clock: Clock;
  readonly loadLocks: LoadLocks;
}

export function createCacheContext({ namespace, store, clock, loadLocks }: CacheContextSetup): CacheContext {
  const names = new RedisNames(namespace);
  let sequence = 0;
  return {
    store,
    clock,
    names,
    reporter: new Reporter(namespace),
    inFlight: new InFlightLoads(),
    floors: new Floors(),
    pending: new PendingInvalidations((target) => sendInvalidation(store, names, target), clock),
    releases: new ReleaseRetries(clock),
    storeTime: new StoreTime(),
    wakeups: new Wakeups(),
    heldLeases: new Map(),
    loadLocks,
    nextSequence: () => ++sequence,
  };
}

/** Sends an invalidation to the store. @throws StoreUnavailableError */
export async function sendInvalidation(
  store: EntryStore,
  names: RedisNames,
  { keys, tags, all }: Target,
): Promise<void> {
  const sent: Promise<void>[] = [];
  if (keys.length > 0) sent.push(store.remove(keys.map((key) => names.entry(key))));
  if (all || tags.length > 0) {
    const nonceKeys = names.tags(tags);
    if (all) nonceKeys.push(names.clear);
    sent.push(store.removeNonces(nonceKeys, names.epochs, tags.map(bucketOf), newToken()));
  }
  await Promise.all(sent);
}
