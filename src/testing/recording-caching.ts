import { memory } from '../adapters/memory/index.js';
import { Caching, type CachingOptions } from '../core/caching.js';
import { eventNames, subscribe, type CachementEvents, type EventName } from '../core/shared/events.js';
import { fakeClock, type FakeClock } from './fake-clock.js';

/** An event and its name. */
export type RecordedEvent = {
  readonly [Name in EventName]: { readonly name: Name; readonly event: CachementEvents[Name] };
}[EventName];

export interface Recording {
  readonly caching: Caching;
  /** The clock of `caching`. Its time changes only by `advance`. */
  readonly clock: FakeClock;
  /** The events of `caching` so far, in order. */
  readonly events: readonly RecordedEvent[];
  /** Returns the events with this name so far, in order. */
  of<Name extends EventName>(name: Name): readonly CachementEvents[Name][];
  /** Closes `caching` and stops recording. */
  close(): Promise<void>;
}

/**
 * Creates a `Caching` for tests: on the memory adapter, with a clock that the test advances, and with a record of its
 * events.
 *
 * @param options those of `new Caching` but the clock. By default the adapter is a new `memory()`, the namespace is
 * unique, and the ttl is one minute
 * @throws OptionsError
 * @example
 * const recording = recordingCaching();
 * await withCaching(recording.caching, () => service.find('42'));
 * t.is(recording.of('load').length, 1);
 */
export function recordingCaching(options: Partial<Omit<CachingOptions, 'clock'>> = {}): Recording {
  const clock = fakeClock();
  const namespace = options.namespace ?? `recording-${crypto.randomUUID()}`;
  const defaults = { ttl: '1m', ...options.defaults } as const;
  const caching = new Caching({ adapter: memory(), ...options, defaults, namespace, clock });
  const events: RecordedEvent[] = [];
  const unsubscribers = eventNames.map((name) =>
    subscribe(name, (event) => {
      if (event.namespace === namespace) events.push({ name, event } as RecordedEvent);
    }),
  );
  return {
    caching,
    clock,
    events,
    of: <Name extends EventName>(name: Name) =>
      events.filter((recorded) => recorded.name === name).map(({ event }) => event as CachementEvents[Name]),
    close: async () => {
      await caching.close();
      for (const unsubscribe of unsubscribers) unsubscribe();
    },
  };
}
