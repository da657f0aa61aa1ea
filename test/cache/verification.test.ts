import { randomBytes } from 'node:crypto';
import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { OptionsError } from '../../src/core/shared/errors.js';
import { Caching, createDecorators, currentLoad, defineCodec, withRequestMemo } from '../../src/index.js';
import { fakeClock } from '../../src/testing/fake-clock.js';
import { deferred } from '../support/deferred.js';
import { Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';

/** The default of `after`. */
const AFTER = 5_000;
const ALL = { defaults: { verify: 1 } } as const;

/** A loader that counts its runs. */
function counted<T>(load: (run: number) => T | Promise<T>) {
  const loader = {
    runs: 0,
    run: async (): Promise<T> => load(++loader.runs),
  };
  return loader;
}

// --- what is found ---------------------------------------------------------------------------------------------------

test('an entry that nobody invalidates is found: the event has method, key, age, tier and path, and no value', async (t) => {
  const { openers, clock, of, namespace } = rig(t, 1, ALL);
  const { caching } = openers[0]!;
  const { Cached } = createDecorators(caching);
  let name = 'Ada';
  class Users {
    @Cached({ key: 'user:{0}' })
    async find(id: string): Promise<{ id: string; profile: { name: string } }> {
      return { id, profile: { name } };
    }
  }
  const users = new Users();
  await users.find('42');
  name = 'Grace';
  await clock.advance(1_000);
  t.is((await users.find('42')).profile.name, 'Ada', 'The call returns what is stored.');
  await clock.advance(AFTER - 1);
  t.deepEqual(of('stale'), []);
  await clock.advance(1);
  t.deepEqual(of('stale'), [
    { namespace, method: 'Users.find', key: 'user:42', ageMs: 1_000, tier: 'l2', path: '.profile.name' },
  ]);
  t.deepEqual(caching.verification().stale, [
    { method: 'Users.find', verified: 1, stale: 1, unconfirmed: 0, skipped: 0, path: '.profile.name' },
  ]);
  t.is((await users.find('42')).profile.name, 'Ada', 'Nothing is stored.');
});

test('a hit in memory is verified, too', async (t) => {
  const { openers, clock, of } = rig(t, 1, { ...ALL, l1: true });
  const { caching, cache } = openers[0]!;
  const { Cached } = createDecorators(caching);
  let version = 1;
  class Rows {
    @Cached({ key: 'row' })
    async find(): Promise<number> {
      return version;
    }
  }
  const rows = new Rows();
  await rows.find();
  version = 2;
  t.is(await rows.find(), 1);
  await clock.advance(AFTER);
  t.deepEqual(
    of('stale').map(({ tier, path }) => [tier, path]),
    [['l1', '']],
  );
  const row = new Row();
  await cache.getOrSet('verb', row.load);
  row.write();
  await cache.getOrSet('verb', row.load);
  await clock.advance(AFTER);
  t.deepEqual(
    of('stale').map(({ tier, key }) => [tier, key]),
    [
      ['l1', 'row'],
      ['l1', 'verb'],
    ],
  );
});

test("a hit that the store confirms (coherence: 'validate') is verified", async (t) => {
  const { openers, clock, of } = rig(t, 1, { ...ALL, l1: { coherence: 'validate' } });
  const { cache } = openers[0]!;
  const row = new Row();
  await cache.getOrSet('key', row.load);
  row.write();
  await cache.getOrSet('key', row.load);
  await clock.advance(AFTER);
  t.is(of('stale').length, 1);
});

test('sealed entries are verified', async (t) => {
  const { openers, clock, of } = rig(t, 1, { ...ALL, seal: { keys: [randomBytes(32)] } });
  const row = new Row();
  await openers[0]!.cache.getOrSet('key', row.load);
  row.write();
  await openers[0]!.cache.getOrSet('key', row.load);
  await clock.advance(AFTER);
  t.is(of('stale').length, 1);
});

test('the ids of a batch are verified one by one', async (t) => {
  const { openers, clock, of } = rig(t, 1, ALL);
  const { caching } = openers[0]!;
  const { CachedMany } = createDecorators(caching);
  const names = new Map([
    ['1', 'Ada'],
    ['2', 'Grace'],
  ]);
  const asked: string[][] = [];
  class Users {
    @CachedMany({ key: 'user:{0}' })
    async find(ids: string[]): Promise<Map<string, string>> {
      asked.push(ids);
      return new Map(ids.flatMap((id) => (names.has(id) ? [[id, names.get(id)!]] : [])));
    }
  }
  const users = new Users();
  await users.find(['1', '2', '3']);
  await users.find(['2']);
  await settled();
  names.set('3', 'Joan');
  await users.find(['3']);
  await clock.advance(AFTER);
  t.deepEqual(asked, [['1', '2', '3'], ['2'], ['3'], ['3']]);
  t.deepEqual(
    of('stale').map(({ method, key }) => [method, key]),
    [['Users.find', 'user:3']],
  );
  const row = new Row();
  const load = async (ids: number[]): Promise<number[]> => ids.map(() => row.version);
  const read = () => openers[0]!.cache.getOrSetMany([7], load, { key: (id) => ['row', id] });
  await read();
  row.write();
  await read();
  await clock.advance(AFTER);
  t.is(of('stale').at(-1)?.key, 'row:7');
});

// --- who is not accused ----------------------------------------------------------------------------------------------

test('a writer between its commit and its invalidation is not accused', async (t) => {
  const { openers, clock, of } = rig(t, 1, ALL);
  const { caching, cache } = openers[0]!;
  const row = new Row();
  const loader = counted(row.load);
  await cache.getOrSet('key', loader.run);
  row.write();
  await cache.getOrSet('key', loader.run);
  await clock.advance(AFTER - 1);
  await cache.invalidate({ keys: ['key'] });
  await clock.advance(1);
  t.deepEqual(of('stale'), []);
  t.is(loader.runs, 2, 'The entry has ended, so the method does not run again.');
  const [counts] = caching.verification().methods;
  t.deepEqual(counts, {
    method: undefined,
    verified: 1,
    stale: 0,
    unconfirmed: 1,
    skipped: 0,
    path: undefined,
  });
});

test('a writer that invalidates during the second load is not accused', async (t) => {
  const { openers, clock, of } = rig(t, 2, ALL);
  const { cache } = openers[0]!;
  const row = new Row();
  const loader = counted(async (run) => {
    if (run === 3) await openers[1]!.cache.invalidate({ keys: ['key'] });
    return row.version;
  });
  await cache.getOrSet('key', loader.run);
  row.write();
  await cache.getOrSet('key', loader.run);
  await clock.advance(AFTER);
  t.is(loader.runs, 3);
  t.deepEqual(of('stale'), []);
});

for (const by of ['tag', 'clear'] as const) {
  test(`a writer of another process that invalidates by ${by} is not accused`, async (t) => {
    const { openers, clock, of } = rig(t, 2, ALL);
    const row = new Row();
    const read = () => openers[0]!.cache.getOrSet('key', row.load, { tags: ['tag'] });
    await read();
    row.write();
    await read();
    await clock.advance(1_000);
    await openers[1]!.cache.invalidate(by === 'tag' ? { tags: ['tag'] } : { all: true });
    await clock.advance(AFTER);
    t.deepEqual(of('stale'), []);
  });
}

test('a tag of the result that was invalidated accuses nobody', async (t) => {
  const { openers, clock, of } = rig(t, 2, ALL);
  const row = new Row();
  const read = () =>
    openers[0]!.cache.getOrSet('key', row.load, { tags: (version) => [`version:${version}`] });
  await read();
  row.write();
  await read();
  await clock.advance(1_000);
  await openers[1]!.cache.invalidate({ tags: ['version:1'] });
  await clock.advance(AFTER);
  t.deepEqual(of('stale'), []);
});

test('an entry that another load has replaced is not the one that was returned', async (t) => {
  const { openers, clock, of } = rig(t, 2, ALL);
  const row = new Row();
  const read = () => openers[0]!.cache.getOrSet('key', row.load);
  await read();
  row.write();
  await read();
  await clock.advance(1_000);
  await openers[1]!.cache.set('key', 1);
  await clock.advance(AFTER);
  t.deepEqual(of('stale'), []);
});

test('an invalidation that is queued is not forgotten', async (t) => {
  const { openers, clock, of } = rig(t, 1, ALL);
  const { cache, chaos } = openers[0]!;
  const row = new Row();
  await cache.getOrSet('key', row.load);
  row.write();
  await cache.getOrSet('key', row.load);
  await settled();
  chaos.fail('entries.remove', 'refused');
  t.false((await cache.invalidate({ keys: ['key'] })).acknowledged);
  await clock.advance(AFTER);
  t.deepEqual(of('stale'), []);
});

test('a replica that lags by less than after accuses nobody', async (t) => {
  const { openers, clock, of } = rig(t, 1, ALL);
  const { cache } = openers[0]!;
  // The second run reads a replica that has not got the latest write.
  const loader = counted((run) => (run === 2 ? 1 : 2));
  await cache.getOrSet('key', loader.run);
  t.is(await cache.getOrSet('key', loader.run), 2);
  await clock.advance(AFTER);
  t.is(loader.runs, 3);
  t.deepEqual(of('stale'), []);
});

test('what differs in every load accuses nobody, and does not hide what is stale beside it', async (t) => {
  const { openers, clock, of } = rig(t, 1, ALL);
  const { caching, cache } = openers[0]!;
  const row = new Row();
  const loader = counted((loadedAt) => ({ loadedAt, version: row.version }));
  await cache.getOrSet('key', loader.run);
  await cache.getOrSet('key', loader.run);
  await clock.advance(AFTER);
  t.deepEqual(of('stale'), []);
  t.is(caching.verification().methods[0]?.unconfirmed, 1);
  row.write();
  await cache.getOrSet('key', loader.run);
  await clock.advance(AFTER);
  t.deepEqual(
    of('stale').map(({ path }) => path),
    ['.version'],
  );
});

test('a load that fails or cannot be stored accuses nobody', async (t) => {
  const { openers, clock, of } = rig(t, 1, ALL);
  const { caching, cache } = openers[0]!;
  const failing = counted((run) => {
    if (run > 1) throw new Error('The database is down.');
    return 1;
  });
  await cache.getOrSet('failing', failing.run);
  await cache.getOrSet('failing', failing.run);
  await clock.advance(AFTER);
  const unsupported = counted((run): unknown => (run === 1 ? 1 : () => {}));
  await cache.getOrSet('unsupported', unsupported.run);
  await cache.getOrSet('unsupported', unsupported.run);
  await clock.advance(AFTER);
  t.deepEqual([of('stale'), of('error')], [[], []]);
  t.deepEqual(caching.verification().methods[0]?.skipped, 2);
});

test('values are compared as they are stored: a codec that leaves a part out accuses nobody', async (t) => {
  const { openers, clock, of } = rig(t, 1, ALL);
  const { cache } = openers[0]!;
  const codec = {
    name: 'id',
    encode: (value: unknown) => Buffer.from(String((value as { id: number }).id)),
    decode: (bytes: Uint8Array) => ({ id: Number(Buffer.from(bytes).toString()) }),
  };
  let id = 1;
  const read = () => cache.getOrSet('key', () => ({ id, more: 'than it keeps' }), { codec });
  await read();
  await read();
  await clock.advance(AFTER);
  t.deepEqual(of('stale'), []);
  id = 2;
  await read();
  await clock.advance(AFTER);
  t.is(of('stale')[0]?.path, '.id');
});

test('instances with a codec are compared by their data', async (t) => {
  class Money {
    readonly #cents: number;
    constructor(cents: number) {
      this.#cents = cents;
    }
    get cents(): number {
      return this.#cents;
    }
  }
  const codec = defineCodec({
    type: Money,
    name: 'Money',
    encode: ({ cents }) => cents,
    decode: (cents) => new Money(cents),
  });
  const { openers, clock, of } = rig(t, 1, { ...ALL, codecs: [codec] });
  let cents = 1;
  const read = () => openers[0]!.cache.getOrSet('key', () => ({ price: new Money(cents) }));
  await read();
  await read();
  await clock.advance(AFTER);
  t.deepEqual(of('stale'), []);
  cents = 2;
  await read();
  await clock.advance(AFTER);
  t.is(of('stale')[0]?.path, '.price');
});

test('a caller that changes the returned value accuses nobody', async (t) => {
  const { openers, clock, of } = rig(t, 1, { ...ALL, l1: true });
  const read = () => openers[0]!.cache.getOrSet('key', () => ({ name: 'Ada' }));
  await read();
  (await read()).name = 'changed';
  (await read()).name = 'changed again';
  await clock.advance(AFTER);
  t.deepEqual(of('stale'), []);
});

test('a call whose arguments have changed since is not verified', async (t) => {
  const { openers, clock, of } = rig(t, 1, ALL);
  const { caching } = openers[0]!;
  const { Cached, CachedMany } = createDecorators(caching);
  class Rows {
    @Cached({ key: 'page:{0.page}' })
    async page(filter: { page: number }): Promise<number> {
      return filter.page;
    }
    @CachedMany({ key: (id) => `row:${id.page}` })
    async pages(ids: { page: number }[]): Promise<Map<{ page: number }, number>> {
      return new Map(ids.map((id) => [id, id.page]));
    }
  }
  const rows = new Rows();
  for (const read of [
    (filter: { page: number }) => rows.page(filter),
    (id: { page: number }) => rows.pages([id]),
  ]) {
    await read({ page: 1 });
    const filter = { page: 1 };
    const call = read(filter);
    filter.page = 2;
    await call;
    await clock.advance(AFTER);
  }
  t.deepEqual(of('stale'), []);
  t.deepEqual(
    caching.verification().methods.map(({ method, skipped }) => [method, skipped]),
    [
      ['Rows.page', 1],
      ['Rows.pages', 1],
    ],
  );
});

test('only values within their ttl are verified, and not those that a request remembers', async (t) => {
  const { openers, clock } = rig(t, 1, ALL);
  const { caching, cache } = openers[0]!;
  let isDown = false;
  const read = () =>
    cache.getOrSet(
      'key',
      () => {
        if (isDown) throw new Error('The database is down.');
        return 1;
      },
      { grace: '1h' },
    );
  await withRequestMemo(async () => [await read(), await read()]);
  t.deepEqual(caching.verification().methods, []);
  await clock.advance(60_000);
  isDown = true;
  t.is(await read(), 1, 'A stale value.');
  t.deepEqual(caching.verification().methods, []);
});

// --- how the method runs ---------------------------------------------------------------------------------------------

test('the method asks the source: cached calls in it run uncached and store nothing, in every Caching', async (t) => {
  const { openers, clock, of } = rig(t, 1, ALL);
  const other = rig(t).openers[0]!;
  const { caching, cache, chaos } = openers[0]!;
  const row = new Row();
  const read = () =>
    cache.getOrSet('outer', async () => [
      await cache.getOrSet('inner', row.load, { verify: 0 }),
      await other.cache.getOrSet('inner', row.load),
      await caching.refresh(() => cache.getOrSet('refreshed', row.load)),
    ]);
  t.deepEqual(await read(), [1, 1, 1]);
  row.write();
  await read();
  const fills = chaos.calls('entries.fill').length;
  await clock.advance(AFTER);
  t.deepEqual(
    of('stale').map(({ key, path }) => [key, path]),
    [['outer', '[0]']],
  );
  t.is(chaos.calls('entries.fill').length, fills);
  t.is(await other.cache.get('inner'), 1);
});

test('a hit within a load is verified beside that load, which has the tags that it had', async (t) => {
  const { openers } = rig(t, 1, ALL);
  const { caching, cache } = openers[0]!;
  const inner = () => cache.getOrSet('inner', () => cache.getOrSet('innermost', () => 1));
  await inner();
  const outer = async (): Promise<number> => {
    const value = await inner();
    await settled();
    return value;
  };
  await cache.getOrSet('outer', outer, { inheritTags: true });
  t.is(caching.verification().methods[0]?.verified, 1);
  t.true(await cache.has('outer'));
});

test('currentLoad is there, and what it decides is not stored', async (t) => {
  const { openers, clock, of } = rig(t, 1, ALL);
  const { cache } = openers[0]!;
  const keys: (string | undefined)[] = [];
  const read = () =>
    cache.getOrSet(
      'key',
      () => {
        keys.push(currentLoad()?.key);
        currentLoad()!.set({ ttl: '30s', tags: ['tag'] });
        return 1;
      },
      { tags: () => [] },
    );
  await read();
  await read();
  await clock.advance(AFTER);
  t.deepEqual([keys, of('stale')], [['key', 'key'], []]);
});

test('a load that hangs is told to stop after loadTimeout, and others are verified then', async (t) => {
  const { openers, clock } = rig(t, 1, ALL);
  const { caching, cache } = openers[0]!;
  const signals: AbortSignal[] = [];
  const hanging = counted((run) => {
    if (run === 1) return 1;
    signals.push(currentLoad()!.signal);
    return new Promise<never>(() => {});
  });
  const read = () => cache.getOrSet('hanging', hanging.run, { loadTimeout: '2s' });
  await read();
  t.is(await read(), 1);
  await clock.advance(1_999);
  t.deepEqual(
    signals.map(({ aborted }) => aborted),
    [false],
  );
  await clock.advance(1);
  t.is((signals[0]!.reason as DOMException).name, 'TimeoutError');
  await clock.advance(18_000);
  await cache.getOrSet('other', () => 1);
  await cache.getOrSet('other', () => 1);
  await settled();
  t.deepEqual(
    caching.verification().methods.map(({ verified, skipped }) => [verified, skipped]),
    [[1, 1]],
  );
});

// --- the budget ------------------------------------------------------------------------------------------------------

test('one load runs at a time; other hits are not verified meanwhile, and wait for nothing', async (t) => {
  const { openers } = rig(t, 1, ALL);
  const { caching, cache } = openers[0]!;
  const gate = deferred();
  let [running, most] = [0, 0];
  const read = (key: string) =>
    cache.getOrSet(key, async () => {
      most = Math.max(most, ++running);
      if (await cache.has(key)) await gate.promise;
      running -= 1;
      return 1;
    });
  await read('a');
  await read('b');
  await read('a');
  await settled();
  t.is(await read('b'), 1);
  t.is(await read('a'), 1);
  await settled();
  t.is(most, 1);
  gate.resolve();
  await settled();
  const [counts] = caching.verification().methods;
  t.deepEqual([counts?.verified, counts?.skipped], [1, 2]);
});

test('loads take a tenth of the time of one', async (t) => {
  const { openers, clock } = rig(t, 1, ALL);
  const { caching, cache } = openers[0]!;
  let isSlow = false;
  const read = () =>
    cache.getOrSet('key', async () => {
      if (isSlow) await new Promise<void>((resolve) => clock.after(100, resolve));
      return 1;
    });
  const counts = () => caching.verification().methods.map(({ verified, skipped }) => [verified, skipped])[0];
  await read();
  isSlow = true;
  await read();
  await clock.advance(100);
  t.deepEqual(counts(), [1, 0]);
  await clock.advance(899);
  await read();
  t.deepEqual(counts(), [1, 1]);
  await clock.advance(1);
  await read();
  await clock.advance(100);
  t.deepEqual(counts(), [2, 1]);
});

test('one value of a method waits for its second load, and second loads take turns', async (t) => {
  const { openers, clock, of } = rig(t, 1, ALL);
  const { caching } = openers[0]!;
  const { Cached } = createDecorators(caching);
  const row = new Row();
  let [running, most] = [0, 0];
  const load = async (): Promise<number> => {
    most = Math.max(most, ++running);
    await settled();
    running -= 1;
    return row.version;
  };
  class Rows {
    @Cached({ key: 'one:{0}' })
    async one(_id: number): Promise<number> {
      return load();
    }
    @Cached({ key: 'other:{0}' })
    async other(_id: number): Promise<number> {
      return load();
    }
  }
  const rows = new Rows();
  const calls = [() => rows.one(1), () => rows.one(2), () => rows.other(1)];
  const hitAll = async (): Promise<void> => {
    for (const call of calls) {
      await call();
      for (let i = 0; i < 5; i++) await settled();
    }
  };
  await hitAll();
  row.write();
  await hitAll();
  t.deepEqual(
    caching.verification().methods.map(({ method, skipped }) => [method, skipped]),
    [
      ['Rows.one', 1],
      ['Rows.other', 0],
    ],
  );
  await clock.advance(AFTER);
  for (let i = 0; i < 5; i++) await settled();
  t.deepEqual(
    of('stale').map(({ key }) => key),
    ['one:1', 'other:1'],
  );
  t.is(most, 1);
  await rows.one(2);
  for (let i = 0; i < 5; i++) await settled();
  await clock.advance(AFTER);
  for (let i = 0; i < 5; i++) await settled();
  t.is(of('stale').at(-1)?.key, 'one:2');
});

test('a store that fails, and a part that throws, are published as errors', async (t) => {
  const { openers, clock, of } = rig(t, 1, ALL);
  const { caching, cache, chaos } = openers[0]!;
  const row = new Row();
  await cache.getOrSet('key', row.load);
  row.write();
  await cache.getOrSet('key', row.load);
  await settled();
  chaos.fail('entries.read', 'refused');
  await clock.advance(AFTER);
  chaos.heal();
  const part = (): never => {
    throw new Error('A mistake in part.');
  };
  await cache.getOrSet('key', row.load, { verify: { share: 1, part } });
  await clock.advance(AFTER);
  t.deepEqual(
    of('error').map(({ operation, key }) => [operation, key]),
    [
      ['verify', 'key'],
      ['verify', 'key'],
    ],
  );
  t.is(caching.verification().methods[0]?.skipped, 2);
});

test('close ends verification: no timer is left, and a load that runs is told to stop', async (t) => {
  const { openers, clock, of } = rig(t, 1, ALL);
  const { caching, cache } = openers[0]!;
  const row = new Row();
  await cache.getOrSet('suspect', row.load);
  row.write();
  await cache.getOrSet('suspect', row.load);
  await settled();
  const { Cached } = createDecorators(caching);
  let signal: AbortSignal | undefined;
  const load = counted((run) => {
    if (run === 1) return 1;
    signal = currentLoad()!.signal;
    return new Promise<never>(() => {});
  });
  class Rows {
    @Cached({ key: 'hanging' })
    async hanging(): Promise<number> {
      return load.run();
    }
  }
  const rows = new Rows();
  await rows.hanging();
  await rows.hanging();
  await settled();
  await caching.close();
  t.true(signal?.aborted);
  await clock.advance(AFTER);
  t.is(clock.timers, 0);
  t.deepEqual(of('stale'), []);
});

// --- options and report ----------------------------------------------------------------------------------------------

test('a share of hits is verified; the option of a call precedes that of the Caching', async (t) => {
  // The random number is 0.5.
  const { openers } = rig(t, 1, { defaults: { verify: 0.51 } });
  const { caching, cache } = openers[0]!;
  const read = async (verify?: number): Promise<void> => {
    await cache.getOrSet('key', () => 1, verify === undefined ? {} : { verify });
    await settled();
  };
  const verified = () => caching.verification().methods[0]?.verified;
  await read();
  t.is(verified(), undefined, 'A miss.');
  await read(0);
  await read(0.5);
  t.is(verified(), undefined);
  await read();
  t.is(verified(), 1);
  await read(1);
  t.is(verified(), 2);
});

for (const l1 of [false, true]) {
  test(`without the option a hit draws no number, sets no timer and asks the store for nothing more (l1: ${l1})`, async (t) => {
    let draws = 0;
    const clock = { ...fakeClock(), random: () => (draws++, 0.5) };
    let timers = 0;
    const caching = new Caching({
      adapter: memory(),
      l1,
      namespace: `off-${l1}`,
      clock: { ...clock, after: (ms, task) => (timers++, clock.after(ms, task)) },
      defaults: { ttl: '1m' },
    });
    t.teardown(() => caching.close());
    const { Cached } = createDecorators(caching);
    let runs = 0;
    class Rows {
      @Cached({ key: 'row' })
      async find(): Promise<number> {
        return ++runs;
      }
    }
    const rows = new Rows();
    await rows.find();
    const before = [draws, timers];
    await rows.find();
    await caching.cache.getOrSet('row', () => 2);
    t.deepEqual([draws, timers], before);
    t.is(runs, 1);
    t.deepEqual(caching.verification().methods, []);
  });
}

test('after: how long an entry must stand; part: what is compared of a value', async (t) => {
  const { openers, clock, of } = rig(t);
  const { cache } = openers[0]!;
  let user = { name: 'Ada', seen: 1 };
  const part = ({ seen: _seen, ...rest }: typeof user) => rest;
  const read = () => cache.getOrSet('key', () => user, { verify: { share: 1, after: '1s', part } });
  await read();
  user = { name: 'Ada', seen: 2 };
  await read();
  await clock.advance(1_000);
  t.deepEqual(of('stale'), []);
  user = { name: 'Grace', seen: 3 };
  await read();
  await clock.advance(999);
  t.deepEqual(of('stale'), []);
  await clock.advance(1);
  t.is(of('stale')[0]?.path, '.name');
});

test('an invalid verify is an OptionsError', (t) => {
  const { Cached } = createDecorators(rig(t).openers[0]!.caching);
  const invalid = [
    -0.1,
    1.1,
    Number.NaN,
    true,
    '1',
    null,
    {},
    { share: 2 },
    { share: 1, after: 0 },
    { share: 1, after: 'soon' },
    { share: 1, part: 'name' },
    { share: 1, delay: '5s' },
  ];
  for (const verify of invalid) {
    t.throws(() => Cached({ verify } as object)({}, 'find', { value: async () => 1 }), {
      instanceOf: OptionsError,
      message: /^verify of @Cached on find is a number from 0 to 1 or \{ share: 0\.001, after: '5s' \}, and /,
    });
  }
});

test('the report as a text: stale methods first', async (t) => {
  const { openers, clock } = rig(t, 1, ALL);
  const { caching, cache } = openers[0]!;
  t.is(String(caching.verification()), 'No hit was verified.');
  const { Cached } = createDecorators(caching);
  const row = new Row();
  class Rows {
    @Cached({ key: 'row' })
    async find(): Promise<{ version: number }> {
      return { version: row.version };
    }
  }
  const rows = new Rows();
  await cache.getOrSet('key', () => 1);
  await cache.getOrSet('key', () => 1);
  await rows.find();
  row.write();
  await settled();
  await rows.find();
  await clock.advance(AFTER);
  t.is(
    String(caching.verification()),
    'Rows.find: 1 of 1 verified hits were stale, the last one at value.version. Nobody invalidates them\n' +
      'getOrSet, getOrSetMany: none of 1 verified hits was stale',
  );
});
