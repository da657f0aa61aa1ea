import test from 'ava';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';
import { TARGETS } from './invalidation-targets.js';

const OUTAGE = { defaults: { outage: { l1: '2s' } } } as const;
const TAGS = { tags: ['org'] };

test('while the store is away, a loaded value is returned for the time of the option, and then loaded again', async (t) => {
  const { openers, clock, of } = rig(t, 1, OUTAGE);
  const { cache, chaos } = openers[0]!;
  chaos.setDown(true);
  const row = new Row();
  t.is(await cache.getOrSet('key', row.load), 1);
  row.write();
  await clock.advance(1_999);
  t.is(await cache.getOrSet('key', row.load), 1);
  await clock.advance(1);
  t.is(await cache.getOrSet('key', row.load), 2);
  t.deepEqual(
    of('hit').map(({ tier }) => tier),
    ['l1'],
  );
});

test('by default every call loads while the store is away', async (t) => {
  const { openers } = rig(t);
  const { cache, chaos } = openers[0]!;
  chaos.setDown(true);
  const row = new Row();
  await cache.getOrSet('key', row.load);
  row.write();
  t.is(await cache.getOrSet('key', row.load), 2);
});

test('calls that start during a load share it', async (t) => {
  const { openers } = rig(t, 1, OUTAGE);
  const { cache, chaos } = openers[0]!;
  chaos.setDown(true);
  const held = new HeldLoad(new Row());
  const calls = [cache.getOrSet('key', held.run)];
  await held.entered;
  for (let i = 0; i < 20; i++) calls.push(cache.getOrSet('key', held.run));
  await settled();
  held.finish();
  await Promise.all(calls);
  t.is(held.runs, 1);
});

for (const { by, target } of TARGETS) {
  test(`G3 read your writes: an invalidation by ${by} ends a value at once, though the store is away`, async (t) => {
    const { openers } = rig(t, 1, OUTAGE);
    const { cache, chaos } = openers[0]!;
    chaos.setDown(true);
    const row = new Row();
    await cache.getOrSet('key', row.load, { tags: () => ['org'] });
    row.write();
    t.false((await cache.invalidate(target)).acknowledged);
    t.is(await cache.getOrSet('key', row.load, { tags: () => ['org'] }), 2);
    row.write();
    t.is(await cache.getOrSet('key', row.load, { tags: () => ['org'] }), 2);
  });

  test(`G3 read your writes: a load that an invalidation by ${by} has overtaken is not kept`, async (t) => {
    const { openers } = rig(t, 1, OUTAGE);
    const { cache, chaos } = openers[0]!;
    chaos.setDown(true);
    const row = new Row();
    const held = new HeldLoad(row);
    const first = cache.getOrSet('key', held.run, TAGS);
    await held.entered;
    row.write();
    await cache.invalidate(target);
    held.finish();
    t.is(await first, 1);
    t.is(await cache.getOrSet('key', row.load, TAGS), 2);
  });
}

test('when the store answers again, its entries count', async (t) => {
  const { openers } = rig(t, 2, OUTAGE);
  const [here, there] = openers;
  const row = new Row();
  here!.chaos.setDown(true);
  t.is(await here!.cache.getOrSet('key', row.load), 1);
  row.write();
  await there!.cache.getOrSet('key', row.load);
  here!.chaos.setDown(false);
  t.is(await here!.cache.getOrSet('key', row.load), 2);
});

test('a value without a tag of the call is not returned, nor one that unless refuses or that cannot be stored', async (t) => {
  const { openers } = rig(t, 1, OUTAGE);
  const { cache, chaos } = openers[0]!;
  chaos.setDown(true);
  const row = new Row();
  await cache.getOrSet('key', row.load);
  row.write();
  t.is(await cache.getOrSet('key', row.load, TAGS), 2);
  await cache.getOrSet('other', row.load, { unless: () => true });
  row.write();
  t.is(await cache.getOrSet('other', row.load), 3);
  const code = await cache.getOrSet('code', async () => () => {});
  t.is(typeof code, 'function');
});

test('a load that asks for a value of an outage has unknown tags', async (t) => {
  const { openers } = rig(t, 1, OUTAGE);
  const { cache, chaos } = openers[0]!;
  const row = new Row();
  chaos.fail('entries.read', 'refused', 1);
  await cache.getOrSet('inner', row.load);
  row.write();
  const inner = async (): Promise<number> => {
    chaos.fail('entries.read', 'refused', 1);
    return cache.getOrSet('inner', row.load);
  };
  t.is(await cache.getOrSet('outer', inner, { inheritTags: true }), 1);
  t.is(await cache.get('outer'), undefined);
});

test('a set ends a value', async (t) => {
  const { openers } = rig(t, 1, OUTAGE);
  const { cache, chaos } = openers[0]!;
  chaos.fail('entries.read', 'refused', 1);
  const row = new Row();
  await cache.getOrSet('key', row.load);
  await cache.set('key', 2);
  row.write();
  chaos.fail('entries.read', 'refused', 1);
  t.is(await cache.getOrSet('key', row.load), 2);
});

test('bad options are refused', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  for (const outage of ['l1', '2s', { l1: 0 }, { l2: '2s' }, 5, true]) {
    await t.throwsAsync(
      cache.getOrSet('key', async () => 1, { outage: outage as never }),
      { name: 'OptionsError', message: /outage of getOrSet is 'load' or \{ l1: '2s' \}/ },
    );
  }
});

test('a value is ended before the invalidation is sent', async (t) => {
  const { openers } = rig(t, 1, OUTAGE);
  const { cache, chaos } = openers[0]!;
  chaos.fail('entries.read', 'refused');
  const row = new Row();
  await cache.getOrSet('key', row.load);
  row.write();
  const removal = chaos.hold('entries.remove', 'request');
  const invalidated = cache.invalidate({ keys: ['key'] });
  await removal.reached;
  t.is(await cache.getOrSet('key', row.load), 2);
  removal.release();
  await invalidated;
});

test('G4 monotonic reads: a load that started earlier and ends later is not returned after a newer one', async (t) => {
  const { openers, clock } = rig(t, 1, OUTAGE);
  const { cache, chaos } = openers[0]!;
  chaos.setDown(true);
  const row = new Row();
  const held = new HeldLoad(row);
  const hung = cache.getOrSet('key', held.run);
  await held.entered;
  row.write();
  const second = cache.getOrSet('key', row.load, { loadTimeout: '500ms' });
  // The second call leaves the load that hangs, and starts another one.
  await clock.advance(500);
  t.is(await second, 2);
  held.finish();
  t.is(await hung, 1);
  t.is(await cache.getOrSet('key', row.load), 2);
});
