import test from 'ava';
import { tagChangesKey } from '../../src/core/keys/store-keys.js';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';

test('G1 no resurrection: a load is not stored if an invalidation starts during it, whether that is pending or has failed', async (t) => {
  for (const wait of [true, false]) {
    const { openers } = rig(t, 2);
    const [here, there] = openers;
    const row = new Row();
    const held = new HeldLoad(row);
    const first = here!.cache.getOrSet('key', held.run);
    await held.entered;
    row.write();
    const removal = here!.chaos.hold('entries.remove', 'request');
    here!.chaos.fail('entries.remove', 'refused', 1);
    const invalidated = here!.cache.invalidate({ keys: ['key'] });
    await removal.reached;
    if (!wait) removal.release();
    if (!wait) await invalidated;
    held.finish();
    t.is(await first, 1);
    t.is(await there!.cache.get('key'), undefined);
    if (wait) removal.release();
    await invalidated;
  }
});

test('G1 no resurrection: a load that waited for its lease is not stored if an invalidation fails during it', async (t) => {
  const { openers, clock } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  const theirs = new HeldLoad(row);
  const other = there!.cache.getOrSet('key', theirs.run);
  await theirs.entered;
  const mine = new HeldLoad(row);
  const first = here!.cache.getOrSet('key', mine.run);
  await settled();
  await here!.cache.invalidate({ keys: ['key'] });
  await mine.entered;
  row.write();
  here!.chaos.fail('entries.remove', 'refused', 1);
  await here!.cache.invalidate({ keys: ['key'] });
  mine.finish();
  t.is(await first, 1);
  t.is(await there!.cache.get('key'), undefined);
  theirs.finish();
  t.is(await other, 1);
  await clock.advance(1_000);
  t.false(here!.cache.pending);
});

test('a load that waits for its lease during an invalidation is stored, because it starts after it', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  const theirs = new HeldLoad(row);
  const other = there!.cache.getOrSet('key', theirs.run);
  await theirs.entered;
  const first = here!.cache.getOrSet('key', row.load);
  await settled();
  row.write();
  await here!.cache.invalidate({ keys: ['key'] });
  t.is(await first, 2);
  t.is(await here!.cache.get('key'), 2);
  theirs.finish();
  t.is(await other, 1);
  t.is(await there!.cache.get('key'), 2);
});

test('G7 tags: a load is not stored if one of its result tags is invalidated during it, even if the tag changes are evicted', async (t) => {
  for (const when of ['before', 'after'] as const) {
    const { openers, store, namespace } = rig(t, 2);
    const [here, there] = openers;
    const row = new Row();
    const options = { tags: () => ['org'] };
    const held = new HeldLoad(row);
    const first = here!.cache.getOrSet('key', held.run, options);
    await held.entered;
    row.write();
    if (when === 'before') await store.entries.remove([tagChangesKey(namespace)]);
    await there!.cache.invalidate({ tags: ['org'] });
    if (when === 'after') await store.entries.remove([tagChangesKey(namespace)]);
    // The tag changes are there again, and another call has created a nonce for the tag.
    await there!.cache.getOrSet('other', row.load, options);
    held.finish();
    t.is(await first, 1);
    t.is(await here!.cache.getOrSet('key', row.load, options), 2, when);
  }
});

test('G7 tags: a load with inheritTags is not stored if a cached call of it has a result tag without a nonce yet', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const inner = (): Promise<number> => cache.getOrSet('inner', () => 1, { tags: () => ['org'] });
  const outer = (): Promise<number> => cache.getOrSet('outer', inner, { inheritTags: true });
  t.is(await outer(), 1);
  t.false(await cache.has('outer'));
  t.is(await outer(), 1);
  t.true(await cache.has('outer'));
  await cache.invalidate({ tags: ['org'] });
  t.false(await cache.has('outer'));
});

test('G7 tags: a load with inheritTags is not stored if it saw two nonces of one tag', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  const held = new HeldLoad(row);
  const options = { tags: ['org'] };
  const load = async (): Promise<number> => {
    const before = here!.cache.getOrSet('a', held.run, options);
    await held.entered;
    row.write();
    await there!.cache.invalidate({ tags: ['org'] });
    const after = await here!.cache.getOrSet('b', row.load, options);
    held.finish();
    return (await before) + after;
  };
  t.is(await here!.cache.getOrSet('outer', load, { inheritTags: true }), 3);
  t.false(await here!.cache.has('outer'));
});
