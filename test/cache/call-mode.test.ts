import test from 'ava';
import type { GetOrSetOptions } from '../../src/core/cache/cache.js';
import { OptionsError, StoreUnavailableError } from '../../src/core/shared/errors.js';
import { withRequestMemo } from '../../src/core/cache/request-memo.js';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';

const DOWN = new Error('The database is down.');
const fails = async (): Promise<number> => {
  throw DOWN;
};
const notCalled = async (): Promise<number> => {
  throw new Error('The loader was called.');
};

// --- bypass ----------------------------------------------------------------------------------------------------------

test('bypass: cached calls run their loaders, and read and store nothing', async (t) => {
  const { caching, cache, chaos } = rig(t).openers[0]!;
  const row = new Row();
  const read = (): Promise<number> => cache.getOrSet('key', row.load);
  await read();
  row.write();
  const asked = chaos.verbs.length;
  t.deepEqual(
    await caching.bypass(async () => {
      const first = await read();
      row.write();
      return [first, await read(), await cache.getOrSet('other', row.load)];
    }),
    [2, 3, 3],
  );
  t.is(chaos.verbs.length, asked, 'The store is not asked.');
  t.is(await read(), 1, 'The entry is as before.');
  t.false(await cache.has('other'));
});

test('bypass: the other verbs are as always', async (t) => {
  const { caching, cache } = rig(t).openers[0]!;
  await caching.bypass(async () => {
    await cache.set('key', 1);
    t.is(await cache.get('key'), 1);
    await cache.invalidate({ keys: ['key'] });
    t.is(await cache.get('key'), undefined);
  });
});

test('bypass: an entry of an enclosing load with inheritTags is not stored, because its tags are not known', async (t) => {
  const { caching, cache } = rig(t).openers[0]!;
  const outer = (): Promise<number> =>
    cache.getOrSet('outer', () => caching.bypass(() => cache.getOrSet('inner', new Row().load)), {
      inheritTags: true,
    });
  t.is(await outer(), 1);
  t.false(await cache.has('outer'));
});

test('a mode is of one Caching, and the innermost one counts', async (t) => {
  const [one, other] = [rig(t).openers[0]!, rig(t).openers[0]!];
  const row = new Row();
  const read = ({ cache }: typeof one): Promise<number> => cache.getOrSet('key', row.load);
  await Promise.all([read(one), read(other)]);
  row.write();
  t.deepEqual(await one.caching.bypass(() => Promise.all([read(one), read(other)])), [2, 1]);
  t.deepEqual(
    await one.caching.bypass(() =>
      other.caching.bypass(async () => [
        await read(one),
        await read(other),
        await one.caching.refresh(() => read(one)),
      ]),
    ),
    [2, 2, 2],
  );
  t.is(await one.cache.get('key'), 2, 'The refresh within the bypass has stored.');
  t.is(await other.cache.get('key'), 1);
});

test('a mode takes a function, returns what it returns, and throws what it throws', (t) => {
  const { caching } = rig(t).openers[0]!;
  t.is(
    caching.bypass(() => 7),
    7,
  );
  t.throws(
    () =>
      caching.refresh(() => {
        throw DOWN;
      }),
    { is: DOWN },
  );
  t.throws(() => caching.bypass(Promise.resolve() as never), {
    instanceOf: OptionsError,
    message: 'caching.bypass takes a function to run, and a promise was given.',
  });
  t.throws(() => caching.refresh(undefined as never), {
    instanceOf: OptionsError,
    message: 'caching.refresh takes a function to run, and undefined was given.',
  });
});

test('a Caching that is not enabled only runs the loaders', async (t) => {
  const { caching, cache } = rig(t, 1, { enabled: false }).openers[0]!;
  t.is(await caching.refresh(() => cache.getOrSet('key', new Row().load)), 1);
  t.is(await caching.bypass(() => cache.getOrSet('key', new Row().load)), 1);
});

// --- refresh ---------------------------------------------------------------------------------------------------------

test('refresh: cached calls load anew, and what they load is what all processes read', async (t) => {
  const { openers } = rig(t, 2);
  const [one, other] = [openers[0]!, openers[1]!];
  const row = new Row();
  await one.cache.getOrSet('key', row.load);
  row.write();
  t.is(await one.caching.refresh(() => one.cache.getOrSet('key', row.load)), 2);
  t.is(await one.cache.getOrSet('key', notCalled), 2);
  t.is(await other.cache.getOrSet('key', notCalled), 2);
});

test('refresh: a key is loaded once, and later calls read it as always', async (t) => {
  const { openers, of } = rig(t);
  const { caching, cache } = openers[0]!;
  const row = new Row();
  await caching.refresh(async () => {
    for (let i = 0; i < 3; i++) await cache.getOrSet('key', row.load);
    await Promise.all([cache.getOrSet('other', row.load), cache.getOrSet('other', row.load)]);
  });
  t.deepEqual(
    of('load').map(({ key }) => key),
    ['key', 'other'],
  );
});

test('refresh: memories of this and of other processes have the new value', async (t) => {
  const { openers } = rig(t, 2, { l1: true });
  const row = new Row();
  const read = (i: number): Promise<number> => openers[i]!.cache.getOrSet('key', row.load);
  await Promise.all(openers.map(({ caching }) => caching.ready()));
  await read(0);
  await read(1);
  t.deepEqual(await openers[1]!.cache.peek('key'), { value: 1, tier: 'l1' });
  row.write();
  await openers[0]!.caching.refresh(() => read(0));
  t.is(await read(0), 2);
  t.is(await read(1), 2);
});

test('G1 no resurrection: a load that was started before a refresh is not stored, in this process and in others', async (t) => {
  for (const older of [0, 1]) {
    const { openers } = rig(t, 2);
    const row = new Row();
    const held = new HeldLoad(row);
    const old = openers[older]!.cache.getOrSet('key', held.run);
    await held.entered;
    row.write();
    const { caching, cache } = openers[0]!;
    t.is(await caching.refresh(() => cache.getOrSet('key', row.load)), 2, 'It does not join the older load.');
    held.finish();
    t.is(await old, 1);
    for (const one of openers) t.is(await one.cache.getOrSet('key', notCalled), 2);
  }
});

test('G1 no resurrection: an invalidation during a refresh wins', async (t) => {
  const { openers } = rig(t, 2);
  const { caching, cache } = openers[0]!;
  const row = new Row();
  const held = new HeldLoad(row);
  const refreshed = caching.refresh(() => cache.getOrSet('key', held.run, { tags: ['tag'] }));
  await held.entered;
  row.write();
  await openers[1]!.cache.invalidate({ tags: ['tag'] });
  held.finish();
  t.is(await refreshed, 1);
  t.is(await cache.getOrSet('key', row.load), 2);
});

test('G5 one load: refreshes share a load that has not called its loader, and start another one after that', async (t) => {
  const { openers, of } = rig(t);
  const { caching, cache } = openers[0]!;
  const row = new Row();
  const first = new HeldLoad(row);
  const refresh = (load: () => Promise<number>): Promise<number> =>
    caching.refresh(() => cache.getOrSet('key', load));
  const early = [refresh(first.run), refresh(notCalled)];
  await first.entered;
  row.write();
  const second = new HeldLoad(row);
  const late = [refresh(second.run), refresh(notCalled)];
  await second.entered;
  first.finish();
  second.finish();
  t.deepEqual(await Promise.all([...early, ...late]), [1, 1, 2, 2]);
  t.is(await cache.get('key'), 2);
  t.is(of('coalesced').length, 2);
});

test('refresh: other calls of the key get the value of before until it has loaded, and the new one after that', async (t) => {
  const { openers } = rig(t, 2, { l1: true });
  const row = new Row();
  const { caching, cache } = openers[0]!;
  await Promise.all(openers.map((one) => one.caching.ready()));
  for (const one of openers) await one.cache.getOrSet('key', row.load);
  t.is((await cache.peek('key'))?.tier, 'l1');
  row.write();
  const held = new HeldLoad(row);
  const refreshed = caching.refresh(() => cache.getOrSet('key', held.run));
  await held.entered;
  const others = (): Promise<number[]> =>
    Promise.all(openers.map((one) => one.cache.getOrSet('key', notCalled)));
  t.deepEqual(await others(), [1, 1]);
  held.finish();
  t.is(await refreshed, 2);
  t.deepEqual(await others(), [2, 2]);
});

test('refresh: calls of a key without a value wait for its load', async (t) => {
  const { openers } = rig(t, 2);
  const { caching, cache } = openers[0]!;
  const held = new HeldLoad(new Row());
  const refreshed = caching.refresh(() => cache.getOrSet('key', held.run));
  await held.entered;
  const others = openers.map((one) => one.cache.getOrSet('key', notCalled));
  await settled();
  held.finish();
  t.deepEqual(await Promise.all([refreshed, ...others]), [1, 1, 1]);
});

test('refresh: if the load fails, the call rejects, and the entry is as before', async (t) => {
  const { openers } = rig(t, 2);
  const { caching, cache } = openers[0]!;
  const row = new Row();
  await cache.getOrSet('key', row.load);
  row.write();
  await caching.refresh(async () => {
    await t.throwsAsync(cache.getOrSet('key', fails), { is: DOWN });
    for (const one of openers) t.is(await one.cache.get('key'), 1);
    t.is(await cache.getOrSet('key', row.load), 2, 'It is still to be refreshed.');
  });
});

test('refresh: a value that is not stored leaves no older one behind', async (t) => {
  const { openers } = rig(t, 2);
  const { caching, cache } = openers[0]!;
  const row = new Row();
  const refusals: readonly GetOrSetOptions<number>[] = [
    { unless: (value) => value > 1 },
    { inheritTags: true },
  ];
  for (const options of refusals) {
    row.version = 1;
    await cache.set('key', 1);
    row.write();
    const load = (): Promise<number> => caching.bypass(() => cache.getOrSet('inner', row.load));
    t.is(await caching.refresh(() => cache.getOrSet('key', load, options)), 2);
    for (const one of openers) t.is(await one.cache.get('key'), undefined);
  }
});

test('G4 monotonic: after a refresh, an older load that fails returns no stale value, also if the store is away', async (t) => {
  const { openers, clock } = rig(t);
  const { caching, cache, chaos } = openers[0]!;
  const grace = { ttl: '1m', grace: '1h' } as const;
  const row = new Row();
  await cache.getOrSet('key', row.load, grace);
  await clock.advance(60_000);
  row.write();
  const held = new HeldLoad(row);
  const old = cache.getOrSet('key', held.run, grace);
  await held.entered;
  t.is(await caching.refresh(() => cache.getOrSet('key', row.load, grace)), 2);
  chaos.fail(['entries.release', 'entries.nonces'], 'refused');
  held.fail(DOWN);
  await t.throwsAsync(old, { is: DOWN });
});

test('G10 bounded: while the store is away, a refresh returns what it loads and stores nothing', async (t) => {
  const { openers } = rig(t);
  const { caching, cache, chaos } = openers[0]!;
  chaos.fail('entries.lease', 'refused');
  t.is(await caching.refresh(() => cache.getOrSet('key', new Row().load)), 1);
  chaos.heal();
  t.false(await cache.has('key'));
  chaos.fail('entries.read', 'refused');
  await t.throwsAsync(cache.get('key'), { instanceOf: StoreUnavailableError });
});

test('refresh: a request with a memo remembers the new value', async (t) => {
  const { caching, cache } = rig(t).openers[0]!;
  const row = new Row();
  const read = (): Promise<number> => cache.getOrSet('key', row.load);
  await withRequestMemo(async () => {
    t.is(await read(), 1);
    row.write();
    t.is(await caching.refresh(read), 2);
    t.is(await read(), 2);
  });
});

test('refresh: calls within a load that it starts load anew, too', async (t) => {
  const { caching, cache } = rig(t).openers[0]!;
  const row = new Row();
  const inner = (): Promise<number> => cache.getOrSet('inner', row.load);
  await inner();
  row.write();
  t.is(await caching.refresh(() => cache.getOrSet('outer', inner)), 2);
  t.is(await inner(), 2);
});

test('bypass and refresh: the ids of getOrSetMany are loaded together', async (t) => {
  const { caching, cache } = rig(t).openers[0]!;
  const row = new Row();
  const calls: (readonly string[])[] = [];
  const load = async (ids: readonly string[]): Promise<Map<string, number>> => {
    calls.push([...ids]);
    return new Map(ids.map((id) => [id, row.version]));
  };
  const read = async (): Promise<number[]> => [
    ...(await cache.getOrSetMany(['a', 'b'], load, { key: (id) => id })).values(),
  ];
  t.deepEqual(await read(), [1, 1]);
  row.write();
  t.deepEqual(await caching.bypass(read), [2, 2]);
  t.deepEqual(await read(), [1, 1]);
  t.deepEqual(await caching.refresh(read), [2, 2]);
  t.deepEqual(await read(), [2, 2]);
  t.deepEqual(calls, [
    ['a', 'b'],
    ['a', 'b'],
    ['a', 'b'],
  ]);
});

test('refresh: a load that asks for its own key does not wait for itself', async (t) => {
  const { caching, cache } = rig(t).openers[0]!;
  const value = await caching.refresh(() =>
    cache.getOrSet('key', () => cache.getOrSet('key', new Row().load)),
  );
  t.is(value, 1);
});
