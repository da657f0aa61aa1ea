import { StoreUnavailableError } from '../../core/errors.js';
import type { Clock, Timer } from '../../core/ports.js';
import { afterArrivals } from './after-arrivals.js';
import { CallList, type Listed } from './call-list.js';
import { replyCode, unavailable } from './failures.js';

/** A server as its breaker sees it. */
export interface Line {
  /** For messages. */
  readonly where: string;
  /** True while commands can be written. */
  ready(): boolean;
  /** Grows whenever anything at all arrives, on this connection or on a new one. */
  received(): number;
  /** Asks for a sign of life. */
  probe(): Promise<unknown>;
  /** Ends a connection that lies silent, so that a new one is made. */
  cut(): void;
  /** It has refused a write because it is a replica. */
  demoted(): void;
}

export interface BreakerSettings {
  readonly clock: Clock;
  /** The deadline of every call, in ms. */
  readonly timeout: number;
  /** Told of every change: why it opened, or undefined when it closed. */
  readonly changed: (breaker: Breaker, reason: Error | undefined) => void;
}

/** One command that has no answer yet. */
interface Call extends Listed<Call> {
  readonly verb: string;
  readonly since: number;
  readonly begin: () => void;
  readonly reject: (error: StoreUnavailableError) => void;
  /** The caller's own, shorter deadline. */
  budget: Timer | undefined;
  /** The caller has been told something, if only that there was no answer in time. */
  settled: boolean;
  /** What had been received when it was sent; -1 while it waits to be. */
  mark: number;
}

/**
 * `waiting` before the connection was ready for the first time: calls wait too, within their deadline.
 * `closed`: calls go through. `open`: they are refused at once. `ended`: for good.
 */
type State = 'waiting' | 'closed' | 'open' | 'ended';

const FAILURES = 5;
const SILENT_PROBES = 2;
const FIRST_PROBE = 100;
const LAST_PROBE = 1_000;

/**
 * Deadline and breaker of one server: all that can fail at the edge fails here.
 *
 * It opens at once when the connection is lost, when a deadline passes and not a byte has come since the command
 * was sent, and after five deadlines in a row that passed although something came. Whatever is under way is then
 * rejected at once. A probe, one at a time and after a growing, jittered pause, closes it again; a connection
 * that stays silent over two probes is cut.
 */
export class Breaker {
  readonly #line: Line;
  readonly #settings: BreakerSettings;
  readonly #calls = new CallList<Call>();
  #state: State;
  #reason: Error | undefined;
  #failures = 0;
  #probing = false;
  #silentProbes = 0;
  #pause = FIRST_PROBE;
  #timer: Timer | undefined;
  #probeDeadline: Timer | undefined;
  #deadline: Timer | undefined;

  constructor(line: Line, settings: BreakerSettings, state: 'waiting' | 'closed' = 'waiting') {
    this.#line = line;
    this.#settings = settings;
    this.#state = state;
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  /**
   * Sends a command, or refuses to.
   *
   * @param verb what it does, for messages
   * @param budget the caller's own deadline in ms, if it is the shorter one
   * @throws StoreUnavailableError
   */
  run<T>(verb: string, send: () => Promise<T>, budget?: number): Promise<T> {
    return new Promise((resolve, reject) => this.start(verb, send, resolve, reject, budget));
  }

  /** `run` without a promise of its own. One of the callbacks is called, once; never `resolve` before this returns. */
  start<T>(
    verb: string,
    send: () => Promise<T>,
    resolve: (reply: T) => void,
    reject: (error: unknown) => void,
    budget?: number,
  ): void {
    if (this.#state === 'open' || this.#state === 'ended') return reject(this.#refusal(verb, 'refused'));
    const { clock, timeout } = this.#settings;
    const answered = (alive: boolean): boolean => {
      const expected = this.#calls.delete(call);
      call.budget?.cancel();
      // A late sign of life is one all the same.
      if (!expected && alive && this.#state === 'open') this.#probe();
      if (call.settled) return false;
      call.settled = true;
      return true;
    };
    const failed = (error: unknown): void => {
      const code = replyCode(error);
      if (answered(code !== undefined)) reject(unavailable(verb, this.#line.where, error));
      if (code === 'READONLY') this.#line.demoted();
    };
    const begin = (): void => {
      call.mark = this.#line.received();
      try {
        send().then((reply) => {
          this.#failures = 0;
          if (answered(true)) resolve(reply);
        }, failed);
      } catch (error) {
        failed(error);
      }
    };
    const call: Call = {
      verb,
      since: clock.now(),
      begin,
      reject,
      budget: undefined,
      settled: false,
      mark: -1,
      isListed: false,
      before: undefined,
      after: undefined,
    };
    this.#calls.add(call);
    if (budget !== undefined && budget < timeout) {
      const ms = Math.max(0, budget);
      call.budget = clock.after(ms, () => afterArrivals(() => this.#late(call, ms)));
    }
    this.#deadline ??= clock.after(timeout, this.#passed);
    if (this.#state === 'closed') begin();
  }

  /** The connection is ready to be used. */
  readied(): void {
    if (this.#state === 'waiting') {
      this.#state = 'closed';
      for (const call of this.#calls.all()) {
        if (call.settled) this.#calls.delete(call);
        else call.begin();
      }
    } else if (this.#state === 'open') {
      this.#pause = FIRST_PROBE;
      this.#probe();
    }
  }

  /** The connection is gone, or could not be made. */
  lost(error: Error): void {
    const reason = new Error(`The connection to ${this.#line.where} is lost: ${error.message}`, {
      cause: error,
    });
    this.#silentProbes = 0;
    if (this.#state === 'open') this.#reason = reason;
    this.#open(reason);
  }

  /** Refuses everything from now on, and rejects what is under way. */
  end(): void {
    this.#state = 'ended';
    this.#reason = undefined;
    this.#timer?.cancel();
    this.#probeDeadline?.cancel();
    this.#rejectAll();
  }

  /** All calls have the same deadline, so one timer, for the oldest, does for all. */
  readonly #passed = (): void => {
    afterArrivals(() => {
      const { clock, timeout } = this.#settings;
      this.#deadline = undefined;
      for (let call = this.#calls.oldest; call !== undefined; call = this.#calls.oldest) {
        const left = call.since + timeout - clock.now();
        if (left > 0) {
          this.#deadline ??= clock.after(left, this.#passed);
          return;
        }
        this.#calls.delete(call);
        this.#late(call, timeout);
        this.#judge(call);
      }
    });
  };

  #late(call: Call, ms: number): void {
    if (call.settled) return;
    call.settled = true;
    const sent = call.mark >= 0;
    const what = sent ? 'no reply came' : 'there was no connection';
    const message = `${call.verb} on ${this.#line.where}: ${what} within ${Math.round(ms)} ms.`;
    call.reject(new StoreUnavailableError(message, sent ? 'unknown' : 'refused'));
  }

  /** What a call that had no answer within the deadline says about the server. */
  #judge(call: Call): void {
    const { where } = this.#line;
    const { timeout } = this.#settings;
    if (call.mark < 0) {
      this.#open(new Error(`There is no connection to ${where} yet.`));
    } else if (call.mark === this.#line.received()) {
      this.#open(new Error(`${where} has been silent for ${timeout} ms.`));
    } else if (++this.#failures >= FAILURES) {
      this.#open(new Error(`${where} let ${FAILURES} deadlines of ${timeout} ms pass in a row.`));
    }
  }

  #open(reason: Error): void {
    if (this.#state === 'open' || this.#state === 'ended') return;
    this.#state = 'open';
    this.#reason = reason;
    this.#failures = 0;
    this.#pause = FIRST_PROBE;
    this.#rejectAll();
    this.#schedule();
    this.#settings.changed(this, reason);
  }

  #close(): void {
    this.#state = 'closed';
    this.#reason = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#silentProbes = 0;
    this.#settings.changed(this, undefined);
  }

  #schedule(): void {
    const { clock } = this.#settings;
    this.#timer?.cancel();
    this.#timer = clock.after(this.#pause * (0.5 + clock.random() / 2), () => this.#probe());
    this.#pause = Math.min(this.#pause * 2, LAST_PROBE);
  }

  #probe(): void {
    if (this.#state !== 'open' || this.#probing) return;
    if (!this.#line.ready()) return this.#schedule();
    this.#timer?.cancel();
    this.#probing = true;
    const mark = this.#line.received();
    const deadline = this.#settings.clock.after(this.#settings.timeout, () => {
      afterArrivals(() => {
        if (this.#line.received() === mark) this.#silentProbes += 1;
        failed();
      });
    });
    this.#probeDeadline = deadline;
    let over = false;
    const failed = (): void => {
      if (over) return;
      over = true;
      deadline.cancel();
      this.#probing = false;
      if (this.#state !== 'open') return;
      if (this.#silentProbes >= SILENT_PROBES) {
        this.#silentProbes = 0;
        this.#line.cut();
      }
      this.#schedule();
    };
    this.#line.probe().then(() => {
      // However late it comes.
      deadline.cancel();
      if (!over) this.#probing = false;
      over = true;
      if (this.#state === 'open') this.#close();
    }, failed);
  }

  #rejectAll(): void {
    this.#deadline?.cancel();
    this.#deadline = undefined;
    for (const call of this.#calls.all()) {
      this.#calls.delete(call);
      call.budget?.cancel();
      if (call.settled) continue;
      call.settled = true;
      call.reject(this.#refusal(call.verb, call.mark < 0 ? 'refused' : 'unknown'));
    }
  }

  #refusal(verb: string, outcome: 'refused' | 'unknown'): StoreUnavailableError {
    const what = outcome === 'refused' ? 'was not sent' : 'has no reply';
    const why =
      this.#state === 'ended' ? `The store on ${this.#line.where} is closed.` : this.#reason?.message;
    return new StoreUnavailableError(`${verb} ${what}. ${why ?? ''}`, outcome, { cause: this.#reason });
  }
}
