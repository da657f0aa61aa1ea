import fc from 'fast-check';
import { Caching } from '../../src/core/caching.js';
import type { GetOrSetOptions } from '../../src/core/cache/cache.js';
import { StoreUnavailableError } from '../../src/core/shared/errors.js';
import { clearKey, entryKey, tagChangesKey, tagKey } from '../../src/core/keys/store-keys.js';
import { assertQuiet, watchActivity } from '../support/quiet.js';
import { memory } from '../../src/adapters/memory/index.js';
import type { EntryStore } from '../../src/core/ports/entry-store.js';
import { chaosAdapter, type ChaosAdapter } from '../../src/testing/chaos-adapter.js';
import type { ChaosFault } from '../../src/testing/chaos-faults.js';
import { steppedClock, type SteppedClock } from '../support/stepped-clock.js';

/**
 * The rows of the database. Each is cached under its name: `plain` has no tags, `tagged` has a tag that is known before
 * the load, `late` has a result tag. The key `both` makes cached calls for `tagged` and `late` and inherits their tags.
 */
export type Row = 'plain' | 'tagged' | 'late';
export type Key = Row | 'both';

export type Step =
  | { readonly do: 'read'; readonly key: Key; readonly throws: boolean; readonly unless: boolean }
  | { readonly do: 'peek'; readonly key: Key }
  | { readonly do: 'write'; readonly row: Row; readonly by: 'key' | 'tag' | 'clear' }
  | { readonly do: 'evict'; readonly what: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'down' | 'up' };

/** Runs its steps one after the other on one of the openers. */
export interface Actor {
  readonly on: number;
  readonly steps: readonly Step[];
}

export interface Plan {
  readonly openers: number;
  readonly actors: readonly Actor[];
  readonly faults: readonly (ChaosFault | 'none')[];
}

/** The part of `Cache` that the world uses: the engine, or a cache that must fail. */
export interface WorldCache {
  getOrSet<T>(key: string, load: () => Promise<T>, options: GetOrSetOptions<T>): Promise<T>;
  get<T>(key: string): Promise<T | undefined>;
  invalidate(target: {
    readonly keys?: readonly string[];
    readonly tags?: readonly string[];
    readonly all?: boolean;
  }): Promise<{ readonly acknowledged: boolean }>;
}

export type OpenCache = (chaos: ChaosAdapter, clock: SteppedClock) => WorldCache;

/** A loaded value: the version of each row that the load read, and the number of the load in the whole run. */
interface Loaded {
  readonly versions: Partial<Record<Row, number>>;
  readonly load: number;
}

const NAMESPACE = 'world';
const TAGS: Readonly<Record<Row, string | undefined>> = { plain: undefined, tagged: 'known', late: 'told' };
const NAMES = [
  ...['plain', 'tagged', 'late', 'both'].map((key) => entryKey(NAMESPACE, key)),
  tagKey(NAMESPACE, 'known'),
  tagKey(NAMESPACE, 'told'),
  clearKey(NAMESPACE),
  tagChangesKey(NAMESPACE),
];
const LOAD_FAILED = 'the loader failed';

export type Coherence = 'bus' | 'tracking' | 'validate';

export function openCaching(coherence?: Coherence): OpenCache {
  return (chaos, clock) =>
    new Caching({
      adapter: chaos,
      namespace: NAMESPACE,
      clock,
      defaults: { ttl: '10s', jitter: 0, lease: 100, lockTimeout: 150, loadTimeout: 150, storeTimeout: 50 },
      l1: coherence === undefined ? false : { coherence, maxEntries: 3 },
    }).cache;
}

/**
 * Runs the plan in the order that the scheduler chooses and throws at the first violation:
 *
 * - a read that starts after an acknowledged invalidation of its key or tags returns no version older than the database
 *   had then, whichever opener reads or invalidates; after an unacknowledged one, this holds for its own opener;
 *   with an L1 that learns of changes by messages, it holds for its own opener, and for all when the messages have arrived;
 * - a read that starts after another read of the same opener and key returned does not return the value of an earlier
 *   load;
 * - all calls settle, and no timer or waiter is left.
 */
export async function runWorld(
  scheduler: fc.Scheduler,
  plan: Plan,
  open: OpenCache = openCaching(),
  areMessagesLate = false,
): Promise<void> {
  const world = new World(scheduler, plan, open, areMessagesLate);
  await world.run();
}

class World {
  readonly #scheduler: fc.Scheduler;
  readonly #plan: Plan;
  readonly #areMessagesLate: boolean;
  readonly #clock = steppedClock();
  readonly #activity = watchActivity();
  readonly #store: EntryStore;
  readonly #chaos: readonly ChaosAdapter[];
  readonly #caches: readonly WorldCache[];
  readonly #database: Record<Row, number> = { plain: 1, tagged: 1, late: 1 };
  /** The least version that a read that starts now may return, for each opener, key and row. */
  readonly #least = new Map<string, number>();
  /** As `#least`, for the invalidations of other openers whose messages may still be under way. */
  readonly #acknowledged = new Map<string, number>();
  /** The latest load that a read has returned, for each opener and key. */
  readonly #returned = new Map<string, number>();
  #loads = 0;

  constructor(scheduler: fc.Scheduler, plan: Plan, open: OpenCache, areMessagesLate: boolean) {
    this.#scheduler = scheduler;
    this.#plan = plan;
    this.#areMessagesLate = areMessagesLate;
    this.#activity.forget();
    const adapter = memory();
    const host = { namespace: NAMESPACE, clock: this.#clock, wake() {}, degraded() {}, recovered() {} };
    this.#store = adapter.open(host).entries;
    const schedule = (step: string): Promise<unknown> => scheduler.schedule(Promise.resolve(), step);
    const faults = plan.faults.values();
    this.#chaos = Array.from({ length: plan.openers }, (_, opener) =>
      chaosAdapter(adapter, { name: String(opener), schedule, faults }),
    );
    this.#caches = this.#chaos.map((chaos) => open(chaos, this.#clock));
  }

  async run(): Promise<void> {
    await this.#settle(this.#plan.actors.map((actor, i) => this.#act(actor, i)));
    for (const chaos of this.#chaos) chaos.setDown(false);
    await this.#waitForQuiet();
    if (this.#areMessagesLate) await this.#readWithAllMessages();
    assertQuiet(this.#activity, this.#clock.timers);
  }

  async #waitForQuiet(): Promise<void> {
    await this.#scheduler.waitIdle();
    for (let rounds = 0; this.#clock.timers > 0 && rounds < 1_000; rounds++) {
      this.#clock.step(25);
      await this.#scheduler.waitIdle();
    }
  }

  /** Advances the clock while actors wait. Those that still wait after 2,000 steps hang. */
  async #settle(actors: readonly Promise<unknown>[]): Promise<void> {
    let ended = 0;
    let broken: { readonly error: unknown } | undefined;
    for (const actor of actors) {
      void actor.catch((error: unknown) => (broken ??= { error })).finally(() => ended++);
    }
    for (let rounds = 0; ended < actors.length && rounds < 2_000; rounds++) {
      await this.#scheduler.waitIdle();
      if (ended < actors.length) this.#clock.step(25);
    }
    if (broken !== undefined) throw broken.error;
    if (ended < actors.length) throw new Error(`${actors.length - ended} actors hang.`);
  }

  /** All messages have arrived: from now on a read on any opener is as recent as if it had asked the store. */
  async #readWithAllMessages(): Promise<void> {
    for (const [name, version] of this.#acknowledged) {
      this.#least.set(name, Math.max(version, this.#least.get(name) ?? 0));
    }
    const rows = Object.keys(this.#database) as Row[];
    await this.#settle(this.#caches.flatMap((_, on) => rows.map((key) => this.#read(on, key, false, false))));
    await this.#waitForQuiet();
  }

  async #act({ on, steps }: Actor, actor: number): Promise<void> {
    for (const step of steps) {
      await this.#scheduler.schedule(
        Promise.resolve(),
        `actor ${actor} on ${on}: ${Object.values(step).join(' ')}`,
      );
      if (step.do === 'read') await this.#read(on, step.key, step.throws, step.unless);
      else if (step.do === 'peek') await this.#peek(on, step.key);
      else if (step.do === 'write') await this.#write(on, step.row, step.by);
      else if (step.do === 'evict') await this.#evict(NAMES[step.what % NAMES.length]!);
      else if (step.do === 'pass') this.#clock.step(step.ms);
      else this.#chaos[on]!.setDown(step.do === 'down');
    }
  }

  /** Nobody is told of an eviction. */
  async #evict(name: string): Promise<void> {
    for (const chaos of this.#chaos) chaos.loseChanges(true);
    await this.#store.remove([name]);
    for (const chaos of this.#chaos) chaos.loseChanges(false);
  }

  async #read(on: number, key: Key, throws: boolean, unless: boolean): Promise<Loaded> {
    const tag = key === 'both' ? undefined : TAGS[key];
    const tags = key === 'late' ? () => [tag!] : tag === undefined ? undefined : [tag];
    const load = (): Promise<Loaded> => (key === 'both' ? this.#loadBoth(on) : this.#load(key, throws));
    const judge = this.#judge(on, key);
    try {
      const value = await this.#caches[on]!.getOrSet(key, load, {
        tags,
        unless: () => unless,
        inheritTags: key === 'both',
      });
      judge(value);
      return value;
    } catch (error) {
      if (error instanceof Error && error.message === LOAD_FAILED) return { versions: {}, load: 0 };
      throw error;
    }
  }

  async #peek(on: number, key: Key): Promise<void> {
    const judge = this.#judge(on, key);
    try {
      const value = await this.#caches[on]!.get<Loaded>(key);
      if (value !== undefined) judge(value);
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
    }
  }

  /** Checks the value of a call that starts now. */
  #judge(on: number, key: Key): (value: Loaded) => void {
    const rows: readonly Row[] = key === 'both' ? ['tagged', 'late'] : [key];
    const least = rows.map((row) => this.#least.get(`${on} ${key} ${row}`) ?? 0);
    const name = `${on} ${key}`;
    const earlier = this.#returned.get(name) ?? 0;
    return ({ versions, load }) => {
      rows.forEach((row, i) => {
        const version = versions[row]!;
        if (version >= least[i]!) return;
        throw new Error(`${on} got ${key} with ${row} of version ${version}, and ${least[i]} was due.`);
      });
      if (load < earlier) {
        throw new Error(`${on} got ${key} of load ${load} after load ${earlier} had been returned.`);
      }
      this.#returned.set(name, Math.max(load, this.#returned.get(name) ?? 0));
    };
  }

  async #load(row: Row, throws: boolean): Promise<Loaded> {
    const load = ++this.#loads;
    await this.#scheduler.schedule(Promise.resolve(), `load ${load} asks for ${row}`);
    const version = this.#database[row];
    await this.#scheduler.schedule(Promise.resolve(), `load ${load} of ${row} ends`);
    if (throws) throw new Error(LOAD_FAILED);
    return { versions: { [row]: version }, load };
  }

  async #loadBoth(on: number): Promise<Loaded> {
    const load = ++this.#loads;
    const parts = await Promise.all([
      this.#read(on, 'tagged', false, false),
      this.#read(on, 'late', false, false),
    ]);
    const versions = { ...parts[0].versions, ...parts[1].versions };
    if (versions.tagged === undefined || versions.late === undefined) throw new Error(LOAD_FAILED);
    return { versions, load };
  }

  async #write(on: number, row: Row, by: 'key' | 'tag' | 'clear'): Promise<void> {
    await this.#scheduler.schedule(Promise.resolve(), `write of ${row} arrives`);
    const version = ++this.#database[row];
    const rows = Object.keys(this.#database) as Row[];
    const before = { ...this.#database };
    await this.#scheduler.schedule(Promise.resolve(), `write of ${row} is answered`);
    const tag = TAGS[row];
    const byTag = by === 'tag' && tag !== undefined;
    const target = by === 'clear' ? { all: true } : byTag ? { tags: [tag] } : { keys: [row] };
    const { acknowledged } = await this.#caches[on]!.invalidate(target);
    const openers = acknowledged ? this.#caches.keys() : [on];
    for (const opener of openers) {
      const least = this.#areMessagesLate && opener !== on ? this.#acknowledged : this.#least;
      if (by === 'clear') {
        for (const one of rows) raise(least, opener, one, one, before[one]);
        raise(least, opener, 'both', 'tagged', before.tagged);
        raise(least, opener, 'both', 'late', before.late);
      } else {
        raise(least, opener, row, row, version);
        if (byTag) raise(least, opener, 'both', row, version);
      }
    }
  }
}

function raise(least: Map<string, number>, opener: number, key: Key, row: Row, version: number): void {
  const name = `${opener} ${key} ${row}`;
  least.set(name, Math.max(version, least.get(name) ?? 0));
}

// --- plans ----------------------------------------------------------------------------------------------------

/** The keys and rows of a plan. The fewer names, the more its calls interact. */
const SCOPES: readonly { readonly keys: readonly Key[]; readonly rows: readonly Row[] }[] = [
  { keys: ['plain'], rows: ['plain'] },
  { keys: ['tagged'], rows: ['tagged'] },
  { keys: ['late'], rows: ['late'] },
  { keys: ['both', 'both', 'tagged', 'late'], rows: ['tagged', 'late'] },
];

export interface PlanLimits {
  readonly openers: number;
  /** Requests and replies are lost, and the store is unavailable at times. */
  readonly faults: boolean;
  /** Entries and nonces are evicted. */
  readonly evictions: boolean;
}

export function plans(limits: PlanLimits): fc.Arbitrary<Plan> {
  return fc.constantFrom(...SCOPES).chain(({ keys, rows }) => plansOver(keys, rows, limits));
}

function plansOver(
  keys: readonly Key[],
  rows: readonly Row[],
  { openers, faults, evictions }: PlanLimits,
): fc.Arbitrary<Plan> {
  const seldom = fc.nat(7).map((n) => n === 7);
  const read = fc.record({
    do: fc.constant('read' as const),
    key: fc.constantFrom(...keys),
    throws: seldom,
    unless: seldom,
  });
  const peek = fc.record({ do: fc.constant('peek' as const), key: fc.constantFrom(...keys) });
  const write = fc.record({
    do: fc.constant('write' as const),
    row: fc.constantFrom(...rows),
    by: fc.constantFrom('key' as const, 'tag' as const, 'tag' as const, 'clear' as const),
  });
  const pass = fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(30, 60, 120, 200, 12_000) });
  const evict = fc.record({ do: fc.constant('evict' as const), what: fc.nat(NAMES.length - 1) });
  const outage = fc.record({ do: fc.constantFrom('down' as const, 'up' as const) });
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 6, arbitrary: read },
    { weight: 1, arbitrary: peek },
    { weight: 3, arbitrary: write },
    { weight: 1, arbitrary: pass },
    { weight: evictions ? 1 : 0, arbitrary: evict },
    { weight: faults ? 1 : 0, arbitrary: outage },
  );
  const actor = fc.record({ on: fc.nat(openers - 1), steps: fc.array(step, { minLength: 1, maxLength: 4 }) });
  const fault = fc.oneof(
    { weight: 6, arbitrary: fc.constant('none' as const) },
    { weight: 1, arbitrary: fc.constantFrom<ChaosFault>('refused', 'reply lost', 'late') },
  );
  return fc.record({
    openers: fc.constant(openers),
    actors: fc.array(actor, { minLength: 2, maxLength: 5 }),
    faults: faults ? fc.array(fault, { maxLength: 40 }) : fc.constant([]),
  });
}
