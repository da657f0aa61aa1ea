import test, { type ExecutionContext } from 'ava';
import { OptionsError } from '../../src/core/shared/errors.js';
import { createDecorators } from '../../src/index.js';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';
import { TARGETS } from './invalidation-targets.js';

const key = (id: number): string => `row:${id}`;

/** A loader that records the ids it is called with. */
function recorder(has: (id: number) => boolean = () => true) {
  const asked: number[][] = [];
  const load = async (ids: number[]): Promise<Map<number, string>> => {
    asked.push([...ids]);
    return new Map(ids.filter(has).map((id) => [id, `value ${id}`]));
  };
  return { asked, load };
}

const decorated = (t: ExecutionContext) => {
  const { openers, of, clock } = rig(t);
  return { ...createDecorators(openers[0]!.caching), opener: openers[0]!, of, clock };
};

test('only the ids that are missing reach the loader; the result is in the order of the ids', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const { asked, load } = recorder();
  t.deepEqual(
    [...(await cache.getOrSetMany([3, 1], load, { key }))],
    [
      [3, 'value 3'],
      [1, 'value 1'],
    ],
  );
  t.deepEqual([...(await cache.getOrSetMany([1, 2, 3, 4], load, { key })).keys()], [1, 2, 3, 4]);
  t.deepEqual(asked, [
    [3, 1],
    [2, 4],
  ]);
  await cache.getOrSetMany([4, 3], load, { key });
  t.is(asked.length, 2);
  t.deepEqual(await cache.getOrSetMany([], load, { key }), new Map());
});

test('the entries are looked up together, and the leases are asked for together', async (t) => {
  const { openers } = rig(t);
  const { cache, chaos } = openers[0]!;
  const read = chaos.hold('entries.read', 'request');
  const call = cache.getOrSetMany([1, 2, 3], recorder().load, { key });
  await read.reached;
  await settled();
  t.is(chaos.calls('entries.read').length, 3);
  read.release();
  await call;
});

test('duplicates reach the loader once, and ids with the same key are one', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const asked: unknown[][] = [];
  const load = async (ids: (number | string)[]): Promise<Map<unknown, string>> => {
    asked.push([...ids]);
    return new Map(ids.map((id) => [id, `value ${id}`]));
  };
  const found = await cache.getOrSetMany<number | string, string>([1, 2, 1, '2'], load as never, {
    key: (id) => `row:${id}`,
  });
  t.deepEqual(
    asked,
    [[1, '2']].map(([one]) => [one, asked[0]![1]]),
  );
  t.is(asked[0]!.length, 2);
  t.deepEqual([...found.keys()], [1, 2, '2']);
});

test('an id without a value is left out, and that it has none is stored for negativeTtl', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const { asked, load } = recorder((id) => id !== 2);
  const options = { key, negativeTtl: '10s' } as const;
  t.deepEqual([...(await cache.getOrSetMany([1, 2], load, options)).keys()], [1]);
  t.deepEqual([...(await cache.getOrSetMany([1, 2], load, options)).keys()], [1]);
  t.is(asked.length, 1);
  await clock.advance(10_001);
  await cache.getOrSetMany([1, 2], load, options);
  t.deepEqual(asked[1], [2]);
  const never = { key: (id: number) => `other:${id}`, negativeTtl: 0 };
  await cache.getOrSetMany([2], load, never);
  await cache.getOrSetMany([2], load, never);
  t.is(asked.length, 4);
});

test('a loader may return a list, a list in another order with idOf, or an object', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const rows = [
    { id: 2, name: 'b' },
    { id: 1, name: 'a' },
  ];
  const inOrder = await cache.getOrSetMany([1, 2], async (ids) => ids.map((id) => `value ${id}`), { key });
  t.deepEqual(
    [...inOrder],
    [
      [1, 'value 1'],
      [2, 'value 2'],
    ],
  );
  const byId = await cache.getOrSetMany([1, 2, 3], async () => rows, {
    key: (id) => `named:${id}`,
    idOf: (row) => row.id,
  });
  t.deepEqual(
    [...byId],
    [
      [1, rows[1]],
      [2, rows[0]],
    ],
  );
  const object = await cache.getOrSetMany(['a', 'constructor'], async () => ({ a: 1 }), {
    key: (id) => `object:${id}`,
  });
  t.deepEqual([...object], [['a', 1]]);
});

test('a list of another length, and what is no collection, reject with an OptionsError', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  await t.throwsAsync(
    cache.getOrSetMany([1, 2], async () => ['one'], { key }),
    {
      instanceOf: OptionsError,
      message: /2 ids and returned a list of 1.*idOf/,
    },
  );
  await t.throwsAsync(cache.getOrSetMany([1], (async () => 7) as never, { key }), {
    instanceOf: OptionsError,
    message: /a Map, a list or an object, and it returned 7/,
  });
  await t.throwsAsync(
    cache.getOrSetMany(1 as never, async () => new Map(), { key }),
    {
      instanceOf: OptionsError,
    },
  );
  await t.throwsAsync(
    cache.getOrSetMany([1], async () => new Map(), {} as never),
    {
      instanceOf: OptionsError,
      message: /needs the option key/,
    },
  );
});

test('the error of the loader is the error of the call, and nothing is stored', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const error = new Error('The database is down.');
  const fails = async (): Promise<Map<number, string>> => {
    throw error;
  };
  await t.throwsAsync(cache.getOrSetMany([1, 2], fails, { key }), { is: error });
  t.is(await cache.get('row:1'), undefined);
});

test('chunkSize bounds the ids of one call of the loader', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const { asked, load } = recorder();
  const ids = [1, 2, 3, 4, 5];
  t.is((await cache.getOrSetMany(ids, load, { key, chunkSize: 2 })).size, 5);
  t.deepEqual(asked, [[1, 2], [3, 4], [5]]);
});

test('a batch shares a load with getOrSet of the same key, in both directions', async (t) => {
  const { openers, of } = rig(t);
  const { cache } = openers[0]!;
  const held = new HeldLoad(new Row());
  const single = cache.getOrSet('row:1', held.run);
  await held.entered;
  const { asked, load } = recorder();
  const batch = cache.getOrSetMany<number, unknown>([1, 2], load, { key });
  await settled();
  t.deepEqual(asked, [[2]]);
  held.finish();
  t.is(await single, 1);
  t.deepEqual(
    [...(await batch)],
    [
      [1, 1],
      [2, 'value 2'],
    ],
  );
  t.is(of('coalesced').length, 1);
});

test('two batches at the same time load each id once', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const { asked, load } = recorder();
  const found = await Promise.all([
    here!.cache.getOrSetMany([1, 2], load, { key }),
    here!.cache.getOrSetMany([2, 3], load, { key }),
    there!.cache.getOrSetMany([3, 4], load, { key }),
  ]);
  t.deepEqual(
    found.map((one) => [...one.keys()]),
    [
      [1, 2],
      [2, 3],
      [3, 4],
    ],
  );
  t.deepEqual(asked.flat().toSorted(), [1, 2, 3, 4]);
});

test('an id whose load another process holds does not hold the others up', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const held = new HeldLoad(new Row());
  const elsewhere = there!.cache.getOrSet('row:1', held.run);
  await held.entered;
  const { asked, load } = recorder();
  const batch = here!.cache.getOrSetMany<number, unknown>([1, 2], load, { key });
  await settled();
  t.deepEqual(asked, [[2]]);
  held.finish();
  await elsewhere;
  t.deepEqual(
    [...(await batch)],
    [
      [1, 1],
      [2, 'value 2'],
    ],
  );
});

test('ids whose loads fail in another process are loaded together', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const held = new HeldLoad(new Row());
  const elsewhere = there!.cache.getOrSetMany([1, 2, 3], held.run as never, { key });
  await held.entered;
  const { asked, load } = recorder();
  const batch = here!.cache.getOrSetMany([1, 2, 3], load, { key });
  await settled();
  t.deepEqual(asked, []);
  held.fail(new Error('no'));
  await t.throwsAsync(elsewhere);
  t.is((await batch).size, 3);
  t.deepEqual(asked.flat().toSorted(), [1, 2, 3]);
});

for (const { by, target } of TARGETS) {
  test(`I23 an id that is invalidated by ${by} during the load of a batch is not stored`, async (t) => {
    const { openers } = rig(t, 2);
    const [here, there] = openers;
    const held = new HeldLoad(new Row());
    const options = { key: (id: number) => (id === 1 ? 'key' : key(id)), tags: ['org'] };
    const batch = here!.cache.getOrSetMany(
      [1, 2],
      async (ids) => {
        const version = await held.run();
        return new Map(ids.map((id) => [id, version]));
      },
      options,
    );
    await held.entered;
    t.true((await there!.cache.invalidate(target)).acknowledged);
    held.finish();
    await batch;
    t.is(await there!.cache.get('key'), undefined);
    t.is(await there!.cache.get('row:2'), by === 'key' ? 1 : undefined);
  });
}

test('tags may be a function of a value and its id', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const { asked, load } = recorder((id) => id !== 3);
  const options = { key, tags: (_value: string, id: number) => [`tag:${id}`] };
  await cache.getOrSetMany([1, 2, 3], load, options);
  await cache.invalidate({ tags: ['tag:1'] });
  await cache.getOrSetMany([1, 2, 3], load, options);
  t.deepEqual(asked[1], [1]);
});

test('a loader that asks for its own ids does not wait for itself', async (t) => {
  const { openers, of } = rig(t);
  const { cache } = openers[0]!;
  const load = async (ids: number[]): Promise<Map<number, string>> => {
    const values = await Promise.all(ids.map((id) => cache.getOrSet(key(id), async () => `inner ${id}`)));
    return new Map(ids.map((id, i) => [id, values[i]!]));
  };
  t.deepEqual(
    [...(await cache.getOrSetMany([1, 2], load, { key }))],
    [
      [1, 'inner 1'],
      [2, 'inner 2'],
    ],
  );
  t.is(of('error').length, 2);
});

test('inheritTags: an entry of a batch has the tags of the cached calls of its loader', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const load = async (ids: number[]): Promise<Map<number, string>> => {
    await cache.getOrSet('inner', async () => 1, { tags: ['inner'] });
    return recorder().load(ids);
  };
  await cache.getOrSetMany([1, 2], load, { key, inheritTags: true });
  t.is(await cache.get('row:2'), 'value 2');
  await cache.invalidate({ tags: ['inner'] });
  t.deepEqual([await cache.get('row:1'), await cache.get('row:2')], [undefined, undefined]);
});

test('grace: the ids of a batch whose load fails have their stale values', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const options = { key, ttl: '1m', grace: '10m' } as const;
  await cache.getOrSetMany([1, 2], recorder().load, options);
  await clock.advance(60_000);
  const fails = async (): Promise<Map<number, string>> => {
    throw new Error('The database is down.');
  };
  t.deepEqual([...(await cache.getOrSetMany([1, 2], fails, options)).values()], ['value 1', 'value 2']);
});

test('while the store is away, a batch loads all its ids together', async (t) => {
  const { openers } = rig(t);
  const { cache, chaos } = openers[0]!;
  chaos.setDown(true);
  const { asked, load } = recorder();
  t.is((await cache.getOrSetMany([1, 2, 3], load, { key })).size, 3);
  t.deepEqual(asked, [[1, 2, 3]]);
});

test('loads of a batch are not bounded by maxConcurrentLoads', async (t) => {
  const { openers } = rig(t, 1, { maxConcurrentLoads: 1 });
  const { asked, load } = recorder();
  t.is((await openers[0]!.cache.getOrSetMany([1, 2, 3], load, { key })).size, 3);
  t.deepEqual(asked, [[1, 2, 3]]);
});

// --- @CachedMany -----------------------------------------------------------------------------------------------------

test('@CachedMany: a Map, a list or an object comes back whether the method runs or not', async (t) => {
  const { CachedMany } = decorated(t);
  const asked: (readonly number[])[] = [];
  class Rows {
    @CachedMany({ key: 'map:{0}' })
    async map(ids: number[]): Promise<Map<number, string>> {
      asked.push(ids);
      return new Map(ids.map((id) => [id, `value ${id}`]));
    }
    @CachedMany({ key: 'list:{0}', returns: 'list' })
    async list(ids: number[]): Promise<(string | undefined)[]> {
      asked.push(ids);
      return ids.map((id) => (id === 3 ? undefined : `value ${id}`));
    }
    @CachedMany({ key: 'object:{0}', returns: 'object' })
    async object(ids: number[]): Promise<Record<string, string>> {
      asked.push(ids);
      return Object.fromEntries(ids.map((id) => [id, `value ${id}`]));
    }
  }
  const rows = new Rows();
  for (let round = 0; round < 2; round++) {
    t.deepEqual(
      await rows.map([2, 1]),
      new Map([
        [2, 'value 2'],
        [1, 'value 1'],
      ]),
    );
    t.deepEqual(await rows.list([1, 3, 1]), ['value 1', undefined, 'value 1']);
    t.deepEqual(await rows.object([1]), { 1: 'value 1' });
  }
  t.deepEqual(asked, [[2, 1], [1, 3], [1]]);
});

test('@CachedMany shares entries with @Cached of the same key, and passes the other arguments on', async (t) => {
  const { Cached, CachedMany, Invalidates } = decorated(t);
  const asked: unknown[] = [];
  class Users {
    @Cached({ key: 'user:{0}:{1}' })
    async find(id: string, locale: string): Promise<string | undefined> {
      asked.push([id, locale]);
      return `${id} in ${locale}`;
    }
    @CachedMany({ key: 'user:{0}:{1}', tags: ['user:{0}'] })
    async findMany(ids: string[], locale: string): Promise<Map<string, string>> {
      asked.push([ids, locale]);
      return new Map(ids.map((id) => [id, `${id} in ${locale}`]));
    }
    @Invalidates({ tags: ['user:{0}'] })
    async save(_id: string): Promise<void> {}
  }
  const users = new Users();
  await users.findMany(['a', 'b'], 'de');
  t.is(await users.find('a', 'de'), 'a in de');
  t.deepEqual(asked, [[['a', 'b'], 'de']]);
  await users.save('a');
  await users.findMany(['a', 'b'], 'de');
  t.deepEqual(asked[1], [['a'], 'de']);
});

test('@CachedMany: a method that returns another form than it says rejects with the mend', async (t) => {
  const { CachedMany } = decorated(t);
  class Rows {
    @CachedMany({ key: 'row:{0}' })
    async find(ids: number[]): Promise<Map<number, string>> {
      return ids.map((id) => `value ${id}`) as never;
    }
  }
  await t.throwsAsync(new Rows().find([1]), {
    instanceOf: OptionsError,
    message:
      /@CachedMany on Rows\.find has the option returns: 'map', and the method returned .*returns: 'list'/,
  });
  await t.throwsAsync(new Rows().find('1' as never), {
    instanceOf: OptionsError,
    message: /a list of ids as its first argument, and '1' was given/,
  });
});

test('@CachedMany: without a valid key the method runs uncached with all ids, or the call rejects', async (t) => {
  const { CachedMany, of } = decorated(t);
  const asked: unknown[][] = [];
  class Rows {
    @CachedMany({ key: 'row:{0}' })
    async find(ids: number[]): Promise<Map<number, string>> {
      asked.push(ids);
      return new Map();
    }
    @CachedMany({ key: 'row:{0}', onKeyError: 'throw' })
    async strict(_ids: number[]): Promise<Map<number, string>> {
      return new Map();
    }
  }
  const wrong = [1, { id: 2 }] as never;
  await new Rows().find(wrong);
  t.is(asked[0]!.length, 2);
  t.is(of('error')[0]?.operation, 'key');
  await t.throwsAsync(new Rows().strict(wrong), { code: 'E_KEY' });
});

test('@CachedMany: when and unless', async (t) => {
  const { CachedMany } = decorated(t);
  const asked: unknown[][] = [];
  class Rows {
    @CachedMany({
      key: 'row:{0}',
      when: (ids) => ids.length < 3,
      unless: (value, id) => value === 'draft' && id > 0,
    })
    async find(ids: number[]): Promise<Map<number, string>> {
      asked.push(ids);
      return new Map(ids.map((id) => [id, id === 2 ? 'draft' : 'final']));
    }
  }
  const rows = new Rows();
  await rows.find([1, 2]);
  await rows.find([1, 2]);
  await rows.find([1, 2, 3]);
  t.deepEqual(asked, [[1, 2], [2], [1, 2, 3]]);
});
