import test from 'ava';
import fc from 'fast-check';
import {
  LoadBulkhead,
  LoadTurn,
  reconsiderWaitingTurns,
  type AwaitedLoad,
  type CallingLoad,
} from '../../src/core/cache/load-bulkhead.js';
import { EventPublisher } from '../../src/core/shared/event-publisher.js';
import {
  createDecorators,
  LoadShedError,
  OptionsError,
  type CacheOptions,
  type Caching,
} from '../../src/index.js';
import { fakeClock } from '../../src/testing/index.js';
import { deferred } from '../support/deferred.js';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';

// --- the bulkhead alone -------------------------------------------------------------------------------------------------

/** A load that takes its turn as the loader does. */
class Load implements AwaitedLoad {
  readonly turn: LoadTurn;
  readonly callers: CallingLoad[] = [];
  readonly name: string;
  isRunning = false;
  error: unknown;
  /** Makes the calls of this load. */
  readonly context = { load: this as AwaitedLoad, isActive: true };
  readonly #started: string[];

  constructor(yard: Yard, name: string, bulkhead: LoadBulkhead, caller: Load | undefined) {
    this.name = name;
    this.#started = yard.started;
    if (caller !== undefined) this.callers.push(caller.context);
    this.turn = new LoadTurn({
      bulkhead,
      load: this,
      subject: { key: name, method: undefined },
      timeout: 1_000,
      clock: yard.clock,
      events: new EventPublisher('yard'),
    });
  }

  async run(): Promise<void> {
    try {
      if (!this.turn.tryTake()) await this.turn.wait();
      this.isRunning = true;
      this.#started.push(this.name);
    } catch (error) {
      this.error = error;
    }
  }

  join(caller: Load): void {
    this.callers.push(caller.context);
    reconsiderWaitingTurns();
  }

  end(): void {
    this.isRunning = false;
    this.context.isActive = false;
    this.turn.giveBack();
  }
}

/** Starts loads, and lists the names of those that have their turn, in order. */
class Yard {
  readonly clock = fakeClock();
  readonly started: string[] = [];

  async load(name: string, bulkhead: LoadBulkhead, caller?: Load): Promise<Load> {
    const load = new Load(this, name, bulkhead, caller);
    void load.run();
    await settled();
    return load;
  }
}

test('at most as many loads run as the bound says, and the others in the order in which they came', async (t) => {
  const yard = new Yard();
  const bulkhead = new LoadBulkhead(2);
  const loads: Load[] = [];
  for (const name of ['a', 'b', 'c', 'd', 'e']) loads.push(await yard.load(name, bulkhead));
  t.deepEqual(yard.started, ['a', 'b']);
  for (const load of loads) {
    load.end();
    await settled();
    t.true(loads.filter(({ isRunning }) => isRunning).length <= 2);
  }
  t.deepEqual(yard.started, ['a', 'b', 'c', 'd', 'e']);
  t.is(yard.clock.timers, 0);
});

test('a turn that is given back twice is free once', async (t) => {
  const yard = new Yard();
  const bulkhead = new LoadBulkhead(1);
  const first = await yard.load('a', bulkhead);
  await yard.load('b', bulkhead);
  await yard.load('c', bulkhead);
  first.end();
  first.end();
  await settled();
  t.deepEqual(yard.started, ['a', 'b']);
});

test('a load that has waited too long leaves the queue, and takes no turn later', async (t) => {
  const yard = new Yard();
  const bulkhead = new LoadBulkhead(1);
  const first = await yard.load('a', bulkhead);
  const second = await yard.load('b', bulkhead);
  await yard.clock.advance(500);
  await yard.load('c', bulkhead);
  await yard.clock.advance(500);
  t.true(second.error instanceof LoadShedError);
  first.end();
  await settled();
  t.deepEqual(yard.started, ['a', 'c']);
  await yard.clock.advance(10_000);
  await yard.load('d', bulkhead);
  t.deepEqual(yard.started, ['a', 'c']);
});

test('a load that waits again has only the rest of its time', async (t) => {
  const yard = new Yard();
  const bulkhead = new LoadBulkhead(1);
  const first = await yard.load('a', bulkhead);
  const load = await yard.load('b', bulkhead);
  await yard.clock.advance(600);
  first.end();
  await settled();
  t.is(load.turn.waitedMs, 600);
  load.turn.giveBack();
  await yard.load('c', bulkhead);
  const again = load.run();
  await yard.clock.advance(399);
  t.is(load.error, undefined);
  await yard.clock.advance(1);
  await again;
  t.is((load.error as LoadShedError).waitedMs, 1_000);
});

test('a load that waits for a turn of its method takes no turn of the Caching meanwhile', async (t) => {
  const yard = new Yard();
  const all = new LoadBulkhead(2);
  const slow = new LoadBulkhead(1, all);
  await yard.load('slow 1', slow);
  await yard.load('slow 2', slow);
  await yard.load('slow 3', slow);
  await yard.load('other', all);
  t.deepEqual(yard.started, ['slow 1', 'other']);
});

test('a turn of the Caching goes to the load that has waited longest, of whichever method', async (t) => {
  const yard = new Yard();
  const all = new LoadBulkhead(1);
  const [one, two] = [new LoadBulkhead(5, all), new LoadBulkhead(5, all)];
  const loads = [await yard.load('first', all)];
  loads.push(await yard.load('two 1', two));
  loads.push(await yard.load('one 1', one));
  loads.push(await yard.load('no bound', all));
  loads.push(await yard.load('two 2', two));
  for (const load of loads) {
    load.end();
    await settled();
  }
  t.deepEqual(yard.started, ['first', 'two 1', 'one 1', 'no bound', 'two 2']);
});

test('a load that a load of the same bulkhead makes runs in the turn of that one, and takes none', async (t) => {
  const yard = new Yard();
  const bulkhead = new LoadBulkhead(2);
  const outer = await yard.load('outer', bulkhead);
  const inner = await yard.load('inner', bulkhead, outer);
  const innermost = await yard.load('innermost', bulkhead, inner);
  await yard.load('second', bulkhead);
  await yard.load('third', bulkhead);
  t.deepEqual(yard.started, ['outer', 'inner', 'innermost', 'second']);
  innermost.end();
  inner.end();
  await settled();
  t.is(yard.started.length, 4);
  outer.end();
  await settled();
  t.is(yard.started.at(-1), 'third');
});

test('a load that a load with the turn of the Caching alone makes waits for its method, before all others', async (t) => {
  const yard = new Yard();
  const all = new LoadBulkhead(2);
  const method = new LoadBulkhead(1, all);
  const first = await yard.load('first', method);
  const outer = await yard.load('outer', all);
  const queued = await yard.load('queued', method);
  const inner = await yard.load('inner', method, outer);
  t.deepEqual(yard.started, ['first', 'outer']);
  first.end();
  await settled();
  t.deepEqual(yard.started, ['first', 'outer', 'inner']);
  inner.end();
  await settled();
  t.deepEqual(yard.started, ['first', 'outer', 'inner', 'queued']);
  t.true(queued.isRunning);
});

test('a load that waits for no turn of the Caching does not wait behind one that does', async (t) => {
  const yard = new Yard();
  const all = new LoadBulkhead(1);
  const method = new LoadBulkhead(1, all);
  const outer = await yard.load('outer', all);
  await yard.load('queued', method);
  await yard.load('inner', method, outer);
  t.deepEqual(yard.started, ['outer', 'inner']);
});

test('a load that a load of another bounded method makes does not wait, and counts in its own method', async (t) => {
  const yard = new Yard();
  const [one, two] = [new LoadBulkhead(1), new LoadBulkhead(1)];
  const a = await yard.load('a', one);
  const b = await yard.load('b', two);
  const inner = await yard.load('a calls two', two, a);
  await yard.load('b calls one', one, b);
  t.deepEqual(yard.started, ['a', 'b', 'a calls two', 'b calls one']);
  await yard.load('queued', two);
  b.end();
  await settled();
  t.is(yard.started.length, 4);
  inner.end();
  await settled();
  t.is(yard.started.at(-1), 'queued');
});

test('a waiting load starts when a load joins it that has its turn', async (t) => {
  const yard = new Yard();
  const bulkhead = new LoadBulkhead(1);
  const outer = await yard.load('outer', bulkhead);
  await yard.load('queued', bulkhead);
  const shared = await yard.load('shared', bulkhead);
  t.deepEqual(yard.started, ['outer']);
  shared.join(outer);
  await settled();
  t.deepEqual(yard.started, ['outer', 'shared']);
  shared.end();
  await settled();
  t.deepEqual(yard.started, ['outer', 'shared']);
});

test('a waiting load starts when a load with its turn joins the load that has called it', async (t) => {
  const yard = new Yard();
  const [users, orgs] = [new LoadBulkhead(1), new LoadBulkhead(5)];
  const org = await yard.load('org', orgs);
  const user = await yard.load('user', users);
  // The load of an organization reads its owner, and may not: then it counts in no turn of the users.
  org.turn.giveBack();
  const owner = await yard.load('owner', users, org);
  t.deepEqual(yard.started, ['org', 'user']);
  org.join(user);
  await settled();
  t.deepEqual(yard.started, ['org', 'user', 'owner']);
  t.true(owner.isRunning);
});

test('loads that wait for each other in a circle are looked at once', async (t) => {
  const yard = new Yard();
  const [one, two] = [new LoadBulkhead(1), new LoadBulkhead(1)];
  const a = await yard.load('a', one);
  const b = await yard.load('b', two, a);
  a.join(b);
  await yard.load('c', one, b);
  t.deepEqual(yard.started, ['a', 'b', 'c']);
});

test('work that a load has left running when it ended has no turn of it', async (t) => {
  const yard = new Yard();
  const bulkhead = new LoadBulkhead(1);
  const outer = await yard.load('outer', bulkhead);
  outer.context.isActive = false;
  await yard.load('left', bulkhead, outer);
  t.deepEqual(yard.started, ['outer']);
});

// --- through the engine -------------------------------------------------------------------------------------------------

/** A clock that stands still shows that nothing but the end of a load starts the next one. */
const bound = (maxConcurrentLoads: number, defaults: CacheOptions = {}) => ({
  maxConcurrentLoads,
  defaults: { loadQueueTimeout: '1h', ...defaults } as CacheOptions,
});

test('loads beyond maxConcurrentLoads wait for their turn', async (t) => {
  const { openers } = rig(t, 1, bound(2));
  const { cache } = openers[0]!;
  const loads = Array.from({ length: 4 }, () => new HeldLoad(new Row()));
  const calls = loads.map((load, i) => cache.getOrSet(`k${i}`, load.run));
  await settled();
  t.deepEqual(
    loads.map(({ runs }) => runs),
    [1, 1, 0, 0],
  );
  loads[1]!.finish();
  await loads[2]!.entered;
  await settled();
  t.is(loads[3]!.runs, 0);
  for (const load of loads) load.finish();
  t.deepEqual(await Promise.all(calls), [1, 1, 1, 1]);
  t.true(await cache.has('k3'));
});

test('a call whose load does not get its turn in time rejects with a LoadShedError, and so do all that share the load', async (t) => {
  const { openers, clock, of } = rig(t, 1, bound(1, { loadQueueTimeout: '2s' }));
  const { cache } = openers[0]!;
  const held = new HeldLoad(new Row());
  const first = cache.getOrSet('first', held.run);
  await held.entered;
  const row = new Row();
  const calls = [cache.getOrSet('k', row.load)];
  await clock.advance(1_500);
  calls.push(cache.getOrSet('k', row.load));
  const results = Promise.allSettled(calls);
  await clock.advance(500);
  const [one, two] = (await results) as PromiseRejectedResult[];
  const error = one!.reason as LoadShedError;
  t.true(error instanceof LoadShedError);
  t.is(two!.reason, error);
  t.like(error, { code: 'E_LOAD_SHED', key: 'k', method: undefined, limit: 1, waitedMs: 2_000 });
  t.regex(
    error.message,
    /'k' was not loaded: 1 loads? may run.*maxConcurrentLoads.*2000 ms \(loadQueueTimeout\)/,
  );
  t.deepEqual(
    of('loadShed').map(({ key, limit, waitedMs, method }) => ({ key, limit, waitedMs, method })),
    [{ key: 'k', limit: 1, waitedMs: 2_000, method: undefined }],
  );
  t.deepEqual(of('error'), []);
  held.finish();
  await first;
  t.is(await cache.getOrSet('k', row.load), 1);
});

test('with loadQueueTimeout: 0 a load that has no turn at once is shed', async (t) => {
  const { openers } = rig(t, 1, bound(1, { loadQueueTimeout: 0 }));
  const { cache } = openers[0]!;
  const held = new HeldLoad(new Row());
  const first = cache.getOrSet('first', held.run);
  await held.entered;
  await t.throwsAsync(
    cache.getOrSet('k', () => 1),
    { instanceOf: LoadShedError },
  );
  held.finish();
  t.is(await first, 1);
});

test('calls of one key share one turn', async (t) => {
  const { openers } = rig(t, 1, bound(2));
  const { cache } = openers[0]!;
  const shared = new HeldLoad(new Row());
  const calls = Array.from({ length: 10 }, () => cache.getOrSet('k', shared.run));
  await shared.entered;
  t.is(await cache.getOrSet('other', () => 2), 2);
  shared.finish();
  await Promise.all(calls);
  t.is(shared.runs, 1);
});

test('hits need no turn', async (t) => {
  const { openers } = rig(t, 1, bound(1));
  const { cache } = openers[0]!;
  await cache.set('k', 1);
  const held = new HeldLoad(new Row());
  const first = cache.getOrSet('first', held.run);
  await held.entered;
  t.is(await cache.getOrSet('k', () => 2), 1);
  held.finish();
  await first;
});

test('a loader that throws gives its turn back, with and without the store', async (t) => {
  const { openers } = rig(t, 1, bound(1));
  const { cache, chaos } = openers[0]!;
  const fail = (): never => {
    throw new Error('no');
  };
  for (const i of [1, 2]) await t.throwsAsync(cache.getOrSet(`k${i}`, fail), { message: 'no' });
  chaos.fail(['entries.read', 'entries.lease'], 'refused');
  for (const i of [3, 4]) await t.throwsAsync(cache.getOrSet(`k${i}`, fail), { message: 'no' });
  t.is(await cache.getOrSet('k5', () => 5), 5);
});

test('without the store, too, no more loads run than maxConcurrentLoads', async (t) => {
  const { openers } = rig(t, 1, bound(3));
  const { cache, chaos } = openers[0]!;
  chaos.fail(['entries.read', 'entries.lease'], 'refused');
  let running = 0;
  let most = 0;
  const load = async (): Promise<number> => {
    most = Math.max(most, ++running);
    await settled();
    running--;
    return 1;
  };
  await Promise.all(Array.from({ length: 20 }, (_, i) => cache.getOrSet(`k${i}`, load)));
  t.is(most, 3);
});

test('a load that waits for its turn does not count as hung', async (t) => {
  const { openers, clock } = rig(t, 1, bound(1, { loadTimeout: '100ms' }));
  const { cache } = openers[0]!;
  // A turn that nobody gives back: the load waits for its lease, and not for its loader.
  const lease = openers[0]!.chaos.hold('entries.lease', 'request');
  const first = cache.getOrSet('first', () => 1);
  await lease.reached;
  const row = new HeldLoad(new Row());
  const calls = [cache.getOrSet('k', row.run), cache.getOrSet('k', row.run)];
  await clock.advance(240);
  lease.release();
  await first;
  await row.entered;
  await clock.advance(99);
  row.finish();
  t.deepEqual(await Promise.all(calls), [1, 1]);
  t.is(row.runs, 1);
});

test('time in the queue is not store time: the load has its lease, and is stored', async (t) => {
  for (const stampede of ['lease', 'lock'] as const) {
    const { openers, clock, of } = rig(t, 1, bound(1, { storeTimeout: '250ms', stampede }));
    const { cache } = openers[0]!;
    const held = new HeldLoad(new Row());
    const first = cache.getOrSet('first', held.run);
    await held.entered;
    const second = cache.getOrSet('k', () => 1);
    await clock.advance(2_000);
    held.finish();
    await first;
    t.is(await second, 1);
    t.true(await cache.has('k'), stampede);
    t.true(of('load').every(({ leased }) => leased));
    t.is(of('lock').length, stampede === 'lock' ? 2 : 0);
  }
});

test('a load that hangs gives its turn back after loadTimeout', async (t) => {
  const { openers, clock } = rig(t, 1, bound(1, { loadTimeout: '5s' }));
  const { cache } = openers[0]!;
  const hung = new HeldLoad(new Row());
  const first = cache.getOrSet('hung', hung.run);
  await hung.entered;
  const row = new HeldLoad(new Row());
  const second = cache.getOrSet('k', row.run);
  await clock.advance(4_999);
  t.is(row.runs, 0);
  await clock.advance(1);
  t.is(row.runs, 1);
  // It gives no turn back a second time when it ends after all.
  hung.finish();
  t.is(await first, 1);
  const third = new HeldLoad(new Row());
  const last = cache.getOrSet('k3', third.run);
  await settled();
  t.is(third.runs, 0);
  row.finish();
  await third.entered;
  third.finish();
  t.deepEqual(await Promise.all([second, last]), [1, 1]);
});

test('a load has no turn while its value is stored', async (t) => {
  const { openers } = rig(t, 1, bound(1));
  const { cache, chaos } = openers[0]!;
  const fill = chaos.hold('entries.fill', 'request');
  const first = cache.getOrSet('first', () => 1);
  await fill.reached;
  const second = new HeldLoad(new Row());
  const call = cache.getOrSet('k', second.run);
  await second.entered;
  second.finish();
  fill.release();
  t.deepEqual(await Promise.all([first, call]), [1, 1]);
});

test('a load that another process has done while it waited takes no turn for longer than it asks', async (t) => {
  const { openers } = rig(t, 2, bound(1));
  const [here, there] = openers;
  const held = new HeldLoad(new Row());
  const first = here!.cache.getOrSet('first', held.run);
  await held.entered;
  const row = new HeldLoad(new Row());
  const second = here!.cache.getOrSet('k', row.run);
  await settled();
  t.is(await there!.cache.getOrSet('k', () => 7), 7);
  held.finish();
  await first;
  t.is(await second, 7);
  t.is(row.runs, 0);
  t.is(await here!.cache.getOrSet('next', () => 1), 1);
});

test('while another process loads the key, the load has no turn', async (t) => {
  const { openers } = rig(t, 2, bound(1));
  const [here, there] = openers;
  const theirs = new HeldLoad(new Row());
  const other = there!.cache.getOrSet('k', theirs.run);
  await theirs.entered;
  const row = new Row();
  const mine = here!.cache.getOrSet('k', row.load);
  await settled();
  t.is(await here!.cache.getOrSet('next', row.load), 1);
  theirs.finish();
  t.deepEqual(await Promise.all([other, mine]), [1, 1]);
});

test('a load that gets its lease without a turn gives the lease back, and waits for both', async (t) => {
  const { openers } = rig(t, 2, bound(1));
  const [here, there] = openers;
  const theirs = new HeldLoad(new Row());
  const other = t.throwsAsync(there!.cache.getOrSet('k', theirs.run));
  await theirs.entered;
  const mine = new HeldLoad(new Row());
  const call = here!.cache.getOrSet('k', mine.run);
  await settled();
  const busy = new HeldLoad(new Row());
  const next = here!.cache.getOrSet('next', busy.run);
  await busy.entered;
  theirs.fail(new Error('no'));
  await other;
  await settled();
  t.is(mine.runs, 0);
  // The key is free for the other process, though the load here still waits.
  const again = new HeldLoad(new Row());
  const second = there!.cache.getOrSet('k', again.run);
  await again.entered;
  busy.finish();
  await next;
  again.finish();
  t.deepEqual(await Promise.all([second, call]), [1, 1]);
  t.is(mine.runs, 0);
});

test('the maximum of a load that gets neither the value nor the lease of another process is kept', async (t) => {
  const { openers, clock } = rig(t, 2, bound(1, { lockTimeout: '1s' }));
  const [here, there] = openers;
  const theirs = new HeldLoad(new Row());
  const other = there!.cache.getOrSet('k', theirs.run);
  await theirs.entered;
  const mine = new HeldLoad(new Row());
  const call = here!.cache.getOrSet('k', mine.run);
  await settled();
  const busy = new HeldLoad(new Row());
  const next = here!.cache.getOrSet('next', busy.run);
  await busy.entered;
  await clock.advance(1_000);
  t.is(mine.runs, 0);
  busy.finish();
  await next;
  await mine.entered;
  mine.finish();
  t.is(await call, 1);
  theirs.finish();
  await other;
});

test("with stampede: 'lock' a load keeps its turn while it waits, so that whoever has the lock has a turn", async (t) => {
  const { openers } = rig(t, 2, bound(1, { stampede: 'lock' }));
  const [here, there] = openers;
  const theirs = new HeldLoad(new Row());
  const other = there!.cache.getOrSet('k', theirs.run);
  await theirs.entered;
  const mine = here!.cache.getOrSet('k', () => 2);
  await settled();
  const row = new HeldLoad(new Row());
  const next = here!.cache.getOrSet('next', row.run);
  await settled();
  t.is(row.runs, 0);
  theirs.finish();
  t.deepEqual(await Promise.all([other, mine]), [1, 1]);
  await row.entered;
  row.finish();
  t.is(await next, 1);
});

test("under stampede: 'lock', too, a load keeps its turn while it waits for a lease", async (t) => {
  const { openers } = rig(t, 2, bound(1));
  const [here, there] = openers;
  const theirs = new HeldLoad(new Row());
  const other = there!.cache.getOrSet('k', theirs.run, { stampede: 'lease' });
  await theirs.entered;
  const mine = here!.cache.getOrSet('k', () => 2, { stampede: 'lock' });
  await settled();
  const row = new HeldLoad(new Row());
  const next = here!.cache.getOrSet('next', row.run);
  await settled();
  t.is(row.runs, 0);
  theirs.finish();
  t.deepEqual(await Promise.all([other, mine]), [1, 1]);
  await row.entered;
  row.finish();
  t.is(await next, 1);
});

test('a Caching that is not enabled bounds nothing', async (t) => {
  const { openers } = rig(t, 1, { ...bound(1), enabled: false });
  const { cache } = openers[0]!;
  const loads = [new HeldLoad(new Row()), new HeldLoad(new Row())];
  const calls = loads.map((load, i) => cache.getOrSet(`k${i}`, load.run));
  await Promise.all(loads.map(({ entered }) => entered));
  for (const load of loads) load.finish();
  t.deepEqual(await Promise.all(calls), [1, 1]);
});

test('maxConcurrentLoads is no option of a call, nor of the defaults', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const options: object = { maxConcurrentLoads: 1 };
  await t.throwsAsync(
    cache.getOrSet('k', () => 1, options),
    { instanceOf: OptionsError },
  );
  t.throws(() => rig(t, 1, { defaults: options }), { instanceOf: OptionsError });
  for (const maxConcurrentLoads of [0, -1, 1.5, Infinity, '1', null]) {
    t.throws(() => rig(t, 1, { maxConcurrentLoads: maxConcurrentLoads as number }), {
      instanceOf: OptionsError,
      message: /^maxConcurrentLoads of new Caching\({ \.\.\. }\) is a whole number, 1 or more/,
    });
  }
});

// --- no deadlock --------------------------------------------------------------------------------------------------------

test('no deadlock: a load that makes others runs with a bound of one', async (t) => {
  const { openers } = rig(t, 1, bound(1));
  const { cache } = openers[0]!;
  const sum = (n: number): Promise<number> =>
    cache.getOrSet(`sum:${n}`, async () => (n === 0 ? 0 : n + (await sum(n - 1))));
  t.is(await sum(10), 55);
});

test('no deadlock: a load joins one that waits for its turn', async (t) => {
  const { openers } = rig(t, 1, bound(1));
  const { cache } = openers[0]!;
  const gate = deferred();
  const inner = (): Promise<number> => cache.getOrSet('inner', () => 1);
  const outer = cache.getOrSet('outer', async () => {
    await gate.promise;
    return inner();
  });
  await settled();
  const waiting = inner();
  await settled();
  gate.resolve();
  t.deepEqual(await Promise.all([outer, waiting]), [1, 1]);
});

test('no deadlock: users wait for their organization, whose load waits for its owner, a user', async (t) => {
  const { openers } = rig(t);
  const directory = directoryOn(openers[0]!.caching);
  const org = directory.org('acme');
  await settled();
  const users = Promise.all([directory.user('a'), directory.user('b')]);
  await settled();
  directory.open();
  t.is(await org, 'owner of acme');
  t.deepEqual(await users, ['a of owner of acme', 'b of owner of acme']);
});

interface Directory {
  user(id: string): Promise<string>;
  org(id: string): Promise<string>;
  open(): void;
}

function directoryOn(caching: Caching): Directory {
  const { Cached } = createDecorators(caching);
  const gate = deferred();
  class CachedDirectory {
    @Cached({ key: 'user:{0}', maxConcurrentLoads: 2, loadQueueTimeout: '1h' })
    async user(id: string): Promise<string> {
      return id.startsWith('owner') ? id : `${id} of ${await this.org('acme')}`;
    }

    @Cached({ key: 'org:{0}' })
    async org(id: string): Promise<string> {
      await gate.promise;
      return this.user(`owner of ${id}`);
    }

    open(): void {
      gate.resolve();
    }
  }
  return new CachedDirectory();
}

/** An id that no plan has, whose load calls nothing. */
const FREE_ID = 99;

test('no deadlock: methods that call each other at random all end', async (t) => {
  const limit = fc.constantFrom(1, 1, 1, 2, undefined);
  const call = fc.record({ method: fc.nat(2), id: fc.nat(4) });
  const plan = fc.record({
    all: fc.constantFrom(undefined, undefined, 1, 2, 3),
    limits: fc.array(limit, { minLength: 3, maxLength: 3 }),
    /** What the load of each id calls: only ids below it, so that no load waits for itself. */
    inner: fc.array(fc.array(call, { minLength: 1, maxLength: 4 }), { minLength: 5, maxLength: 5 }),
    calls: fc.array(call, { minLength: 1, maxLength: 12 }),
    isParallel: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(plan, async ({ all, limits, inner, calls, isParallel }) => {
      const { openers } = rig(t, 1, {
        ...(all === undefined ? {} : { maxConcurrentLoads: all }),
        defaults: { loadQueueTimeout: '1h', loadTimeout: '1h' },
      });
      const { caching } = openers[0]!;
      const { Cached } = createDecorators(caching);
      const run = async (method: number, id: number): Promise<number> => {
        await settled();
        const below = (inner[id] ?? []).filter((one) => one.id < id);
        if (isParallel) await Promise.all(below.map((one) => methods[one.method]!(one.id)));
        else for (const one of below) await methods[one.method]!(one.id);
        return method;
      };
      const methods = limits.map((maxConcurrentLoads, method) => {
        class Methods {
          @Cached({ key: `${method}:{0}`, maxConcurrentLoads })
          async find(id: number): Promise<number> {
            return run(method, id);
          }
        }
        const instance = new Methods();
        return (id: number) => instance.find(id);
      });
      // Time stands still: a load that waits for its own turn would wait forever.
      const allEnd = async (loads: readonly Promise<number>[]): Promise<boolean> => {
        let isDone = false;
        const done = Promise.all(loads).then(() => (isDone = true));
        for (let i = 0; i < 2_000 && !isDone; i++) await settled();
        return isDone && done;
      };
      if (!(await allEnd(calls.map(({ method, id }) => methods[method]!(id))))) return false;
      // All turns are free again.
      if (!(await allEnd(methods.map((find) => find(FREE_ID))))) return false;
      await caching.close();
      return true;
    }),
    { numRuns: 100 },
  );
  t.pass();
});
