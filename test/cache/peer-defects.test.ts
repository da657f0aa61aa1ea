import test from 'ava';
import type { Cache } from '../../src/core/cache/cache.js';
import { memory } from '../../src/adapters/memory/index.js';
import { StoreKeys } from '../../src/core/keys/store-keys.js';
import { Caching, createDecorators } from '../../src/index.js';
import { fakeClock } from '../../src/testing/fake-clock.js';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';
import { TARGETS } from './invalidation-targets.js';

/**
 * What other caching libraries were measured to do wrong: each with the name under which it was measured. Those of an L1
 * are in test/l1, those of HTTP in test/adapters/http, those of redlock in test/adapters/ioredis/locks.
 */

const DOWN = new Error('The database is down.');

const STALE_FILLS = {
  key: 'E-B1, E-L1, E-A1, E-C1, E-CB2, E-CM1',
  tag: 'E-B2, E-L2, E-CB4, E-RX1',
  clear: 'E-B15, E-CB9',
} as const;

for (const { by, target } of TARGETS) {
  for (const l1 of [false, true]) {
    for (const writer of [0, 1] as const) {
      const where = `${writer === 0 ? 'this' : 'another'} process${l1 ? ', with an L1' : ''}`;

      test(`${STALE_FILLS[by]} a load that read before an invalidation by ${by} stores nothing (${where})`, async (t) => {
        const { openers } = rig(t, 2, { l1 });
        const reader = openers[0]!;
        const row = new Row();
        const held = new HeldLoad(row);
        const options = { tags: ['org'] };
        const first = reader.cache.getOrSet('key', held.run, options);
        await held.entered;
        row.write();
        await openers[writer]!.cache.invalidate(target);
        held.finish();
        t.is(await first, 1);
        for (const { cache } of openers) t.is(await cache.getOrSet('key', row.load, options), 2);
      });

      test(`E-L7 a batch that read before an invalidation by ${by} stores nothing of it (${where})`, async (t) => {
        const { openers } = rig(t, 2, { l1 });
        const row = new Row();
        const held = new HeldLoad(row);
        const options = { key: (id: string) => id, tags: () => ['org'] };
        const read = async (cache: Cache, load: () => Promise<number>): Promise<number | undefined> => {
          const loadAll = async (ids: string[]): Promise<number[]> => {
            const version = await load();
            return ids.map(() => version);
          };
          return (await cache.getOrSetMany(['key', 'other'], loadAll, options)).get('key');
        };
        const first = read(openers[0]!.cache, held.run);
        await held.entered;
        row.write();
        await openers[writer]!.cache.invalidate(target);
        held.finish();
        await first;
        for (const { cache } of openers) t.is(await read(cache, row.load), 2);
      });
    }
  }

  test(`E-TC1 @Invalidates by ${by} during a load of @Cached: what the load has read is not stored`, async (t) => {
    const { openers } = rig(t);
    const { Cached, Invalidates } = createDecorators(openers[0]!.caching);
    const row = new Row();
    const held = new HeldLoad(row);
    const loads = [held.run, row.load];
    class Rows {
      @Cached({ key: 'key', tags: ['org'], ttl: '1m' })
      async find(): Promise<number> {
        return loads.shift()!();
      }
      @Invalidates('all' in target ? { all: true } : 'keys' in target ? { keys: ['key'] } : { tags: ['org'] })
      async write(): Promise<number> {
        return row.write();
      }
    }
    const rows = new Rows();
    const first = rows.find();
    await held.entered;
    await rows.write();
    held.finish();
    t.is(await first, 1);
    t.is(await rows.find(), 2);
  });

  test(`E-B9 with grace, a writer does not read its own stale value after an invalidation by ${by}`, async (t) => {
    const { openers } = rig(t);
    const { cache } = openers[0]!;
    const options = { ttl: '1m', grace: '1h', softTimeout: 0, tags: ['org'] } as const;
    const row = new Row();
    await cache.getOrSet('key', row.load, options);
    row.write();
    await cache.invalidate(target);
    t.is(await cache.getOrSet('key', row.load, options), 2);
  });
}

test('E-B5 the back-off counts from the failure, also long after the ttl', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const options = { ttl: '1s', grace: '1h', graceBackoff: '500ms' } as const;
  await cache.getOrSet('key', new Row().load, options);
  await clock.advance(4_250);
  let loads = 0;
  const fails = async (): Promise<number> => {
    loads += 1;
    throw DOWN;
  };
  for (let i = 0; i < 10; i++) t.is(await cache.getOrSet('key', fails, options), 1);
  t.is(loads, 1);
});

test('E-B14 loads that fail do not make a stale value live longer', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const options = { ttl: '1s', grace: '400ms', graceBackoff: 0 } as const;
  await cache.getOrSet('key', new Row().load, options);
  const fails = async (): Promise<number> => {
    throw DOWN;
  };
  await clock.advance(1_000);
  for (let i = 0; i < 3; i++) {
    t.is(await cache.getOrSet('key', fails, options), 1);
    await clock.advance(133);
  }
  await clock.advance(1);
  await t.throwsAsync(cache.getOrSet('key', fails, options), { is: DOWN });
});

test('E-CB1, E-L4, E-TC5, E-B13 falsy values, null, undefined and dates as text are hits in another process', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const values = [0, false, '', null, undefined, '2026-11-28T00:00:00.000Z', new Date(0)];
  for (const [i, value] of values.entries()) {
    t.deepEqual(await here!.cache.getOrSet(`key ${i}`, () => value), value);
    const again = await there!.cache.getOrSet<unknown>(`key ${i}`, () => 'loaded again');
    t.deepEqual(again, value);
  }
});

test('E-CB3 the error of a loader is the error of the call, and is not cached', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const fails = async (): Promise<number> => {
    throw DOWN;
  };
  await t.throwsAsync(cache.getOrSet('key', fails), { is: DOWN });
  t.is(await cache.getOrSet('key', () => 1), 1);
});

test('E-B4 callers of a loader that fails share its error, and a newcomer starts one load', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const held = new HeldLoad(new Row());
  const calls = Array.from({ length: 10 }, () => cache.getOrSet('key', held.run));
  await held.entered;
  await settled();
  held.fail(DOWN);
  const outcomes = await Promise.allSettled(calls);
  t.true(outcomes.every((outcome) => outcome.status === 'rejected' && outcome.reason === DOWN));
  t.is(held.runs, 1);
  const next = new HeldLoad(new Row());
  const later = Array.from({ length: 10 }, () => cache.getOrSet('key', next.run));
  await next.entered;
  next.finish();
  await Promise.all(later);
  t.is(next.runs, 1);
});

test('E-A2, E-A3 a call after an invalidation joins no older load, and the older load does not detach the newer one', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const row = new Row();
  const [first, second] = [new HeldLoad(row), new HeldLoad(row)];
  const one = cache.getOrSet('key', first.run);
  await first.entered;
  row.write();
  await cache.invalidate({ keys: ['key'] });
  const two = cache.getOrSet('key', second.run);
  await second.entered;
  first.finish();
  t.is(await one, 1);
  const three = cache.getOrSet('key', async () => 3);
  await settled();
  second.finish();
  t.deepEqual(await Promise.all([two, three]), [2, 2]);
});

test('E-X1, E-L6 a cold key, alone and in batches, is loaded once by all processes', async (t) => {
  const { openers } = rig(t, 3);
  let loads = 0;
  await Promise.all(openers.map(({ cache }) => cache.getOrSet('key', async () => ++loads)));
  t.is(loads, 1);
  const asked: number[] = [];
  await Promise.all(
    openers.map(({ cache }) =>
      cache.getOrSetMany(
        [1, 2],
        async (ids) => {
          asked.push(...ids);
          return ids.map(() => 'value');
        },
        { key: (id) => `many:${id}` },
      ),
    ),
  );
  t.deepEqual(asked.toSorted(), [1, 2]);
});

test('E-RX2 a load that takes long keeps its lease: no other process loads meanwhile', async (t) => {
  const { openers, clock } = rig(t, 2);
  const [here, there] = openers;
  const held = new HeldLoad(new Row());
  const options = { lease: '1s', lockTimeout: '1m', loadTimeout: '1m' } as const;
  const first = here!.cache.getOrSet('key', held.run, options);
  await held.entered;
  const second = there!.cache.getOrSet('key', async () => 99, options);
  await clock.advance(10_000);
  held.finish();
  t.deepEqual(await Promise.all([first, second]), [1, 1]);
});

test('E-TC3 two classes with a method of one name do not share entries', async (t) => {
  const { openers } = rig(t);
  const { Cached } = createDecorators(openers[0]!.caching);
  class Users {
    @Cached()
    async find(id: string): Promise<string> {
      return `user ${id}`;
    }
  }
  class Orders {
    @Cached()
    async find(id: string): Promise<string> {
      return `order ${id}`;
    }
  }
  t.is(await new Users().find('1'), 'user 1');
  t.is(await new Orders().find('1'), 'order 1');
});

test('E-TC2 an invalidation of a key ends no key that contains it', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  for (const key of ['user:1', 'user:10', 'xuser:1']) await cache.set(key, key);
  await cache.invalidate({ keys: ['user:1'] });
  t.deepEqual(
    [await cache.has('user:1'), await cache.has('user:10'), await cache.has('xuser:1')],
    [false, true, true],
  );
});

test('E-B18 a caller that changes its value does not change that of the next one', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const load = async (): Promise<{ names: string[] }> => ({ names: ['Ada'] });
  await cache.getOrSet('key', load);
  const value = await cache.getOrSet('key', load);
  value.names.push('changed');
  t.deepEqual(await cache.getOrSet('key', load), { names: ['Ada'] });
});

test('E-B7, E-L3, E-B19 a nonce of a tag that the store has lost ends the entries of the tag, and none comes back', async (t) => {
  const { openers, store, namespace } = rig(t);
  const { cache } = openers[0]!;
  const row = new Row();
  const options = { tags: ['org'] };
  await cache.getOrSet('key', row.load, options);
  row.write();
  await cache.invalidate({ tags: ['org'] });
  const names = new StoreKeys(namespace);
  await store.entries.removeNonces(names.tags(['org']), names.tagChanges, [], '');
  t.is(await cache.getOrSet('key', row.load, options), 2);
  row.write();
  await store.entries.removeNonces(names.tags(['org']), names.tagChanges, [], '');
  t.is(await cache.getOrSet('key', row.load, options), 3);
});

test('E-B16 the clock of a process does not decide what it invalidates: one that is an hour behind ends entries, too', async (t) => {
  const clock = fakeClock();
  const clocks = [clock, { ...clock, now: () => clock.now() - 3_600_000 }];
  const adapter = memory();
  const [inTime, behind] = clocks.map(
    (own) => new Caching({ adapter, namespace: 'skew', clock: own, defaults: { ttl: '1m' } }),
  );
  t.teardown(() => Promise.all([inTime!.close(), behind!.close()]));
  const row = new Row();
  const options = { tags: ['org'] };
  for (const { target } of TARGETS) {
    await inTime!.cache.getOrSet('key', row.load, options);
    const version = row.write();
    await behind!.cache.invalidate(target);
    t.is(await inTime!.cache.getOrSet('key', row.load, options), version);
  }
});

test('E-A4 an invalidation by tag ends an entry of any age', async (t) => {
  const { openers, clock } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  const options = { tags: ['org'], ttl: '30d' } as const;
  await here!.cache.getOrSet('key', row.load, options);
  await clock.advance(29 * 86_400_000);
  t.is(await here!.cache.getOrSet('key', row.load, options), 1);
  row.write();
  await there!.cache.invalidate({ tags: ['org'] });
  t.is(await here!.cache.getOrSet('key', row.load, options), 2);
});

test('E-CB5 of several invalidations of a tag at the same time, each ends what was loaded before it', async (t) => {
  const { openers } = rig(t, 3);
  const options = { tags: ['org'] };
  for (let round = 0; round < 10; round++) {
    const row = new Row();
    const held = new HeldLoad(row);
    const loading = openers[0]!.cache.getOrSet('key', held.run, options);
    await held.entered;
    row.write();
    await Promise.all(openers.map(({ cache }) => cache.invalidate({ tags: ['org'] })));
    held.finish();
    t.is(await loading, 1);
    t.is(await openers[1]!.cache.getOrSet('key', row.load, options), 2);
    row.write();
    await Promise.all(openers.map(({ cache }) => cache.invalidate({ tags: ['org'] })));
    t.is(await openers[2]!.cache.getOrSet('key', row.load, options), 3);
    await openers[0]!.cache.invalidate({ keys: ['key'] });
  }
});

test('a value for a call that fails is a catch around the call, and is not stored', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const fails = async (): Promise<number> => {
    throw DOWN;
  };
  t.is(await cache.getOrSet('key', fails).catch(() => -1), -1);
  t.is(await cache.getOrSet('key', async () => 2), 2);
});

test('values of one process only are in a Caching of their own, on memory()', async (t) => {
  const { openers } = rig(t);
  const shared = openers[0]!.caching;
  const local = new Caching({ adapter: memory(), namespace: 'local', defaults: { ttl: '1m' } });
  t.teardown(() => local.close());
  const { Cached } = createDecorators(shared);
  class Rows {
    @Cached({ key: 'shared' })
    async shared(): Promise<number> {
      return 1;
    }
    @Cached({ key: 'local', cache: local })
    async local(): Promise<number> {
      return 2;
    }
  }
  const rows = new Rows();
  t.deepEqual([await rows.shared(), await rows.local()], [1, 2]);
  t.deepEqual([await shared.cache.get('shared'), await shared.cache.get('local')], [1, undefined]);
  t.deepEqual([await local.cache.get('shared'), await local.cache.get('local')], [undefined, 2]);
});
