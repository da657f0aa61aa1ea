import type { ExecutionContext } from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import type { Cache } from '../../src/core/cache/cache.js';
import { Caching, type CachingOptions } from '../../src/core/caching.js';
import type { Limits } from '../../src/core/limits/limits.js';
import type { Locks } from '../../src/core/locks/locks.js';
import type { Backend } from '../../src/core/ports/adapter.js';
import { fakeClock, type FakeClock } from '../../src/testing/fake-clock.js';
import { recordEvents, type EventRecorder } from '../../src/testing/record-events.js';
import { chaosAdapter, type ChaosAdapter } from '../../src/testing/chaos-adapter.js';
import { pausable, type PausableClock } from './pausable-clock.js';

/** One `Caching`, as of one process. */
export interface Opener {
  readonly caching: Caching;
  readonly cache: Cache;
  readonly limits: Limits;
  readonly locks: Locks;
  /** What happens to the calls of this opener. */
  readonly chaos: ChaosAdapter;
  /** The view of this opener of the clock: while it is paused, no timer of this opener fires. */
  readonly clock: PausableClock;
}

export interface Rig {
  readonly clock: FakeClock;
  readonly namespace: string;
  readonly openers: readonly Opener[];
  /** The stores themselves, which do not fail. */
  readonly store: Backend;
  /** The events of one name, of all openers, in order. */
  readonly of: EventRecorder['of'];
}

let rigs = 0;

/**
 * Several `Caching` on one memory, as of several processes on one Redis, with a clock that the test moves. They are
 * closed at the end of the test.
 *
 * @param options of every `Caching` @default a ttl of 1 minute without jitter
 * @param random what the clock returns as a random number
 */
export function rig(
  t: ExecutionContext,
  count = 1,
  options: Partial<Omit<CachingOptions, 'adapter' | 'clock'>> = {},
  random?: number,
): Rig {
  const clock = fakeClock(random);
  const namespace = `rig-${++rigs}`;
  const adapter = memory();
  // Opened first, so that its stores have the clock that nobody pauses.
  const store = adapter.open({ namespace, clock, wake() {}, degraded() {}, recovered() {} });
  const openers = Array.from({ length: count }, (): Opener => {
    const chaos = chaosAdapter(adapter);
    const own = pausable(clock);
    const defaults = { ttl: '1m', jitter: 0, ...options.defaults } as const;
    const caching = new Caching({ ...options, adapter: chaos, namespace, clock: own, defaults });
    return { caching, cache: caching.cache, limits: caching.limits, locks: caching.locks, chaos, clock: own };
  });
  const { of, stop } = recordEvents(namespace);
  t.teardown(async () => {
    await Promise.all(openers.map(({ caching }) => caching.close()));
    stop();
  });
  return { clock, namespace, openers, store, of };
}
