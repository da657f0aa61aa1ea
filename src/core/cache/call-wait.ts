import type { Clock } from '../ports/clock.js';
import type { CacheCall, LookupResult } from './cache-call.js';
import { quote } from '../shared/describe.js';
import { LoadTimeoutError } from '../shared/errors.js';

type WaitingCall = Pick<CacheCall<unknown>, 'key' | 'method' | 'policy'>;

/** How long one call waits for loads. Both timeouts begin when it starts to wait. */
export class CallWait {
  readonly #clock: Clock;
  readonly #call: WaitingCall;
  #startedAt: number | undefined;
  #isSoftOver = false;

  constructor(clock: Clock, call: WaitingCall) {
    this.#clock = clock;
    this.#call = call;
  }

  /** When the call stops waiting, by this process' clock; undefined: it does not. */
  deadline(found: LookupResult): number | undefined {
    const { softTimeout, hardTimeout } = this.#call.policy;
    this.#startedAt ??= this.#clock.now();
    const isSoft = found.status === 'stale' && softTimeout !== undefined && !this.#isSoftOver;
    const timeout = isSoft ? Math.min(softTimeout, hardTimeout ?? Infinity) : hardTimeout;
    return timeout === undefined ? undefined : this.#startedAt + timeout;
  }

  /** After a timeout: true if the call waits on, because there is no stale value that it may return. */
  goesOn(): boolean {
    const { softTimeout, hardTimeout } = this.#call.policy;
    const isHard = hardTimeout !== undefined && this.#clock.now() >= this.#startedAt! + hardTimeout;
    this.#isSoftOver ||= softTimeout !== undefined;
    return !isHard;
  }

  error(): LoadTimeoutError {
    const { key, method, policy } = this.#call;
    const timeoutMs = policy.hardTimeout!;
    const name = method?.();
    const what = name === undefined ? quote(key) : `${quote(key)} (${name})`;
    return new LoadTimeoutError(
      `The load of ${what} has not ended within its hardTimeout of ${timeoutMs} ms. It continues, and its value is stored.`,
      key,
      name,
      timeoutMs,
    );
  }
}
