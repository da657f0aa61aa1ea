import test from 'ava';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';
import { TARGETS } from '../cache/invalidation-targets.js';

const COHERENCES = ['bus', 'tracking', 'validate'] as const;
const TAGS = { tags: ['org'] };

for (const coherence of COHERENCES) {
  const l1 = { coherence };

  test(`${coherence}: a second read comes from memory, and is equal`, async (t) => {
    const { openers, of } = rig(t, 1, { l1 });
    const { cache, chaos } = openers[0]!;
    const value = { id: '42', tags: ['a'], at: new Date(5), none: undefined };
    t.deepEqual(await cache.getOrSet('key', async () => value, TAGS), value);
    const reads = chaos.calls('entries.read').length;
    t.deepEqual(await cache.getOrSet('key', async () => t.fail(), TAGS), value as never);
    t.deepEqual(await cache.getOrSet('key', async () => t.fail(), TAGS), value as never);
    t.is(chaos.calls('entries.read').length - reads, coherence === 'validate' ? 2 : 0);
    t.deepEqual(
      of('hit').map(({ tier }) => tier),
      ['l1', 'l1'],
    );
  });

  for (const { by, target } of TARGETS) {
    test(`${coherence}: after an invalidation by ${by} neither process returns the old value (E-RX3)`, async (t) => {
      const { openers } = rig(t, 2, { l1 });
      const [here, there] = openers;
      const row = new Row();
      for (const { cache } of [here!, there!, here!, there!]) {
        t.is(await cache.getOrSet('key', row.load, TAGS), 1);
      }
      row.write();
      t.true((await there!.cache.invalidate(target)).acknowledged);
      t.is(await here!.cache.getOrSet('key', row.load, TAGS), 2);
      t.is(await there!.cache.getOrSet('key', row.load, TAGS), 2);
    });

    test(`${coherence}: I6, E-B12 a reply that an invalidation by ${by} has overtaken is not kept`, async (t) => {
      const { openers } = rig(t, 2, { l1 });
      const [here, there] = openers;
      const row = new Row();
      await there!.cache.getOrSet('key', row.load, TAGS);
      const reply = here!.chaos.hold('entries.read', 'reply');
      const first = here!.cache.getOrSet('key', row.load, TAGS);
      await reply.reached;
      row.write();
      await there!.cache.invalidate(target);
      reply.release();
      await first;
      t.is(await here!.cache.getOrSet('key', row.load, TAGS), 2);
    });

    test(`${coherence}: a load that an invalidation by ${by} has overtaken is not kept`, async (t) => {
      const { openers } = rig(t, 2, { l1 });
      const [here, there] = openers;
      const row = new Row();
      const fill = here!.chaos.hold('entries.fill', 'reply');
      const first = here!.cache.getOrSet('key', row.load, TAGS);
      await fill.reached;
      row.write();
      await there!.cache.invalidate(target);
      fill.release();
      t.is(await first, 1);
      t.is(await here!.cache.getOrSet('key', row.load, TAGS), 2);
    });

    test(`${coherence}: I8 a value that is read again during an invalidation by ${by} is not kept`, async (t) => {
      const { openers } = rig(t, 1, { l1 });
      const { cache, chaos } = openers[0]!;
      const row = new Row();
      await cache.getOrSet('key', row.load, TAGS);
      row.write();
      const removal = chaos.hold(by === 'key' ? 'entries.remove' : 'entries.removeNonces', 'request');
      const invalidated = cache.invalidate(target);
      await removal.reached;
      t.is(await cache.getOrSet('key', row.load, TAGS), 1);
      removal.release();
      await invalidated;
      t.is(await cache.getOrSet('key', row.load, TAGS), 2);
    });

    test(`${coherence}: G3 an invalidation by ${by} that the store does not answer holds in this process`, async (t) => {
      const { openers } = rig(t, 1, { l1 });
      const { cache, chaos } = openers[0]!;
      const row = new Row();
      await cache.getOrSet('key', row.load, TAGS);
      row.write();
      chaos.fail(['entries.remove', 'entries.removeNonces'], 'request lost');
      t.false((await cache.invalidate(target)).acknowledged);
      t.is(await cache.getOrSet('key', row.load, TAGS), 2);
      row.write();
      chaos.heal();
      await cache.invalidate(target);
      t.is(await cache.getOrSet('key', row.load, TAGS), 3);
    });
  }

  test(`${coherence}: E-CB8 after two processes have set a key, both return what the store has`, async (t) => {
    const { openers } = rig(t, 2, { l1 });
    const [here, there] = openers;
    await Promise.all([here!.cache.set('key', 'here'), there!.cache.set('key', 'there')]);
    await settled();
    const found = await Promise.all([here!.cache.get('key'), there!.cache.get('key')]);
    t.is(found[0], found[1]);
    await there!.cache.set('key', 'later');
    t.is(await here!.cache.get('key'), 'later');
  });

  test(`${coherence}: E-CM2 a value that is read shortly before its end ends with the entry`, async (t) => {
    const { openers, clock } = rig(t, 2, { l1 });
    const [here, there] = openers;
    let loads = 0;
    const load = async () => ++loads;
    await here!.cache.getOrSet('key', load, { ttl: '1s' });
    await clock.advance(900);
    t.is(await there!.cache.getOrSet('key', load, { ttl: '1s' }), 1);
    t.is(await there!.cache.getOrSet('key', load, { ttl: '1s' }), 1);
    await clock.advance(101);
    t.is(await there!.cache.getOrSet('key', load, { ttl: '1s' }), 2);
  });

  test(`${coherence}: a call that needs a tag that the entry in memory does not have loads again`, async (t) => {
    const { openers } = rig(t, 1, { l1 });
    const { cache } = openers[0]!;
    const row = new Row();
    await cache.getOrSet('key', row.load);
    row.write();
    t.is(await cache.getOrSet('key', row.load, TAGS), 2);
    t.is(await cache.getOrSet('key', row.load, TAGS), 2);
  });

  test(`${coherence}: a load with inheritTags has the tags of a value in memory`, async (t) => {
    const { openers } = rig(t, 1, { l1 });
    const { cache } = openers[0]!;
    const row = new Row();
    const inner = () => cache.getOrSet('inner', row.load, TAGS);
    await inner();
    t.is(await cache.getOrSet('outer', inner, { inheritTags: true }), 1);
    row.write();
    await cache.invalidate({ tags: ['org'] });
    t.is(await cache.getOrSet('outer', inner, { inheritTags: true }), 2);
  });

  test(`${coherence}: G4 after a load without a lease, the older value in memory is not returned`, async (t) => {
    const { openers, clock } = rig(t, 1, { l1 });
    const { cache, chaos } = openers[0]!;
    const row = new Row();
    await cache.getOrSet('key', row.load);
    row.write();
    await clock.advance(1);
    chaos.fail('entries.read', 'refused', 1);
    t.is(await cache.getOrSet('key', row.load, { l1: false }), 2);
    t.is(await cache.getOrSet('key', row.load), 2);
  });

  test(`${coherence}: I15 a process keeps what it has loaded after its own invalidation`, async (t) => {
    const { openers, of } = rig(t, 1, { l1 });
    const { cache } = openers[0]!;
    const row = new Row();
    for (let i = 0; i < 3; i++) {
      row.write();
      await cache.invalidate({ keys: ['key'] });
      await cache.getOrSet('key', row.load);
      await cache.getOrSet('key', row.load);
    }
    t.is(of('hit').filter(({ tier }) => tier === 'l1').length, 3);
  });
}

for (const coherence of ['bus', 'tracking'] as const) {
  test(`${coherence}: G4 a call past the memory that gets a newer value ends the older one`, async (t) => {
    const { openers } = rig(t, 2, { l1: { coherence } });
    const [here, there] = openers;
    const row = new Row();
    await here!.cache.getOrSet('key', row.load);
    here!.chaos.loseChanges(true);
    row.write();
    await there!.cache.invalidate({ keys: ['key'] });
    await there!.cache.getOrSet('key', row.load);
    t.is(await here!.cache.getOrSet('key', row.load), 1);
    t.is(await here!.cache.getOrSet('key', row.load, { l1: false }), 2);
    t.is(await here!.cache.getOrSet('key', row.load), 2);
  });
}

for (const coherence of ['bus', 'tracking'] as const) {
  const l1 = { coherence };

  test(`${coherence}: a load that is not stored ends the older value in memory`, async (t) => {
    const { openers, store, namespace } = rig(t, 1, { l1 });
    const { cache, chaos } = openers[0]!;
    const row = new Row();
    await cache.getOrSet('key', row.load);
    chaos.loseChanges(true);
    await store.entries.remove([`${namespace}:cache:key`]);
    row.write();
    t.is(await cache.getOrSet('key', row.load, { l1: false, unless: () => true }), 2);
    t.is(await cache.getOrSet('key', row.load), 2);
  });

  test(`${coherence}: a load that the store has not validated is not kept`, async (t) => {
    const { openers } = rig(t, 2, { l1 });
    const [here, there] = openers;
    const row = new Row();
    const held = new HeldLoad(row);
    const first = here!.cache.getOrSet('key', held.run, TAGS);
    await held.entered;
    here!.chaos.loseChanges(true);
    row.write();
    await there!.cache.invalidate({ tags: ['org'] });
    held.finish();
    t.is(await first, 1);
    t.is(await here!.cache.getOrSet('key', row.load, TAGS), 2);
  });

  test(`${coherence}: G4 a load that ends after a later one is not kept`, async (t) => {
    const { openers, clock } = rig(t, 1, { l1, defaults: { loadTimeout: '1s', lockTimeout: '1s' } });
    const { cache } = openers[0]!;
    const row = new Row();
    const held = new HeldLoad(row);
    const first = cache.getOrSet('key', held.run);
    await held.entered;
    row.write();
    const second = cache.getOrSet('key', row.load);
    await clock.advance(3_000);
    t.is(await second, 2);
    held.finish();
    t.is(await first, 1);
    t.is(await cache.getOrSet('key', row.load), 2);
  });

  test(`${coherence}: during a set, and after one that has failed, nothing older comes from memory`, async (t) => {
    const { openers } = rig(t, 1, { l1 });
    const { cache, chaos } = openers[0]!;
    await cache.getOrSet('key', async () => 'old');
    const lease = chaos.hold('entries.lease', 'request');
    const set = cache.set('key', 'new');
    await lease.reached;
    const reads = chaos.calls('entries.read').length;
    await cache.get('key');
    t.is(chaos.calls('entries.read').length, reads + 1);
    lease.release();
    await set;
    chaos.fail('entries.lease', 'reply lost', 1);
    await t.throwsAsync(cache.set('key', 'newer'));
    t.not(await cache.get('key'), 'new');
  });

  test(`${coherence}: a value that is read during a set is not kept`, async (t) => {
    const { openers } = rig(t, 1, { l1 });
    const { cache, chaos } = openers[0]!;
    await cache.set('key', 'old');
    chaos.loseChanges(true);
    const lease = chaos.hold('entries.lease', 'request');
    const set = cache.set('key', 'new');
    await lease.reached;
    t.is(await cache.get('key'), 'old');
    lease.release();
    t.true(await set);
    t.is(await cache.get('key'), 'new');
  });

  test(`${coherence}: during an invalidation by key nothing comes from memory`, async (t) => {
    const { openers } = rig(t, 1, { l1 });
    const { cache, chaos } = openers[0]!;
    const row = new Row();
    await cache.getOrSet('key', row.load);
    const removal = chaos.hold('entries.remove', 'request');
    const invalidated = cache.invalidate({ keys: ['key'] });
    await removal.reached;
    const reads = chaos.calls('entries.read').length;
    await cache.getOrSet('key', row.load);
    t.is(chaos.calls('entries.read').length, reads + 1);
    removal.release();
    await invalidated;
  });

  test(`${coherence}: I8 a value that is read again during an invalidation by key, and whose message is late, is not kept`, async (t) => {
    const { openers } = rig(t, 1, { l1 });
    const { cache, chaos } = openers[0]!;
    const row = new Row();
    await cache.getOrSet('key', row.load);
    chaos.loseChanges(true);
    row.write();
    const removal = chaos.hold('entries.remove', 'request');
    const invalidated = cache.invalidate({ keys: ['key'] });
    await removal.reached;
    t.is(await cache.getOrSet('key', row.load), 1);
    removal.release();
    await invalidated;
    t.is(await cache.getOrSet('key', row.load), 2);
  });
}

test('validate: E-B6 nothing stale is returned even if every message is lost', async (t) => {
  const { openers } = rig(t, 2, { l1: { coherence: 'validate' } });
  const [here, there] = openers;
  here!.chaos.loseChanges(true);
  for (const { by, target } of TARGETS) {
    const row = new Row();
    await here!.cache.getOrSet('key', row.load, TAGS);
    t.is(await here!.cache.getOrSet('key', row.load, TAGS), 1);
    row.write();
    await there!.cache.invalidate(target);
    t.is(await here!.cache.getOrSet('key', row.load, TAGS), 2, by);
    await here!.cache.clear();
  }
});

test('validate: a hit sends the token, and the store does not send the record', async (t) => {
  const { openers, store, namespace } = rig(t, 1, { l1: { coherence: 'validate' } });
  const { cache, chaos } = openers[0]!;
  await cache.getOrSet('key', async () => 'value');
  await cache.getOrSet('key', async () => t.fail());
  const [, , , known] = chaos.calls('entries.read').at(-1)!;
  const snapshot = await store.entries.read(`${namespace}:cache:key`, [], undefined, known);
  t.true(snapshot.isUnchanged);
  t.is(snapshot.record, null);
});

test('an option of a call: false leaves the memory out, and a ttl limits the time since the value was read', async (t) => {
  const { openers, clock, of } = rig(t, 1, { l1: true });
  const { cache } = openers[0]!;
  const load = async () => 'value';
  await cache.getOrSet('key', load);
  await cache.getOrSet('key', load, { l1: false });
  await clock.advance(5_000);
  await cache.getOrSet('key', load, { l1: { ttl: '5s' } });
  await cache.getOrSet('key', load, { l1: { ttl: '6s' } });
  await clock.advance(5_000);
  await cache.getOrSet('key', load, { l1: { ttl: '6s' } });
  t.deepEqual(
    of('hit').map(({ tier }) => tier),
    ['l2', 'l2', 'l1', 'l1'],
  );
});

test('the ttl of the memory ends an entry that no message has ended', async (t) => {
  const { openers, clock } = rig(t, 2, { l1: { ttl: '10s' } });
  const [here, there] = openers;
  const row = new Row();
  await here!.cache.getOrSet('key', row.load);
  here!.chaos.loseChanges(true);
  row.write();
  await there!.cache.invalidate({ keys: ['key'] });
  await clock.advance(9_999);
  t.is(await here!.cache.getOrSet('key', row.load), 1);
  await clock.advance(1);
  t.is(await here!.cache.getOrSet('key', row.load), 2);
});

test('a closed Caching returns nothing from memory', async (t) => {
  const { openers } = rig(t, 1, { l1: true });
  const { caching, cache } = openers[0]!;
  const row = new Row();
  await cache.getOrSet('key', row.load);
  await caching.close();
  row.write();
  t.is(await cache.getOrSet('key', row.load), 2);
});

test('reference: hits return the same object, which is not the one that the loader has returned', async (t) => {
  const { openers } = rig(t, 1, { l1: true });
  const { cache } = openers[0]!;
  const loaded = { id: 1 };
  await cache.getOrSet('key', async () => loaded);
  const [first, second] = [await cache.get('key'), await cache.get('key')];
  t.is(first, second);
  t.not(first, loaded);
});

test('frozen: hits return an object that cannot be changed, and copies of what cannot be frozen', async (t) => {
  const { openers } = rig(t, 1, { l1: { values: 'frozen' } });
  const { cache } = openers[0]!;
  await cache.getOrSet('key', async () => ({ list: [{ id: 1 }] }));
  const found = (await cache.get<{ list: { id: number }[] }>('key'))!;
  t.throws(() => (found.list[0]!.id = 2), { instanceOf: TypeError });
  t.is(await cache.get('key'), found);
  await cache.getOrSet('map', async () => ({ map: new Map([[1, 2]]) }));
  const one = (await cache.get<{ map: Map<number, number> }>('map'))!;
  one.map.set(1, 3);
  t.deepEqual(await cache.get('map'), { map: new Map([[1, 2]]) });
});

test('cloned: every hit returns a copy', async (t) => {
  const { openers, of } = rig(t, 1, { l1: { values: 'cloned' } });
  const { cache } = openers[0]!;
  await cache.getOrSet('key', async () => ({ id: 1 }));
  for (let i = 0; i < 3; i++) {
    const found = (await cache.get<{ id: number }>('key'))!;
    t.is(found.id, 1);
    found.id = 2;
  }
  t.true(of('hit').every(({ tier }) => tier === 'l1'));
});

test('a held load: a call that starts after the invalidation does not get what memory had', async (t) => {
  const { openers } = rig(t, 1, { l1: true });
  const { cache } = openers[0]!;
  const row = new Row();
  await cache.getOrSet('key', row.load);
  await cache.invalidate({ keys: ['key'] });
  const held = new HeldLoad(row);
  const first = cache.getOrSet('key', held.run);
  await held.entered;
  row.write();
  await cache.invalidate({ keys: ['key'] });
  const second = cache.getOrSet('key', row.load);
  await settled();
  held.finish();
  t.is(await first, 1);
  t.is(await second, 2);
  t.is(await cache.getOrSet('key', row.load), 2);
});

test('bad options are refused with what is expected', (t) => {
  for (const [l1, message] of [
    [{ ttl: 0 }, /ttl of new Caching\(\{ l1 \}\) is a duration/],
    [{ coherence: 'bos' }, /coherence of new Caching\(\{ l1 \}\) is 'bus', 'tracking' or 'validate'/],
    [{ maxEntries: 0 }, /maxEntries of new Caching\(\{ l1 \}\)/],
    [{ size: 5 }, /has no option 'size'/],
    ['yes', /takes an object of options/],
  ] as const) {
    t.throws(() => rig(t, 1, { l1: l1 as never }), { name: 'OptionsError', message });
  }
});
