import test from 'ava';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';
import { TARGETS } from './invalidation-targets.js';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import { fakeClock } from '../../src/testing/index.js';

for (const { by, target } of TARGETS) {
  test(`G1 no resurrection: a call does not join a load that another process invalidated by ${by} before the call`, async (t) => {
    const { openers } = rig(t, 2);
    const [here, there] = openers;
    const row = new Row();
    const held = new HeldLoad(row);
    const first = here!.cache.getOrSet('key', held.run, { tags: ['org'] });
    await held.entered;
    row.write();
    t.true((await there!.cache.invalidate(target)).acknowledged);
    const second = here!.cache.getOrSet('key', row.load, { tags: ['org'] });
    await settled();
    held.finish();
    t.is(await first, 1);
    t.is(await second, 2);
  });

  test(`G3 read your writes: a call does not join a load that was invalidated by ${by} before the call, even without acknowledgement`, async (t) => {
    const { openers } = rig(t);
    const { cache, chaos } = openers[0]!;
    const row = new Row();
    const held = new HeldLoad(row);
    const first = cache.getOrSet('key', held.run, { tags: ['org'] });
    await held.entered;
    row.write();
    chaos.fail(by === 'key' ? 'entries.remove' : 'entries.removeNonces', 'refused', 1);
    t.false((await cache.invalidate(target)).acknowledged);
    const second = cache.getOrSet('key', row.load, { tags: ['org'] });
    await settled();
    held.finish();
    t.is(await first, 1);
    t.is(await second, 2);
  });
}

test('G5 single flight: calls join a load that started before them once the store has validated it', async (t) => {
  const { openers, of } = rig(t);
  const { cache } = openers[0]!;
  const row = new Row();
  const held = new HeldLoad(row);
  const calls = [cache.getOrSet('key', held.run)];
  await held.entered;
  for (let i = 0; i < 20; i++) calls.push(cache.getOrSet('key', held.run));
  await settled();
  held.finish();
  t.deepEqual(
    await Promise.all(calls),
    Array.from({ length: 21 }, () => 1),
  );
  t.is(held.runs, 1);
  t.is(of('coalesced').length, 20);
});

test('G1 no resurrection: a call that joins during the fill does not get a value that was validated before the call started', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  const fill = here!.chaos.hold('entries.fill', 'reply');
  const first = here!.cache.getOrSet('key', row.load);
  await fill.reached;
  row.write();
  await there!.cache.invalidate({ keys: ['key'] });
  const second = here!.cache.getOrSet('key', row.load);
  await settled();
  fill.release();
  t.is(await first, 1);
  t.is(await second, 2);
});

test('G3 read your writes: a call after an unacknowledged invalidation does not wait for a load that started during it', async (t) => {
  const { openers } = rig(t);
  const { cache, chaos } = openers[0]!;
  const row = new Row();
  const removal = chaos.hold('entries.remove', 'request');
  chaos.fail('entries.remove', 'refused', 1);
  const invalidated = cache.invalidate({ keys: ['key'] });
  await removal.reached;
  const held = new HeldLoad(row);
  const first = cache.getOrSet('key', held.run);
  await held.entered;
  row.write();
  removal.release();
  t.false((await invalidated).acknowledged);
  t.is(await cache.getOrSet('key', row.load), 2);
  held.finish();
  t.is(await first, 1);
  t.is(await cache.getOrSet('key', row.load), 2);
});

test('G3 read your writes: a call that starts during an invalidation does not wait for a load from before it', async (t) => {
  const { openers } = rig(t);
  const { cache, chaos } = openers[0]!;
  const row = new Row();
  const held = new HeldLoad(row);
  const first = cache.getOrSet('key', held.run);
  await held.entered;
  row.write();
  const removal = chaos.hold('entries.remove', 'reply');
  const invalidated = cache.invalidate({ keys: ['key'] });
  await removal.reached;
  t.is(await cache.getOrSet('key', row.load), 2);
  removal.release();
  await invalidated;
  held.finish();
  t.is(await first, 1);
});

test('G5 single flight: when a detached load ends, calls still join the load that replaced it', async (t) => {
  const { openers } = rig(t);
  const { cache, chaos } = openers[0]!;
  const row = new Row();
  chaos.setDown(true);
  const one = new HeldLoad(row);
  const first = cache.getOrSet('key', one.run);
  await one.entered;
  row.write();
  await cache.invalidate({ keys: ['key'] });
  const two = new HeldLoad(row);
  const second = cache.getOrSet('key', two.run);
  await two.entered;
  one.finish();
  t.is(await first, 1);
  const third = cache.getOrSet('key', two.run);
  await settled();
  t.is(two.runs, 1);
  two.finish();
  t.deepEqual(await Promise.all([second, third]), [2, 2]);
});

test('G7 tags: a call does not join a load whose inherited tag another process invalidated before the call', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  const outer = new HeldLoad(row);
  const load = async (): Promise<number> => {
    await here!.cache.getOrSet('inner', row.load, { tags: () => ['org'] });
    return outer.run();
  };
  const first = here!.cache.getOrSet('outer', load, { inheritTags: true });
  await outer.entered;
  row.write();
  await there!.cache.invalidate({ tags: ['org'] });
  const second = here!.cache.getOrSet('outer', row.load, { inheritTags: true });
  await settled();
  outer.finish();
  t.is(await first, 1);
  t.is(await second, 2);
});

test('G7 tags: a call does not join a load whose inherited tag was invalidated before the call, even without acknowledgement', async (t) => {
  const { openers } = rig(t);
  const { cache, chaos } = openers[0]!;
  const row = new Row();
  await cache.getOrSet('inner', row.load, { tags: ['org'] });
  const outer = new HeldLoad(row);
  const load = async (): Promise<number> => {
    await cache.getOrSet('inner', row.load, { tags: ['org'] });
    return outer.run();
  };
  const first = cache.getOrSet('outer', load, { inheritTags: true });
  await outer.entered;
  row.write();
  chaos.fail('entries.removeNonces', 'refused', 1);
  t.deepEqual(await cache.invalidate({ tags: ['org'] }), { acknowledged: false });
  const second = cache.getOrSet('outer', row.load, { inheritTags: true });
  await settled();
  outer.finish();
  t.is(await first, 1);
  t.is(await second, 2);
});

test('G7 tags: a call does not get an unstored value whose result tag was invalidated before the call', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  const held = new HeldLoad(row);
  const options = { tags: () => ['org'], unless: () => true };
  const first = here!.cache.getOrSet('key', held.run, options);
  await held.entered;
  row.write();
  await there!.cache.invalidate({ tags: ['org'] });
  const second = here!.cache.getOrSet('key', row.load, options);
  await settled();
  held.finish();
  t.is(await first, 1);
  t.is(await second, 2);
});

test('G7 tags: a call does not join a load without its tag if that tag was invalidated before the call', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const row = new Row();
  const held = new HeldLoad(row);
  const first = cache.getOrSet('key', held.run, { tags: ['a'] });
  await held.entered;
  row.write();
  await cache.invalidate({ tags: ['b'] });
  const second = cache.getOrSet('key', row.load, { tags: ['b'] });
  await settled();
  held.finish();
  t.is(await first, 1);
  t.is(await second, 2);
});

test('G1 no resurrection: while the store is unavailable, a call does not join a load that started before it', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  here!.chaos.setDown(true);
  const held = new HeldLoad(row);
  const first = here!.cache.getOrSet('key', held.run);
  await held.entered;
  row.write();
  t.true((await there!.cache.invalidate({ keys: ['key'] })).acknowledged);
  const second = here!.cache.getOrSet('key', row.load);
  await settled();
  held.finish();
  t.is(await first, 1);
  t.is(await second, 2);
});

test('G5 single flight: while the store is unavailable, calls that came before the load started join it', async (t) => {
  const { openers } = rig(t);
  const { cache, chaos } = openers[0]!;
  const row = new Row();
  chaos.setDown(true);
  const held = new HeldLoad(row);
  const calls = Array.from({ length: 20 }, () => cache.getOrSet('key', held.run));
  await held.entered;
  held.finish();
  t.deepEqual(
    await Promise.all(calls),
    Array.from({ length: 20 }, () => 1),
  );
  t.is(held.runs, 1);
});

test('G5 single flight: while the store is unavailable, one load at a time runs for a key', async (t) => {
  const { openers } = rig(t);
  const { cache, chaos } = openers[0]!;
  const row = new Row();
  chaos.setDown(true);
  const held = new HeldLoad(row);
  const first = cache.getOrSet('key', held.run);
  await held.entered;
  const next = new HeldLoad(row);
  const later = Array.from({ length: 20 }, () => cache.getOrSet('key', next.run));
  await settled();
  t.is(next.runs, 0);
  held.finish();
  await next.entered;
  next.finish();
  await Promise.all([first, ...later]);
  t.is(held.runs + next.runs, 2);
});

test('G10 bounded delay: a call does not ask a store again that was unavailable to it', async (t) => {
  const { openers } = rig(t);
  const { cache, chaos } = openers[0]!;
  const row = new Row();
  const held = new HeldLoad(row);
  chaos.fail('entries.read', 'reply lost', 1);
  const first = cache.getOrSet('key', held.run);
  await held.entered;
  chaos.fail('entries.read', 'reply lost', 1);
  const second = cache.getOrSet('key', row.load);
  await settled();
  held.finish();
  await Promise.all([first, second]);
  t.is(chaos.calls('entries.read').length, 2);
});

test('the load after one that was invalidated has a lease, however long the first one took', async (t) => {
  const { openers, clock, of } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  const held = new HeldLoad(row);
  const first = here!.cache.getOrSet('key', held.run);
  await held.entered;
  row.write();
  await there!.cache.invalidate({ keys: ['key'] });
  const second = here!.cache.getOrSet('key', row.load);
  await clock.advance(2_000);
  held.finish();
  t.is(await first, 1);
  t.is(await second, 2);
  t.true(of('load').at(-1)!.leased);
  t.is(await here!.cache.get('key'), 2);
});

test('G10 bounded delay: a store that never answers a fill costs joined calls at most their storeTimeout', async (t) => {
  const { openers, clock } = rig(t, 1, { defaults: { storeTimeout: 250 } });
  const { cache, chaos } = openers[0]!;
  const row = new Row();
  const held = new HeldLoad(row);
  const fill = chaos.hold('entries.fill', 'request');
  const first = cache.getOrSet('key', held.run);
  await held.entered;
  const second = cache.getOrSet('key', row.load);
  await settled();
  held.finish();
  await fill.reached;
  const values: number[] = [];
  void first.then((value) => values.push(value));
  void second.then((value) => values.push(value));
  chaos.setDown(true);
  await clock.advance(250);
  await clock.advance(0);
  t.deepEqual(values, [1, 1]);
  fill.release();
});

test('G4 monotonic reads: a call does not join a load that started before one whose value this process has returned', async (t) => {
  const { openers, clock } = rig(t);
  const { cache, chaos } = openers[0]!;
  const row = new Row();
  const created = chaos.hold('entries.getOrCreateNonces', 'reply');
  const one = new HeldLoad(row);
  const first = cache.getOrSet('key', one.run);
  await created.reached;
  await cache.invalidate({ keys: ['key'] });
  await clock.advance(1);
  const two = new HeldLoad(row);
  const second = cache.getOrSet('key', two.run);
  await two.entered;
  row.write();
  await clock.advance(1);
  created.release();
  await one.entered;
  one.finish();
  t.is(await first, 2);
  const third = cache.getOrSet('key', row.load);
  await settled();
  two.finish();
  t.is(await second, 1);
  t.is(await third, 2);
});

test('G5 single flight: a load that hangs does not block its key: its callers start one new load together after loadTimeout', async (t) => {
  const clock = fakeClock();
  const caching = new Caching({
    adapter: memory(),
    clock,
    defaults: { ttl: '1m', loadTimeout: '2s', lockTimeout: '2s', lease: '1s' },
  });
  void caching.cache.getOrSet('user:1', () => new Promise<string>(() => {}));
  let loads = 0;
  const load = (): string => `load ${++loads}`;
  await clock.advance(10);
  const others = Promise.all(Array.from({ length: 10 }, () => caching.cache.getOrSet('user:1', load)));
  await clock.advance(60_000);
  t.deepEqual(new Set(await others), new Set(['load 1']));
});

interface Served {
  readonly loads: number;
  /** When the last caller got its value, in ms after the first one called. */
  readonly lastAt: number;
}

/** Callers of one key whose load takes `loadMs`; one calls every `everyMs`. */
async function serve(
  t: Parameters<typeof rig>[0],
  setup: {
    readonly callers: number;
    readonly loadMs: number;
    readonly loadTimeout: number;
    readonly everyMs: number;
  },
  options: { readonly unless?: () => boolean; readonly down?: boolean; readonly maxValueBytes?: number },
): Promise<Served> {
  const { callers, loadMs, loadTimeout, everyMs } = setup;
  const { down = false, ...given } = options;
  const { openers, clock } = rig(t, 1, { defaults: { loadTimeout } });
  const { cache, chaos } = openers[0]!;
  chaos.setDown(down);
  let loads = 0;
  let lastAt = 0;
  const begunAt = clock.now();
  const calls = Array.from({ length: callers }, async (_, i) => {
    if (i * everyMs > 0) await new Promise<void>((resolve) => void clock.after(i * everyMs, resolve));
    await cache.getOrSet(
      'k',
      async () => {
        loads++;
        await new Promise<void>((resolve) => void clock.after(loadMs, resolve));
        return 'value';
      },
      given,
    );
    lastAt = clock.now() - begunAt;
  });
  await clock.advance(60_000);
  await Promise.all(calls);
  return { loads, lastAt };
}

const NOT_STORED = [
  { why: 'unless', options: { unless: () => true } },
  { why: 'it is too large', options: { maxValueBytes: 1 } },
  { why: 'the store is away', options: { down: true } },
] as const;

for (const { why, options } of NOT_STORED) {
  test(`G5 single flight: callers of a load that outlasts loadTimeout and is not stored (${why}) are served within two loads`, async (t) => {
    const together = { callers: 30, loadMs: 300, loadTimeout: 100, everyMs: 0 };
    const served = await serve(t, together, options);
    t.true(served.loads <= 3 && served.lastAt <= 600, JSON.stringify(served));
    const long = await serve(t, { callers: 10, loadMs: 1_200, loadTimeout: 1_000, everyMs: 0 }, options);
    t.true(long.loads <= 2 && long.lastAt <= 2_400, JSON.stringify(long));
    const apart = await serve(t, { ...together, everyMs: 10 }, options);
    t.true(apart.loads <= 5 && apart.lastAt <= 290 + 600, JSON.stringify(apart));
  });
}

test('G5 single flight: lockTimeout 0 does not wait for other processes, and still loads once in this one', async (t) => {
  const { openers, of } = rig(t, 2, { defaults: { lockTimeout: 0 } });
  const [here, there] = openers;
  let loads = 0;
  let finish!: () => void;
  const gate = new Promise<void>((resolve) => (finish = resolve));
  const load = async (): Promise<number> => {
    loads++;
    await gate;
    return 7;
  };
  const calls = Array.from({ length: 50 }, () => here!.cache.getOrSet('k', load));
  await settled();
  t.is(loads, 1);
  const other = there!.cache.getOrSet('k', async () => 8);
  t.is(await other, 8, 'another process loads for itself at once');
  finish();
  t.deepEqual(new Set(await Promise.all(calls)), new Set([7]));
  t.is(loads, 1);
  t.is(of('fill').length, 1);
  t.is(await here!.cache.get('k'), 7);
});

test('loadTimeout ends the wait for a load of this process, whatever lockTimeout is', async (t) => {
  const { openers, clock } = rig(t, 1, { defaults: { loadTimeout: '2s', lockTimeout: '10m', lease: '1s' } });
  const { cache } = openers[0]!;
  void cache.getOrSet('key', () => new Promise<string>(() => {}));
  await clock.advance(10);
  let second: string | undefined;
  void cache.getOrSet('key', () => 'second').then((value) => (second = value));
  // 2 s for the first load, and at most 21 s for its lease, which is extended twenty times.
  await clock.advance(30_000);
  t.is(second, 'second');
});
