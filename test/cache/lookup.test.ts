import test from 'ava';
import { entryKey } from '../../src/core/keys/store-keys.js';
import { HeldLoad, rig, Row } from '../coherence/rig.js';
import { TARGETS } from './invalidation-targets.js';

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
