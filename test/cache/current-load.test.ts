import test from 'ava';
import { currentLoad } from '../../src/core/cache/load-context.js';
import { OptionsError } from '../../src/core/shared/errors.js';
import { Caching, createDecorators, withContext } from '../../src/index.js';
import { memory } from '../../src/adapters/memory/index.js';
import { Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';

const notCalled = async (): Promise<never> => {
  throw new Error('The loader was called.');
};

test('a load sets its ttl, up to that of the call', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const short = async (): Promise<string> => {
    currentLoad()!.set({ ttl: '10s' });
    return 'short';
  };
  t.is(await cache.getOrSet('short', short), 'short');
  await clock.advance(9_999);
  t.is(await cache.getOrSet<string>('short', notCalled), 'short');
  await clock.advance(2);
  t.is(await cache.get('short'), undefined);

  const long = async (): Promise<string> => {
    currentLoad()!.set({ ttl: '1h' });
    return 'long';
  };
  await cache.getOrSet('long', long);
  await clock.advance(60_001);
  t.is(await cache.get('long'), undefined);
});

test('skip, and a ttl of 0, return the value and store nothing', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const decide = [() => currentLoad()!.skip(), () => currentLoad()!.set({ ttl: 0 })];
  for (const [i, one] of decide.entries()) {
    const value = await cache.getOrSet(`key ${i}`, async () => {
      one();
      return 'draft';
    });
    t.is(value, 'draft');
    t.is(await cache.get(`key ${i}`), undefined);
  }
});

test('a load sets tags: an invalidation by one ends the entry, also during the load', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const load = async (): Promise<number> => {
    currentLoad()!.set({ tags: ['org:7'] });
    return 1;
  };
  const options = { tags: () => ['users'] };
  await here!.cache.getOrSet('key', load, options);
  t.is(await here!.cache.get('key'), 1);
  await there!.cache.invalidate({ tags: ['org:7'] });
  t.is(await here!.cache.get('key'), undefined);

  await here!.cache.getOrSet(
    'key',
    async () => {
      currentLoad()!.set({ tags: ['org:7'] });
      await there!.cache.invalidate({ tags: ['org:7'] });
      return 2;
    },
    options,
  );
  t.is(await here!.cache.get('key'), undefined);
});

test('tags that a load sets have the context of the call', async (t) => {
  const { openers } = rig(t, 1, { context: ['tenant'] });
  const { Cached, Invalidates } = createDecorators(openers[0]!.caching);
  let loads = 0;
  class Users {
    @Cached({ key: 'user:{0}', tags: () => [] })
    async find(id: string): Promise<string> {
      currentLoad()?.set({ tags: ['users'] });
      return `${id} ${++loads}`;
    }
    @Invalidates({ tags: 'users' })
    async save(): Promise<void> {}
  }
  const users = new Users();
  const of = (tenant: string) => withContext({ tenant }, () => users.find('1'));
  await of('a');
  await of('b');
  await withContext({ tenant: 'a' }, () => users.save());
  t.is(await of('b'), '1 2');
  t.is(await of('a'), '1 3');
});

test('tags without a function tags, and a ttl that is no duration, throw an OptionsError in the loader', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  await t.throwsAsync(
    cache.getOrSet('key', async () => currentLoad()!.set({ tags: ['a'] }), { tags: ['users'] }),
    { instanceOf: OptionsError, message: /no function tags.*tags: \(\) => \[\]/ },
  );
  await t.throwsAsync(
    cache.getOrSet('key', async () => currentLoad()!.set({ ttl: 'soon' as never })),
    { instanceOf: OptionsError, message: /ttl of currentLoad\(\)\.set is a duration.*'soon' was given/ },
  );
});

test('a load that finds that nothing has changed renews the value by returning it', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const row = new Row();
  let read = 0;
  const load = async (): Promise<{ version: number }> => {
    const stale = currentLoad()!.stale?.value as { version: number } | undefined;
    if (stale?.version === row.version) return stale;
    read += 1;
    return { version: row.version };
  };
  const options = { ttl: '1m', grace: '1h' } as const;
  t.deepEqual(await cache.getOrSet('key', load, options), { version: 1 });
  await clock.advance(60_000);
  t.deepEqual(await cache.getOrSet('key', load, options), { version: 1 });
  await clock.advance(59_000);
  t.deepEqual(await cache.getOrSet('key', notCalled as never, options), { version: 1 });
  t.is(read, 1);
  row.write();
  await clock.advance(1_000);
  t.deepEqual(await cache.getOrSet('key', load, options), { version: 2 });
  t.is(read, 2);
});

test('a refresh sees the value that it replaces; an invalidated one is not seen', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const seen: unknown[] = [];
  const load = async (): Promise<number> => {
    seen.push(currentLoad()!.stale?.value);
    return seen.length;
  };
  const options = { ttl: '1m', refreshAhead: 0.5, grace: '1h' } as const;
  await cache.getOrSet('key', load, options);
  await clock.advance(30_000);
  await cache.getOrSet('key', load, options);
  await settled();
  await cache.invalidate({ keys: ['key'] });
  await cache.getOrSet('key', load, options);
  t.deepEqual(seen, [undefined, 1, undefined]);
});

test('a call that is not cached has no current load, also within the load of another one', async (t) => {
  const { openers } = rig(t, 2);
  const [caching, disabled] = [openers[0]!.caching, new Caching({ adapter: memory(), enabled: false })];
  t.teardown(() => disabled.close());
  const { Cached, CachedMany } = createDecorators(caching);
  const seen: Record<string, string | undefined> = {};
  const note = (name: string): void => {
    seen[name] = currentLoad()?.key;
    currentLoad()?.skip();
  };
  class Inner {
    @Cached({ key: 'cached:{0}', ttl: '1m' })
    async cached(id: string): Promise<string> {
      note(id);
      return id;
    }
    @Cached({ key: 'excluded', ttl: '1m', when: () => false })
    async excluded(): Promise<string> {
      note('when');
      return '';
    }
    @Cached({ ttl: '1m' })
    async keyless(take: (name: string) => void): Promise<string> {
      take('no key');
      return '';
    }
    @CachedMany({ key: 'many:{0}', ttl: '1m', when: () => false })
    async many(ids: string[]): Promise<Map<string, string>> {
      note('many');
      return new Map(ids.map((id) => [id, id]));
    }
    @Cached({ key: 'disabled', ttl: '1m', cache: disabled })
    async disabled(): Promise<string> {
      note('disabled');
      return '';
    }
    async plain(): Promise<void> {
      seen['plain'] = currentLoad()?.key;
    }
  }
  const inner = new Inner();
  await caching.cache.getOrSet('outer', async () => {
    await caching.bypass(() => inner.cached('bypass'));
    await caching.of(inner, 'cached').original('original');
    await inner.excluded();
    await inner.keyless(note);
    await inner.many(['1']);
    await inner.disabled();
    await disabled.cache.getOrSet('verb', async () => note('verb'), { ttl: '1m' });
    await inner.cached('itself');
    await inner.plain();
    return 'value';
  });
  t.deepEqual(seen, {
    bypass: undefined,
    original: undefined,
    when: undefined,
    'no key': undefined,
    many: undefined,
    disabled: undefined,
    verb: undefined,
    itself: 'cached:itself',
    plain: 'outer',
  });
  t.is(await caching.cache.get('outer'), 'value');
});
