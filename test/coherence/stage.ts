import { StoreUnavailableError } from '../../src/core/shared/errors.js';
import type { Adapter, AdapterHost } from '../../src/core/ports/adapter.js';
import type { Clock } from '../../src/core/ports/clock.js';
import type { EntryStore } from '../../src/core/ports/entry-store.js';
import { deferred, type Deferred } from './deferred.js';

export type Verb = keyof EntryStore;

/** Where a request stops: before the store has seen it, or when its reply is on the way back. */
export type Moment = 'request' | 'reply';

export interface Hold {
  /** Resolves when the call has come to where it is held. */
  readonly reached: Promise<void>;
  release(): void;
}

interface Waiting {
  readonly verb: Verb;
  readonly moment: Moment;
  readonly reached: Deferred<void>;
  readonly released: Deferred<void>;
}

/** Between one opener and its store: the test decides what becomes of each call. */
export class Stage {
  readonly #holds: Waiting[] = [];
  readonly #failures: { readonly verb: Verb; readonly moment: Moment }[] = [];
  readonly #sent = new Map<Verb, (() => Promise<unknown>)[]>();
  #host: AdapterHost | undefined;
  #down = false;
  #dead = false;

  attach(host: AdapterHost): void {
    this.#host = host;
  }

  /** The next call of `verb` stops at `moment` until it is released. */
  hold(verb: Verb, moment: Moment): Hold {
    const waiting: Waiting = { verb, moment, reached: deferred(), released: deferred() };
    this.#holds.push(waiting);
    return { reached: waiting.reached.promise, release: () => waiting.released.resolve() };
  }

  /** The next call of `verb` fails: its request is refused, or it is served and the reply is lost. */
  fail(verb: Verb, moment: Moment): void {
    this.#failures.push({ verb, moment });
  }

  /** While it is down every call is refused. */
  setDown(down: boolean): void {
    if (this.#down && !down) {
      this.#down = false;
      this.#host?.recovered();
    }
    this.#down = down;
  }

  /** From now on nothing goes to the store and nothing comes back. */
  die(): void {
    this.#dead = true;
  }

  /** Sends all calls of `verb` so far to the store once more, the latest first. */
  async repeat(verb: Verb): Promise<void> {
    for (const send of [...(this.#sent.get(verb) ?? [])].reverse()) await send();
  }

  /** How many calls of `verb` have gone to the store. */
  sent(verb: Verb): number {
    return this.#sent.get(verb)?.length ?? 0;
  }

  /** One of our calls: `send` brings it to the store. */
  async pass<Reply>(verb: Verb, send: () => Promise<Reply>): Promise<Reply> {
    if (this.#dead) return new Promise(() => {});
    if (this.#down) throw new StoreUnavailableError(`The store is down: ${verb}.`, 'refused');
    await this.#stop(verb, 'request');
    if (this.#fails(verb, 'request')) throw new StoreUnavailableError(`${verb} was refused.`, 'refused');
    this.#sent.set(verb, [...(this.#sent.get(verb) ?? []), send]);
    const reply = await send();
    if (this.#dead) return new Promise(() => {});
    await this.#stop(verb, 'reply');
    if (this.#fails(verb, 'reply'))
      throw new StoreUnavailableError(`The reply of ${verb} was lost.`, 'unknown');
    return reply;
  }

  async #stop(verb: Verb, moment: Moment): Promise<void> {
    const at = this.#holds.findIndex((hold) => hold.verb === verb && hold.moment === moment);
    if (at < 0) return;
    const [hold] = this.#holds.splice(at, 1);
    hold!.reached.resolve();
    await hold!.released.promise;
  }

  #fails(verb: Verb, moment: Moment): boolean {
    const at = this.#failures.findIndex((failure) => failure.verb === verb && failure.moment === moment);
    if (at >= 0) this.#failures.splice(at, 1);
    return at >= 0;
  }
}

/** The adapter, with `stage` between it and its one opener. */
export function staged(adapter: Adapter, stage: Stage): Adapter {
  return {
    name: adapter.name,
    open: (host) => {
      stage.attach(host);
      const backend = adapter.open(host);
      return { ...backend, entries: stagedStore(backend.entries, stage) };
    },
  };
}

function stagedStore(store: EntryStore, stage: Stage): EntryStore {
  return {
    read: (...args) => stage.pass('read', () => store.read(...args)),
    nonces: (...args) => stage.pass('nonces', () => store.nonces(...args)),
    lease: (...args) => stage.pass('lease', () => store.lease(...args)),
    extend: (...args) => stage.pass('extend', () => store.extend(...args)),
    fill: (...args) => stage.pass('fill', () => store.fill(...args)),
    release: (...args) => stage.pass('release', () => store.release(...args)),
    remove: (...args) => stage.pass('remove', () => store.remove(...args)),
    getOrCreateNonces: (...args) => stage.pass('getOrCreateNonces', () => store.getOrCreateNonces(...args)),
    removeNonces: (...args) => stage.pass('removeNonces', () => store.removeNonces(...args)),
  };
}

export interface PausableClock extends Clock {
  /** As SIGSTOP does: no timer runs, and time goes on. */
  pause(): void;
  /** What came due meanwhile runs now. */
  resume(): void;
}

/** One process' view of a clock that several share. */
export function pausable(clock: Clock): PausableClock {
  let paused = false;
  let late: (() => void)[] = [];
  return {
    now: () => clock.now(),
    random: () => clock.random(),
    after: (ms, task) => {
      let cancelled = false;
      const run = (): void => {
        if (cancelled) return;
        if (paused) late.push(run);
        else task();
      };
      const timer = clock.after(ms, run);
      return {
        cancel: () => {
          cancelled = true;
          timer.cancel();
        },
      };
    },
    pause: () => (paused = true),
    resume: () => {
      paused = false;
      const due = late;
      late = [];
      for (const run of due) run();
    },
  };
}
