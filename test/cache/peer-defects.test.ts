import test from 'ava';
import { createDecorators } from '../../src/index.js';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';
import { TARGETS } from './invalidation-targets.js';

/**
 * What other caching libraries were measured to do wrong when they read: each with the name under which it was measured.
 * Those of writes that meet a load in flight are in cache-engine.test.ts and test/coherence.
 */

const DOWN = new Error('The database is down.');

for (const { by, target } of TARGETS) {
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
