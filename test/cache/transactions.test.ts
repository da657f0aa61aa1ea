import test, { type ExecutionContext } from 'ava';
import {
  bindCaching,
  Cached,
  CachedMany,
  InvalidationError,
  Invalidates,
  OptionsError,
  withRequestMemo,
  type CachingOptions,
} from '../../src/index.js';
import { deferred } from '../support/deferred.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';

const ROLLBACK = new Error('rolled back');

/**
 * A database whose transactions see their own writes, and others see them after the commit. A call is within a transaction
 * if its service is.
 */
class Database {
  readonly committed = new Map<string, number>();
  readonly uncommitted = new Map<string, number>();
  commit(): void {
    for (const [id, version] of this.uncommitted) this.committed.set(id, version);
    this.uncommitted.clear();
  }
  read(id: string, isWithin: boolean): number {
    return (isWithin ? this.uncommitted.get(id) : undefined) ?? this.committed.get(id) ?? 1;
  }
}

class Users {
  runs: string[] = [];
  /** Loads wait for it. */
  gate: Promise<void> | undefined;
  constructor(
    readonly database: Database,
    readonly isWithin = false,
  ) {}

  @Cached({ key: 'user:{0}', tags: (version, id) => [`parity:${version % 2}`, `of:${id}`] })
  async find(id: string): Promise<number> {
    this.runs.push(id);
    const version = this.database.read(id, this.isWithin);
    await this.gate;
    return version;
  }
  @CachedMany({ key: 'user:{0}', tags: 'many' })
  async findMany(ids: readonly string[]): Promise<Map<string, number>> {
    this.runs.push(ids.join());
    return new Map(ids.map((id) => [id, this.database.read(id, this.isWithin)]));
  }
  @Invalidates({ keys: 'user:{0}', tags: 'of:{0}' })
  async save(id: string, version: number): Promise<string> {
    this.database.uncommitted.set(id, version);
    return 'saved';
  }
  @Invalidates({ keys: 'user:{0}', onUnavailable: 'throw' })
  async saveOrThrow(id: string, version: number): Promise<void> {
    this.database.uncommitted.set(id, version);
  }
  @Invalidates({ keys: 'user:{0}', repeatAfter: '5s' })
  async saveToPrimary(id: string, version: number): Promise<void> {
    this.database.committed.set(id, version);
  }
}

function setup(t: ExecutionContext, options: Partial<Omit<CachingOptions, 'adapter' | 'clock'>> = {}) {
  const world = rig(t, 2, options);
  const database = new Database();
  const [mine, other] = world.openers.map(({ caching, chaos }) => {
    const service = (isWithin: boolean): Users => {
      const users = new Users(database, isWithin);
      bindCaching(users, caching);
      return users;
    };
    const users = service(false);
    const within = service(true);
    const { cache } = caching;
    /** A transaction that commits the database at its end, or rolls it back if `work` throws. */
    const transact = <T>(work: () => Promise<T>): Promise<T> =>
      caching.transaction(async () => {
        try {
          const result = await work();
          database.commit();
          return result;
        } catch (error) {
          database.uncommitted.clear();
          throw error;
        }
      });
    return { caching, cache, chaos, users, within, transact, find: caching.of(users, 'find') };
  });
  return { ...world, ...mine!, other: other!, database };
}

const ofInvalidations = (verbs: readonly string[]): readonly string[] =>
  verbs.filter((verb) => verb.startsWith('entries.remove'));

// --- I25 -------------------------------------------------------------------------------------------------------------

test('I25: a load between the invalidation and the commit leaves no old value', async (t) => {
  const { transact, within, other } = setup(t);
  t.is(await other.users.find('1'), 1);
  const written = deferred();
  const committing = deferred();
  const transaction = transact(async () => {
    await within.save('1', 2);
    written.resolve();
    await committing.promise;
  });
  await written.promise;
  t.is(await other.users.find('1'), 1, 'Others still find the committed value.');
  await other.cache.invalidate({ keys: ['user:1'] });
  t.is(await other.users.find('1'), 1, 'It loads the old value, and stores it.');
  committing.resolve();
  await transaction;
  t.is(await other.users.find('1'), 2);
});

test('I25: without a transaction of the Caching such a load leaves the old value, as documented', async (t) => {
  const { users, other, database } = setup(t);
  await users.save('1', 2);
  t.is(await other.users.find('1'), 1);
  database.commit();
  t.is(await other.users.find('1'), 1);
});

test('I25: a load that runs during the commit is not stored', async (t) => {
  const { transact, within, other } = setup(t);
  const gate = deferred();
  other.users.gate = gate.promise;
  const reading = other.users.find('1');
  await settled();
  await transact(() => within.save('1', 2));
  gate.resolve();
  t.is(await reading, 1);
  t.is(await other.users.find('1'), 2);
});

test('I25: a rollback sends nothing', async (t) => {
  const { transact, within, users, chaos, caching } = setup(t);
  t.is(await users.find('1'), 1);
  await t.throwsAsync(
    transact(async () => {
      await within.save('1', 2);
      await caching.cache.clear();
      throw ROLLBACK;
    }),
    { is: ROLLBACK },
  );
  t.deepEqual(ofInvalidations(chaos.verbs), []);
  t.is(await users.find('1'), 1);
  t.is(users.runs.length, 1);
});

// --- what is sent ----------------------------------------------------------------------------------------------------

test('the invalidations of a transaction are sent together after it, each once', async (t) => {
  const { transact, within, cache, chaos, find, of } = setup(t);
  t.is(
    await transact(async () => {
      t.is(await within.save('1', 2), 'saved');
      await within.save('1', 3);
      await within.save('2', 2);
      t.deepEqual(await cache.invalidate({ keys: ['user:1', 'other'], tags: ['of:2'] }), {
        acknowledged: false,
        deferred: true,
      });
      t.deepEqual(await find.invalidate('3'), { acknowledged: false, deferred: true });
      t.deepEqual(ofInvalidations(chaos.verbs), []);
      t.is(of('invalidate').length, 0);
      return 'result';
    }),
    'result',
  );
  t.deepEqual(ofInvalidations(chaos.verbs), ['entries.remove', 'entries.removeNonces']);
  t.like(of('invalidate')[0], {
    method: undefined,
    keys: ['user:1', 'user:2', 'other', 'user:3'],
    tags: ['of:1', 'of:2'],
    all: false,
    acknowledged: true,
  });
  t.is(of('invalidate').length, 1);
});

test('a transaction without invalidations sends nothing, and work may be synchronous', async (t) => {
  const { caching, cache, chaos } = setup(t);
  t.is(await caching.transaction(() => 1), 1);
  t.deepEqual(ofInvalidations(chaos.verbs), []);
  await caching.transaction(() => void cache.clear());
  t.deepEqual(ofInvalidations(chaos.verbs), ['entries.removeNonces']);
});

test('if the store is unavailable after the commit, the invalidations are queued', async (t) => {
  const { transact, within, users, other, chaos, cache, caching, clock, database } = setup(t);
  t.is(await users.find('1'), 1);
  chaos.setDown(true);
  await transact(() => within.saveOrThrow('1', 2));
  t.true(cache.pending);
  t.is(await users.find('1'), 2, 'G3: this process reads its own writes.');
  t.is(await other.users.find('1'), 1);
  const error = await t.throwsAsync(
    caching.transaction(
      async () => {
        await within.save('1', 3);
        database.commit();
        return 'result';
      },
      { onUnavailable: 'throw' },
    ),
    { instanceOf: InvalidationError },
  );
  t.is(error.result, 'result');
  chaos.setDown(false);
  await clock.advance(10_000);
  t.is(await other.users.find('1'), 3);
});

// --- reads in a transaction ------------------------------------------------------------------------------------------

test('calls in a transaction return no value that it has invalidated: by key, by tag, or all', async (t) => {
  const { transact, within, users, cache } = setup(t);
  for (const id of ['1', '2', '3', '4']) await users.find(id);
  await transact(async () => {
    within.database.uncommitted.set('1', 2);
    t.is(await within.find('1'), 1, 'Not invalidated yet.');
    await cache.invalidate({ keys: ['user:1'] });
    t.is(await within.find('1'), 2);
    t.deepEqual(within.runs, ['1']);
    within.database.uncommitted.set('2', 2);
    await cache.invalidate({ tags: ['of:2'] });
    t.is(await within.find('2'), 2, 'The tag is known from the stored value only.');
    t.is(await within.find('3'), 1);
    t.deepEqual(within.runs, ['1', '2'], 'A hit.');
    within.database.uncommitted.set('4', 2);
    await cache.clear();
    t.is(await within.find('4'), 2);
  });
});

test('what a transaction loads is not stored, and no other call waits for it', async (t) => {
  const { transact, within, users, other } = setup(t);
  const gate = deferred();
  await t.throwsAsync(
    transact(async () => {
      within.database.uncommitted.set('1', 2);
      within.gate = gate.promise;
      const reading = within.find('1');
      await settled();
      t.is(await users.find('1'), 1, 'This call is in the transaction, too, and finds its own.');
      gate.resolve();
      t.is(await reading, 2);
      throw ROLLBACK;
    }),
    { is: ROLLBACK },
  );
  t.is(await users.find('1'), 1);
  t.is(await other.users.find('1'), 1);
});

test('a call outside does not wait for the load of a transaction', async (t) => {
  const { transact, within, users } = setup(t);
  const gate = deferred();
  const started = deferred();
  const transaction = transact(async () => {
    within.database.uncommitted.set('1', 2);
    within.gate = gate.promise;
    const reading = within.find('1');
    await settled();
    started.resolve();
    t.is(await reading, 2);
    throw ROLLBACK;
  });
  await started.promise;
  t.is(await users.find('1'), 1);
  gate.resolve();
  await t.throwsAsync(transaction, { is: ROLLBACK });
  t.is(await users.find('1'), 1);
  t.is(users.runs.length, 1);
});

test('a hit in a transaction starts no load in the background', async (t) => {
  const { caching, cache, clock } = setup(t, { defaults: { grace: '1h', refreshAhead: 0.5 } });
  let loads = 0;
  const read = (): Promise<number> => cache.getOrSet('key', () => ++loads, { ttl: '1m' });
  await read();
  await clock.advance(59_000);
  t.is(await caching.transaction(read), 1);
  await settled();
  t.is(loads, 1);
  t.is(await read(), 1);
  await settled();
  t.is(loads, 2, 'Outside it does.');
});

test('a batch in a transaction returns stored values, and loads those that were invalidated', async (t) => {
  const { transact, within, users, cache, other } = setup(t);
  await users.findMany(['1', '2', '3']);
  await transact(async () => {
    within.database.uncommitted.set('2', 2);
    await cache.invalidate({ keys: ['user:2', 'user:4'] });
    t.deepEqual([...(await within.findMany(['1', '2', '3', '4']))].flat(), ['1', 1, '2', 2, '3', 1, '4', 1]);
    t.deepEqual(within.runs, ['2,4']);
  });
  t.deepEqual([...(await other.users.findMany(['2']))].flat(), ['2', 2]);
});

test('the plain verbs and handles find nothing that the transaction has invalidated', async (t) => {
  const { caching, cache, users, find } = setup(t);
  await users.find('1');
  await users.find('2');
  await caching.transaction(async () => {
    await cache.invalidate({ tags: ['of:1'] });
    t.is(await cache.get('user:1'), undefined);
    t.false(await cache.has('user:1'));
    t.is(await cache.peek('user:1'), undefined);
    t.deepEqual([...(await cache.getMany(['user:1', 'user:2']))], [['user:2', 1]]);
    t.is(await find.peek('1'), undefined);
    t.is((await find.peek('2'))?.value, 1);
    t.regex(await find.explain('2'), /^hit/);
    await cache.invalidate({ keys: ['user:2'] });
    t.is(
      await find.explain('2'),
      'uncached: the transaction has invalidated the entry, so the method runs, and its result is not stored.',
    );
  });
  t.is(await cache.get('user:1'), undefined);
});

test('set, put and refresh in a transaction store nothing: the key is invalidated after the commit', async (t) => {
  const { caching, cache, users, find, within } = setup(t);
  await users.find('1');
  await users.find('2');
  for (const id of ['3', '4', '5']) await users.find(id);
  await caching.transaction(async () => {
    t.false(await cache.set('user:1', 2));
    within.database.uncommitted.set('2', 2);
    t.is(await caching.of(within, 'find').refresh('2'), 2);
    t.is(await caching.refresh(() => within.find('3')), 1);
    t.is(await caching.bypass(() => within.find('1')), 1);
    t.is(await cache.get('user:1'), undefined);
    t.is(await cache.put('user:4', () => 2), 2);
    t.is(await cache.get('user:4'), undefined);
    const error = await t.throwsAsync(
      cache.put('user:5', () => {
        throw ROLLBACK;
      }),
    );
    t.is(error, ROLLBACK);
    t.is(await cache.get('user:5'), 1, 'The write has failed.');
  });
  t.is(await cache.get('user:5'), 1);
  for (const id of ['1', '2', '3', '4']) t.is(await find.peek(id), undefined, id);
});

test('the memory of the process and of the request are left out, and end at the commit', async (t) => {
  const { transact, within, users } = setup(t, { l1: true });
  await withRequestMemo(async () => {
    t.is(await users.find('1'), 1);
    t.is(await users.find('2'), 1);
    await transact(async () => {
      await within.save('1', 2);
      t.is(await within.find('1'), 2);
      t.is(await users.find('1'), 1, 'Of another connection: it runs.');
      t.is(await within.find('2'), 1);
      t.deepEqual(within.runs, ['1'], 'User 2 is in the memory.');
    });
    t.is(await users.find('1'), 2);
  });
  t.is(await users.find('1'), 2);
});

test('an invalidation of a tag ends values in memory for the transaction', async (t) => {
  const { caching, cache, users } = setup(t, { l1: true });
  await users.find('1');
  await users.find('1');
  t.deepEqual(await cache.peek('user:1'), { value: 1, tier: 'l1' });
  await caching.transaction(async () => {
    await cache.invalidate({ tags: ['of:1'] });
    await users.find('1');
  });
  t.deepEqual(users.runs, ['1', '1']);
});

test('a load that runs a transaction is stored, unless the transaction invalidates it', async (t) => {
  const { caching, cache } = setup(t);
  const work = (keys: readonly string[]) => () =>
    caching.transaction(async () => {
      await cache.invalidate({ keys });
      return 1;
    });
  await cache.getOrSet('a', work(['other']), { inheritTags: true });
  t.is(await cache.get('a'), 1);
  await cache.getOrSet('b', work(['b']));
  t.is(await cache.get('b'), undefined);
});

test('a load whose transaction reads uncached has unknown tags', async (t) => {
  const { caching, cache } = setup(t);
  const inner = (): Promise<number> => cache.getOrSet('inner', () => 1, { tags: ['inner'] });
  await cache.getOrSet('outer', () => caching.transaction(inner), { inheritTags: true });
  t.is(await cache.get('outer'), undefined);
  await inner();
  await cache.getOrSet('outer', () => caching.transaction(inner), { inheritTags: true });
  t.is(await cache.get('outer'), 1);
  await cache.invalidate({ tags: ['inner'] });
  t.is(await cache.get('outer'), undefined);
});

// --- nesting and ends ------------------------------------------------------------------------------------------------

test('a savepoint that is rolled back drops its invalidations; one that is released waits for the commit', async (t) => {
  const { caching, cache, of, chaos } = setup(t);
  await cache.set('a', 1);
  await caching.transaction(async () => {
    await cache.invalidate({ keys: ['a'] });
    await t.throwsAsync(
      caching.transaction(async () => {
        t.is(await cache.get('a'), undefined, 'The savepoint sees the writes of its transaction.');
        await cache.invalidate({ keys: ['b'] });
        throw ROLLBACK;
      }),
    );
    await caching.transaction(() => cache.invalidate({ keys: ['c'] }));
    await cache.set('d', 1);
    t.deepEqual(ofInvalidations(chaos.verbs), []);
  });
  t.deepEqual(
    of('invalidate').map(({ keys }) => keys),
    [['a', 'c', 'd']],
  );
});

test('a transaction that is rolled back drops those of its savepoints, and not those of an independent one', async (t) => {
  const { caching, cache, of } = setup(t);
  await t.throwsAsync(
    caching.transaction(async () => {
      await cache.invalidate({ keys: ['a'] });
      await caching.transaction(() => cache.invalidate({ keys: ['b'] }));
      await caching.transaction(() => cache.invalidate({ keys: ['c'] }), { independent: true });
      t.deepEqual(of('invalidate')[0]?.keys, ['c']);
      throw ROLLBACK;
    }),
  );
  t.is(of('invalidate').length, 1);
});

test('work that goes on after the end of a transaction is outside: it invalidates at once, and stores', async (t) => {
  const { caching, cache, chaos } = setup(t);
  const open = caching.deferInvalidations();
  t.teardown(() => open.rollback());
  for (const isCommitted of [true, false]) {
    const ended = deferred();
    let later: Promise<unknown> | undefined;
    const transaction = caching.transaction(async () => {
      later = ended.promise.then(async () => {
        await cache.getOrSet('late', () => 1);
        t.is(await cache.get('late'), 1);
        t.deepEqual(await cache.invalidate({ keys: ['late'] }), { acknowledged: true });
      });
      if (!isCommitted) throw ROLLBACK;
    });
    await (isCommitted ? transaction : t.throwsAsync(transaction));
    ended.resolve();
    await later;
  }
  t.is(ofInvalidations(chaos.verbs).length, 2);
});

test('a savepoint that ends after its transaction sends its invalidations itself', async (t) => {
  const { caching, cache, of } = setup(t);
  const gate = deferred();
  let inner: Promise<unknown> | undefined;
  await caching.transaction(async () => {
    inner = caching.transaction(async () => {
      await cache.invalidate({ keys: ['a'] });
      await gate.promise;
    });
  });
  gate.resolve();
  await inner;
  t.deepEqual(of('invalidate')[0]?.keys, ['a']);
});

test('a transaction is of one Caching; those of two may be nested', async (t) => {
  const { caching, cache } = setup(t);
  const second = setup(t);
  await caching.transaction(async () => {
    t.deepEqual(await second.cache.invalidate({ keys: ['a'] }), { acknowledged: true });
    t.true(await second.cache.set('a', 1));
    await second.caching.transaction(async () => {
      t.true((await cache.invalidate({ keys: ['a'] })).deferred);
      t.true((await second.cache.invalidate({ keys: ['a'] })).deferred);
      t.is(await second.cache.get('a'), undefined);
    });
    t.is(await second.cache.get('a'), undefined);
    t.true((await cache.invalidate({ keys: ['b'] })).deferred);
  });
});

test('deferInvalidations: the caller runs, commits and rolls back', async (t) => {
  const { caching, cache, of } = setup(t);
  await cache.set('a', 1);
  const one = caching.deferInvalidations();
  await one.run(() => cache.invalidate({ keys: ['a'] }));
  t.is(await cache.get('a'), 1, 'Outside of run the value stands until the commit.');
  t.is(await one.run(() => cache.get('a')), undefined);
  await one.run(() => cache.invalidate({ keys: ['b'] }));
  t.deepEqual(await one.commit(), { acknowledged: true });
  t.deepEqual(of('invalidate')[0]?.keys, ['a', 'b']);
  one.rollback();
  t.deepEqual(await one.commit(), { acknowledged: true });
  t.is(of('invalidate').length, 1);

  const other = caching.deferInvalidations();
  await other.run(() => cache.invalidate({ keys: ['a'] }));
  other.rollback();
  other.rollback();
  await t.throwsAsync(other.commit(), { instanceOf: OptionsError, message: /after deferred\.rollback\(\)/ });
  t.is(of('invalidate').length, 1);

  const outer = caching.deferInvalidations();
  const inner = outer.run(() => caching.deferInvalidations());
  await inner.run(() => cache.invalidate({ keys: ['c'] }));
  t.deepEqual(await inner.commit(), { acknowledged: false, deferred: true });
  t.deepEqual(await outer.commit(), { acknowledged: true });
  t.deepEqual(of('invalidate')[1]?.keys, ['c']);
});

test('deferInvalidations: a commit that the store does not confirm', async (t) => {
  const { caching, cache, chaos } = setup(t);
  chaos.setDown(true);
  const one = caching.deferInvalidations();
  await one.run(() => cache.invalidate({ keys: ['a'] }, { onUnavailable: 'throw' }));
  t.deepEqual(await one.commit(), { acknowledged: false });
  const other = caching.deferInvalidations({ onUnavailable: 'throw' });
  await other.run(() => cache.invalidate({ keys: ['a'] }));
  await t.throwsAsync(other.commit(), { instanceOf: InvalidationError });
});

test('a Caching that is not enabled runs the work', async (t) => {
  const { caching, cache, chaos } = setup(t, { enabled: false });
  t.deepEqual(await caching.transaction(() => cache.invalidate({ keys: ['a'] })), { acknowledged: true });
  t.deepEqual(chaos.verbs, []);
});

test('invalid options are refused', async (t) => {
  const { caching } = setup(t);
  const untyped = caching as unknown as Record<
    'transaction' | 'deferInvalidations',
    (...args: unknown[]) => never
  >;
  await t.throwsAsync(async () => untyped.transaction(), {
    message: 'caching.transaction takes a function that runs the transaction, and undefined was given.',
  });
  await t.throwsAsync(async () => untyped.transaction(() => {}, { nested: true }), {
    instanceOf: OptionsError,
  });
  t.throws(() => untyped.deferInvalidations({ repeatAfter: 0 }), { instanceOf: OptionsError });
  t.throws(() => (caching.deferInvalidations() as unknown as { run(): never }).run(), {
    message: 'deferred.run takes a function to run, and undefined was given.',
  });
});

// --- lagging replicas of the database --------------------------------------------------------------------------------

test('repeatAfter: a value that was loaded from a lagging replica is invalidated once more', async (t) => {
  const { users, other, clock, chaos } = setup(t);
  await users.saveToPrimary('1', 2);
  other.users.database.committed.set('1', 1); // The replica has not heard of it.
  t.is(await other.users.find('1'), 1);
  other.users.database.committed.set('1', 2);
  t.is(await other.users.find('1'), 1);
  await clock.advance(4_999);
  t.is(await other.users.find('1'), 1);
  await clock.advance(1);
  t.is(await other.users.find('1'), 2);
  t.is(ofInvalidations(chaos.verbs).length, 2);
});

test('repeatAfter: with the plain verb, and after a transaction with the longest delay in it', async (t) => {
  const { users, caching, cache, clock, of } = setup(t);
  await cache.invalidate({ keys: ['a'] }, { repeatAfter: '1s' });
  await clock.advance(1_000);
  t.is(of('invalidate').length, 2);
  const transaction = (options?: object): Promise<void> =>
    caching.transaction(async () => {
      await users.saveToPrimary('1', 2);
      await cache.invalidate({ keys: ['a'] }, { repeatAfter: '9s' });
      await cache.invalidate({ keys: ['b'] });
    }, options);
  await transaction();
  t.is(of('invalidate').length, 3);
  await clock.advance(8_999);
  t.is(of('invalidate').length, 3);
  await clock.advance(1);
  t.deepEqual(of('invalidate')[3]?.keys, ['user:1', 'a', 'b']);
  await transaction({ repeatAfter: '1s' });
  await clock.advance(1_000);
  t.is(of('invalidate').length, 6);
  t.is(clock.timers, 0);
});

test('repeatAfter: the second invalidation is queued if the store is unavailable', async (t) => {
  const { cache, other, clock, chaos } = setup(t);
  await cache.invalidate({ keys: ['a'] }, { repeatAfter: '1s' });
  await other.cache.set('a', 1);
  chaos.setDown(true);
  await clock.advance(1_000);
  t.true(cache.pending);
  chaos.setDown(false);
  await clock.advance(10_000);
  t.false(await other.cache.has('a'));
});

test('repeatAfter: close sends what still waits', async (t) => {
  const { caching, cache, other, clock } = setup(t);
  await cache.invalidate({ keys: ['a'] }, { repeatAfter: '1m' });
  await other.cache.set('a', 1);
  await caching.close();
  t.false(await other.cache.has('a'));
  t.is(clock.timers, 0);
});

test('safe: the mark stands until the commit, is lifted by a rollback, and ends by itself if the process dies', async (t) => {
  for (const how of ['commit', 'rollback', 'savepoint', 'death'] as const) {
    const { openers, clock } = rig(t, 3);
    const [writer, reader, other] = openers;
    let version = 1;
    const read = (cache = reader!.cache): Promise<number> =>
      cache.getOrSet('key', () => version, { ttl: '10m' });
    await read();
    const ended = deferred();
    const write = (): Promise<void> =>
      writer!.cache.invalidateAround({ keys: ['key'] }, async () => {}, { safe: '30s' });
    const transaction = writer!.caching.transaction(async () => {
      await (how === 'savepoint' ? writer!.caching.transaction(write) : write());
      await ended.promise;
      if (how === 'rollback') throw ROLLBACK;
    });
    await settled();
    t.is(await reader!.cache.get('key'), undefined, 'The write has ended, and the transaction has not.');
    await read();
    t.is(await reader!.cache.get('key'), undefined);
    if (how !== 'rollback') version = 2;
    if (how === 'death') writer!.chaos.kill();
    ended.resolve();
    if (how === 'rollback') await t.throwsAsync(transaction, { is: ROLLBACK });
    else if (how !== 'death') await transaction;
    await settled();
    if (how === 'death') await clock.advance(30_001);
    t.is(await other!.cache.get('key'), how === 'rollback' ? 1 : undefined);
    t.is(await read(other!.cache), version);
    t.is(await other!.cache.get('key'), version);
  }
});
