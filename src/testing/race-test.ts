import { AsyncLocalStorage } from 'node:async_hooks';
import { memory } from '../adapters/memory/index.js';
import { Caching, type CachingOptions } from '../core/caching.js';
import { describe } from '../core/shared/describe.js';
import { OptionsError } from '../core/shared/errors.js';
import {
  defaultsOf,
  integer,
  parseOptions,
  resolveOptions,
  unchecked,
  type Option,
} from '../core/shared/option-schema.js';
import { chaosAdapter, type ChaosAdapter } from './chaos-adapter.js';
import { fakeClock, type FakeClock } from './fake-clock.js';
import { seededScheduler, type RaceScheduler } from './race-scheduler.js';

/** One process of a race: a `Caching`, and what happens to its calls to the store. */
export interface RaceProcess {
  readonly caching: Caching;
  readonly chaos: ChaosAdapter;
}

/** What a scenario works with. All of it is new in each order. */
export interface Race {
  /** The `Caching` of the first process. */
  readonly caching: Caching;
  /** All processes. They share one store. */
  readonly processes: readonly RaceProcess[];
  /** The clock of all processes. It advances to the next timer when no step waits. */
  readonly clock: FakeClock;
  /**
   * Waits for its turn. Call it in what the scenario uses beside the store, such as its database: before each effect.
   * @param what names the step in the report: `reads the row`
   */
  step(what: string): Promise<void>;
  /**
   * Does several things at the same time. The names are in the report.
   *
   * @returns the results by name, when all have ended
   * @throws the first error, when all have ended
   */
  all<Works extends Readonly<Record<string, () => unknown>>>(
    works: Works,
  ): Promise<{ [Name in keyof Works]: Awaited<ReturnType<Works[Name]>> }>;
}

export interface RaceOptions {
  /** How many orders are tried: a whole number, 1 or more. @default 100 */
  readonly runs?: number | undefined;
  /** The seed of the first order: a whole number, 0 or more. Each further order has the next one. @default 1 */
  readonly seed?: number | undefined;
  /** How many `Caching` objects share the store: 1 to 16. @default 1 */
  readonly processes?: number | undefined;
  /** The options of each `Caching`. @default a ttl of one minute */
  readonly caching?: Partial<Omit<CachingOptions, 'adapter' | 'clock'>> | undefined;
  /** Decides one order, instead of `runs` and `seed`: the scheduler of fast-check. @default a random one for each seed */
  readonly scheduler?: RaceScheduler | undefined;
}

/** The schema of `RaceOptions`. */
export const raceOptions = {
  runs: integer({ min: 1, default: 100 }),
  seed: integer({ min: 0, default: 1 }),
  processes: integer({ min: 1, max: 16, default: 1 }),
  caching: unchecked<Partial<Omit<CachingOptions, 'adapter' | 'clock'>>>('an object of options'),
  scheduler: unchecked<RaceScheduler>('a scheduler'),
} satisfies Record<keyof RaceOptions, Option<unknown>>;

/** An order in which the scenario fails. */
export class RaceError extends Error {
  override readonly name = 'RaceError';
  /** The steps until the failure, in order. */
  readonly steps: readonly string[];
  /** The seed of the order; undefined if another scheduler decided. */
  readonly seed: number | undefined;

  constructor(failure: unknown, steps: readonly string[], seed: number | undefined) {
    const reason = failure instanceof Error ? failure.message : describe(failure);
    const order = seed === undefined ? 'One order fails' : `The order of seed ${seed} fails`;
    const replay =
      seed === undefined ? '' : `\nThis order alone: raceTest(scenario, { seed: ${seed}, runs: 1 })`;
    super(`${order}: ${reason}\n${listOf(steps)}${replay}`, { cause: failure });
    this.steps = steps;
    this.seed = seed;
  }
}

/** Who does what is done now: a name in `all`. One for all orders, because each costs every promise of the process. */
const currentActor = new AsyncLocalStorage<string>();

/** Steps and timers of an order after which it is taken for endless. */
const MAX_ROUNDS = 10_000;
/** Steps that an error lists. */
const MAX_LISTED = 100;
/** How long a scenario may wait for something that is not a step, such as a file, in ms of real time. */
const PATIENCE_MS = 1_000;

/**
 * Runs a scenario in many orders, and fails if one of them fails. Each request to the store, each reply, each wakeup and
 * each `step` waits for its turn, which a seed decides. Time is virtual. The same scenario has the same orders each time.
 *
 * @param scenario what must hold in every order: rejects or throws if it does not
 * @throws RaceError with the steps of the order that fails, and its seed
 * @throws OptionsError
 * @example
 * await raceTest(async ({ caching, all, step }) => {
 *   let count = 0;
 *   const increment = async () => {
 *     const before = count;
 *     await step('has read the count');
 *     count = before + 1;
 *   };
 *   const locked = () => caching.locks.withLease('count', {}, increment);
 *   await all({ Ada: locked, Bob: locked });
 *   if (count !== 2) throw new Error(`Expected 2, and it is ${count}.`);
 * });
 */
export async function raceTest(
  scenario: (race: Race) => Promise<unknown>,
  options: RaceOptions = {},
): Promise<void> {
  if (typeof scenario !== 'function') {
    throw new OptionsError(`raceTest takes a function, and ${describe(scenario)} was given.`);
  }
  const parsed = parseOptions(raceOptions, options, 'raceTest');
  const { runs, seed, processes } = resolveOptions(parsed, defaultsOf(raceOptions));
  const run = async (scheduler: RaceScheduler, seedOfOrder?: number): Promise<void> => {
    const order = new Order(scheduler, processes, parsed.caching ?? {});
    try {
      await order.run(scenario);
    } catch (error) {
      throw new RaceError(error, order.steps, seedOfOrder);
    }
  };
  if (parsed.scheduler !== undefined) return run(parsed.scheduler);
  for (let i = 0; i < runs; i++) await run(seededScheduler(seed + i), seed + i);
}

/** One order of a scenario. */
class Order implements Race {
  /** Those that have had their turn. */
  readonly steps: string[] = [];
  readonly processes: readonly RaceProcess[];
  readonly clock = fakeClock();
  readonly #scheduler: RaceScheduler;

  constructor(scheduler: RaceScheduler, processes: number, options: NonNullable<RaceOptions['caching']>) {
    this.#scheduler = scheduler;
    // Small, because there is one for each order: the memory for all keys is allocated at once.
    const adapter = memory({ maxEntries: 1_000 });
    this.processes = Array.from({ length: processes }, (_, i) => {
      const name = `process ${i + 1}`;
      const where = processes === 1 ? '' : ` (${name})`;
      // The chaos adapter names itself in each step, which the report does by `where`.
      const schedule = (step: string): Promise<void> => this.#turn(step.slice(`${name}: `.length), where);
      const chaos = chaosAdapter(adapter, { name, schedule });
      const defaults = { ttl: '1m', ...options.defaults } as const;
      const caching = new Caching({
        namespace: 'race',
        ...options,
        defaults,
        adapter: chaos,
        clock: this.clock,
      });
      return { caching, chaos };
    });
    // So that a scenario may take its parameter apart.
    this.step = this.step.bind(this);
    this.all = this.all.bind(this);
  }

  get caching(): Caching {
    return this.processes[0]!.caching;
  }

  /**
   * Lets one step after the other have its turn until the scenario ends. Time passes when no step waits. Nothing is closed:
   * store and clock are of this order alone, and what still waits is garbage.
   */
  async run(scenario: (race: Race) => Promise<unknown>): Promise<void> {
    let isOver = false;
    const end = (async () => scenario(this))().finally(() => (isOver = true));
    end.catch(() => {});
    for (let rounds = 0; ; rounds++) {
      await promisesSettle();
      if (isOver) break;
      if (rounds === MAX_ROUNDS) throw new Error(`It does not end within ${MAX_ROUNDS} steps and timers.`);
      const { nextTimer } = this.clock;
      if (this.#scheduler.count() > 0) await this.#scheduler.waitNext(1);
      else if (nextTimer !== undefined) await this.clock.advance(nextTimer - this.clock.now());
      else if (!(await soon(() => isOver || this.#scheduler.count() > 0 || this.clock.timers > 0))) {
        throw new Error(
          'It waits for something that no step and no timer of `clock` ends: a deadlock, or a real timer or request.',
        );
      }
    }
    await end;
  }

  step(what: string): Promise<void> {
    return this.#turn(what, '');
  }

  async all<Works extends Readonly<Record<string, () => unknown>>>(
    works: Works,
  ): Promise<{ [Name in keyof Works]: Awaited<ReturnType<Works[Name]>> }> {
    const names = Object.keys(works);
    const ends = await Promise.allSettled(
      names.map((name) =>
        currentActor.run(name, async () => {
          await this.#turn('starts', '');
          return works[name]!();
        }),
      ),
    );
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    const results = ends.map((end, i) => [names[i], end.status === 'fulfilled' ? end.value : undefined]);
    return Object.fromEntries(results) as { [Name in keyof Works]: Awaited<ReturnType<Works[Name]>> };
  }

  async #turn(what: string, where: string): Promise<void> {
    const actor = currentActor.getStore();
    const label = actor === undefined ? `${what}${where}` : `${actor}: ${what}${where}`;
    await this.#scheduler.schedule(Promise.resolve(), label);
    this.steps.push(label);
  }
}

function listOf(steps: readonly string[]): string {
  const left = Math.max(0, steps.length - MAX_LISTED);
  const listed = steps.slice(left).map((step, i) => `  ${left + i + 1}. ${step}`);
  return [...(left === 0 ? [] : [`  (${left} earlier steps)`]), ...listed].join('\n');
}

function promisesSettle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Waits in real time for what is not virtual, such as a compression in another thread. */
async function soon(condition: () => boolean): Promise<boolean> {
  const pause = 5;
  for (let waited = 0; waited < PATIENCE_MS && !condition(); waited += pause) {
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  return condition();
}
