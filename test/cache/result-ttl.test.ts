import test from 'ava';
import { currentLoad } from '../../src/core/cache/load-context.js';
import { Cached, CachedMany, OptionsError, withCaching, withRequestMemo } from '../../src/index.js';
import { Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';

const MINUTE = 60_000;

interface User {
  readonly id: string;
  readonly isAdmin: boolean;
}

test('a function ttl decides by the value, also beyond the ttl of the defaults', async (t) => {
  const { openers, clock } = rig(t, 2);
  const [here, there] = openers;
  for (const minutes of [1, 90]) {
    const key = `key:${minutes}`;
    await here!.cache.getOrSet(key, async () => ({ minutes }), { ttl: (value) => `${value.minutes}m` });
    t.deepEqual(await there!.cache.get(key), { minutes });
  }
  await clock.advance(MINUTE + 1);
  t.is(await there!.cache.get('key:1'), undefined);
  await clock.advance(88 * MINUTE);
  t.deepEqual(await there!.cache.get('key:90'), { minutes: 90 });
  await clock.advance(MINUTE);
  t.is(await there!.cache.get('key:90'), undefined);
});

test('an entry whose value has decided its ttl is invalidated by its tags for all of that time', async (t) => {
  const { openers, clock } = rig(t, 2);
  const [here, there] = openers;
  const options = {
    ttl: () => '2d' as const,
    tags: (value: number) => [`version:${value}`],
    sharedTags: ['shared'],
  } as const;
  for (const tag of ['version:1', 'shared']) {
    await here!.cache.getOrSet('key', async () => 1, options);
    await clock.advance(47 * 60 * MINUTE);
    t.is(await there!.cache.get('key'), 1);
    await there!.cache.invalidate({ tags: [tag] });
    t.is(await here!.cache.get('key'), undefined);
  }
});

test('a load of a minute and a half keeps its nonces until its value decides', async (t) => {
  const { openers, clock } = rig(t, 2);
  const [here, there] = openers;
  const slow = async (): Promise<number> => {
    await clock.advance(90_000);
    return 1;
  };
  await here!.cache.getOrSet('key', slow, { ttl: () => '1h', tags: ['tag'], loadTimeout: '5m' });
  t.is(await there!.cache.get('key'), 1);
});

test('a tag that is invalidated during the load ends the value, whatever ttl it decides', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const load = async (): Promise<number> => {
    await there!.cache.invalidate({ tags: ['tag'] });
    return 1;
  };
  t.is(await here!.cache.getOrSet('key', load, { ttl: () => '1h', tags: ['tag'] }), 1);
  t.is(await there!.cache.get('key'), undefined);
  t.is(await here!.cache.getOrSet('key', async () => 2, { ttl: () => '1h', tags: ['tag'] }), 2);
  t.is(await there!.cache.get('key'), 2);
});

test('a function ttl is called for null and undefined unless there is a negativeTtl', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const seen: unknown[] = [];
  const ttl = (value: unknown) => (seen.push(value), 10 * MINUTE);
  for (const value of [null, undefined]) {
    await cache.getOrSet(`decided:${value}`, async () => value, { ttl });
    await cache.getOrSet(`negative:${value}`, async () => value, { ttl, negativeTtl: '5m' });
  }
  t.deepEqual(seen, [null, undefined]);
  await clock.advance(5 * MINUTE + 1);
  for (const value of [null, undefined]) {
    t.true(await cache.has(`decided:${value}`));
    t.false(await cache.has(`negative:${value}`));
  }
});

test('a function ttl that returns 0 stores nothing', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  t.is(await cache.getOrSet('key', async () => 1, { ttl: () => 0 }), 1);
  t.false(await cache.has('key'));
});

test('currentLoad().set({ ttl }) shortens what a function ttl decides', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const load = async (): Promise<number> => {
    currentLoad()!.set({ ttl: '30s' });
    return 1;
  };
  await cache.getOrSet('key', load, { ttl: () => '1h' });
  await clock.advance(30_001);
  t.false(await cache.has('key'));
});

for (const [name, ttl, message] of [
  [
    'throws',
    () => {
      throw new OptionsError('No ttl.');
    },
    /^No ttl\.$/,
  ],
  ['returns no duration', () => 'soon', /^ttl of getOrSet is a duration such as .*, and 'soon' was given\.$/],
  ['returns NaN', () => Number.NaN, /and NaN was given\.$/],
  ['returns a negative number', () => -1, /and -1 was given\.$/],
  ['returns a promise', async () => '1m', /and a promise was given\.$/],
] as const) {
  test(`if a function ttl ${name}, the call rejects, nothing is stored, and the lease is released`, async (t) => {
    const { openers } = rig(t, 2);
    const [here, there] = openers;
    await t.throwsAsync(
      here!.cache.getOrSet('key', async () => 1, { ttl: ttl as () => number }),
      { instanceOf: OptionsError, message },
    );
    t.false(await there!.cache.has('key'));
    t.is(await there!.cache.getOrSet('key', async () => 2), 2);
  });
}

test('while the store is away a function ttl is not called, except to keep a value for the outage', async (t) => {
  const { openers } = rig(t);
  const { cache, chaos } = openers[0]!;
  chaos.setDown(true);
  let calls = 0;
  const ttl = () => (calls++, '1s' as const);
  t.is(await cache.getOrSet('key', async () => 1, { ttl }), 1);
  t.is(calls, 0);
  t.is(await cache.getOrSet('key', async () => 2, { ttl, outage: { l1: '5s' } }), 2);
  t.is(calls, 1);
});

test('a value is kept for its grace after the ttl that it has decided', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const row = new Row();
  const options = { ttl: () => '2h' as const, grace: '1h', tags: ['tag'] } as const;
  const fails = async (): Promise<number> => {
    throw new Error('The database is down.');
  };
  await cache.getOrSet('key', row.load, options);
  await clock.advance(179 * MINUTE);
  t.is(await cache.getOrSet('key', fails, options), 1);
  await clock.advance(MINUTE + 1);
  await t.throwsAsync(cache.getOrSet('key', fails, options), { message: 'The database is down.' });
});

test('a request remembers a value for the ttl that it decides', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const row = new Row();
  await withRequestMemo(async () => {
    const read = () => cache.getOrSet('key', row.load, { ttl: () => '10s' });
    t.is(await read(), 1);
    row.write();
    t.is(await read(), 1);
    await clock.advance(10_001);
    t.is(await read(), 2);
  });
});

test('l1: a value in memory ends with the ttl that it has decided', async (t) => {
  const { openers, clock } = rig(t, 1, { l1: { ttl: '1h' } });
  const { cache } = openers[0]!;
  const row = new Row();
  const read = () => cache.getOrSet('key', row.load, { ttl: () => '10s' });
  await read();
  row.write();
  await clock.advance(9_999);
  t.is(await read(), 1);
  await clock.advance(2);
  t.is(await read(), 2);
});

test('@Cached and @CachedMany call it with the value, the arguments and this', async (t) => {
  const { openers, clock } = rig(t);
  const { caching, cache } = openers[0]!;
  class Users {
    readonly short = '10s' as const;

    @Cached({
      key: 'user:{0}',
      ttl(user, id) {
        return user.isAdmin && id === user.id ? this.short : '1h';
      },
    })
    async find(id: string): Promise<User> {
      return { id, isAdmin: id === '1' };
    }

    @CachedMany({
      key: 'many:{0}:{1}',
      negativeTtl: '5s',
      ttl(user, id, _locale) {
        return user?.isAdmin === true && id === user.id ? this.short : '1h';
      },
    })
    async findMany(ids: string[], _locale: string): Promise<Map<string, User>> {
      return new Map(ids.filter((id) => id !== '3').map((id) => [id, { id, isAdmin: id === '1' }]));
    }
  }
  const users = new Users();
  await withCaching(caching, async () => {
    await Promise.all([users.find('1'), users.find('2'), users.findMany(['1', '2', '3'], 'en')]);
    t.is((await caching.of(users, 'find').peek('1'))?.ttlMs, 10_000);
  });
  const stored = async () => {
    const keys = ['user:1', 'user:2', 'many:1:en', 'many:2:en', 'many:3:en'];
    const found = await Promise.all(keys.map((key) => cache.has(key)));
    return keys.filter((_, i) => found[i]);
  };
  t.is((await stored()).length, 5);
  await clock.advance(5_001);
  t.deepEqual(await stored(), ['user:1', 'user:2', 'many:1:en', 'many:2:en']);
  await clock.advance(5_001);
  t.deepEqual(await stored(), ['user:2', 'many:2:en']);
});

test('getOrSetMany calls it with undefined for an id without a value', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  await cache.getOrSetMany(['1', '2'], async () => new Map([['1', { isAdmin: true }]]), {
    key: (id) => `user:${id}`,
    ttl: (user, id) => (user === undefined ? '5s' : id === '1' ? '1h' : '1m'),
  });
  t.true(await cache.has('user:2'));
  await clock.advance(5_001);
  t.false(await cache.has('user:2'));
  t.true(await cache.has('user:1'));
});

test('set, defaults and @CachingDefaults take no function', async (t) => {
  const { openers } = rig(t);
  await t.throwsAsync(openers[0]!.cache.set('key', 1, { ttl: (() => '1m') as never }), {
    instanceOf: OptionsError,
    message: /^ttl of set is a duration such as .*, and a function was given\.$/,
  });
});
