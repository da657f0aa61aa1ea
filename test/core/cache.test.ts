import { Buffer } from 'node:buffer';
import test from 'ava';
import { encodeLease, VALUE } from '../../src/core/ports/entry-format.js';
import { StoreUnavailableError } from '../../src/core/shared/errors.js';
import { entryKey, tagChangesKey } from '../../src/core/keys/store-keys.js';
import { newToken } from '../../src/core/shared/token.js';
import { HeldLoad, rig, Row, settled } from '../coherence/rig.js';
import { LATER } from '../support/later.js';

// --- who may share a load that began earlier ----------------------------------------------------------------------

const TARGETS = [
  { by: 'key', target: { keys: ['key'] } },
  { by: 'tag', target: { tags: ['org'] } },
  { by: 'clear', target: { all: true } },
] as const;

for (const { by, target } of TARGETS) {
  test(`a call shares no load that was invalidated by ${by} before the call, by another process`, async (t) => {
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

  test(`a call shares no load that was invalidated by ${by} before the call, acknowledged or not`, async (t) => {
    const { openers } = rig(t);
    const { cache, stage } = openers[0]!;
    const row = new Row();
    const held = new HeldLoad(row);
    const first = cache.getOrSet('key', held.run, { tags: ['org'] });
    await held.entered;
    row.write();
    stage.fail(by === 'key' ? 'remove' : 'removeNonces', 'request');
    t.false((await cache.invalidate(target)).acknowledged);
    const second = cache.getOrSet('key', row.load, { tags: ['org'] });
    await settled();
    held.finish();
    t.is(await first, 1);
    t.is(await second, 2);
  });
}

test('calls share a load that began before them, once the store has vouched for it', async (t) => {
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

test('a call that joins while the store takes the value is not given what was vouched for before it began', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  const fill = here!.stage.hold('fill', 'reply');
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

test('a call that starts after an unacknowledged invalidation waits for nothing that began while it was under way', async (t) => {
  const { openers } = rig(t);
  const { cache, stage } = openers[0]!;
  const row = new Row();
  const removal = stage.hold('remove', 'request');
  stage.fail('remove', 'request');
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

test('a call that starts while an invalidation is under way does not wait for a load from before it', async (t) => {
  const { openers } = rig(t);
  const { cache, stage } = openers[0]!;
  const row = new Row();
  const held = new HeldLoad(row);
  const first = cache.getOrSet('key', held.run);
  await held.entered;
  row.write();
  const removal = stage.hold('remove', 'reply');
  const invalidated = cache.invalidate({ keys: ['key'] });
  await removal.reached;
  t.is(await cache.getOrSet('key', row.load), 2);
  removal.release();
  await invalidated;
  held.finish();
  t.is(await first, 1);
});

test('a load that was detached does not take away the one in its place: no third runs beside it', async (t) => {
  const { openers } = rig(t);
  const { cache, stage } = openers[0]!;
  const row = new Row();
  stage.setDown(true);
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

test('a call shares no load of which an inherited tag was invalidated before the call, by another process', async (t) => {
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

test('a call shares no load of which an inherited tag was invalidated before the call, acknowledged or not', async (t) => {
  const { openers } = rig(t);
  const { cache, stage } = openers[0]!;
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
  stage.fail('removeNonces', 'request');
  t.deepEqual(await cache.invalidate({ tags: ['org'] }), { acknowledged: false });
  const second = cache.getOrSet('outer', row.load, { inheritTags: true });
  await settled();
  outer.finish();
  t.is(await first, 1);
  t.is(await second, 2);
});

test('a call shares no unstored value of which a tag told by the value was invalidated before the call', async (t) => {
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

test('a call shares no load that carries none of its tags, if that tag was invalidated before the call', async (t) => {
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

test('while the store is away a call shares no load that began before it: another process may have invalidated', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  here!.stage.setDown(true);
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

test('while the store is away calls that came before the load began share it', async (t) => {
  const { openers } = rig(t);
  const { cache, stage } = openers[0]!;
  const row = new Row();
  stage.setDown(true);
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

test('while the store is away one load at a time runs for a key', async (t) => {
  const { openers } = rig(t);
  const { cache, stage } = openers[0]!;
  const row = new Row();
  stage.setDown(true);
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

// --- marks of invalidations that are not acknowledged -----------------------------------------------------------

test('a mark that is settled while a call reads nonces has counted for that call', async (t) => {
  const { openers, clock } = rig(t);
  const { cache, stage } = openers[0]!;
  const row = new Row();
  const options = { tags: () => ['org'] };
  await cache.getOrSet('key', row.load, options);
  row.write();
  stage.fail('removeNonces', 'request');
  t.false((await cache.invalidate({ tags: ['org'] })).acknowledged);
  const nonces = stage.hold('nonces', 'reply');
  const read = cache.getOrSet('key', row.load, options);
  // The call has read the old entry, and the old nonce unless it saw the mark first.
  await Promise.race([nonces.reached, read]);
  await clock.advance(1_000);
  t.false(cache.pending);
  nonces.release();
  t.is(await read, 2);
});

for (const { by, target } of TARGETS) {
  const options = by === 'tag' ? { tags: ['org'] } : {};

  test(`after an invalidation that the store did not take, by ${by}, a call reads past the entry`, async (t) => {
    const { openers } = rig(t);
    const { cache, stage } = openers[0]!;
    const row = new Row();
    await cache.getOrSet('key', row.load, options);
    row.write();
    stage.fail(by === 'key' ? 'remove' : 'removeNonces', 'request');
    t.false((await cache.invalidate(target)).acknowledged);
    t.is(await cache.getOrSet('key', row.load, options), 2);
  });
}

test('the plain verbs find nothing under an invalidation that is not acknowledged', async (t) => {
  for (const { by, target } of TARGETS) {
    const { openers } = rig(t);
    const { cache, stage } = openers[0]!;
    await cache.set('key', 1, by === 'tag' ? { tags: ['org'] } : {});
    stage.fail(by === 'key' ? 'remove' : 'removeNonces', 'request');
    await cache.invalidate(target);
    t.is(await cache.get('key'), undefined, by);
    t.false(await cache.has('key'), by);
    t.is((await cache.getMany(['key'])).size, 0, by);
  }
});

test('an entry under a mark is read past, whoever told its tags', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  await there!.cache.getOrSet('key', row.load, { tags: () => ['org'] });
  row.write();
  here!.stage.fail('removeNonces', 'request');
  await here!.cache.invalidate({ tags: ['org'] });
  t.is(await here!.cache.getOrSet('key', row.load), 2);
  t.is(await there!.cache.getOrSet('key', row.load), 1);
});

test('an acknowledged invalidation settles an earlier one of the same key that was not', async (t) => {
  const { openers } = rig(t);
  const { cache, stage } = openers[0]!;
  stage.fail('remove', 'request');
  await cache.invalidate({ keys: ['key'] });
  t.true(cache.pending);
  t.true((await cache.invalidate({ keys: ['key'] })).acknowledged);
  t.false(cache.pending);
});

test('a set settles an earlier invalidation of its key, and not one that came while it was under way', async (t) => {
  const { openers } = rig(t);
  const { cache, stage } = openers[0]!;
  stage.fail('remove', 'request');
  await cache.invalidate({ keys: ['key'] });
  t.true(await cache.set('key', 1));
  t.false(cache.pending);
  t.is(await cache.get('key'), 1);

  const fill = stage.hold('fill', 'request');
  const set = cache.set('key', 2);
  await fill.reached;
  stage.fail('remove', 'request');
  await cache.invalidate({ keys: ['key'] });
  fill.release();
  t.true(await set);
  t.true(cache.pending);
  t.is(await cache.get('key'), undefined);
});

test('nothing is stored of a load that an invalidation overtakes, while it is under way or when it has failed', async (t) => {
  for (const wait of [true, false]) {
    const { openers } = rig(t, 2);
    const [here, there] = openers;
    const row = new Row();
    const held = new HeldLoad(row);
    const first = here!.cache.getOrSet('key', held.run);
    await held.entered;
    row.write();
    const removal = here!.stage.hold('remove', 'request');
    here!.stage.fail('remove', 'request');
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

test('nothing is stored of a load that had waited for its lease and that a failed invalidation overtakes', async (t) => {
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
  here!.stage.fail('remove', 'request');
  await here!.cache.invalidate({ keys: ['key'] });
  mine.finish();
  t.is(await first, 1);
  t.is(await there!.cache.get('key'), undefined);
  theirs.finish();
  t.is(await other, 1);
  await clock.advance(1_000);
  t.false(here!.cache.pending);
});

test('a load that waited for its lease while an invalidation came is stored: it began after it', async (t) => {
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

// --- tags that only a load tells ------------------------------------------------------------------------------------

test('a tag that is invalidated during the load keeps the value out, with the tag changes evicted before or after', async (t) => {
  for (const when of ['before', 'after'] as const) {
    const { openers, store, namespace } = rig(t, 2);
    const [here, there] = openers;
    const row = new Row();
    const options = { tags: () => ['org'] };
    const held = new HeldLoad(row);
    const first = here!.cache.getOrSet('key', held.run, options);
    await held.entered;
    row.write();
    if (when === 'before') await store.remove([tagChangesKey(namespace)]);
    await there!.cache.invalidate({ tags: ['org'] });
    if (when === 'after') await store.remove([tagChangesKey(namespace)]);
    // The tag changes are there again, and somebody has minted a nonce for the tag.
    await there!.cache.getOrSet('other', row.load, options);
    held.finish();
    t.is(await first, 1);
    t.is(await here!.cache.getOrSet('key', row.load, options), 2, when);
  }
});

test('a load is not stored if one of its calls had a tag told by its value: its nonce is not known yet', async (t) => {
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

test('a load is not stored if it met a tag after its invalidation, and then as it was before it', async (t) => {
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

// --- leases and ages ------------------------------------------------------------------------------------------------

test('an entry ends its ttl after its load was begun, however long the load took', async (t) => {
  const { openers, clock, of } = rig(t);
  const { cache } = openers[0]!;
  const held = new HeldLoad(new Row());
  const first = cache.getOrSet('key', held.run, { ttl: 60_000 });
  await held.entered;
  await clock.advance(40_000);
  held.finish();
  await first;
  t.is(of('fill')[0]!.ttlMs, 20_000);
  await clock.advance(19_999);
  t.true(await cache.has('key'));
  await clock.advance(2);
  t.false(await cache.has('key'));
});

test('a load that takes its whole ttl is not stored', async (t) => {
  const { openers, clock, of } = rig(t);
  const { cache } = openers[0]!;
  const held = new HeldLoad(new Row());
  const first = cache.getOrSet('key', held.run, { ttl: 10_000 });
  await held.entered;
  await clock.advance(10_000);
  held.finish();
  t.is(await first, 1);
  t.false(await cache.has('key'));
  t.is(of('notStored')[0]!.reason, 'expired');
});

test('a loader that lives keeps its lease, for twenty times its length and no longer', async (t) => {
  for (const [leases, stored] of [
    [19, true],
    [22, false],
  ] as const) {
    const { openers, clock } = rig(t, 1, { lease: 1_000 });
    const { cache } = openers[0]!;
    const held = new HeldLoad(new Row());
    const first = cache.getOrSet('key', held.run);
    await held.entered;
    await clock.advance(leases * 1_000);
    held.finish();
    await first;
    t.is(await cache.has('key'), stored, `${leases}`);
    t.is(clock.timers, 0);
  }
});

test('a lease whose grant got lost is given back', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  here!.stage.fail('lease', 'reply');
  t.is(await here!.cache.getOrSet('key', row.load), 1);
  await settled();
  // Nothing to wait for: time stands still.
  t.is(await there!.cache.getOrSet('key', row.load), 1);
  t.is(await there!.cache.get('key'), 1);
});

test('a wake that comes before the answer of the store is not lost', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  const theirs = new HeldLoad(row);
  const other = there!.cache.getOrSet('key', theirs.run);
  await theirs.entered;
  const lease = here!.stage.hold('lease', 'reply');
  const first = here!.cache.getOrSet('key', row.load);
  await lease.reached;
  theirs.finish();
  t.is(await other, 1);
  lease.release();
  // Nobody moves the clock, so nothing but the wake can end the wait.
  t.is(await first, 1);
});

test('a call waits for the load of another process, and loads itself when that takes too long', async (t) => {
  const { openers, clock, of } = rig(t, 2, { lockTimeout: 5_000 });
  const [here, there] = openers;
  const row = new Row();
  const theirs = new HeldLoad(row);
  const other = there!.cache.getOrSet('key', theirs.run);
  await theirs.entered;
  const mine = new HeldLoad(row);
  const first = here!.cache.getOrSet('key', mine.run);
  await clock.advance(4_900);
  t.is(mine.runs, 0);
  await clock.advance(200);
  t.is(mine.runs, 1);
  mine.finish();
  t.is(await first, 1);
  t.false(of('load').at(-1)!.leased);
  theirs.finish();
  t.is(await other, 1);
});

test('a dead value is replaced in the round trip of the lease', async (t) => {
  const { openers } = rig(t);
  const { cache, stage } = openers[0]!;
  await cache.getOrSet('key', () => 1);
  await cache.clear();
  const before = stage.sent('lease');
  t.is(await cache.getOrSet('key', () => 2), 2);
  t.is(stage.sent('lease') - before, 1);
});

test('a dead value that came while a call was on its way is replaced', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  const look = here!.stage.hold('read', 'reply');
  const read = here!.cache.getOrSet('key', row.load);
  await look.reached;
  await there!.cache.set('key', 0);
  await there!.cache.clear();
  look.release();
  t.is(await read, 1);
  t.is(await there!.cache.get('key'), 1);
});

// --- what a slow or failing store may cost ------------------------------------------------------------------------

test('a store that was away for a call is not asked again by that call', async (t) => {
  const { openers } = rig(t);
  const { cache, stage } = openers[0]!;
  const row = new Row();
  const held = new HeldLoad(row);
  stage.fail('read', 'reply');
  const first = cache.getOrSet('key', held.run);
  await held.entered;
  stage.fail('read', 'reply');
  const second = cache.getOrSet('key', row.load);
  await settled();
  held.finish();
  await Promise.all([first, second]);
  t.is(stage.sent('read'), 2);
});

test('the load after one that an invalidation overtook is under a lease, however long that one took', async (t) => {
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

test('a store that never answers a fill costs those who joined the load their budget, and no more', async (t) => {
  const { openers, clock } = rig(t, 1, { storeTimeout: 250 });
  const { cache, stage } = openers[0]!;
  const row = new Row();
  const held = new HeldLoad(row);
  const fill = stage.hold('fill', 'request');
  const first = cache.getOrSet('key', held.run);
  await held.entered;
  const second = cache.getOrSet('key', row.load);
  await settled();
  held.finish();
  await fill.reached;
  const values: number[] = [];
  void first.then((value) => values.push(value));
  void second.then((value) => values.push(value));
  stage.setDown(true);
  await clock.advance(250);
  await clock.advance(0);
  t.deepEqual(values, [1, 1]);
  fill.release();
});

test('a set that the store fails leaves no lease behind', async (t) => {
  for (const verb of ['getOrCreateNonces', 'fill'] as const) {
    const { openers } = rig(t);
    const { cache, stage } = openers[0]!;
    stage.fail(verb, 'request');
    await t.throwsAsync(cache.set('key', 1), { instanceOf: StoreUnavailableError });
    await settled();
    // Nothing to wait for: time stands still.
    t.is(await cache.getOrSet('key', () => 2), 2);
    t.is(await cache.get('key'), 2);
  }
});

// --- bytes that nobody of us wrote ------------------------------------------------------------------------------------

for (const [title, flags] of [
  ['a value of no length', VALUE],
  ['neither a lease nor a value', 0],
] as const) {
  test(`a record of a lease's length that is ${title} is replaced`, async (t) => {
    const { openers, store, namespace } = rig(t);
    const { cache } = openers[0]!;
    const name = entryKey(namespace, 'key');
    const token = newToken();
    const record = Buffer.from(encodeLease(newToken()));
    record[2] = flags;
    await store.lease(name, token, 1_000, undefined);
    t.is(await store.fill(name, token, record, LATER), 'stored');
    t.is(await cache.getOrSet('key', () => 1), 1);
    t.is(await cache.get('key'), 1);
  });
}

// --- monotonic reads -----------------------------------------------------------------------------------------------------

test('after a load without the store, no older entry is returned, even if the store never told its time', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  t.is(await there!.cache.getOrSet('key', row.load), 1);
  row.write();
  here!.stage.fail('read', 'request');
  t.is(await here!.cache.getOrSet('key', row.load), 2);
  t.is(await here!.cache.getOrSet('key', row.load), 2);
});

test('after a load whose lease was lost, no entry of an earlier load is returned', async (t) => {
  const { openers, store, namespace, clock } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  const mine = new HeldLoad(row);
  const minted = here!.stage.hold('getOrCreateNonces', 'reply');
  const first = here!.cache.getOrSet('key', mine.run);
  await minted.reached;
  // The lease is evicted before the load begins, and another process takes one.
  await store.remove([entryKey(namespace, 'key')]);
  await clock.advance(1);
  const theirs = new HeldLoad(row);
  const other = there!.cache.getOrSet('key', theirs.run);
  await theirs.entered;
  row.write();
  await clock.advance(1);
  minted.release();
  await mine.entered;
  mine.finish();
  t.is(await first, 2);
  theirs.finish();
  t.is(await other, 1);
  t.is(await here!.cache.getOrSet('key', row.load), 2);
});

test('a call joins no load that began before one whose value this process has returned', async (t) => {
  const { openers, clock } = rig(t);
  const { cache, stage } = openers[0]!;
  const row = new Row();
  const minted = stage.hold('getOrCreateNonces', 'reply');
  const one = new HeldLoad(row);
  const first = cache.getOrSet('key', one.run);
  await minted.reached;
  await cache.invalidate({ keys: ['key'] });
  await clock.advance(1);
  const two = new HeldLoad(row);
  const second = cache.getOrSet('key', two.run);
  await two.entered;
  row.write();
  await clock.advance(1);
  minted.release();
  await one.entered;
  one.finish();
  t.is(await first, 2);
  const third = cache.getOrSet('key', row.load);
  await settled();
  two.finish();
  t.is(await second, 1);
  t.is(await third, 2);
});

test('a stored value is returned by the process that loaded it, however slow its lease was', async (t) => {
  const { openers, clock } = rig(t);
  const { cache, stage } = openers[0]!;
  const row = new Row();
  const minted = stage.hold('getOrCreateNonces', 'reply');
  const first = cache.getOrSet('key', row.load);
  await minted.reached;
  await clock.advance(100);
  minted.release();
  t.is(await first, 1);
  row.write();
  t.is(await cache.getOrSet('key', row.load), 1);
});

test('get, has and getMany reject when the nonces of an entry with tags cannot be read', async (t) => {
  const { openers } = rig(t);
  const { cache, stage } = openers[0]!;
  await cache.set('key', 1, { tags: ['org'] });
  for (const read of [() => cache.get('key'), () => cache.has('key'), () => cache.getMany(['key'])]) {
    stage.fail('nonces', 'request');
    await t.throwsAsync(read, { instanceOf: StoreUnavailableError });
  }
  t.is(await cache.get('key'), 1);
});
