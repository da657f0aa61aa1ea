import { memory } from '../adapters/memory/index.js';
import { Caching, type CachingOptions } from '../core/caching.js';
import { eventNames, subscribe, type CachementEvents, type EventName } from '../core/shared/events.js';
import { fakeClock, type FakeClock } from './fake-clock.js';

export type RecordedEvent = {
  readonly [Name in EventName]: { readonly name: Name; readonly event: CachementEvents[Name] };
}[EventName];

export interface Recording {
  readonly caching: Caching;
  /** Time stands still until the test moves it. */
  readonly clock: FakeClock;
  /** What happened on `caching`, in order. */
  readonly events: readonly RecordedEvent[];
  /** The events of one name, in order. */
  of<Name extends EventName>(name: Name): readonly CachementEvents[Name][];
  /** Closes `caching` and ends the recording. */
  close(): Promise<void>;
}

/**
 * A `Caching` on a memory of its own and a clock that the test moves, with every event kept.
 *
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
  const stops = eventNames.map((name) =>
    subscribe(name, (event) => {
      if (event.namespace === namespace) events.push({ name, event } as RecordedEvent);
    }),
  );
  return {
    caching,
    clock,
    events,
    of: <Name extends EventName>(name: Name) =>
      events.filter((one) => one.name === name).map((one) => one.event as CachementEvents[Name]),
    close: async () => {
      await caching.close();
      for (const stop of stops) stop();
    },
  };
}
