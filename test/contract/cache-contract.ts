import { Buffer } from 'node:buffer';
import type { ExecutionContext, TestFn } from 'ava';
import type { Caching, CachingOptions } from '../../src/core/caching.js';
import { OptionsError, StoreUnavailableError, ValueError } from '../../src/core/shared/errors.js';
import { Cached } from '../../src/decorators/cached.js';
import { subscribe, type CachementEvents, type EventName } from '../../src/core/shared/events.js';

export interface OpenCachings {
  /** All on one store. */
  readonly cachings: readonly Caching[];
  /** Resolves when the condition holds. It must hold within a few seconds. */
  until(what: string, condition: () => Promise<boolean>): Promise<void>;
}

export type Open = (
  t: ExecutionContext,
  count: number,
  options: Pick<CachingOptions, 'defaults' | 'enabled'>,
) => Promise<OpenCachings>;

/** The contract of `Caching.cache`, for every adapter. */
export function cacheContract(test: TestFn, name: string, open: Open): void {
  interface Given {
    readonly caching: Caching;
    readonly cache: Caching['cache'];
    /** Another `Caching` on the same store. */
    readonly other: Caching['cache'];
    readonly until: OpenCachings['until'];
  }
  const it = (
    title: string,
    run: (t: ExecutionContext, given: Given) => Promise<void>,
    options: Pick<CachingOptions, 'defaults' | 'enabled'> = { defaults: { ttl: '1m' } },
  ): void => {
    test.serial(`${name}: ${title}`, async (t) => {
      const { cachings, until } = await open(t, 2, options);
      const [caching, other] = cachings;
      await run(t, { caching: caching!, cache: caching!.cache, other: other!.cache, until });
    });
  };

  // --- getOrSet ------------------------------------------------------------------------------------------------------

  it('getOrSet loads once and returns the stored value in every process', async (t, { cache, other }) => {
    let loads = 0;
    const load = (): { n: number } => ({ n: ++loads });
    t.deepEqual(await cache.getOrSet('k', load), { n: 1 });
    t.deepEqual(await cache.getOrSet('k', load), { n: 1 });
    t.deepEqual(await other.getOrSet('k', load), { n: 1 });
    t.is(loads, 1);
  });

  it('getOrSet accepts a synchronous loader', async (t, { cache }) => {
    t.is(await cache.getOrSet('k', () => 7), 7);
  });

  it('G5 single flight: getOrSet runs one load for concurrent calls, across processes', async (t, {
    cache,
    other,
  }) => {
    let loads = 0;
    const load = async (): Promise<number> => {
      loads++;
      await new Promise((resolve) => setImmediate(resolve));
      return 5;
    };
    const calls = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? cache : other).getOrSet('k', load));
    t.true((await Promise.all(calls)).every((value) => value === 5));
    t.is(loads, 1);
  });

  it('G5 single flight: concurrent calls share the error of the loader, and nothing is stored', async (t, {
    cache,
  }) => {
    let loads = 0;
    const failing = async (): Promise<number> => {
      loads++;
      await new Promise((resolve) => setImmediate(resolve));
      throw new Error('no');
    };
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => cache.getOrSet('k', failing)));
    t.true(outcomes.every((outcome) => outcome.status === 'rejected' && outcome.reason.message === 'no'));
    t.is(loads, 1);
    t.false(await cache.has('k'));
    t.is(await cache.getOrSet('k', () => 1), 1);
  });

  // --- refresh and handles -------------------------------------------------------------------------------------------

  it('G1 no resurrection: a refresh replaces the entry, and a load that was started before it is not stored', async (t, {
    caching,
    cache,
    other,
  }) => {
    let finish = (): void => {};
    const gate = new Promise<void>((resolve) => (finish = resolve));
    let enter = (): void => {};
    const entered = new Promise<void>((resolve) => (enter = resolve));
    const old = other.getOrSet('k', async () => {
      enter();
      await gate;
      return 'old';
    });
    await entered;
    t.is(await caching.refresh(() => cache.getOrSet('k', () => 'new')), 'new');
    finish();
    t.is(await old, 'old');
    t.is(await cache.get('k'), 'new');
    // Its clock may not tell the two loads apart: then it loads once more.
    t.true(['new', 'loaded again'].includes(await other.getOrSet('k', () => 'loaded again')));
    t.is(await caching.refresh(() => cache.getOrSet('k', () => 'newer')), 'newer');
    t.is(await cache.get('k'), 'newer');
  });

  it('a handle says what is stored for a call, how old it is, and why a call would miss', async (t, {
    caching,
    other,
  }) => {
    class Users {
      @Cached({ key: 'user:{0}', tags: ['users', 'user:{0}'], cache: caching })
      async find(id: string): Promise<{ readonly id: string }> {
        return { id };
      }
    }
    const find = caching.of(new Users(), 'find');
    t.is(await find.explain('1'), 'miss: nothing is stored.');
    await find.refresh('1');
    const found = await find.peek('1');
    t.deepEqual([found?.value, found?.tags, found?.stale], [{ id: '1' }, ['users', 'user:1'], false]);
    t.true(found!.ageMs >= 0 && found!.ttlMs > 0 && found!.ttlMs <= 60_000);
    t.regex(await find.explain('1'), /^hit \(l2\): the store has the value, and its ttl ends in \d+ ms\.$/);
    await other.invalidate({ tags: ['users'] });
    t.is(await find.explain('1'), "miss: the tag 'users' was invalidated since the value was loaded.");
    t.is(await find.peek('1'), undefined);
    await find.refresh('1');
    await other.clear();
    t.is(await find.explain('1'), 'miss: the namespace was cleared since the value was loaded.');
    let finish = (): void => {};
    const gate = new Promise<void>((resolve) => (finish = resolve));
    let enter = (): void => {};
    const entered = new Promise<void>((resolve) => (enter = resolve));
    const running = other.getOrSet('user:2', async () => {
      enter();
      await gate;
      return { id: '2' };
    });
    await entered;
    t.regex(
      await find.explain('2'),
      /^miss: nothing is stored\. Another process holds the lease for \d+ ms, and longer if it extends it\./,
    );
    finish();
    await running;
    t.deepEqual(await other.get('user:2'), { id: '2' }, 'The question has not cost the load its lease.');
  });

  // --- loaders, values -----------------------------------------------------------------------------------------------

  it('a loader that throws synchronously counts as a failed load', async (t, { cache }) => {
    const failing = (): number => {
      throw new Error('at once');
    };
    await t.throwsAsync(cache.getOrSet('k', failing), { message: 'at once' });
    t.is(await cache.getOrSet('k', () => 1), 1);
  });

  it('a caller that mutates its value does not affect other callers', async (t, { cache }) => {
    const load = (): { list: number[] } => ({ list: [1] });
    await cache.getOrSet('k', load);
    const got = await cache.getOrSet('k', load);
    got.list.push(2);
    t.deepEqual(await cache.getOrSet('k', load), { list: [1] });
  });

  it('values of every kind round-trip', async (t, { cache }) => {
    const values = [
      null,
      undefined,
      false,
      0,
      -0,
      '',
      Number.NaN,
      12n,
      new Date(0),
      new Map([['a', new Set([1])]]),
      Buffer.from([0, 255]),
      new Uint8Array([1, 2]),
      { nested: [undefined, null, { '': 1 }] },
    ];
    for (const [i, value] of values.entries()) {
      t.deepEqual(await cache.getOrSet(['value', i], () => value), value);
      t.deepEqual(await cache.getOrSet(['value', i], () => 'loaded again'), value);
    }
  });

  it('null and undefined are stored like other values', async (t, { cache }) => {
    let loads = 0;
    for (const value of [null, undefined]) {
      const key = `k:${String(value)}`;
      const load = (): null | undefined => {
        loads++;
        return value;
      };
      t.is(await cache.getOrSet(key, load), value);
      t.is(await cache.getOrSet(key, load), value);
      t.true(await cache.has(key));
    }
    t.is(loads, 2);
  });

  it('negativeTtl: 0 stores neither null nor undefined', async (t, { cache }) => {
    for (const value of [null, undefined]) {
      t.is(await cache.getOrSet('k', () => value, { negativeTtl: 0 }), value);
      t.false(await cache.has('k'));
    }
    await cache.getOrSet('k', () => 0, { negativeTtl: 0 });
    t.true(await cache.has('k'));
  });

  it('negativeTtl is the ttl of null, ttl that of other values', async (t, { cache, until }) => {
    const fills = record('fill', t);
    const options = { ttl: 60_000, negativeTtl: 300, jitter: 0 };
    await cache.getOrSet('none', () => null, options);
    await cache.getOrSet('some', () => 1, options);
    t.true(fills[0]!.ttlMs <= 300);
    t.true(fills[1]!.ttlMs > 59_000);
    await until('null expires', async () => !(await cache.has('none')));
    t.true(await cache.has('some'));
  });

  it('G6 age: an entry expires after its ttl', async (t, { cache, until }) => {
    t.is(await cache.getOrSet('k', () => 1, { ttl: 300, jitter: 0 }), 1);
    await until('the entry expires', async () => !(await cache.has('k')));
    t.is(await cache.getOrSet('k', () => 2), 2);
  });

  it('jitter shortens the ttl by at most its share', async (t, { cache }) => {
    const fills = record('fill', t);
    for (let i = 0; i < 20; i++) await cache.getOrSet(['k', i], () => i, { ttl: 100_000, jitter: 0.4 });
    // The duration of the load is subtracted from the ttl as well.
    for (const { ttlMs } of fills) t.true(ttlMs <= 100_000 && ttlMs > 60_000 - 5_000, `${ttlMs}`);
    t.is(fills.length, 20);
  });

  it('without jitter the ttl is whole', async (t, { cache }) => {
    const fills = record('fill', t);
    await cache.getOrSet('k', () => 1, { ttl: 100_000, jitter: 0 });
    t.true(fills[0]!.ttlMs <= 100_000 && fills[0]!.ttlMs > 95_000);
  });

  it('unless prevents storing a value', async (t, { cache }) => {
    const unless = (value: number): boolean => value < 0;
    t.is(await cache.getOrSet('k', () => -1, { unless }), -1);
    t.false(await cache.has('k'));
    t.is(await cache.getOrSet('k', () => 1, { unless }), 1);
    t.true(await cache.has('k'));
  });

  it('a value over maxValueBytes is returned and not stored', async (t, { cache }) => {
    const notStored = record('notStored', t);
    const large = 'x'.repeat(2_000);
    t.is(await cache.getOrSet('k', () => large, { maxValueBytes: 1_000 }), large);
    t.false(await cache.has('k'));
    t.is(notStored[0]!.reason, 'too-large');
    t.false(await cache.set('k', large, { maxValueBytes: 1_000 }));
    t.true(await cache.set('k', large, { maxValueBytes: 3_000 }));
  });

  it("onUnsupported: 'throw' rejects a value that does not round-trip", async (t, { cache }) => {
    class Money {
      readonly amount = 1;
    }
    await t.throwsAsync(
      cache.getOrSet('k', () => new Money()),
      { instanceOf: ValueError },
    );
    await t.throwsAsync(cache.set('k', new Money()), { instanceOf: ValueError });
    t.false(await cache.has('k'));
    t.is(await cache.getOrSet('k', () => 1), 1);
  });

  it("onUnsupported: 'bypass' returns such a value without storing it", async (t, { cache }) => {
    class Money {
      readonly amount = 1;
    }
    const notStored = record('notStored', t);
    const money = new Money();
    t.is(await cache.getOrSet('k', () => money, { onUnsupported: 'bypass' }), money);
    t.false(await cache.set('k', money, { onUnsupported: 'bypass' }));
    t.false(await cache.has('k'));
    t.deepEqual(
      notStored.map(({ reason }) => reason),
      ['unsupported', 'unsupported'],
    );
  });

  it(
    'a call without a ttl is refused',
    async (t, { cache }) => {
      await t.throwsAsync(
        cache.getOrSet('k', () => 1),
        { instanceOf: OptionsError },
      );
      await t.throwsAsync(cache.set('k', 1), { instanceOf: OptionsError });
      t.is(await cache.getOrSet('k', () => 1, { ttl: '1m' }), 1);
    },
    {},
  );

  it('a misspelled option is refused', async (t, { cache }) => {
    const misspelled = { tll: 5 } as object;
    await t.throwsAsync(
      cache.getOrSet('k', () => 1, misspelled),
      { instanceOf: OptionsError, message: /'tll'/ },
    );
    await t.throwsAsync(cache.set('k', 1, misspelled), { instanceOf: OptionsError, message: /'tll'/ });
    await t.throwsAsync(cache.invalidate({ key: 'k' } as object), {
      instanceOf: OptionsError,
      message: /'key'/,
    });
    await t.throwsAsync(cache.clear({ all: true } as object), { instanceOf: OptionsError, message: /'all'/ });
  });

  // --- get, set, has, getMany ----------------------------------------------------------------------------------------

  it('get and has return what is stored and load nothing', async (t, { cache, other }) => {
    t.is(await cache.get('k'), undefined);
    t.false(await cache.has('k'));
    t.true(await cache.set('k', { n: 1 }));
    t.deepEqual(await other.get('k'), { n: 1 });
    t.true(await other.has('k'));
  });

  it('has distinguishes a stored undefined from a missing entry', async (t, { cache }) => {
    await cache.set('k', undefined);
    t.is(await cache.get('k'), undefined);
    t.true(await cache.has('k'));
  });

  it('set replaces an existing entry', async (t, { cache, other }) => {
    await cache.set('k', 1);
    t.true(await other.set('k', 2));
    t.is(await cache.get('k'), 2);
    t.is(await cache.getOrSet('k', () => 3), 2);
  });

  it('set replaces a load in progress, which is not stored', async (t, { cache, other }) => {
    let land!: (value: number) => void;
    let first!: Promise<number>;
    await new Promise<void>((began) => {
      first = cache.getOrSet('k', () => {
        began();
        return new Promise<number>((resolve) => (land = resolve));
      });
    });
    t.true(await other.set('k', 2));
    land(1);
    t.is(await first, 1);
    t.is(await other.get('k'), 2);
    // If set and load started within one round trip, the process of the load may treat the set as earlier.
    t.true([2, 3].includes(await cache.getOrSet('k', () => 3)));
  });

  it('set stores under tags', async (t, { cache, other }) => {
    await cache.set('k', 1, { tags: ['a', 'b'] });
    await other.invalidate({ tags: ['b'] });
    t.is(await cache.get('k'), undefined);
  });

  it('set applies the ttl', async (t, { cache, until }) => {
    await cache.set('k', 1, { ttl: 300, jitter: 0 });
    await until('the entry expires', async () => !(await cache.has('k')));
    t.is(await cache.get('k'), undefined);
  });

  it('getMany returns the stored entries by the given keys', async (t, { cache }) => {
    await cache.set('a', 1);
    await cache.set(['b', 2], 2);
    await cache.set('d', undefined);
    const pair = ['b', 2] as const;
    const found = await cache.getMany<number>(['a', pair, 'c', 'd']);
    t.deepEqual(
      [...found.entries()],
      [
        ['a', 1],
        [pair, 2],
        ['d', undefined as unknown as number],
      ],
    );
    t.is((await cache.getMany([])).size, 0);
  });

  it('a key in parts is the same key for every verb', async (t, { cache }) => {
    await cache.set(['user', 'a:b'], 1);
    t.is(await cache.get(['user', 'a:b']), 1);
    t.is(await cache.get(['user', 'a', 'b']), undefined);
    await cache.invalidate({ keys: [['user', 'a:b']] });
    t.false(await cache.has(['user', 'a:b']));
  });

  // --- invalidate and clear ------------------------------------------------------------------------------------------

  it('G1 no resurrection: invalidate ends an entry in every process', async (t, { cache, other }) => {
    await cache.set('k', 1);
    await cache.set('l', 2);
    t.deepEqual(await other.invalidate({ keys: ['k'] }), { acknowledged: true });
    t.is(await cache.get('k'), undefined);
    t.is(await cache.get('l'), 2);
    t.is(await cache.getOrSet('k', () => 3), 3);
  });

  it('invalidating a missing entry is acknowledged', async (t, { cache }) => {
    t.deepEqual(await cache.invalidate({ keys: ['k'], tags: ['a'] }), { acknowledged: true });
    t.deepEqual(await cache.invalidate({}), { acknowledged: true });
    t.deepEqual(await cache.clear(), { acknowledged: true });
  });

  it('invalidate accepts many keys', async (t, { cache }) => {
    const keys = Array.from({ length: 300 }, (_, i) => ['k', i] as const);
    await Promise.all(keys.map((key) => cache.set(key, 1)));
    t.is((await cache.getMany(keys)).size, 300);
    await cache.invalidate({ keys });
    t.is((await cache.getMany(keys)).size, 0);
  });

  it('G7 tags: invalidating an argument tag ends all its entries', async (t, { cache, other }) => {
    const tags = ['org:1', 'users'];
    await cache.getOrSet('a', () => 1, { tags });
    await cache.getOrSet('b', () => 1, { tags: ['users'] });
    await cache.getOrSet('c', () => 1, { tags: ['org:2'] });
    await other.invalidate({ tags: ['users'] });
    t.is(await cache.getOrSet('a', () => 2, { tags }), 2);
    t.is(await cache.get('b'), undefined);
    t.is(await cache.get('c'), 1);
    await other.invalidate({ tags: ['org:1'] });
    t.false(await cache.has('a'));
  });

  it('G7 tags: invalidating a result tag ends all its entries', async (t, { cache, other }) => {
    const tags = ({ org }: { org: number }): string[] => [`org:${org}`, `org:${org}`];
    await cache.getOrSet('a', () => ({ org: 1 }), { tags });
    await cache.getOrSet('b', () => ({ org: 2 }), { tags });
    t.true(await other.has('a'));
    await other.invalidate({ tags: ['org:1'] });
    t.false(await cache.has('a'));
    t.true(await cache.has('b'));
    await cache.getOrSet('a', () => ({ org: 1 }), { tags });
    t.true(await other.has('a'));
  });

  it('G7 tags: an entry without a tag of the call is loaded again', async (t, { cache }) => {
    await cache.getOrSet('k', () => 1, { tags: ['a'] });
    t.is(await cache.getOrSet('k', () => 2, { tags: ['b'] }), 2);
  });

  it('G7 tags: with inheritTags an entry has the tags of the cached calls of its load', async (t, {
    cache,
    other,
  }) => {
    const inner = (): Promise<number> => cache.getOrSet('inner', () => 1, { tags: ['org'] });
    const outer = (): Promise<number> => cache.getOrSet('outer', inner, { inheritTags: true });
    await inner();
    await outer();
    t.true(await other.has('outer'));
    await other.invalidate({ tags: ['org'] });
    t.false(await cache.has('outer'));
  });

  it('G7 tags: without inheritTags it does not', async (t, { cache, other }) => {
    const inner = (): Promise<number> => cache.getOrSet('inner', () => 1, { tags: ['org'] });
    await cache.getOrSet('outer', inner);
    await other.invalidate({ tags: ['org'] });
    t.true(await cache.has('outer'));
  });

  it('tags are strings, unique and limited in number', async (t, { cache }) => {
    const many = Array.from({ length: 1_001 }, (_, i) => `tag:${i}`);
    await t.throwsAsync(
      cache.getOrSet('k', () => 1, { tags: many }),
      { instanceOf: OptionsError },
    );
    await t.throwsAsync(cache.set('k', 1, { tags: 'users' as unknown as string[] }), {
      instanceOf: OptionsError,
    });
    await t.throwsAsync(cache.invalidate({ tags: many }), { instanceOf: OptionsError });
  });

  it('G1 no resurrection: clear ends every entry of the namespace', async (t, { cache, other }) => {
    await cache.set('a', 1);
    await cache.set('b', 1, { tags: ['x'] });
    await cache.getOrSet('c', () => 1, { tags: () => ['y'] });
    t.deepEqual(await other.clear(), { acknowledged: true });
    t.is((await cache.getMany(['a', 'b', 'c'])).size, 0);
    t.is(await cache.getOrSet('a', () => 2), 2);
    t.is(await other.get('a'), 2);
  });

  it('a key with pattern characters is an ordinary key', async (t, { cache }) => {
    for (const key of ['*', 'a*', '[ab]', 'a?', '\\*', '{a}', 'ab']) await cache.set([key], key);
    await cache.invalidate({ keys: [['*'], ['a*'], ['[ab]'], ['a?']] });
    t.is(await cache.get(['ab']), 'ab');
    t.is(await cache.get(['\\*']), '\\*');
    t.is(await cache.get(['{a}']), '{a}');
    t.is(await cache.get(['*']), undefined);
  });

  it('names of Object.prototype are ordinary keys and tags', async (t, { cache }) => {
    for (const name of ['__proto__', 'constructor', 'hasOwnProperty', 'toString']) {
      t.is(await cache.getOrSet(name, () => name, { tags: [name] }), name);
      t.is(await cache.getOrSet(name, () => 'again', { tags: [name] }), name);
      await cache.invalidate({ tags: [name] });
      t.false(await cache.has(name));
    }
  });

  // --- disabled or closed --------------------------------------------------------------------------------------------

  it(
    'enabled: false loads every time, finds nothing and stores nothing',
    async (t, { cache }) => {
      let loads = 0;
      const load = (): number => ++loads;
      t.is(await cache.getOrSet('k', load), 1);
      t.is(await cache.getOrSet('k', load), 2);
      t.false(await cache.set('k', 1));
      t.is(await cache.get('k'), undefined);
      t.false(await cache.has('k'));
      t.is((await cache.getMany(['k'])).size, 0);
      t.deepEqual(await cache.invalidate({ keys: ['k'] }), { acknowledged: true });
    },
    { defaults: { ttl: '1m' }, enabled: false },
  );

  it('after close getOrSet runs its loader, and the other verbs reject with an error that names close', async (t, {
    caching,
    cache,
    other,
  }) => {
    await cache.set('k', 1);
    await caching.close();
    await caching.close();
    t.is(await cache.getOrSet('k', () => 2), 2);
    await t.throwsAsync(cache.get('k'), { instanceOf: StoreUnavailableError });
    await t.throwsAsync(cache.set('k', 2), { instanceOf: StoreUnavailableError });
    t.is(await other.get('k'), 1);
  });

  it('close releases the leases of loads in progress', async (t, { caching, cache, other }) => {
    let land!: (value: number) => void;
    let first!: Promise<number>;
    await new Promise<void>((began) => {
      first = cache.getOrSet('k', () => {
        began();
        return new Promise<number>((resolve) => (land = resolve));
      });
    });
    await caching.close();
    // The lease is released, so no other process waits for its end.
    t.is(await other.getOrSet('k', () => 2), 2);
    land(1);
    t.is(await first, 1);
    t.is(await other.get('k'), 2);
  });
}

/** Records the events of one name. Tests of one file that use it run serially. */
function record<Name extends EventName>(name: Name, t: ExecutionContext): readonly CachementEvents[Name][] {
  const events: CachementEvents[Name][] = [];
  const stop = subscribe(name, (event) => void events.push(event));
  t.teardown(stop);
  return events;
}
