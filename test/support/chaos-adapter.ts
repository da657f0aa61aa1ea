import { StoreUnavailableError } from '../../src/core/shared/errors.js';
import type { Adapter, AdapterHost, Backend } from '../../src/core/ports/adapter.js';
import type { ChangeListener } from '../../src/core/ports/change-feed.js';
import type { EntryStore } from '../../src/core/ports/entry-store.js';
import type { LockGrant, LockReply, LockStore } from '../../src/core/ports/lock-store.js';
import type { RateStore } from '../../src/core/ports/rate-store.js';
import type { SessionStore } from '../../src/core/ports/session-store.js';
import { deferred, type Deferred } from './deferred.js';

/** The calls to the store of sessions: `createSession`, `readSession`, ... */
type SessionCalls = { [Verb in keyof SessionStore as `${Verb}Session`]: SessionStore[Verb] };

/** Every call that a `Caching` sends to its stores. */
interface Calls extends EntryStore, RateStore, Pick<LockStore, 'acquire' | 'abandon'>, SessionCalls {
  /** `extend` of a lock that was granted. */
  extendLock: LockGrant['extend'];
  /** `release` of a lock that was granted. */
  releaseLock: LockGrant['release'];
}

/** A verb of a store: `read`, `fill`, `consume`, `acquire`, `extendLock`, ... */
export type ChaosVerb = keyof Calls;

/**
 * What happens to one call:
 *
 * - `refused`: it is not sent, and the caller knows that
 * - `request lost`: the store never receives it, and the caller gets a timeout
 * - `reply lost`: the store executes it, and the caller gets a timeout
 * - `late`: the caller gets a timeout, and the store executes it later (see `deliver`)
 * - `duplicated`: the store executes it twice
 * - `no reply`: the store never receives it, and the caller waits for ever
 */
export type ChaosFault = 'refused' | 'request lost' | 'reply lost' | 'late' | 'duplicated' | 'no reply';

/** Where a call is held: before the store receives it, or before the caller receives the reply. */
export type ChaosMoment = 'request' | 'reply';

/** A call that is held until the test releases it. */
export interface ChaosHold {
  /** Resolves when the call is held. */
  readonly reached: Promise<void>;
  release(): void;
}

export interface ChaosOptions {
  /** Appears in errors and in the steps of `schedule`. @default 'chaos' */
  readonly name?: string | undefined;
  /**
   * Decides the order of all steps: of requests, replies and wakeups. Each waits for the returned promise.
   *
   * @example
   * const schedule = (step) => scheduler.schedule(Promise.resolve(), step); // fast-check's scheduler
   * @default no step waits
   */
  readonly schedule?: ((step: string) => Promise<unknown>) | undefined;
  /** The faults of the calls in their order, then none. Several adapters may share one iterator. @default none */
  readonly faults?: Iterator<ChaosFault | 'none'> | undefined;
}

/** An adapter whose calls the test can hold, delay, fail, lose, duplicate and reorder. */
export interface ChaosAdapter extends Adapter {
  /** The adapter inside, which does not fail. */
  readonly inner: Adapter;
  /** The verbs of all calls so far, in order, failed ones included. */
  readonly verbs: readonly ChaosVerb[];
  /** Late requests and wakeups that `schedule` has not run yet. */
  readonly pending: number;
  /** The arguments of all calls of one verb so far, in order, failed ones included. */
  calls<Verb extends ChaosVerb>(verb: Verb): readonly Parameters<Calls[Verb]>[];
  /** Fails the next `times` calls of these verbs. @default times: all, until `heal` */
  fail(verbs: ChaosVerb | readonly ChaosVerb[], fault: ChaosFault, times?: number): void;
  /** Holds the next call of this verb. A fault of the same call takes effect after the release. */
  hold(verb: ChaosVerb, moment: ChaosMoment): ChaosHold;
  /** Delays the replies to this verb by `ms` on the clock of the `Caching`. */
  delay(verb: ChaosVerb, ms: number): void;
  /** While the store is down, it refuses every call. When it is up again, the `Caching` is notified. */
  setDown(down: boolean): void;
  /** While true, no wakeup reaches the `Caching`. */
  loseWakeups(lost: boolean): void;
  /** While true, the `Caching` is not told about changes, although it is told that none is missing. */
  loseChanges(lost: boolean): void;
  /** From now on no call is sent and no reply arrives, as if the process were killed. */
  kill(): void;
  /** Sends all calls of this verb so far once more, the latest first. */
  repeat(verb: ChaosVerb): Promise<void>;
  /** Sends the `late` requests so far. Without `schedule` only. */
  deliver(): Promise<void>;
  /** Ends faults, delays, outage and loss of wakeups. Held calls stay held. */
  heal(): void;
  /** Sends a call of an implementation that has no ports: for a naive one that a test compares. */
  pass<Reply>(verb: ChaosVerb, send: () => Promise<Reply>): Promise<Reply>;
}

/**
 * Wraps an adapter so that a test decides what happens to each call. Everything is deterministic: a call fails or waits
 * only if the test decides so. One chaos adapter serves one `Caching`.
 *
 * @param inner several chaos adapters around one `memory()` are several processes on one store
 * @example
 * const chaos = chaosAdapter(memory());
 * const caching = new Caching({ adapter: chaos, clock: fakeClock(), defaults: { ttl: '1m' } });
 * chaos.fail('fill', 'reply lost', 1);
 * const read = chaos.hold('read', 'reply');
 * const value = caching.cache.getOrSet('user:42', load);
 * await read.reached;
 * // The store has read, and the Caching does not have the reply yet.
 * read.release();
 */
export function chaosAdapter(inner: Adapter, options: ChaosOptions = {}): ChaosAdapter {
  return new Chaos(inner, options);
}

interface Held {
  readonly verb: ChaosVerb;
  readonly moment: ChaosMoment;
  readonly reached: Deferred<void>;
  readonly released: Deferred<void>;
}

interface Failure {
  readonly fault: ChaosFault;
  left: number;
}

class Chaos implements ChaosAdapter {
  readonly name: string;
  readonly inner: Adapter;
  readonly verbs: ChaosVerb[] = [];
  readonly #arguments: (readonly unknown[])[] = [];
  readonly #schedule: (step: string) => Promise<unknown> | undefined;
  readonly #late: (() => Promise<unknown>)[] | undefined;
  readonly #faults: Iterator<ChaosFault | 'none'> | undefined;
  readonly #failures = new Map<ChaosVerb, Failure[]>();
  readonly #delays = new Map<ChaosVerb, number>();
  readonly #held: Held[] = [];
  readonly #sent: { readonly verb: ChaosVerb; readonly send: () => Promise<unknown> }[] = [];
  #host: AdapterHost | undefined;
  #down = false;
  #deaf = false;
  #changesAreLost = false;
  #killed = false;
  #pending = 0;

  constructor(inner: Adapter, { name = 'chaos', schedule, faults }: ChaosOptions) {
    this.name = name;
    this.inner = inner;
    this.#schedule = schedule ?? (() => undefined);
    this.#late = schedule === undefined ? [] : undefined;
    this.#faults = faults;
  }

  get pending(): number {
    return this.#pending;
  }

  open(host: AdapterHost): Backend {
    this.#host = host;
    const changes = host.changes && { ...host.changes, listener: this.#listener(host.changes.listener) };
    const backend = this.inner.open({ ...host, changes, wake: (name) => this.#wake(host, name) });
    return {
      entries: this.#store(backend.entries, [
        ...(['read', 'time', 'nonces', 'lease', 'extend', 'fill', 'release', 'remove'] as const),
        ...(['mark', 'unmark', 'getOrCreateNonces', 'removeNonces', 'replicated'] as const),
      ]),
      rates: this.#store(backend.rates, ['consume', 'refund', 'renew', 'block', 'reset']),
      locks: this.#locks(backend.locks),
      sessions: this.#sessions(backend.sessions),
      messages: backend.messages,
      ready: () => backend.ready(),
      close: () => backend.close(),
    };
  }

  calls<Verb extends ChaosVerb>(verb: Verb): readonly Parameters<Calls[Verb]>[] {
    const all = this.#arguments.filter((_, i) => this.verbs[i] === verb);
    return all as unknown as readonly Parameters<Calls[Verb]>[];
  }

  fail(verbs: ChaosVerb | readonly ChaosVerb[], fault: ChaosFault, times = Infinity): void {
    for (const verb of [verbs].flat()) {
      this.#failures.set(verb, [...(this.#failures.get(verb) ?? []), { fault, left: times }]);
    }
  }

  hold(verb: ChaosVerb, moment: ChaosMoment): ChaosHold {
    const held: Held = { verb, moment, reached: deferred(), released: deferred() };
    this.#held.push(held);
    return { reached: held.reached.promise, release: () => held.released.resolve() };
  }

  delay(verb: ChaosVerb, ms: number): void {
    this.#delays.set(verb, ms);
  }

  setDown(down: boolean): void {
    const recovered = this.#down && !down;
    this.#down = down;
    if (recovered) this.#host?.recovered();
  }

  loseWakeups(lost: boolean): void {
    this.#deaf = lost;
  }

  loseChanges(lost: boolean): void {
    this.#changesAreLost = lost;
  }

  kill(): void {
    this.#killed = true;
  }

  async repeat(verb: ChaosVerb): Promise<void> {
    for (const sent of this.#sent.toReversed()) if (sent.verb === verb) await sent.send();
  }

  async deliver(): Promise<void> {
    for (const send of this.#late?.splice(0) ?? []) await send();
  }

  heal(): void {
    this.#failures.clear();
    this.#delays.clear();
    this.#deaf = false;
    this.#changesAreLost = false;
    this.setDown(false);
  }

  pass<Reply>(verb: ChaosVerb, send: () => Promise<Reply>): Promise<Reply> {
    return this.#call(verb, [], send);
  }

  /** @param fail how this store reports that it is unavailable @default it rejects */
  async #call<Reply>(
    verb: ChaosVerb,
    args: readonly unknown[],
    send: () => Promise<Reply>,
    fail: (error: StoreUnavailableError) => Reply = reject,
  ): Promise<Reply> {
    this.verbs.push(verb);
    this.#arguments.push(args);
    if (this.#killed) return never();
    const label = `${this.name}: ${verb}`;
    const fault = this.#down ? 'refused' : this.#nextFault(verb);
    // Steps that need not wait take no turn of the microtask queue, so that a scheduler sees every call at once.
    const request = this.#heldAt(verb, 'request');
    if (request !== undefined) await request;
    if (fault === 'no reply') return never();
    if (fault === 'refused' || fault === 'request lost' || fault === 'late') {
      if (fault === 'late') this.#later(`${label} arrives late`, send);
      const failed = this.#schedule(`${label} fails`);
      if (failed !== undefined) await failed;
      const outcome = fault === 'refused' ? 'refused' : 'unknown';
      return fail(new StoreUnavailableError(`${label}: ${fault}.`, outcome));
    }
    const arrived = this.#schedule(`${label} arrives`);
    if (arrived !== undefined) await arrived;
    this.#sent.push({ verb, send });
    const reply = await send();
    if (fault === 'duplicated') await send();
    if (this.#killed) return never();
    const delayed = this.#delayed(verb);
    if (delayed !== undefined) await delayed;
    const answered = this.#heldAt(verb, 'reply') ?? this.#schedule(`${label} is answered`);
    if (answered !== undefined) await answered;
    if (fault === 'reply lost') return fail(new StoreUnavailableError(`${label}: ${fault}.`, 'unknown'));
    return reply;
  }

  #nextFault(verb: ChaosVerb): ChaosFault | undefined {
    const failures = this.#failures.get(verb);
    const failure = failures?.[0];
    if (failure !== undefined) {
      if (--failure.left <= 0) failures!.shift();
      return failure.fault;
    }
    const next = this.#faults?.next();
    return next === undefined || next.done === true || next.value === 'none' ? undefined : next.value;
  }

  #heldAt(verb: ChaosVerb, moment: ChaosMoment): Promise<void> | undefined {
    const index = this.#held.findIndex((held) => held.verb === verb && held.moment === moment);
    if (index < 0) return undefined;
    const [held] = this.#held.splice(index, 1);
    held!.reached.resolve();
    return held!.released.promise;
  }

  #delayed(verb: ChaosVerb): Promise<void> | undefined {
    const ms = this.#delays.get(verb);
    if (ms === undefined) return undefined;
    return new Promise((resolve) => void this.#host!.clock.after(ms, resolve));
  }

  /** What no caller waits for. */
  #later(step: string, act: () => Promise<unknown>): void {
    if (this.#late !== undefined) {
      this.#late.push(act);
      return;
    }
    this.#pending++;
    void Promise.resolve(this.#schedule(step))
      .then(act)
      .catch(() => {})
      .finally(() => this.#pending--);
  }

  #wake(host: AdapterHost, name: string): void {
    if (this.#deaf || this.#killed) return;
    if (this.#late === undefined) this.#later(`${this.name}: wakeup of ${name}`, async () => host.wake(name));
    else host.wake(name);
  }

  /** Changes arrive in their order. With `schedule`, the scheduler decides when. */
  #listener(listener: ChangeListener): ChangeListener {
    const arrive = (changes: string, act: () => void): void => {
      if (this.#changesAreLost || this.#killed) return;
      if (this.#late === undefined) this.#later(`${this.name}: ${changes}`, async () => act());
      else act();
    };
    return {
      changed: (keys) => arrive(`message about ${keys.join()}`, () => listener.changed(keys)),
      confirmed: (time) => listener.confirmed(time),
      interrupted: () => listener.interrupted(),
    };
  }

  #store<Store extends object, Verb extends keyof Store & ChaosVerb>(
    store: Store,
    verbs: readonly Verb[],
  ): Pick<Store, Verb> {
    const wrapped = verbs.map((verb) => {
      const method = store[verb] as (...args: unknown[]) => Promise<unknown>;
      return [verb, (...args: unknown[]) => this.#call(verb, args, () => method.apply(store, args))];
    });
    return Object.fromEntries(wrapped) as Pick<Store, Verb>;
  }

  #sessions(store: SessionStore): SessionStore {
    const verbs = [
      ...(['create', 'read', 'touch', 'update', 'save', 'remove', 'keys'] as const),
      ...(['bind', 'isCurrent', 'revoke', 'handles'] as const),
    ];
    const wrapped = verbs.map((verb) => {
      const method = store[verb] as (...args: unknown[]) => Promise<unknown>;
      return [
        verb,
        (...args: unknown[]) => this.#call(`${verb}Session`, args, () => method.apply(store, args)),
      ];
    });
    return Object.fromEntries(wrapped) as SessionStore;
  }

  #locks(store: LockStore): LockStore {
    const unavailable = (error: StoreUnavailableError): LockReply => ({
      status: 'unavailable',
      servers: [{ server: this.name, answer: error }],
    });
    return {
      hasSingleAuthority: store.hasSingleAuthority,
      acquire: async (...args) => {
        const reply = await this.#call('acquire', args, () => store.acquire(...args), unavailable);
        return reply.status === 'granted' ? { ...reply, grant: this.#grant(reply.grant) } : reply;
      },
      abandon: (...args) =>
        this.#call(
          'abandon',
          args,
          () => store.abandon(...args),
          () => {},
        ),
    };
  }

  #grant(grant: LockGrant): LockGrant {
    return {
      fencingToken: grant.fencingToken,
      extend: (...args) =>
        this.#call(
          'extendLock',
          args,
          () => grant.extend(...args),
          () => 'unavailable',
        ),
      release: () => this.#call('releaseLock', [], () => grant.release()),
    };
  }
}

function reject(error: StoreUnavailableError): never {
  throw error;
}

function never(): Promise<never> {
  return new Promise(() => {});
}
