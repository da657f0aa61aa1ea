import type { Clock, Timer } from '../../../core/ports/clock.js';
import { StoreUnavailableError } from '../../../core/shared/errors.js';
import { afterPendingReads } from './circuit-breaker.js';

/** A call in a batch. */
export interface BatchedCall {
  readonly reject: (error: unknown) => void;
  isSettled: boolean;
}

export interface BatchSettings {
  readonly clock: Clock;
  /** The deadline of every command, in ms: calls with a longer one of their own need no timer. */
  readonly timeout: number;
  /** What the batch does and where, for messages: `MGET on redis://localhost:6379`. */
  readonly label: string;
}

interface Deadline<Call> {
  readonly timer: Timer;
  readonly calls: Call[];
}

/** Calls that are sent together. Each is settled by itself. */
export class Batch<Call extends BatchedCall> {
  readonly calls: Call[] = [];
  isSent = false;
  readonly #settings: BatchSettings;
  #unsettled = 0;
  /** By length in ms: calls with the same deadline share a timer. */
  #deadlines: Map<number, Deadline<Call>> | undefined;

  constructor(settings: BatchSettings) {
    this.#settings = settings;
  }

  /** What the maximum of a batch limits. */
  get size(): number {
    return this.calls.length;
  }

  /** @param timeout the caller's own deadline in ms, counted from now */
  add(call: Call, timeout: number | undefined): void {
    this.calls.push(call);
    this.#unsettled += 1;
    if (timeout !== undefined && timeout < this.#settings.timeout) {
      this.#addDeadline(call, Math.max(0, Math.ceil(timeout)));
    }
  }

  /** Marks a call as settled. False: it was settled before, and nothing may be done with it. */
  settle(call: Call): boolean {
    if (call.isSettled) return false;
    call.isSettled = true;
    this.#unsettled -= 1;
    if (this.#unsettled === 0 && this.#deadlines !== undefined) {
      for (const { timer } of this.#deadlines.values()) timer.cancel();
    }
    return true;
  }

  reject(call: Call, error: unknown): void {
    if (this.settle(call)) call.reject(error);
  }

  rejectAll(error: unknown): void {
    for (const call of this.calls) this.reject(call, error);
  }

  #addDeadline(call: Call, ms: number): void {
    this.#deadlines ??= new Map();
    const known = this.#deadlines.get(ms);
    if (known !== undefined) {
      known.calls.push(call);
      return;
    }
    const calls = [call];
    const timer = this.#settings.clock.after(ms, () => {
      afterPendingReads(() => {
        const message = `${this.#settings.label}: no reply arrived within the caller's ${ms} ms.`;
        const error = new StoreUnavailableError(message, 'unknown');
        // guard: deadline-ends-its-own-calls-only
        for (const one of calls) this.reject(one, error);
      });
    });
    this.#deadlines.set(ms, { timer, calls });
  }
}

/**
 * Sends the calls of one tick together.
 *
 * While no command is in flight, a batch is sent at the end of its tick: a single call never waits for others. While one
 * is in flight, calls are collected until the end of the event loop's turn, so that requests that arrive on different
 * sockets are sent together, too.
 */
export class TickBatcher<B extends { isSent: boolean; readonly size: number }> {
  readonly #create: () => B;
  readonly #maxSize: number;
  readonly #send: (batch: B) => void;
  #open: B | undefined;
  #inFlight = 0;

  constructor(create: () => B, maxSize: number, send: (batch: B) => void) {
    this.#create = create;
    this.#maxSize = maxSize;
    this.#send = send;
  }

  /** The batch that collects calls now, with room for `count` more. One without is sent first. */
  batchFor(count: number): B {
    if (this.#open !== undefined) {
      if (this.#open.size + count <= this.#maxSize) return this.#open;
      this.#flush(this.#open);
    }
    const batch = this.#create();
    this.#open = batch;
    if (this.#inFlight === 0) process.nextTick(this.#flush, batch);
    else setImmediate(this.#flush, batch);
    return batch;
  }

  /** A command of a batch is in flight, until `commandEnded`. */
  commandStarted(): void {
    this.#inFlight += 1;
  }

  commandEnded(): void {
    this.#inFlight -= 1;
  }

  readonly #flush = (batch: B): void => {
    if (batch.isSent) return;
    batch.isSent = true;
    if (this.#open === batch) this.#open = undefined;
    this.#send(batch);
  };
}
