import { Floors } from './floors.js';
import { PendingInvalidations, type Target } from './pending-invalidations.js';
import type { Clock, EntryStore } from './ports.js';
import { RedisNames } from './redis-names.js';
import { ReleaseRetries } from './release-retries.js';
import { Reporter } from './reporter.js';
import { SingleFlight } from './single-flight.js';
import { StoreTime } from './store-time.js';
import { bucketOf } from './tags.js';
import { newToken } from './token.js';

/** What the parts of the engine have in common. */
export interface Workings {
  readonly store: EntryStore;
  readonly clock: Clock;
  readonly names: RedisNames;
  readonly reporter: Reporter;
  readonly flights: SingleFlight;
  readonly floors: Floors;
  readonly pending: PendingInvalidations;
  readonly releases: ReleaseRetries;
  readonly storeTime: StoreTime;
  /** Orders the calls, looks and loads of this process: no two share one. */
  readonly nextOrdinal: () => number;
}

export function workings(namespace: string, store: EntryStore, clock: Clock): Workings {
  const names = new RedisNames(namespace);
  let ordinal = 0;
  return {
    store,
    clock,
    names,
    reporter: new Reporter(namespace),
    flights: new SingleFlight(),
    floors: new Floors(),
    pending: new PendingInvalidations((target) => remove(store, names, target), clock),
    releases: new ReleaseRetries(clock),
    storeTime: new StoreTime(),
    nextOrdinal: () => ++ordinal,
  };
}

/** An invalidation as the store takes it. */
export async function remove(
  store: EntryStore,
  names: RedisNames,
  { keys, tags, all }: Target,
): Promise<void> {
  const done: Promise<void>[] = [];
  if (keys.length > 0) done.push(store.remove(keys.map((key) => names.entry(key))));
  if (all || tags.length > 0) {
    const nonceKeys = names.tags(tags);
    if (all) nonceKeys.push(names.clear);
    done.push(store.removeNonces(nonceKeys, names.epochs, tags.map(bucketOf), newToken()));
  }
  await Promise.all(done);
}
