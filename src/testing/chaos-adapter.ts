import { clearKey, entryKey, tagChangesKey, tagKey } from '../core/keys/store-keys.js';
import type { Adapter, AdapterHost, Backend } from '../core/ports/adapter.js';
import type { ChangeListener } from '../core/ports/change-feed.js';
import type { LockGrant, LockReply, LockStore } from '../core/ports/lock-store.js';
import { describe } from '../core/shared/describe.js';
import { OptionsError, StoreUnavailableError } from '../core/shared/errors.js';
import {
  callback,
  integer,
  parseOptions,
  text,
  unchecked,
  type Option,
} from '../core/shared/option-schema.js';
import {
  checkTarget,
  matches,
  PORT_METHODS,
  type ChaosArguments,
  type ChaosPort,
  type ChaosTarget,
  type ChaosVerb,
} from './chaos-calls.js';
import { ChaosFaults, type ChaosFault, type ChaosWhen } from './chaos-faults.js';
import { seededRandom } from './seeded-random.js';

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
   * Decides the order of all steps, of requests, replies and wakeups: each waits for the returned promise. With the
   * scheduler of fast-check: `(step) => scheduler.schedule(Promise.resolve(), step)`.
   * @default no step waits
   */
  readonly schedule?: ((step: string) => Promise<unknown>) | undefined;
  /** The faults of the calls in their order, then none. Several adapters may share one iterator. @default none */
  readonly faults?: Iterator<ChaosFault | 'none'> | undefined;
  /** Decides which calls fail with a probability: a whole number, 0 or more. @default 1 */
  readonly seed?: number | undefined;
}

/** The schema of `ChaosOptions`. */
export const chaosOptions = {
  name: text('first process', 'chaos'),
  schedule: callback<(step: string) => Promise<unknown>>(),
  faults: unchecked<Iterator<ChaosFault | 'none'>>('an iterator of faults'),
  seed: integer({ min: 0, default: 1 }),
} satisfies Record<keyof ChaosOptions, Option<unknown>>;

/** What `evict` removes: entries and tags by their logical keys, as in `cache.invalidate`. */
export interface ChaosEviction {
  readonly keys?: readonly string[] | undefined;
  readonly tags?: readonly string[] | undefined;
  /** True: every entry of the namespace is a miss. */
  readonly all?: boolean | undefined;
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
  calls<Verb extends ChaosVerb>(verb: Verb): readonly ChaosArguments<Verb>[];
  /**
   * Fails calls until `heal`. Of several faults, the one that was asked for first decides.
   *
   * @param when the number of calls to fail, `{ every: 3 }` or `{ probability: 0.1 }` @default all
   * @throws OptionsError for an unknown call or fault
   */
  fail(targets: ChaosTarget | readonly ChaosTarget[], fault: ChaosFault, when?: ChaosWhen): void;
  /** Holds the next such call. A fault of the same call takes effect after the release. @throws OptionsError */
  hold(target: ChaosTarget, moment: ChaosMoment): ChaosHold;
  /** Delays the replies to such calls by `ms` on the clock of the `Caching`, until `heal`. @throws OptionsError */
  delay(target: ChaosTarget, ms: number): void;
  /**
   * While the store is down, it refuses every call. The `Caching` is notified of both, and publishes the events `degraded`
   * and `recovered`.
   */
  setDown(down: boolean): void;
  /** While true, no wakeup reaches the `Caching`. */
  loseWakeups(lost: boolean): void;
  /** While true, the `Caching` is not told about changes, although it is told that none is missing. */
  loseChanges(lost: boolean): void;
  /** While true, the `Caching` is not told about changes, and knows that: it returns nothing from memory. */
  interruptChanges(interrupted: boolean): void;
  /** From now on wakeups and changes reach the `Caching` this late, by its clock. 0: at once. */
  delayMessages(ms: number): void;
  /**
   * Removes entries and tags from the store as an eviction does: this `Caching` is not told. Other `Caching` objects on the
   * same store are.
   */
  evict(what: ChaosEviction): Promise<void>;
  /** From now on no call is sent and no reply arrives, as if the process were killed. */
  kill(): void;
  /** Sends all calls of this verb so far once more, the latest first. */
  repeat(verb: ChaosVerb): Promise<void>;
  /** Sends the `late` requests so far. Without `schedule` only. */
  deliver(): Promise<void>;
  /** Ends faults, delays, outage, and the loss of wakeups and changes. Held calls stay held. */
  heal(): void;
  /** @internal Sends a call of an implementation that has no ports: for a naive one that a test compares. */
  pass<Reply>(verb: ChaosVerb, send: () => Promise<Reply>): Promise<Reply>;
}

/**
 * Wraps an adapter so that a test decides what happens to each call. Everything is deterministic: a call fails or waits
 * only if the test decides so. One chaos adapter serves one `Caching`.
 *
 * @param inner several chaos adapters around one `memory()` are several processes on one store
 * @throws OptionsError
 * @example
 * const chaos = chaosAdapter(memory());
 * const caching = new Caching({ adapter: chaos, clock: fakeClock(), defaults: { ttl: '1m' } });
 * chaos.fail('entries.fill', 'reply lost', 1);
 * const read = chaos.hold('entries.read', 'reply');
 * const value = caching.cache.getOrSet('user:42', () => db.user('42'));
 * await read.reached;
 * // The store has read, and the Caching does not have the reply yet.
 * read.release();
 */
export function chaosAdapter(inner: Adapter, options: ChaosOptions = {}): ChaosAdapter {
  if (typeof inner?.open !== 'function') {
    throw new OptionsError(
      `chaosAdapter takes an adapter such as memory(), and ${describe(inner)} was given.`,
    );
  }
  return new Chaos(inner, parseOptions(chaosOptions, options, 'chaosAdapter'));
}

interface Held {
  readonly target: ChaosTarget;
  readonly moment: ChaosMoment;
  readonly reach: () => void;
  readonly released: Promise<void>;
}

class Chaos implements ChaosAdapter {
  readonly name: string;
  readonly inner: Adapter;
  readonly verbs: ChaosVerb[] = [];
  readonly #arguments: (readonly unknown[])[] = [];
  readonly #schedule: (step: string) => Promise<unknown> | undefined;
  readonly #late: (() => Promise<unknown>)[] | undefined;
  readonly #sequence: Iterator<ChaosFault | 'none'> | undefined;
  readonly #faults: ChaosFaults;
  readonly #sent: { readonly verb: ChaosVerb; readonly send: () => Promise<unknown> }[] = [];
  #delays: { readonly target: ChaosTarget; readonly ms: number }[] = [];
  #held: Held[] = [];
  #host: AdapterHost | undefined;
  #backend: Backend | undefined;
  #isDown = false;
  #isKilled = false;
  #areWakeupsLost = false;
  #areChangesLost = false;
  #isInterrupted = false;
  /** What the inner adapter has confirmed so far. */
  #confirmed = -Infinity;
  #messageDelay = 0;
  #pending = 0;

  constructor(inner: Adapter, { name = 'chaos', schedule, faults, seed = 1 }: ChaosOptions) {
    this.name = name;
    this.inner = inner;
    this.#schedule = schedule ?? (() => undefined);
    this.#late = schedule === undefined ? [] : undefined;
    this.#sequence = faults;
    this.#faults = new ChaosFaults(seededRandom(seed));
  }

  get pending(): number {
    return this.#pending;
  }

  open(host: AdapterHost): Backend {
    if (this.#host !== undefined) {
      throw new OptionsError(
        'A chaosAdapter serves one Caching, and was given to a second one. Wrap the adapter once more for that.',
      );
    }
    this.#host = host;
    const changes = host.changes && { ...host.changes, listener: this.#listener(host.changes.listener) };
    const wake = (name: string): void => {
      if (!this.#areWakeupsLost) this.#message(`wakeup of ${name}`, () => host.wake(name));
    };
    const backend = this.inner.open({ ...host, changes, wake });
    this.#backend = backend;
    return {
      entries: this.#store('entries', backend.entries, PORT_METHODS.entries),
      rates: this.#store('rates', backend.rates, PORT_METHODS.rates),
      locks: this.#locks(backend.locks),
      sessions: this.#store('sessions', backend.sessions, PORT_METHODS.sessions),
      messages: backend.messages,
      listen: backend.listen?.bind(backend),
      ready: () => backend.ready(),
      close: () => backend.close(),
    };
  }

  calls<Verb extends ChaosVerb>(verb: Verb): readonly ChaosArguments<Verb>[] {
    const all = this.#arguments.filter((_, i) => this.verbs[i] === verb);
    return all as unknown as readonly ChaosArguments<Verb>[];
  }

  fail(targets: ChaosTarget | readonly ChaosTarget[], fault: ChaosFault, when: ChaosWhen = Infinity): void {
    this.#faults.add(targets, fault, when);
  }

  hold(target: ChaosTarget, moment: ChaosMoment): ChaosHold {
    checkTarget(target, 'hold');
    let reach!: () => void;
    let release!: () => void;
    const reached = new Promise<void>((resolve) => (reach = resolve));
    const released = new Promise<void>((resolve) => (release = resolve));
    this.#held.push({ target, moment, reach, released });
    return { reached, release };
  }

  delay(target: ChaosTarget, ms: number): void {
    checkTarget(target, 'delay');
    this.#delays.unshift({ target, ms });
  }

  setDown(down: boolean): void {
    if (this.#isDown === down) return;
    this.#isDown = down;
    if (down) this.#host?.degraded(new StoreUnavailableError(`${this.name}: the store is down.`, 'refused'));
    else this.#host?.recovered();
  }

  loseWakeups(lost: boolean): void {
    this.#areWakeupsLost = lost;
  }

  loseChanges(lost: boolean): void {
    this.#areChangesLost = lost;
  }

  interruptChanges(interrupted: boolean): void {
    if (this.#isInterrupted === interrupted) return;
    this.#isInterrupted = interrupted;
    const listener = this.#host?.changes?.listener;
    if (interrupted) listener?.interrupted();
    else listener?.confirmed(this.#confirmed);
  }

  delayMessages(ms: number): void {
    this.#messageDelay = ms;
  }

  async evict({ keys = [], tags = [], all = false }: ChaosEviction): Promise<void> {
    if (this.#host === undefined || this.#backend === undefined) {
      throw new OptionsError('evict needs an open store. Give the chaosAdapter to a Caching first.');
    }
    const { namespace } = this.#host;
    const names = [
      ...keys.map((key) => entryKey(namespace, key)),
      ...tags.map((tag) => tagKey(namespace, tag)),
      ...(all ? [clearKey(namespace), tagChangesKey(namespace)] : []),
    ];
    const wereChangesLost = this.#areChangesLost;
    this.#areChangesLost = true;
    try {
      await this.#backend.entries.remove(names);
    } finally {
      this.#areChangesLost = wereChangesLost;
    }
  }

  kill(): void {
    this.#isKilled = true;
  }

  async repeat(verb: ChaosVerb): Promise<void> {
    for (const sent of this.#sent.toReversed()) if (sent.verb === verb) await sent.send();
  }

  async deliver(): Promise<void> {
    for (const send of this.#late?.splice(0) ?? []) await send();
  }

  heal(): void {
    this.#faults.clear();
    this.#delays = [];
    this.#messageDelay = 0;
    this.#areWakeupsLost = false;
    this.#areChangesLost = false;
    this.interruptChanges(false);
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
    if (this.#isKilled) return never();
    const label = `${this.name}: ${verb}`;
    const fault = this.#isDown ? 'refused' : this.#nextFault(verb);
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
    if (this.#isKilled) return never();
    const delayed = this.#delayed(verb);
    if (delayed !== undefined) await delayed;
    const answered = this.#heldAt(verb, 'reply') ?? this.#schedule(`${label} is answered`);
    if (answered !== undefined) await answered;
    if (fault === 'reply lost') return fail(new StoreUnavailableError(`${label}: ${fault}.`, 'unknown'));
    return reply;
  }

  #nextFault(verb: ChaosVerb): ChaosFault | undefined {
    const fault = this.#faults.next(verb);
    if (fault !== undefined) return fault;
    const next = this.#sequence?.next();
    return next === undefined || next.done === true || next.value === 'none' ? undefined : next.value;
  }

  #heldAt(verb: ChaosVerb, moment: ChaosMoment): Promise<void> | undefined {
    const held = this.#held.find((one) => matches(one.target, verb) && one.moment === moment);
    if (held === undefined) return undefined;
    this.#held = this.#held.filter((one) => one !== held);
    held.reach();
    return held.released;
  }

  #delayed(verb: ChaosVerb): Promise<void> | undefined {
    const ms = this.#delays.find(({ target }) => matches(target, verb))?.ms;
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

  /** Messages arrive in their order. With `schedule`, the scheduler decides when. */
  #message(what: string, act: () => void): void {
    if (this.#isKilled) return;
    const arrive = (): void => {
      if (this.#late === undefined) this.#later(`${this.name}: ${what}`, async () => act());
      else act();
    };
    if (this.#messageDelay > 0) this.#host!.clock.after(this.#messageDelay, arrive);
    else arrive();
  }

  #listener(listener: ChangeListener): ChangeListener {
    return {
      changed: (keys) => {
        if (this.#areChangesLost || this.#isInterrupted) return;
        this.#message(`message about ${keys.join()}`, () => listener.changed(keys));
      },
      confirmed: (time) => {
        this.#confirmed = Math.max(this.#confirmed, time);
        if (!this.#isInterrupted) listener.confirmed(time);
      },
      interrupted: () => listener.interrupted(),
    };
  }

  #store<Store extends object, Method extends keyof Store & string>(
    port: ChaosPort,
    store: Store,
    methods: readonly Method[],
  ): Pick<Store, Method> {
    const wrapped = methods.map((name) => {
      const method = store[name] as (...args: unknown[]) => Promise<unknown>;
      const verb = `${port}.${name}` as ChaosVerb;
      return [name, (...args: unknown[]) => this.#call(verb, args, () => method.apply(store, args))];
    });
    return Object.fromEntries(wrapped) as Pick<Store, Method>;
  }

  #locks(store: LockStore): LockStore {
    const unavailable = (error: StoreUnavailableError): LockReply => ({
      status: 'unavailable',
      servers: [{ server: this.name, answer: error }],
    });
    return {
      hasSingleAuthority: store.hasSingleAuthority,
      acquire: async (...args) => {
        const acquire = () => store.acquire(...args);
        const reply = await this.#call('locks.acquire', args, acquire, unavailable);
        return reply.status === 'granted' ? { ...reply, grant: this.#grant(reply.grant) } : reply;
      },
      abandon: (...args) =>
        this.#call(
          'locks.abandon',
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
          'locks.extend',
          args,
          () => grant.extend(...args),
          () => 'unavailable',
        ),
      release: () => this.#call('locks.release', [], () => grant.release()),
    };
  }
}

function reject(error: StoreUnavailableError): never {
  throw error;
}

function never(): Promise<never> {
  return new Promise(() => {});
}
