import { Caching } from '../../../src/core/caching.js';
import type { GetOrSetOptions } from '../../../src/core/cache/cache.js';
import { clearKey, entryKey, tagChangesKey, tagKey } from '../../../src/core/keys/store-keys.js';
import type { Adapter, AdapterHost, Backend } from '../../../src/core/ports/adapter.js';
import type { EntryStore } from '../../../src/core/ports/entry-store.js';
import { StoreUnavailableError } from '../../../src/core/shared/errors.js';
import { shared } from '../../../src/core/shared/registry.js';
import { assertQuiet, watchActivity } from '../../support/quiet.js';
import { settled } from '../../support/settled.js';
import { EffectLog } from './effects.js';
import { Judge } from './judge.js';
import { ModelClock } from './model-clock.js';
import { ModelStore } from './model-store.js';
import { endsWait, type Message, type Process, type Request, type Running, type Work } from './process.js';
import type { Effects, World } from './search.js';
import { TTL, type Bounds, type Call, type SetUp, type Target, type Value } from './set-up.js';
import { PortTexts, TextNumbers } from './texts.js';

type Steps = Map<string, () => void | Promise<void>>;

const NAMESPACE = 'm';
const FAILED = 'It fails.';
const NO_BOUNDS: Bounds = { faults: 0, failures: 0, evictions: 0, timers: 0, kills: 0 };
const DEFAULTS = { ttl: TTL, jitter: 0, lease: 100, lockTimeout: 150, loadTimeout: 150, storeTimeout: 50 };
/** With nothing else to happen, time moves to the next timer at most so often. */
const MAX_IDLE_TIMERS = 60;
/** Longer than any mark of a write. */
const AFTER_MARKS = 5_000;
const VERBS = [
  ...(['read', 'time', 'nonces', 'lease', 'extend', 'fill', 'release', 'touch', 'remove'] as const),
  ...(['mark', 'unmark', 'getOrCreateNonces', 'removeNonces'] as const),
];
/** Calls whose end is told to no other call. */
const ENDS_SILENTLY: readonly Call['do'][] = ['read', 'readMany', 'refresh', 'get', 'set'];
/** Verbs whose reply does not end a write. */
const ENDS_NO_WRITE: readonly (keyof EntryStore)[] = ['lease', 'getOrCreateNonces', 'read', 'extend', 'mark'];

const numbers = new WeakMap<SetUp, TextNumbers>();

/** @param hasEagerSteps false: steps that concern nobody else are taken in every order, too */
export async function openWorld(setUp: SetUp, hasEagerSteps = true): Promise<World> {
  const world = new ModelWorld(setUp, hasEagerSteps);
  await world.prepare();
  return world;
}

/**
 * Several `Caching` on one store of memory(), with the network, the database and the time between them.
 *
 * The state of an engine is private, and part of it is in promises that wait. It is known all the same: what a process does
 * follows from what has reached it, in its order (calls, replies, results of loaders, messages, timers). Two worlds are the same
 * if their processes have the same histories, and store, rows, network and clock are the same.
 */
class ModelWorld implements World {
  readonly #setUp: SetUp;
  readonly #hasEagerSteps: boolean;
  readonly #activity = watchActivity();
  readonly #numbers: TextNumbers;
  readonly #texts = new PortTexts();
  readonly #effects = new EffectLog();
  readonly #clock = new ModelClock();
  readonly #store: ModelStore;
  readonly #judge: Judge;
  readonly #processes: Process[] = [];
  readonly #network: Request[] = [];
  readonly #works: Work[] = [];
  readonly #messages: Message[] = [];
  readonly #running: Running[] = [];
  /** How many calls each actor has begun. */
  readonly #begun: number[];
  readonly #left: { -readonly [Name in keyof Bounds]: number };
  /** True before and after the search: nothing waits. */
  #isFree = true;
  #idleTimers = 0;
  /** The request that the store executes. */
  #cause: Request | undefined;
  #wasLate = false;
  #violation: Error | undefined;

  constructor(setUp: SetUp, hasEagerSteps: boolean) {
    this.#setUp = setUp;
    this.#hasEagerSteps = hasEagerSteps;
    this.#numbers = numbers.get(setUp) ?? new TextNumbers();
    numbers.set(setUp, this.#numbers);
    this.#left = { ...NO_BOUNDS, ...setUp.bounds };
    this.#begun = setUp.actors.map(() => 0);
    this.#judge = new Judge(setUp, this.#clock, this.#effects);
    this.#activity.forget();
    forgetLoads();
    this.#store = new ModelStore(
      this.#clock.of('store'),
      (key) => this.#wake(key),
      (keys) => this.#changed(keys),
    );
    for (let i = 0; i < (setUp.processes ?? 1); i++) this.#open(`p${i}`);
  }

  async prepare(): Promise<void> {
    for (const call of this.#setUp.before ?? []) await this.#alone(this.#processes[call.on ?? 0]!, call);
    this.#isFree = false;
    this.#effects.take();
    this.#throwIfBroken();
  }

  steps(): readonly string[] {
    const eager = this.#hasEagerSteps ? this.#eagerStep() : undefined;
    return eager === undefined ? [...this.#steps().keys()].sort() : [eager];
  }

  async take(step: string): Promise<Effects> {
    const run = this.#steps().get(step);
    if (run === undefined)
      throw new Error(`The step "${step}" is not there: two runs of the same steps differ.`);
    // Records and values end by it.
    this.#effects.read('clock');
    await run();
    await settled();
    this.#throwIfBroken();
    return this.#effects.take();
  }

  state(): string {
    const all = [
      ...this.#running.map(({ id, stage, version, isMarked, text }) =>
        [id, stage, version, isMarked, text].join(' '),
      ),
      ...this.#works.map(({ id, done }) => `${id} ${this.#texts.of(done?.value)}`),
      ...this.#network.map(({ id, status, reply }) =>
        [id, status, this.#numbers.of(this.#texts.of(reply))].join(' '),
      ),
      ...this.#messages.map(({ id }) => id),
      ...this.#dump().map(([key, text]) => `${key} ${text}`),
    ];
    return [
      this.#clock.now(),
      Object.values(this.#left).join(),
      this.#processes.map(({ history }) => history).join(),
      this.#begun.join(),
      this.#judge.state,
      ...all.sort(),
    ].join(';');
  }

  async end(): Promise<string> {
    const outcome = [
      ...this.#running.map(({ id, text }) => `${id}: ${text}`),
      ...this.#dump().map(([key, text]) => `${key}: ${text}`),
    ];
    const hanging = this.#running.filter(({ stage, on }) => stage !== 'ended' && !on.isDead);
    if (hanging.length > 0) throw new Error(`${hanging.map(({ id }) => id).join()} did not end.`);
    const isAnyDead = this.#processes.some(({ isDead }) => isDead);
    // What a dead process was doing goes on for ever.
    if (!isAnyDead) assertQuiet(this.#activity, this.#clock.timers);
    const { leased } = this.#store;
    if (leased.length > 0 && !isAnyDead && !this.#wasLate)
      throw new Error(`A lease of ${leased.join()} is left.`);
    for (const { name, caching, isDead } of this.#processes) {
      if (!isDead && caching.cache.pending) throw new Error(`Invalidations of ${name} are left.`);
    }
    // Those that were queued are confirmed now.
    for (const { call, on, version, stage } of this.#running) {
      if (version > 0 && stage === 'ended')
        this.#acknowledge(on, (call as { row: string }).row, version, true);
    }
    this.#isFree = true;
    this.#open('observer');
    await this.#readAll();
    if (isAnyDead) {
      await this.#clock.moveTo(this.#clock.now() + AFTER_MARKS, settled);
      await this.#readAll();
    }
    return outcome.sort().join('\n');
  }

  async #readAll(): Promise<void> {
    for (const on of this.#processes.filter(({ isDead }) => !isDead)) {
      for (const key of this.#judge.rows) await this.#alone(on, { do: 'read', key });
    }
    this.#throwIfBroken();
  }

  /** Makes a call while nothing else happens. */
  async #alone(on: Process, call: Call): Promise<void> {
    const id = this.#processes.some(({ name }) => name === 'observer')
      ? 'a read at the end'
      : 'a call before';
    const running = begun(id, call, on);
    if (call.do === 'write') running.version = this.#judge.write(call.row);
    void this.#finish(running, this.#make(running));
    await settled();
    for (let timers = 0; running.stage !== 'ended'; timers++) {
      const { next } = this.#clock;
      if (next === undefined || timers > MAX_IDLE_TIMERS) throw new Error(`${id} on ${on.name} did not end.`);
      await this.#clock.moveTo(next, settled);
    }
  }

  #throwIfBroken(): void {
    if (this.#violation !== undefined) throw this.#violation;
  }

  #open(name: string): void {
    const clock = this.#clock.of(name);
    let host!: AdapterHost;
    const adapter: Adapter = {
      name: 'model',
      open: (opened) => {
        host = opened;
        host.changes?.listener.confirmed(Infinity);
        const entries = Object.fromEntries(
          VERBS.map((verb) => [verb, (...args: unknown[]) => this.#request(process, verb, args)]),
        );
        return {
          entries: entries as unknown as EntryStore,
          ready: async () => {},
          close: async () => {},
        } as Partial<Backend> as Backend;
      },
    };
    const { defaults, l1 = false } = this.#setUp;
    const caching = new Caching({
      adapter,
      namespace: NAMESPACE,
      clock,
      l1,
      defaults: { ...DEFAULTS, ...defaults },
    });
    const process = {
      ...{ name, caching, host, history: 0, requests: 0, works: 0 },
      waiting: new Set(),
      isDead: false,
    };
    this.#processes.push(process);
  }

  // --- what can come next ------------------------------------------------------------------------------------------------

  #steps(): Steps {
    const steps: Steps = new Map();
    this.#addCalls(steps);
    this.#addWorks(steps);
    this.#addRequests(steps);
    for (const message of this.#messages) {
      if (!message.to.isDead) steps.set(`${message.id} arrives`, () => this.#deliver(message));
    }
    if (this.#left.evictions > 0) {
      for (const key of this.#store.keys) steps.set(`${key} is evicted`, () => this.#evict(key));
    }
    const first = this.#processes[0]!;
    const isAtWork = this.#running.some(({ on, stage }) => on === first && stage !== 'ended');
    if (this.#left.kills > 0 && isAtWork) steps.set(`${first.name} dies`, () => this.#kill(first));
    const { next } = this.#clock;
    const isIdle = steps.size === 0;
    if (next !== undefined && (isIdle || this.#left.timers > 0)) {
      steps.set('time moves to the next timer', () => this.#moveTo(next, isIdle));
    }
    return steps;
  }

  #addCalls(steps: Steps): void {
    this.#setUp.actors.forEach((actor, i) => {
      const call = actor.calls[this.#begun[i]!];
      const on = this.#processes[actor.on]!;
      if (call === undefined || on.isDead || this.#isCalling(i)) return;
      steps.set(`${actor.name} ${textOf(call)}`, () => this.#begin(i, on, call));
    });
    for (const running of this.#running) {
      const { id, call, on, stage } = running;
      if (call.do !== 'write' || stage !== 'written' || on.isDead) continue;
      steps.set(`${id} invalidates`, () => {
        running.stage = 'running';
        this.#tell(on, `${id} invalidates`);
        void this.#finish(running, this.#make(running));
      });
    }
  }

  /** True if the last call that the actor has begun has not ended. */
  #isCalling(actor: number): boolean {
    const id = `${this.#setUp.actors[actor]!.name}${this.#begun[actor]! - 1}`;
    return this.#running.some((running) => running.id === id && running.stage !== 'ended');
  }

  #addWorks(steps: Steps): void {
    for (const work of this.#works) {
      const { id, by, does, rows, done } = work;
      const end = (): void => {
        this.#effects.write(id);
        this.#works.splice(this.#works.indexOf(work), 1);
      };
      if (done !== undefined) {
        steps.set(`${id} returns`, () => {
          end();
          this.#judge.finished(id);
          this.#tell(by, `${id} returns ${this.#texts.of(done.value)}`);
          work.resolve(done.value);
        });
        continue;
      }
      steps.set(`${id} ${does} ${rows.join()}`, () => {
        this.#effects.write(id);
        work.done = { value: work.act() };
      });
      if (this.#left.failures === 0) continue;
      steps.set(`${id} fails`, () => {
        end();
        this.#left.failures--;
        this.#effects.write('failures');
        this.#judge.failed();
        this.#tell(by, `${id} fails`);
        work.reject(new Error(FAILED));
      });
    }
  }

  #addRequests(steps: Steps): void {
    const { overtaking = false } = this.#setUp;
    const unsent = new Set<Process>();
    const unanswered = new Set<Process>();
    for (const request of this.#network) {
      const { id, by, status } = request;
      const mayArrive = status === 'late' || (status === 'sent' && (overtaking || !unsent.has(by)));
      if (mayArrive) steps.set(`${id} arrives`, () => this.#arrive(request));
      if (status === 'late') continue;
      const isFirst = overtaking || !unanswered.has(by);
      unanswered.add(by);
      if (status === 'sent') unsent.add(by);
      if (by.isDead) {
        steps.set(`${id} is lost`, () => this.#remove(request));
        continue;
      }
      if (status === 'arrived' && isFirst) steps.set(`${id} is answered`, () => this.#answer(request));
      if (!this.#mayFail(request)) continue;
      steps.set(`${id} ${status === 'sent' ? 'is lost' : 'loses its reply'}`, () => {
        this.#remove(request);
        this.#fail(request);
      });
      if (status !== 'sent') continue;
      steps.set(`${id} is late`, () => {
        request.status = 'late';
        this.#wasLate = true;
        this.#fail(request);
      });
    }
  }

  #mayFail({ verb }: Request): boolean {
    return this.#left.faults > 0 && (this.#setUp.faulty?.includes(verb) ?? true);
  }

  /**
   * A step that need not wait for others, because none of them will ever matter to it, nor it to them. (It is a persistent set, as
   * Godefroid calls it, of one step.) Either a request that reads nonces that nothing changes; or what reaches a process that
   * nothing else can reach before, and that tells nobody.
   */
  #eagerStep(): string | undefined {
    const { actors, ticks = false, overtaking = false } = this.#setUp;
    const timePasses = actors.some(({ calls }, i) =>
      calls.slice(this.#begun[i]).some((call) => call.do === 'pass'),
    );
    if (ticks || timePasses || this.#left.timers > 0) return undefined;
    for (const request of this.#network) {
      const { id, by, status } = request;
      if (status !== 'sent' || by.isDead || this.#mayFail(request) || !this.#isSettled(request)) continue;
      const isNext = this.#network.find((one) => one.by === by && one.status === 'sent') === request;
      if (overtaking || isNext) return `${id} arrives`;
    }
    for (const process of this.#processes) {
      const step = this.#eagerStepOf(process);
      if (step !== undefined) return step;
    }
    return undefined;
  }

  #eagerStepOf(process: Process): string | undefined {
    const { actors, overtaking = false } = this.#setUp;
    if (process.isDead || process.host.changes !== undefined) return undefined;
    if (this.#left.kills > 0 && process === this.#processes[0]) return undefined;
    if (this.#messages.some(({ to }) => to === process)) return undefined;
    const requests = this.#network.filter(({ by, status }) => by === process && status !== 'late');
    const works = this.#works.filter(({ by }) => by === process);
    const leases = requests.filter(({ verb }) => verb === 'lease');
    // A load that waits for a lease can be woken.
    if (process.waiting.size > leases.length || leases.some((one) => !endsWait(one))) return undefined;
    const mayBegin = actors.some(
      ({ on, calls }, i) =>
        this.#processes[on] === process && calls.length > this.#begun[i]! && !this.#isCalling(i),
    );
    const running = this.#running.filter(({ on, stage }) => on === process && stage !== 'ended');
    if (mayBegin || running.length > 1) return undefined;
    const [work] = works;
    const [request] = requests;
    if (works.length === 1 && request === undefined && work!.done !== undefined) return `${work!.id} returns`;
    if (works.length > 0 || request?.status !== 'arrived' || this.#mayFail(request)) return undefined;
    const tells = running.some(({ call }) => !ENDS_SILENTLY.includes(call.do));
    if (tells && !ENDS_NO_WRITE.includes(request.verb)) return undefined;
    return requests.length === 1 || !overtaking ? `${request.id} is answered` : undefined;
  }

  /** True for a request that reads nonces that nothing will ever change. `#arrive` checks that it changes nothing. */
  #isSettled({ verb, args }: Request): boolean {
    if (verb !== 'nonces' && verb !== 'getOrCreateNonces') return false;
    if (this.#left.evictions > 0) return false;
    const targets = this.#setUp.actors.flatMap(({ calls }) =>
      calls.flatMap((call) => ('target' in call ? noncesOf(call.target) : [])),
    );
    if (targets.length > 0) targets.push(tagChangesKey(NAMESPACE));
    const ttl = verb === 'nonces' ? 0 : (args[3] as number);
    return keysIn(args).every((key) => this.#store.lives(key, ttl) && !targets.includes(key));
  }

  // --- steps -----------------------------------------------------------------------------------------------------------

  /** Something reaches a process. */
  #tell(process: Process, event: string): void {
    if (this.#isFree) return;
    this.#effects.write(process.name);
    process.history = this.#numbers.of(`${process.history} ${event} @${this.#clock.now()}`);
  }

  #begin(actor: number, on: Process, call: Call): void | Promise<void> {
    const id = `${this.#setUp.actors[actor]!.name}${this.#begun[actor]!++}`;
    this.#effects.write(`actor ${actor}`);
    if (call.do === 'pass') return this.#passUntil(this.#clock.now() + call.ms);
    const running = begun(id, call, on);
    this.#running.push(running);
    if (call.do === 'write') {
      running.stage = 'written';
      running.version = this.#judge.write(call.row);
      return;
    }
    this.#tell(on, id);
    void this.#finish(running, this.#make(running));
  }

  #arrive(request: Request): void {
    const { id, by, verb, args } = request;
    this.#effects.write(id);
    this.#effects.read(...keysIn(args));
    const isSettled = this.#isSettled(request);
    const before = new Map(this.#dump());
    this.#cause = request;
    const reply = this.#store.send(verb, args);
    this.#cause = undefined;
    const after = new Map(this.#dump());
    for (const key of new Set([...before.keys(), ...after.keys()])) {
      if (before.get(key) === after.get(key)) continue;
      this.#effects.write(key);
      if (isSettled) throw new Error(`Expected ${id} to change nothing.`);
    }
    if (request.status === 'late' || by.isDead) {
      this.#remove(request);
      return;
    }
    request.status = 'arrived';
    void reply.then((value) => {
      request.reply = value;
      if (verb === 'lease' && (value as { status: string }).status === 'granted') this.#granted(request);
    });
  }

  #granted({ by, args }: Request): void {
    this.#tick();
    const set = this.#running.find(
      ({ call, on, stage }) => on === by && call.do === 'set' && stage === 'running',
    );
    if (set !== undefined && args[3] === '*') this.#judge.granted(set.id, (set.call as { row: string }).row);
  }

  #answer(request: Request): void {
    const { id, by, args, reply } = request;
    this.#remove(request);
    this.#tell(by, `${id} ${this.#texts.of(reply)}`);
    if (endsWait(request)) by.waiting.delete(args[1]);
    request.resolve(reply);
  }

  #remove(request: Request): void {
    this.#effects.write(request.id);
    this.#network.splice(this.#network.indexOf(request), 1);
  }

  #fail({ id, by, args, reject }: Request): void {
    this.#left.faults--;
    this.#effects.write('faults', id);
    this.#tell(by, `${id} fails`);
    by.waiting.delete(args[1]);
    reject(new StoreUnavailableError(`${id}: no reply.`, 'unknown'));
  }

  #evict(key: string): void {
    this.#left.evictions--;
    this.#effects.write('evictions', key);
    this.#store.evict(key);
  }

  /** As SIGKILL. What it has sent may still arrive. */
  #kill(process: Process): void {
    this.#left.kills--;
    this.#tell(process, 'dies');
    this.#effects.write('acknowledgements');
    process.isDead = true;
    this.#clock.stop(process.name);
    for (const work of this.#works.filter(({ by }) => by === process)) {
      this.#effects.write(work.id);
      this.#works.splice(this.#works.indexOf(work), 1);
    }
    for (const request of this.#network.filter(({ by, status }) => by === process && status === 'arrived')) {
      this.#remove(request);
    }
    // From now on its mark does what the invalidation would have done (G12).
    for (const { call, on, version, isMarked } of this.#running) {
      if (on === process && isMarked) this.#acknowledge(on, (call as { row: string }).row, version, true);
    }
  }

  #moveTo(next: number, isIdle: boolean): Promise<void> {
    const waiting = this.#running.filter(({ stage }) => stage !== 'ended');
    if (this.#setUp.needsNoTime === true && waiting.length > 0) {
      throw new Error(`${waiting.map(({ id }) => id).join()} waits, although nothing is to come.`);
    }
    if (!isIdle) this.#left.timers--;
    else if (++this.#idleTimers > MAX_IDLE_TIMERS) throw new Error('Nothing happens but timers.');
    return this.#passUntil(next);
  }

  #passUntil(end: number): Promise<void> {
    for (const process of this.#processes) this.#tell(process, `time passes until ${end}`);
    this.#effects.write('clock');
    return this.#clock.moveTo(end, settled);
  }

  #deliver(message: Message): void {
    this.#messages.splice(this.#messages.indexOf(message), 1);
    this.#judge.arrived(message);
    this.#tell(message.to, message.id);
    message.deliver();
  }

  #tick(): void {
    if (this.#setUp.ticks !== true) return;
    this.#effects.write('clock');
    this.#clock.tick();
  }

  // --- the network -----------------------------------------------------------------------------------------------------

  #request(by: Process, verb: keyof EntryStore, args: readonly unknown[]): Promise<unknown> {
    this.#texts.learn(by.name, args);
    if (this.#isFree) return this.#store.send(verb, args);
    return new Promise((resolve, reject) => {
      if (by.isDead) return;
      if (verb === 'lease') by.waiting.add(args[1]);
      const id = `${by.name}#${++by.requests} ${verb}`;
      this.#network.push({ id, by, verb, args, status: 'sent', reply: undefined, resolve, reject });
    });
  }

  #wake(key: string): void {
    const what = `wakeup of ${key}`;
    for (const process of this.#processes.filter(({ isDead }) => !isDead)) {
      const wake = (): void => process.host.wake(key);
      if (this.#setUp.lateWakeups === true && !this.#isFree) {
        this.#send(process, what, wake);
        continue;
      }
      if (process.waiting.size > 0) this.#tell(process, what);
      wake();
    }
  }

  #changed(keys: readonly string[]): void {
    for (const process of this.#processes) {
      const { changes } = process.host;
      if (changes === undefined || process.isDead) continue;
      if (this.#isFree) changes.listener.changed(keys);
      else this.#send(process, `message about ${keys.join()}`, () => changes.listener.changed(keys));
    }
  }

  #send(to: Process, what: string, deliver: () => void): void {
    const { id, by } = this.#cause!;
    this.#messages.push({ id: `${what} by ${id} to ${to.name}`, cause: by, to, deliver });
  }

  // --- calls -----------------------------------------------------------------------------------------------------------

  async #finish(running: Running, work: Promise<string>): Promise<void> {
    try {
      running.text = await work;
    } catch (error) {
      const isExpected =
        (error as Error).message === FAILED ||
        // The verbs that report a failure of the store.
        (error instanceof StoreUnavailableError && ['get', 'set'].includes(running.call.do));
      if (isExpected) running.text = 'failed';
      else this.#violation ??= error as Error;
    }
    running.stage = 'ended';
  }

  /** @returns what has come of it */
  async #make(running: Running): Promise<string> {
    const { id, call, on, version } = running;
    const { cache } = on.caching;
    switch (call.do) {
      case 'read': {
        const check = this.#judge.begin(running, call.key);
        return check(await cache.getOrSet(call.key, () => this.#load(on, call.key), call.options));
      }
      case 'refresh': {
        const check = this.#judge.begin(running, call.key, this.#judge.read(call.key));
        const load = (): Promise<Value> => this.#load(on, call.key);
        return check(await on.caching.refresh(() => cache.getOrSet(call.key, load, call.options)));
      }
      case 'readMany': {
        const checks = call.keys.map((key) => this.#judge.begin(running, key));
        const values = await cache.getOrSetMany(call.keys, (keys) => this.#loadAll(on, keys), {
          key: (key) => key,
        });
        return call.keys.map((key, i) => checks[i]!(values.get(key)!)).join();
      }
      case 'get': {
        const check = this.#judge.begin(running, call.key);
        const value = await cache.get<Value>(call.key);
        return value === undefined ? 'nothing' : check(value);
      }
      case 'write': {
        const { acknowledged } = await cache.invalidate(call.target);
        return this.#acknowledge(on, call.row, version, acknowledged);
      }
      case 'writeSafely': {
        const write = (): Promise<unknown> => this.#write(running, call.row, call.target);
        await cache.invalidateAround(call.target, write, { safe: call.safe });
        return this.#acknowledge(on, call.row, running.version, !cache.pending);
      }
      case 'put': {
        const options = call.options as GetOrSetOptions<Value>;
        await cache.put(call.row, () => this.#write(running, call.row), options);
        return this.#acknowledge(on, call.row, running.version, !cache.pending);
      }
      case 'set':
        return String(await cache.set(call.row, { version: 0, at: this.#clock.now(), set: id }));
      case 'pass':
        await this.#clock.moveTo(this.#clock.now() + call.ms, settled);
        return '';
    }
  }

  #acknowledge(on: Process, row: string, version: number, isConfirmed: boolean): string {
    return this.#judge.acknowledge(on, row, version, isConfirmed, this.#messages);
  }

  async #load(on: Process, key: string): Promise<Value> {
    return (await this.#loadAll(on, [key])).get(key)!;
  }

  #loadAll(by: Process, rows: readonly string[]): Promise<Map<string, Value>> {
    for (const row of rows) if (!this.#isFree) this.#violation ??= this.#judge.loads(row);
    return this.#work(
      by,
      'reads',
      rows,
      (at, id) => new Map(rows.map((row) => [row, this.#valueOf(this.#judge.read(row), at, id)])),
    );
  }

  #write(running: Running, row: string, marked?: Target): Promise<Value> {
    const isMarked = marked !== undefined && this.#areMarked(marked);
    return this.#work(running.on, 'writes', [row], (at, id) => {
      // Nothing but time ends its mark.
      running.isMarked = isMarked && (this.#clock.now() === at || this.#areMarked(marked));
      running.version = this.#judge.write(row);
      return this.#valueOf(running.version, at, id);
    });
  }

  #valueOf(version: number, at: number, id: string): Value {
    return { version, at, ...(this.#setUp.ages === true ? { id } : {}) };
  }

  #areMarked(target: Target): boolean {
    const keys = [...(target.keys ?? []).map((key) => entryKey(NAMESPACE, key)), ...noncesOf(target)];
    this.#effects.read(...keys);
    return keys.every((key) => this.#store.isMarked(key));
  }

  #work<T>(
    by: Process,
    does: Work['does'],
    rows: readonly string[],
    act: (at: number, id: string) => T,
  ): Promise<T> {
    const id = `${by.name}${does === 'reads' ? 'L' : 'W'}${++by.works}`;
    const at = this.#clock.now();
    this.#tick();
    if (this.#isFree) {
      this.#judge.finished(id);
      return Promise.resolve(act(at, id));
    }
    return new Promise((resolve, reject) => {
      const isDone = (value: unknown): void => resolve(value as T);
      this.#works.push({
        id,
        by,
        does,
        rows,
        act: () => act(at, id),
        done: undefined,
        resolve: isDone,
        reject,
      });
    });
  }

  /** Each record with its end, as texts. */
  #dump(): [key: string, text: string][] {
    return this.#store.records.map(({ key, record, end }) => [
      key,
      `${this.#numbers.of(this.#texts.of(record))}@${end}`,
    ]);
  }
}

function begun(id: string, call: Call, on: Process): Running {
  return { id, call, on, stage: 'running', version: 0, isMarked: false, text: '' };
}

function textOf(call: Call): string {
  return Object.values(call)
    .filter((part) => typeof part !== 'object')
    .join(' ');
}

function keysIn(args: readonly unknown[]): string[] {
  return args
    .flat()
    .filter((arg): arg is string => typeof arg === 'string' && arg.startsWith(`${NAMESPACE}:`));
}

function noncesOf({ tags = [], all = false }: Target): string[] {
  return [...tags.map((tag) => tagKey(NAMESPACE, tag)), ...(all ? [clearKey(NAMESPACE)] : [])];
}

/** Runs that were left in the middle have loaders that never end: without this, every promise of the process would be slower. */
function forgetLoads(): void {
  const loads = shared<{ active: number; readonly contexts: { disable(): void } }>('loads', () => {
    throw new Error('Expected load-context.ts to have been imported.');
  });
  loads.active = 0;
  loads.contexts.disable();
}
