import test, { type ExecutionContext } from 'ava';
import {
  bindCaching,
  Cached,
  CachedMany,
  createDecorators,
  KeyError,
  OptionsError,
  withContext,
} from '../../src/index.js';
import { deferred } from '../support/deferred.js';
import { rig, type Rig } from '../support/rig.js';
import { settled } from '../support/settled.js';

interface User {
  readonly id: string;
  readonly version: number;
}

/** Two processes with a service of users each, on one database in which 'none' is not. */
function world(t: ExecutionContext) {
  const db = {
    version: 1,
    reads: [] as string[][],
    error: undefined as Error | undefined,
    gate: undefined as Promise<void> | undefined,
  };
  class Users {
    @CachedMany({
      key: 'user:{0}',
      tags: (user) => [`version:${user.version}`],
      chunkSize: 2,
      when: (ids) => !ids.includes('uncached'),
      onKeyError: 'throw',
    })
    async findMany(ids: string[]): Promise<Map<string, User>> {
      db.reads.push([...ids]);
      const { version } = db;
      await db.gate;
      if (db.error !== undefined) throw db.error;
      return new Map(ids.filter((id) => id !== 'none').map((id) => [id, { id, version }]));
    }
    @Cached({ key: 'user:{0}' })
    async find(id: string): Promise<User> {
      return { id, version: db.version };
    }
    async plain(ids: string[]): Promise<string[]> {
      return ids;
    }
  }
  const opened: Rig = rig(t, 2);
  const processes = opened.openers.map((opener) => {
    const users = new Users();
    bindCaching(users, opener.caching);
    return { ...opener, users, many: opener.caching.ofMany(users, 'findMany') };
  });
  return { db, rig: opened, here: processes[0]!, there: processes[1]! };
}

test('key, peek and explain take an id, and tell what is stored for it', async (t) => {
  const { db, rig: opened, here, there } = world(t);
  t.is(here.many.key('1'), 'user:1');
  t.is(await here.many.peek('1'), undefined);
  t.regex(await here.many.explain('1'), /^miss: nothing is stored/);
  await here.users.findMany(['1', 'none']);
  await opened.clock.advance(1_000);
  const found = await there.many.peek('1');
  t.like(found, { value: { id: '1', version: 1 }, tier: 'l2', ageMs: 1_000, ttlMs: 59_000, stale: false });
  t.deepEqual(found!.tags, ['version:1']);
  t.like(await there.many.peek('none'), { value: undefined, stale: false });
  t.regex(await there.many.explain('1'), /^hit \(l2\)/);
  t.regex(await there.many.explain('uncached'), /^uncached: when of the decorator returns false/);
  t.regex(await there.many.explain({} as never), /^rejects: the call has no valid key/);
  t.throws(() => there.many.key({} as never), { instanceOf: KeyError });
  t.deepEqual(db.reads, [['1', 'none']], 'It has run no method.');
});

test('refresh loads all ids anew, each once and in chunks, and replaces what is stored', async (t) => {
  const { db, here, there } = world(t);
  await there.users.findMany(['1', '2']);
  db.version = 2;
  db.reads = [];
  const fresh = await here.many.refresh(['1', '2', '3', '1', 'none']);
  t.deepEqual([...fresh.keys()], ['1', '2', '3']);
  t.true([...fresh.values()].every(({ version }) => version === 2));
  t.deepEqual(db.reads, [
    ['1', '2'],
    ['3', 'none'],
  ]);
  t.deepEqual([...(await there.users.findMany(['1', '2', '3', 'none'])).values()], [...fresh.values()]);
  t.deepEqual((await there.users.find('3')).version, 2);
  t.is(db.reads.length, 2);
  t.is((await here.many.refresh([])).size, 0);
});

test('G1 a load that started before a refresh stores nothing, and an invalidation during it wins', async (t) => {
  const { db, here, there } = world(t);
  const old = deferred();
  db.gate = old.promise;
  const reading = there.users.findMany(['1', '2']);
  await settled();
  db.version = 2;
  const refreshed = deferred();
  db.gate = refreshed.promise;
  const refreshing = here.many.refresh(['1', '2']);
  await settled();
  t.is(db.reads.length, 2);
  t.true((await there.cache.invalidate({ keys: ['user:2'] })).acknowledged);
  refreshed.resolve();
  t.is((await refreshing).size, 2);
  old.resolve();
  await reading;
  t.is((await there.many.peek('1'))?.value?.version, 2);
  t.is(await there.many.peek('2'), undefined);
});

test('a refresh that fails rejects, and the entries are as before', async (t) => {
  const { db, here, there } = world(t);
  await there.users.findMany(['1', '2']);
  db.error = new Error('The database is down.');
  await t.throwsAsync(here.many.refresh(['1', '2']), { is: db.error });
  await settled();
  for (const id of ['1', '2']) t.is((await there.many.peek(id))?.value?.version, 1);
});

test('invalidate ends the entries of all ids at once; original and an excluded refresh only run the method', async (t) => {
  const { db, rig: opened, here, there } = world(t);
  await there.users.findMany(['1', '2', '3']);
  t.deepEqual(await here.many.invalidate(['1', '2', '1']), { acknowledged: true });
  t.deepEqual(
    opened.of('invalidate').map(({ keys, method }) => [keys, method]),
    [[['user:1', 'user:2'], 'Users.findMany']],
  );
  for (const id of ['1', '2']) t.is(await there.many.peek(id), undefined);
  t.not(await there.many.peek('3'), undefined);
  t.deepEqual(await here.many.invalidate([]), { acknowledged: true });
  t.deepEqual(await here.caching.transaction(() => here.many.invalidate(['3'])), {
    acknowledged: false,
    deferred: true,
  });
  t.is(await there.many.peek('3'), undefined);
  db.reads = [];
  t.is((await here.many.original(['1', '2', '3'])).size, 3);
  t.is((await here.many.refresh(['1', 'uncached'])).size, 2);
  t.deepEqual(db.reads, [
    ['1', '2', '3'],
    ['1', 'uncached'],
  ]);
  t.is(await there.many.peek('1'), undefined);
});

test('the other arguments and the context are in the key, and the result has the form of the method', async (t) => {
  const { caching } = rig(t, 1, { context: ['tenant'] }).openers[0]!;
  const { CachedMany } = createDecorators(caching);
  let version = 1;
  class Texts {
    @CachedMany({ key: 'text:{1}:{0}', returns: 'list' })
    async list(ids: readonly number[], lang: string): Promise<(string | undefined)[]> {
      return ids.map((id) => (id === 0 ? undefined : `${lang} ${id} v${version}`));
    }
    @CachedMany({ key: 'count:{0}', returns: 'object' })
    static async counts(ids: string[]): Promise<Record<string, number>> {
      return Object.fromEntries(ids.map((id) => [id, version]));
    }
  }
  const texts = new Texts();
  const list = caching.ofMany(texts, 'list');
  t.is(list.key(1, 'en'), 'text:en:1');
  await withContext({ tenant: 'a' }, async () => {
    t.deepEqual(await texts.list([1, 0], 'en'), ['en 1 v1', undefined]);
    version = 2;
    t.deepEqual(await list.refresh([1, 0, 2], 'en'), ['en 1 v2', undefined, 'en 2 v2']);
    t.is((await list.peek(1, 'en'))?.value, 'en 1 v2');
    t.is(await list.peek(1, 'de'), undefined);
    t.deepEqual(await caching.ofMany(Texts, 'counts').refresh(['x']), { x: 2 });
  });
  await withContext({ tenant: 'b' }, async () => t.is(await list.peek(1, 'en'), undefined));
});

test('of and ofMany refuse the methods of each other, and methods without a decorator', (t) => {
  const { here, there } = world(t);
  const refused = (find: () => unknown, message: RegExp) =>
    t.throws(find, { instanceOf: OptionsError, message });
  refused(
    () => here.caching.of(here.users, 'findMany'),
    /^caching\.of\(service, 'findMany'\) is a handle on a method with @Cached, and findMany has @CachedMany\. Call caching\.ofMany\(service, 'findMany'\)\.$/,
  );
  refused(
    () => here.caching.ofMany(here.users, 'find' as never),
    /find has @Cached\. Call caching\.of\(service, 'find'\)\.$/,
  );
  refused(
    () => here.caching.ofMany(here.users, 'plain'),
    /a method without @CachedMany, or one that was replaced/,
  );
  refused(
    () => there.caching.ofMany(here.users, 'findMany'),
    /use another one\. Call ofMany\(\) on that one\.$/,
  );
});

test('ids that are no list are refused', async (t) => {
  const { here } = world(t);
  const untyped = here.many as unknown as {
    [name in 'refresh' | 'invalidate']: (ids: unknown) => Promise<unknown>;
  };
  for (const verb of ['refresh', 'invalidate'] as const) {
    const when = verb === 'refresh' ? '1' : 1;
    await t.throwsAsync(untyped[verb](when), { instanceOf: OptionsError, message: /takes a list of ids/ });
  }
});
