import type { ExecutionContext } from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import type { Cache } from '../../src/core/cache/cache.js';
import { Caching } from '../../src/core/caching.js';
import type { CachementEvents, EventName } from '../../src/core/shared/events.js';
import { subscribe } from '../../src/core/shared/events.js';
import type { CacheOptions } from '../../src/core/cache/cache-options.js';
import type { EntryStore } from '../../src/core/ports/entry-store.js';
import { fakeClock, type FakeClock } from '../../src/testing/fake-clock.js';
import { deferred } from './deferred.js';
import { Stage, staged } from './stage.js';

export interface Opener {
  readonly caching: Caching;
  readonly cache: Cache;
  readonly stage: Stage;
}

export interface Rig {
  readonly clock: FakeClock;
  readonly namespace: string;
  readonly openers: readonly Opener[];
  /** The store itself, with no stage before it. */
  readonly store: EntryStore;
  /** The events of one name, of all openers, in order. */
  of<Name extends EventName>(name: Name): readonly CachementEvents[Name][];
}

let rigs = 0;

/** As many `Caching` as asked for on one memory, and a clock that stands still. Closed when the test ends. */
export function rig(t: ExecutionContext, count = 1, defaults: CacheOptions = {}): Rig {
  const clock = fakeClock();
  const namespace = `rig-${++rigs}`;
  const adapter = memory();
  const openers = Array.from({ length: count }, () => {
    const stage = new Stage();
    const caching = new Caching({
      adapter: staged(adapter, stage),
      namespace,
      clock,
      defaults: { ttl: '1m', jitter: 0, ...defaults },
    });
    return { caching, cache: caching.cache, stage };
  });
  const store = adapter.open({ namespace, clock, wake() {}, degraded() {}, recovered() {} }).entries;
  const names: readonly EventName[] = [
    'hit',
    'miss',
    'load',
    'coalesced',
    'fill',
    'notStored',
    'invalidate',
    'error',
  ];
  const events = new Map(names.map((name) => [name, [] as unknown[]]));
  const stops = names.map((name) =>
    subscribe(name, (event) => {
      if (event.namespace === namespace) events.get(name)!.push(event);
    }),
  );
  t.teardown(async () => {
    for (const stop of stops) stop();
    await Promise.all(openers.map(({ caching }) => caching.close()));
  });
  return {
    clock,
    namespace,
    openers,
    store,
    of: <Name extends EventName>(name: Name) =>
      events.get(name) as unknown as readonly CachementEvents[Name][],
  };
}

/** A row of a database. */
export class Row {
  version = 1;

  write(): number {
    return ++this.version;
  }

  /** A loader that reads at once. */
  readonly load = async (): Promise<number> => this.version;
}

/** A loader that reads the row when it is called, and brings it home, or fails, when the test says so. */
export class HeldLoad {
  readonly #row: Row;
  readonly #entered = deferred();
  readonly #gate = deferred();
  runs = 0;

  constructor(row: Row) {
    this.#row = row;
  }

  readonly run = async (): Promise<number> => {
    this.runs++;
    const { version } = this.#row;
    this.#entered.resolve();
    await this.#gate.promise;
    return version;
  };

  /** Resolves once the loader has read the row. */
  get entered(): Promise<void> {
    return this.#entered.promise;
  }

  finish(): void {
    this.#gate.resolve();
  }

  fail(error: Error): void {
    this.#gate.reject(error);
  }
}

/** Runs every promise chain that waits for nothing but promises to its end. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
