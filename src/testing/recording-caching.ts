import { memory } from '../adapters/memory/index.js';
import { Caching, type CachingOptions } from '../core/caching.js';
import { fakeClock, type FakeClock } from './fake-clock.js';
import { recordEvents, type EventRecorder } from './record-events.js';

export interface Recording extends Pick<EventRecorder, 'events' | 'of'> {
  readonly caching: Caching;
  /** Time stands still until the test moves it. */
  readonly clock: FakeClock;
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
