import { Flight, SingleFlight } from '../../src/core/single-flight.js';
import { Waiters } from '../../src/core/waiters.js';

/** What the engines of this process have under way. */
export interface Activity {
  /** Flights that have departed and not arrived, by key. */
  readonly flights: () => readonly string[];
  /** Calls that listen for the end of another's lease, by key. */
  readonly waiters: () => readonly string[];
  /** Begins anew: what is under way now is no longer looked at. */
  readonly forget: () => void;
}

let watched: Activity | undefined;

/**
 * Watches every engine of this process from now on. The engine shows nobody its flights and waiters; here its
 * parts are wrapped from outside, so that a test can tell that nothing of a call is left behind.
 */
export function watchActivity(): Activity {
  if (watched !== undefined) return watched;
  const departed = new Set<SingleFlight>();
  const depart = SingleFlight.prototype.depart;
  SingleFlight.prototype.depart = function (this: SingleFlight, flight: Flight): void {
    departed.add(this);
    depart.call(this, flight);
  };
  const listening: string[] = [];
  const listen = Waiters.prototype.listen;
  Waiters.prototype.listen = function (this: Waiters, key: string, woken: () => void): () => void {
    const end = listen.call(this, key, woken);
    listening.push(key);
    return () => {
      end();
      const at = listening.indexOf(key);
      if (at >= 0) listening.splice(at, 1);
    };
  };
  watched = {
    flights: () => [...departed].flatMap((flights) => flights.all().map(({ key }) => key)),
    waiters: () => [...listening],
    forget: () => {
      departed.clear();
      listening.length = 0;
    },
  };
  return watched;
}

/** @throws Error naming what is left of calls that have all ended */
export function assertQuiet(activity: Activity, timers: number): void {
  const left: string[] = [];
  if (activity.flights().length > 0) left.push(`flights of ${activity.flights().join(', ')}`);
  if (activity.waiters().length > 0) left.push(`waiters for ${activity.waiters().join(', ')}`);
  if (timers > 0) left.push(`${timers} timers`);
  if (left.length > 0)
    throw new Error(`Expected nothing to be left of calls that have ended; found ${left.join('; ')}.`);
}
