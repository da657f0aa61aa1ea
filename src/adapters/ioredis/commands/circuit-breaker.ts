import { StoreUnavailableError } from '../../../core/shared/errors.js';
import type { Clock, Timer } from '../../../core/ports/clock.js';
import { Backoff } from '../../../core/shared/backoff.js';
import { LinkedSet, type Linked } from '../../../core/shared/linked-set.js';
import type { RedisClient } from '../connection/client-types.js';
import { replyCode, unavailable } from './redis-errors.js';

/** The server of a breaker. */
export interface BreakerTarget {
  /** For messages. */
  readonly where: string;
  /** True while commands can be written. */
  isReady(): boolean;
  /** Grows with every byte that is received, on this connection or a new one. */
  bytesReceived(): number;
  /** Sends a command to find out whether the server answers. */
  probe(): Promise<unknown>;
  /** Ends a connection that is silent, so that a new one is made. */
  reconnect(): void;
  /** The server has refused a write because it is a replica. */
  onReadOnly(): void;
}

export interface BreakerSettings {
  readonly clock: Clock;
  /** The deadline of every command, in ms. */
  readonly timeout: number;
  /** Called with every change: the reason why it opened, or undefined when it closed. */
  readonly changed: (breaker: CircuitBreaker, reason: Error | undefined) => void;
}

/** A command that has no reply yet. */
interface PendingCommand extends Linked<PendingCommand> {
  readonly verb: string;
  readonly startedAt: number;
  readonly send: () => Promise<unknown>;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: StoreUnavailableError) => void;
  /** The caller's own, shorter deadline. */
  deadline: Timer | undefined;
  /** The caller has its reply, or an error. */
  isSettled: boolean;
  /** How many bytes had been received when it was sent; -1: it has not been sent. */
  bytesBefore: number;
}

/**
 * `connecting`: the connection has not been ready yet; calls wait for it, within their deadline. `closed`: calls are
 * sent. `open`: calls are refused at once; the probe that runs meanwhile is what others call the half-open state.
 * `shutdown`: calls are refused for good.
 */
type State = 'connecting' | 'closed' | 'open' | 'shutdown';

const MAX_TIMEOUTS = 5;
const MAX_SILENT_PROBES = 2;
const INITIAL_PROBE_MS = 100;
const MAX_PROBE_MS = 1_000;

/**
 * Deadlines and circuit breaker of one server. Every command goes through it, and so does every failure.
 *
 * It opens when the connection is lost, when a deadline passes and no byte has arrived since the command was sent, and
 * after five deadlines in a row that passed although bytes arrived. It then rejects all pending commands at once.
 * Probes run one at a time, after growing, jittered pauses; the first one that is answered closes it. A connection that
 * is silent for two probes is replaced.
 *
 * @see G10 in docs/coherence.md
 */
export class CircuitBreaker {
  readonly #target: BreakerTarget;
  readonly #settings: BreakerSettings;
  readonly #pending = new LinkedSet<PendingCommand>();
  readonly #probePauses: Backoff;
  #state: State;
  #reason: Error | undefined;
  #timeouts = 0;
  #isProbing = false;
  #silentProbes = 0;
  #probeTimer: Timer | undefined;
  #probeDeadline: Timer | undefined;
  #deadline: Timer | undefined;

  constructor(
    target: BreakerTarget,
    settings: BreakerSettings,
    state: 'connecting' | 'closed' = 'connecting',
  ) {
    this.#target = target;
    this.#settings = settings;
    this.#state = state;
    this.#probePauses = new Backoff(settings.clock, INITIAL_PROBE_MS, MAX_PROBE_MS);
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /**
   * Sends a command. Rejects without sending it while the breaker is open.
   *
   * @param verb what the command does, for messages
   * @param timeout the caller's own deadline in ms, if it is the shorter one
   * @throws StoreUnavailableError
   */
  run<T>(verb: string, send: () => Promise<T>, timeout?: number): Promise<T> {
    return new Promise((resolve, reject) => this.start(verb, send, resolve, reject, timeout));
  }

  /**
   * `run` with callbacks instead of a promise. Calls one of them once, and `resolve` never before this method returns.
   */
  start<T>(
    verb: string,
    send: () => Promise<T>,
    resolve: (reply: T) => void,
    reject: (error: unknown) => void,
    ownTimeout?: number,
  ): void {
    if (this.#state === 'open' || this.#state === 'shutdown') return reject(this.#refusal(verb, 'refused'));
    const { clock, timeout } = this.#settings;
    const command: PendingCommand = {
      verb,
      startedAt: clock.now(),
      send,
      resolve: resolve as (reply: unknown) => void,
      reject,
      deadline: undefined,
      isSettled: false,
      bytesBefore: -1,
      isLinked: false,
      before: undefined,
      after: undefined,
    };
    this.#pending.add(command);
    if (ownTimeout !== undefined && ownTimeout < timeout) {
      const ms = Math.max(0, ownTimeout);
      command.deadline = clock.after(ms, () => afterPendingReads(() => this.#rejectLate(command, ms)));
    }
    this.#deadline ??= clock.after(timeout, this.#onDeadline);
    if (this.#state === 'closed') this.#send(command);
  }

  /** The connection is ready for commands. */
  onReady(): void {
    if (this.#state === 'connecting') {
      this.#state = 'closed';
      for (const command of this.#pending.values()) {
        if (command.isSettled) this.#pending.delete(command);
        else this.#send(command);
      }
    } else if (this.#state === 'open') {
      this.#probePauses.reset();
      this.#probe();
    }
  }

  /** The connection was lost, or could not be made. */
  onDisconnect(error: Error): void {
    const reason = new Error(`The connection to ${this.#target.where} is lost: ${error.message}`, {
      cause: error,
    });
    this.#silentProbes = 0;
    if (this.#state === 'open') this.#reason = reason;
    this.#open(reason);
  }

  /** Refuses every command from now on, and rejects the pending ones. */
  shutdown(): void {
    this.#state = 'shutdown';
    this.#reason = undefined;
    this.#probeTimer?.cancel();
    this.#probeDeadline?.cancel();
    this.#rejectAll();
  }

  #send(command: PendingCommand): void {
    command.bytesBefore = this.#target.bytesReceived();
    try {
      command.send().then(
        (reply) => this.#onReply(command, reply),
        (error: unknown) => this.#onError(command, error),
      );
    } catch (error) {
      this.#onError(command, error);
    }
  }

  #onReply(command: PendingCommand, reply: unknown): void {
    this.#timeouts = 0;
    if (this.#settle(command, true)) command.resolve(reply);
  }

  #onError(command: PendingCommand, error: unknown): void {
    const code = replyCode(error);
    if (this.#settle(command, code !== undefined)) {
      command.reject(unavailable(command.verb, this.#target.where, error));
    }
    if (code === 'READONLY') this.#target.onReadOnly();
  }

  /** @returns false if the caller has its reply, or an error */
  #settle(command: PendingCommand, isAlive: boolean): boolean {
    const wasPending = this.#pending.delete(command);
    command.deadline?.cancel();
    // A late reply shows that the server is alive, too.
    if (!wasPending && isAlive && this.#state === 'open') this.#probe();
    if (command.isSettled) return false;
    command.isSettled = true;
    return true;
  }

  /** All commands have the same deadline, so one timer, for the oldest, serves all. */
  readonly #onDeadline = (): void => {
    afterPendingReads(() => {
      const { clock, timeout } = this.#settings;
      this.#deadline = undefined;
      for (let oldest = this.#pending.oldest; oldest !== undefined; oldest = this.#pending.oldest) {
        const remainingMs = oldest.startedAt + timeout - clock.now();
        if (remainingMs > 0) {
          this.#deadline ??= clock.after(remainingMs, this.#onDeadline);
          return;
        }
        this.#pending.delete(oldest);
        this.#rejectLate(oldest, timeout);
        this.#recordTimeout(oldest);
      }
    });
  };

  #rejectLate(command: PendingCommand, ms: number): void {
    if (command.isSettled) return;
    command.isSettled = true;
    const wasSent = command.bytesBefore >= 0;
    const failure = wasSent ? 'no reply arrived' : 'there was no connection';
    const message = `${command.verb} on ${this.#target.where}: ${failure} within ${Math.round(ms)} ms.`;
    command.reject(new StoreUnavailableError(message, wasSent ? 'unknown' : 'refused'));
  }

  #recordTimeout(command: PendingCommand): void {
    const { where } = this.#target;
    const { timeout } = this.#settings;
    if (command.bytesBefore < 0) {
      this.#open(new Error(`There is no connection to ${where} yet.`));
    } else if (command.bytesBefore === this.#target.bytesReceived()) {
      this.#open(new Error(`${where} has been silent for ${timeout} ms.`));
    } else if (++this.#timeouts >= MAX_TIMEOUTS) {
      this.#open(new Error(`${where} missed the deadline of ${timeout} ms ${MAX_TIMEOUTS} times in a row.`));
    }
  }

  #open(reason: Error): void {
    if (this.#state === 'open' || this.#state === 'shutdown') return;
    this.#state = 'open';
    this.#reason = reason;
    this.#timeouts = 0;
    this.#probePauses.reset();
    this.#rejectAll();
    this.#scheduleProbe();
    this.#settings.changed(this, reason);
  }

  #close(): void {
    this.#state = 'closed';
    this.#reason = undefined;
    this.#probeTimer?.cancel();
    this.#probeTimer = undefined;
    this.#silentProbes = 0;
    this.#settings.changed(this, undefined);
  }

  #scheduleProbe(): void {
    this.#probeTimer?.cancel();
    this.#probeTimer = this.#settings.clock.after(this.#probePauses.next(), () => this.#probe());
  }

  #probe(): void {
    if (this.#state !== 'open' || this.#isProbing) return;
    if (!this.#target.isReady()) return this.#scheduleProbe();
    this.#probeTimer?.cancel();
    this.#isProbing = true;
    const bytesBefore = this.#target.bytesReceived();
    const deadline = this.#settings.clock.after(this.#settings.timeout, () => {
      afterPendingReads(() => {
        if (this.#target.bytesReceived() === bytesBefore) this.#silentProbes += 1;
        onFailure();
      });
    });
    this.#probeDeadline = deadline;
    let isOver = false;
    const onFailure = (): void => {
      if (isOver) return;
      isOver = true;
      deadline.cancel();
      this.#isProbing = false;
      if (this.#state !== 'open') return;
      if (this.#silentProbes >= MAX_SILENT_PROBES) {
        this.#silentProbes = 0;
        this.#target.reconnect();
      }
      this.#scheduleProbe();
    };
    this.#target.probe().then(() => {
      // A late reply closes the breaker, too.
      deadline.cancel();
      if (!isOver) this.#isProbing = false;
      isOver = true;
      if (this.#state === 'open') this.#close();
    }, onFailure);
  }

  #rejectAll(): void {
    this.#deadline?.cancel();
    this.#deadline = undefined;
    for (const command of this.#pending.values()) {
      this.#pending.delete(command);
      command.deadline?.cancel();
      if (command.isSettled) continue;
      command.isSettled = true;
      command.reject(this.#refusal(command.verb, command.bytesBefore < 0 ? 'refused' : 'unknown'));
    }
  }

  #refusal(verb: string, outcome: 'refused' | 'unknown'): StoreUnavailableError {
    const failure = outcome === 'refused' ? 'was not sent' : 'has no reply';
    const reason =
      this.#state === 'shutdown' ? `The store on ${this.#target.where} is closed.` : this.#reason?.message;
    return new StoreUnavailableError(`${verb} ${failure}. ${reason ?? ''}`, outcome, { cause: this.#reason });
  }
}

/**
 * Runs a task after the data that is pending in the sockets has been read. Used for deadlines: if this process was
 * busy, a deadline can pass although the reply has arrived in time.
 */
export function afterPendingReads(task: () => void): void {
  setImmediate(task);
}

/** Counts the bytes that a client has received, over all its connections. A new connection counts as a byte. */
export function receivedBytesCounter(client: () => RedisClient | undefined): () => number {
  let stream: object | undefined;
  let before = 0;
  let count = 0;
  return () => {
    const current = client()?.stream;
    if (current !== stream) {
      stream = current;
      before = count + 1;
    }
    return (count = before + (current?.bytesRead ?? 0));
  };
}
