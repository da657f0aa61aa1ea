import { memory } from '../adapters/memory/index.js';
import { Caching, type CachingOptions } from '../core/caching.js';
import { fakeClock, type FakeClock } from './fake-clock.js';
import { recordEvents, type EventRecorder } from './record-events.js';

export interface Recording extends Pick<EventRecorder, 'events' | 'of'> {
  readonly caching: Caching;
  /** The clock of `caching`. Its time changes only by `advance`. */
  readonly clock: FakeClock;
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
  const { events, of, stop } = recordEvents(namespace);
  return {
    caching,
    clock,
    events,
    of,
    close: async () => {
      await caching.close();
      stop();
    },
  };
}
