import fc from 'fast-check';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import { chaosAdapter, type ChaosAdapter } from '../../src/testing/chaos-adapter.js';
import type { ChaosFault } from '../../src/testing/chaos-faults.js';
import {
  LockNotObtainedError,
  LockUnavailableError,
  StoreUnavailableError,
} from '../../src/core/shared/errors.js';
import { lockKey } from '../../src/core/keys/store-keys.js';
import type { Clock } from '../../src/core/ports/clock.js';
import type { LockStore } from '../../src/core/ports/lock-store.js';
import { assertQuiet, watchActivity } from '../support/quiet.js';
import { pausable, type PausableClock } from '../support/pausable-clock.js';
import { steppedClock } from '../support/stepped-clock.js';
import { naiveLocks, type WorldLease, type WorldLocks, type WorldOptions } from './naive-locks.js';

type Step =
  | {
      readonly do: 'lock';
      readonly keys: readonly string[];
      readonly options: Omit<WorldOptions, 'signal'>;
      /** How many turns of the scheduler the body takes. */
      readonly turns: number;
      /** The time in ms after which the caller aborts its wait. 0: never. */
      readonly abortMs: number;
    }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'down' | 'up' | 'pause' | 'resume' };

interface Actor {
  readonly on: number;
  readonly steps: readonly Step[];
}

export interface LockPlan {
  readonly openers: number;
  readonly actors: readonly Actor[];
  readonly faults: readonly (ChaosFault | 'none')[];
  /** All wakeup messages are lost. */
  readonly deaf: boolean;
}

export type OpenLocks = (chaos: ChaosAdapter, clock: Clock) => WorldLocks;

const NAMESPACE = 'world';
const LEASE = 200;

export const openNaiveLocks: OpenLocks = (chaos, clock) => {
  const { locks } = chaos.open({ namespace: NAMESPACE, clock, wake() {}, degraded() {}, recovered() {} });
  return naiveLocks(locks, clock, (key) => lockKey(NAMESPACE, key));
};

const openOurs: OpenLocks = (chaos, clock) =>
  new Caching({ adapter: chaos, namespace: NAMESPACE, clock }).locks;

/**
 * Runs the plan in the order that the scheduler chooses and throws at the first violation:
 *
 * - at no moment do more callers consider a lock held than its permits allow, and an exclusive holder is the only one;
 * - every call settles, and one without the lock rejects with an error that states the reason;
 * - nothing is left: no timer, no waiter, and every lock can be acquired again.
 */
export async function runLockWorld(
  scheduler: fc.Scheduler,
  plan: LockPlan,
  open: OpenLocks = openOurs,
): Promise<void> {
  await new LockWorld(scheduler, plan, open).run();
}

interface Body {
  readonly keys: readonly string[];
  readonly permits: number;
  readonly lease: WorldLease;
}

class LockWorld {
  readonly #scheduler: fc.Scheduler;
  readonly #plan: LockPlan;
  readonly #clock = steppedClock();
  readonly #activity = watchActivity();
  readonly #store: LockStore;
  readonly #clocks: readonly PausableClock[];
  readonly #chaos: readonly ChaosAdapter[];
  readonly #openers: readonly WorldLocks[];
  readonly #bodies = new Set<Body>();

  constructor(scheduler: fc.Scheduler, plan: LockPlan, open: OpenLocks) {
    this.#scheduler = scheduler;
    this.#plan = plan;
    this.#activity.forget();
    const adapter = memory();
    const host = { namespace: NAMESPACE, clock: this.#clock, wake() {}, degraded() {}, recovered() {} };
    this.#store = adapter.open(host).locks;
    this.#clocks = Array.from({ length: plan.openers }, () => pausable(this.#clock));
    const faults = plan.faults.values();
    const schedule = (step: string): Promise<unknown> => this.#turn(step);
    this.#chaos = this.#clocks.map((_, opener) =>
      chaosAdapter(adapter, { name: String(opener), schedule, faults }),
    );
    for (const chaos of this.#chaos) chaos.loseWakeups(plan.deaf);
    this.#openers = this.#chaos.map((chaos, opener) => open(chaos, this.#clocks[opener]!));
  }

  async run(): Promise<void> {
    let ended = 0;
    let broken: { readonly error: unknown } | undefined;
    const { actors } = this.#plan;
    for (const [i, actor] of actors.entries()) {
      this.#act(actor, i)
        .catch((error: unknown) => (broken ??= { error }))
        .finally(() => ended++);
    }
    // Advance the clock while actors wait. Those that still wait after 2,000 steps hang.
    for (let rounds = 0; ended < actors.length && rounds < 2_000; rounds++) {
      await this.#scheduler.waitIdle();
      if (ended < actors.length) this.#pass(10);
      if (rounds >= 200) for (const clock of this.#clocks) clock.resume();
    }
    if (broken !== undefined) throw broken.error;
    if (ended < actors.length) throw new Error(`${actors.length - ended} actors hang.`);
    await this.#assertNothingLeft();
  }

  async #assertNothingLeft(): Promise<void> {
    for (const clock of this.#clocks) clock.resume();
    for (
      let rounds = 0;
      (this.#clock.timers > 0 || this.#chaos.some(({ pending }) => pending > 0)) && rounds < 1_000;
      rounds++
    ) {
      await this.#scheduler.waitIdle();
      this.#clock.step(10);
    }
    await this.#scheduler.waitIdle();
    assertQuiet(this.#activity, this.#clock.timers);
    // A lock whose reply was lost expires with its lease; queue tickets and writer claims expire with their time.
    this.#clock.step(5_000);
    for (const key of KEYS) {
      const request = { leaseMs: LEASE, permits: 1, ticket: undefined, ticketMs: 0 };
      const { status } = await this.#store.acquire({ ...request, keys: [lockKey(NAMESPACE, key)] });
      if (status !== 'granted')
        throw new Error(`Expected ${key} to be free in the end, and it is ${status}.`);
    }
  }

  async #act({ on, steps }: Actor, actor: number): Promise<void> {
    for (const step of steps) {
      await this.#turn(`actor ${actor} on ${on}: ${step.do}`);
      if (step.do === 'lock') await this.#lock(on, step);
      else if (step.do === 'pass') this.#pass(step.ms);
      else if (step.do === 'pause') this.#clocks[on]!.pause();
      else if (step.do === 'resume') this.#clocks[on]!.resume();
      else this.#chaos[on]!.setDown(step.do === 'down');
    }
  }

  async #lock(on: number, step: Step & { readonly do: 'lock' }): Promise<void> {
    const { abortMs, keys, options, turns } = step;
    const controller = new AbortController();
    const timer = abortMs > 0 ? this.#clock.after(abortMs, () => controller.abort()) : undefined;
    const permits = options.mode === 'shared' ? Infinity : (options.permits ?? 1);
    try {
      await this.#openers[on]!.withLease(
        { keys },
        { ...options, signal: controller.signal },
        async (lease) => {
          const body = { keys, permits, lease };
          this.#bodies.add(body);
          try {
            for (let i = 0; i < turns; i++) {
              this.#look();
              await this.#turn(`body on ${on} with ${keys.join(', ')}`);
            }
            this.#look();
          } finally {
            this.#bodies.delete(body);
          }
        },
      );
    } catch (error) {
      const expected =
        error instanceof LockNotObtainedError ||
        error instanceof LockUnavailableError ||
        error === controller.signal.reason ||
        (error instanceof Error && error.message === 'The naive lock was not obtained.') ||
        error instanceof StoreUnavailableError;
      if (!expected) throw error;
    } finally {
      timer?.cancel();
    }
  }

  /** Checks who considers which lock held at this moment. */
  #look(): void {
    for (const key of KEYS) {
      const holders = [...this.#bodies].filter(
        (body) => body.keys.includes(key) && body.lease.remainingMs > 0,
      );
      const [first] = holders;
      if (first === undefined) continue;
      const alike = holders.every(({ permits }) => permits === first.permits);
      if (alike && holders.length <= first.permits) continue;
      const permits = holders.map((one) => one.permits).join(', ');
      throw new Error(`${holders.length} take ${key} for theirs, with permits ${permits}.`);
    }
  }

  #pass(ms: number): void {
    this.#clock.step(ms);
    this.#look();
  }

  #turn(label: string): Promise<void> {
    return this.#scheduler.schedule(Promise.resolve(), label);
  }
}

// --- plans ----------------------------------------------------------------------------------------------------------

const KEYS = ['x', 'y'] as const;

export interface LockPlanLimits {
  readonly faults: boolean;
  readonly pauses: boolean;
}

export function lockPlans({ faults, pauses }: LockPlanLimits): fc.Arbitrary<LockPlan> {
  const times = { lease: fc.constantFrom(LEASE, LEASE / 4), wait: fc.constantFrom(0, 100, 1_000) };
  const options = fc.oneof(
    { weight: 4, arbitrary: fc.record(times) },
    { weight: 2, arbitrary: fc.record({ ...times, mode: fc.constant('shared' as const) }) },
    { weight: 1, arbitrary: fc.record({ ...times, permits: fc.constant(2) }) },
    { weight: 2, arbitrary: fc.record({ ...times, fair: fc.constant(true) }) },
  );
  const several = fc.constantFrom<readonly string[]>(['x'], ['x'], ['y'], ['x', 'y'], ['y', 'x']);
  const lock = fc
    .record({
      do: fc.constant('lock' as const),
      keys: several,
      options,
      turns: fc.integer({ min: 0, max: 6 }),
      abortMs: fc.constantFrom(0, 0, 0, 30),
    })
    .map((step) => ({ ...step, keys: 'fair' in step.options ? step.keys.slice(0, 1) : step.keys }));
  const pass = fc.record({
    do: fc.constant('pass' as const),
    ms: fc.constantFrom(1, 10, LEASE / 3, LEASE / 2, LEASE),
  });
  const others: fc.Arbitrary<Step>[] = [pass];
  if (faults) others.push(fc.constantFrom({ do: 'down' }, { do: 'up' }));
  if (pauses) others.push(fc.constantFrom({ do: 'pause' }, { do: 'resume' }));
  const step: fc.Arbitrary<Step> = fc.oneof({ weight: 5, arbitrary: lock }, ...others);
  const fault = fc.constantFrom<ChaosFault | 'none'>('none', 'none', 'none', 'refused', 'reply lost', 'late');
  return fc.integer({ min: 1, max: 3 }).chain((openers) =>
    fc.record({
      openers: fc.constant(openers),
      actors: fc.array(
        fc.record({
          on: fc.integer({ min: 0, max: openers - 1 }),
          steps: fc.array(step, { minLength: 1, maxLength: 5 }),
        }),
        { minLength: 2, maxLength: 5 },
      ),
      faults: faults ? fc.array(fault, { maxLength: 20 }) : fc.constant([]),
      deaf: faults ? fc.boolean() : fc.constant(false),
    }),
  );
}
