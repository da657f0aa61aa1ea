import { InFlightLoads, type InFlightLoad } from '../../src/core/cache/in-flight-loads.js';
import { Wakeups, type Wakeup } from '../../src/core/shared/wakeups.js';

/** What the engines of this process are doing. */
export interface Activity {
  /** Loads in progress. */
  readonly loads: () => number;
  /** Calls that wait for the lease of another, by key. */
  readonly waiters: () => readonly string[];
  /** Ignores what is in progress now. */
  readonly forget: () => void;
}

let watched: Activity | undefined;

/**
 * Watches every engine of this process from now on. Its loads and waiters are private, so their classes are wrapped:
 * a test can then check that nothing of a call remains.
 */
export function watchActivity(): Activity {
  if (watched !== undefined) return watched;
  const used = new Set<InFlightLoads>();
  const add = InFlightLoads.prototype.add;
  InFlightLoads.prototype.add = function (this: InFlightLoads, load: InFlightLoad): void {
    used.add(this);
    add.call(this, load);
  };
  const armed = new Set<readonly string[]>();
  const arm = Wakeups.prototype.arm;
  Wakeups.prototype.arm = function (this: Wakeups, keys: readonly string[], wakeup: Wakeup): () => void {
    const disarm = arm.call(this, keys, wakeup);
    const own = [...keys];
    armed.add(own);
    return () => {
      disarm();
      armed.delete(own);
    };
  };
  watched = {
    loads: () => [...used].reduce((sum, { size }) => sum + size, 0),
    waiters: () => [...armed].flat(),
    forget: () => {
      used.clear();
      armed.clear();
    },
  };
  return watched;
}

/** @throws Error that names what remains although all calls have ended */
export function assertQuiet(activity: Activity, timers: number): void {
  const left: string[] = [];
  if (activity.loads() > 0) left.push(`${activity.loads()} loads`);
  if (activity.waiters().length > 0) left.push(`waiters for ${activity.waiters().join(', ')}`);
  if (timers > 0) left.push(`${timers} timers`);
  if (left.length > 0)
    throw new Error(`Expected nothing to be left of calls that have ended; found ${left.join('; ')}.`);
}
