import test, { type ExecutionContext } from 'ava';
import {
  bindCaching,
  Cached,
  createDecorators,
  Invalidates,
  KeyError,
  Locked,
  MissingContextError,
  OptionsError,
  RateLimited,
  StoreUnavailableError,
  ValueError,
  withCaching,
  withContext,
  withRequestMemo,
  type Caching,
  type CachingOptions,
} from '../../src/index.js';
import { StoreKeys } from '../../src/core/keys/store-keys.js';
import { deferred } from '../support/deferred.js';
import { rig, type Rig } from '../support/rig.js';
import { settled } from '../support/settled.js';

const DOWN = new Error('The database is down.');

interface User {
  readonly id: string;
  readonly version: number;
}

/** Two processes with a service of users each, on one database. */
class World {
  version = 1;
  runs = 0;
  isDown = false;
  /** Runs wait for it. */
  gate: Promise<void> | undefined;
  readonly rig: Rig;

  constructor(t: ExecutionContext, options: Partial<Omit<CachingOptions, 'adapter' | 'clock'>> = {}) {
    this.rig = rig(t, 2, options);
  }

  process(i: number) {
    const { caching, cache, chaos } = this.rig.openers[i]!;
    const users = new Users(this);
    bindCaching(users, caching);
    return { caching, cache, chaos, users, find: caching.of(users, 'find') };
  }

  async user(id: string): Promise<User> {
    this.runs++;
    const { version } = this;
    await this.gate;
    if (this.isDown) throw DOWN;
    return { id, version };
  }
}

class Users {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  @Cached({
    key: 'user:{0}',
    ttl: '1m',
    tags: ['users', 'user:{0}'],
    when: (id) => id !== 'nobody',
    unless: ({ version }) => version === 13,
  })
  async find(id: string): Promise<User> {
    return this.#world.user(id);
  }
  @Cached({ ttl: '1m', grace: '1h', softTimeout: '5s' })
  async graceful(id: string): Promise<User> {
    return this.#world.user(id);
  }
  @RateLimited({ limit: 1, per: '1h' })
  @Cached({ key: (id) => ['limited', id] })
  @Locked()
  async limited(id: string): Promise<User> {
    return this.#world.user(id);
  }
  @Cached({ onKeyError: 'throw' })
  async strict(filter: object): Promise<User> {
    return this.#world.user(Object.keys(filter).join());
  }
  @Cached()
  async lenient(filter: object): Promise<User> {
    return this.#world.user(Object.keys(filter).join());
  }
  @Cached({ context: ['locale'], tags: ['users'] })
  async localised(id: string): Promise<User> {
    return this.#world.user(id);
  }
  @Invalidates({ all: true })
  async clear(): Promise<void> {}
  async plain(id: string): Promise<User> {
    return this.#world.user(id);
  }
}

// --- of --------------------------------------------------------------------------------------------------------------

test('key: the logical key of a call, as the plain verbs take it', async (t) => {
  const world = new World(t);
  const { caching, cache, users, find } = world.process(0);
  t.is(find.key('a:b'), 'user:a%3Ab');
  t.is(caching.of(users, 'limited').key('1'), 'limited:1');
  t.regex(caching.of(users, 'graceful').key('1'), /^Users\.graceful/);
  await users.find('42');
  t.true(await cache.has(find.key('42')));
  t.throws(() => caching.of(users, 'strict').key({ cycle: () => {} }), { instanceOf: KeyError });
});

test('a handle is on a static method, an inherited one, and one within other decorators', async (t) => {
  const world = new World(t);
  const { caching, cache, users } = world.process(0);
  class Admins extends Users {}
  const admins = new Admins(world);
  bindCaching(admins, caching);
  class Shelf {
    @Cached({ key: 'static:{0}' })
    static async load(id: string): Promise<string> {
      return id;
    }
  }
  bindCaching(Shelf, caching);
  t.is(await caching.of(Shelf, 'load').refresh('1'), '1');
  t.is(await cache.get('static:1'), '1');
  await admins.find('1');
  t.is((await caching.of(admins, 'find').peek('1'))?.tier, 'l2');
  t.deepEqual(await caching.of(users, 'limited').refresh('1'), { id: '1', version: 1 });
  t.deepEqual(await caching.of(users, 'limited').refresh('1'), { id: '1', version: 1 }, 'Not limited.');
});

test('a method without @Cached has no handle', (t) => {
  const { caching, users } = new World(t).process(0);
  const of = (service: unknown, name: string) => () => caching.of(service as Users, name as 'find');
  t.throws(of(users, 'plain'), {
    instanceOf: OptionsError,
    message:
      "caching.of(service, 'plain') is a handle on a method with @Cached, and plain of an instance of Users is a method " +
      'without @Cached, or one that was replaced. Decorate the method with @Cached, and pass the instance itself.',
  });
  t.throws(of(users, 'clear'), { instanceOf: OptionsError, message: /a method without @Cached/ });
  t.throws(of(users, 'nope'), {
    instanceOf: OptionsError,
    message: /nope of an instance of Users is undefined\./,
  });
  t.throws(of(undefined, 'find'), {
    instanceOf: OptionsError,
    message:
      "caching.of(service, 'find') takes an instance, or a class with a static method, and undefined was given.",
  });
});

test('a handle is on the Caching that the method uses', async (t) => {
  const world = new World(t);
  const { caching, users } = world.process(0);
  const other = world.rig.openers[1]!.caching;
  t.throws(() => other.of(users, 'find'), {
    instanceOf: OptionsError,
    message:
      "caching.of(service, 'find') is a handle on the entries of this Caching, and calls of @Cached on Users.find use " +
      'another one. Call of() on that one.',
  });
  await withCaching(other, async () => t.notThrows(() => other.of(users, 'find')));
  // A service that finds none: the handle has one.
  const lonely = new Users(world);
  t.deepEqual(await caching.of(lonely, 'find').refresh('1'), { id: '1', version: 1 });
  const { Cached: Bound } = createDecorators(() => undefined as unknown as Caching);
  class Wrong {
    @Bound()
    async find(id: string): Promise<string> {
      return id;
    }
  }
  t.throws(() => caching.of(new Wrong(), 'find'), {
    instanceOf: OptionsError,
    message: /The cache option of @Cached on Wrong\.find is a function that returns a Caching/,
  });
});

// --- peek ------------------------------------------------------------------------------------------------------------

test('peek: what is stored, where, how old it is and what is left of its ttl; nothing is loaded', async (t) => {
  const world = new World(t);
  const { users, find, caching } = world.process(0);
  const { clock } = world.rig;
  t.is(await find.peek('42'), undefined);
  await users.find('42');
  await clock.advance(1_000);
  const value = { id: '42', version: 1 };
  const tags = ['users', 'user:42'];
  t.deepEqual(await find.peek('42'), { value, tier: 'l2', ageMs: 1_000, ttlMs: 59_000, tags, stale: false });
  await clock.advance(58_999);
  t.is((await find.peek('42'))?.ttlMs, 1);
  await clock.advance(2);
  t.is(await find.peek('42'), undefined);
  await users.find('42');
  await caching.cache.invalidate({ tags: ['users'] });
  t.is(await find.peek('42'), undefined);
  t.is(world.runs, 2);
});

test('peek: the age of a value in memory counts from its load, as in the store', async (t) => {
  const world = new World(t, { l1: true });
  const [loader, reader] = [world.process(0), world.process(1)];
  const { clock } = world.rig;
  await Promise.all([loader.caching.ready(), reader.caching.ready()]);
  await loader.users.find('42');
  await clock.advance(100);
  await reader.users.find('42');
  await clock.advance(100);
  const times = { tier: 'l1', ageMs: 200, ttlMs: 59_800, stale: false };
  for (const { find } of [loader, reader]) {
    t.deepEqual(await find.peek('42'), {
      value: { id: '42', version: 1 },
      tags: ['users', 'user:42'],
      ...times,
    } as never);
  }
});

test("peek: under coherence 'validate' the store is asked", async (t) => {
  const world = new World(t, { l1: { coherence: 'validate' } });
  const [{ users, find }, other] = [world.process(0), world.process(1)];
  await users.find('42');
  t.is((await find.peek('42'))?.value.version, 1);
  await other.find.invalidate('42');
  t.is(await find.peek('42'), undefined);
});

test('peek: a value after its ttl is stale, while its grace lasts', async (t) => {
  const world = new World(t);
  const { users, caching } = world.process(0);
  const graceful = caching.of(users, 'graceful');
  await users.graceful('42');
  await world.rig.clock.advance(61_000);
  t.deepEqual(await graceful.peek('42'), {
    value: { id: '42', version: 1 },
    tier: 'l2',
    ageMs: 61_000,
    ttlMs: 0,
    tags: [],
    stale: true,
  });
  await world.rig.clock.advance(3_600_000);
  t.is(await graceful.peek('42'), undefined);
});

test('peek: a store that does not answer is no missing value', async (t) => {
  const world = new World(t);
  const { find, chaos } = world.process(0);
  chaos.fail('entries.read', 'refused');
  await t.throwsAsync(find.peek('42'), { instanceOf: StoreUnavailableError });
});

test('G3 own writes: nothing is peeked under an invalidation that has not reached the store', async (t) => {
  const world = new World(t);
  const { users, find, caching, chaos } = world.process(0);
  const graceful = caching.of(users, 'graceful');
  await users.graceful('42');
  await users.find('42');
  chaos.fail(['entries.remove', 'entries.removeNonces'], 'refused');
  t.deepEqual(await graceful.invalidate('42'), { acknowledged: false });
  t.is(await graceful.peek('42'), undefined, 'It has no tag.');
  t.deepEqual(await find.invalidate('42'), { acknowledged: false });
  t.is(await find.peek('42'), undefined);
  t.regex(
    await find.explain('42'),
    /^uncached: an invalidation of this process has not reached the store yet/,
  );
  const tagged = world.process(1);
  t.deepEqual(await tagged.find.peek('42'), {
    value: { id: '42', version: 1 },
    tier: 'l2',
    ageMs: 0,
    ttlMs: 60_000,
    tags: ['users', 'user:42'],
    stale: false,
  });
});

// --- refresh, invalidate, original -----------------------------------------------------------------------------------

test('refresh: runs the method and replaces the entry, for all processes', async (t) => {
  const world = new World(t);
  const [one, other] = [world.process(0), world.process(1)];
  await one.users.find('42');
  world.version = 2;
  t.deepEqual(await other.find.refresh('42'), { id: '42', version: 2 });
  t.is((await one.users.find('42')).version, 2);
  t.is(world.runs, 2);
  t.deepEqual((await one.find.peek('42'))?.tags, ['users', 'user:42'], 'It has the tags of the method.');
  world.version = 13;
  await one.find.refresh('42');
  t.is(await one.find.peek('42'), undefined, 'unless applies.');
});

test('refresh: with when, a call that is not cached only runs the method', async (t) => {
  const world = new World(t);
  const { find, chaos } = world.process(0);
  t.is((await find.refresh('nobody')).version, 1);
  t.deepEqual(chaos.verbs, []);
});

test('refresh: rejects with what the method throws, and with what cannot be stored', async (t) => {
  const world = new World(t);
  const { users, find, caching } = world.process(0);
  world.isDown = true;
  await t.throwsAsync(find.refresh('42'), { is: DOWN });
  await t.throwsAsync(caching.of(users, 'lenient').refresh({ f: () => {} }), { instanceOf: KeyError });
  class Odd {
    @Cached()
    async find(): Promise<unknown> {
      return () => {};
    }
  }
  await t.throwsAsync(caching.of(new Odd(), 'find').refresh(), { instanceOf: ValueError });
});

test('invalidate: ends the entry of one call', async (t) => {
  const world = new World(t);
  const [one, other] = [world.process(0), world.process(1)];
  await one.users.find('1');
  await one.users.find('2');
  t.deepEqual(await other.find.invalidate('1'), { acknowledged: true });
  t.is(await one.find.peek('1'), undefined);
  t.truthy(await one.find.peek('2'));
  t.deepEqual(
    world.rig.of('invalidate').map(({ keys, method }) => [keys, method]),
    [[['user:1'], 'Users.find']],
  );
});

test('original: runs the method, and neither reads nor stores', async (t) => {
  const world = new World(t);
  const { users, find, cache, chaos } = world.process(0);
  await users.find('42');
  world.version = 2;
  const asked = chaos.verbs.length;
  t.is((await find.original('42')).version, 2);
  t.is(chaos.verbs.length, asked);
  const outer = (): Promise<User> =>
    cache.getOrSet('outer', () => find.original('42'), { inheritTags: true });
  await outer();
  t.false(await cache.has('outer'), 'Its tags are not known to a load with inheritTags.');
});

test('a handle has the parts of the context in its entries, and not in its key', async (t) => {
  const world = new World(t, { context: ['tenant'] });
  const { users, caching } = world.process(0);
  const localised = caching.of(users, 'localised');
  const acme = { tenant: 'acme', locale: 'de' };
  await withContext(acme, () => localised.refresh('42'));
  t.deepEqual(await withContext(acme, async () => (await localised.peek('42'))?.tags), [
    '[tenant=acme]users',
  ]);
  t.is(await withContext({ ...acme, locale: 'fr' }, () => localised.peek('42')), undefined);
  t.false(localised.key('42').includes('acme'));
  await t.throwsAsync(localised.peek('42'), { instanceOf: MissingContextError });
  await t.throwsAsync(localised.refresh('42'), { instanceOf: MissingContextError });
  t.regex(await localised.explain('42'), /^rejects: .*needs the part 'locale' of the context/);
});

test('a handle of a Caching that is not enabled runs the method and finds nothing', async (t) => {
  const { users, find } = new World(t, { enabled: false }).process(0);
  t.is((await users.find('42')).version, 1);
  t.is((await find.refresh('42')).version, 1);
  t.is(await find.peek('42'), undefined);
  t.deepEqual(await find.invalidate('42'), { acknowledged: true });
  t.is(await find.explain('42'), 'uncached: the Caching is not enabled, so the method runs.');
});

// --- bypass and refresh of a Caching, on decorated methods -------------------------------------------------------------

test('bypass and refresh reach decorated methods, also those whose value is in memory', async (t) => {
  const world = new World(t, { l1: true });
  const { users, caching, find } = world.process(0);
  await caching.ready();
  await users.find('42');
  t.is((await find.peek('42'))?.tier, 'l1');
  world.version = 2;
  t.is((await caching.bypass(() => users.find('42'))).version, 2);
  t.is((await users.find('42')).version, 1);
  t.is((await caching.refresh(() => users.find('42'))).version, 2);
  t.is((await users.find('42')).version, 2);
});

// --- explain -----------------------------------------------------------------------------------------------------------

test('explain: a hit, a miss, and what has invalidated the value', async (t) => {
  const world = new World(t);
  const [{ users, find, cache, chaos }, other] = [world.process(0), world.process(1)];
  t.is(await find.explain('42'), 'miss: nothing is stored.');
  await users.find('42');
  await world.rig.clock.advance(1_000);
  t.is(await find.explain('42'), 'hit (l2): the store has the value, and its ttl ends in 59000 ms.');
  await other.cache.invalidate({ tags: ['users'] });
  t.is(await find.explain('42'), "miss: the tag 'users' was invalidated since the value was loaded.");
  await other.cache.invalidate({ tags: ['users', 'user:42'] });
  t.is(
    await find.explain('42'),
    "miss: the tags 'users', 'user:42' were invalidated since the value was loaded.",
  );
  await users.find('42');
  await other.cache.clear();
  t.is(await find.explain('42'), 'miss: the namespace was cleared since the value was loaded.');
  await cache.set('user:42', { id: '42', version: 7 }, { tags: ['users'] });
  t.is(await find.explain('42'), "miss: the stored value does not have 'user:42', a tag of the call.");
  const runs = world.runs;
  chaos.fail('entries.read', 'refused');
  t.regex(
    await find.explain('42'),
    /^uncached: the store does not answer, so the method runs, and its result is not stored\. ./,
  );
  t.is(world.runs, runs);
});

test('explain: calls that are not cached', async (t) => {
  const world = new World(t);
  const { users, find, caching } = world.process(0);
  t.is(await find.explain('nobody'), 'uncached: when of the decorator returns false, so the method runs.');
  t.is(
    await caching.bypass(() => find.explain('42')),
    'uncached: the call is within caching.bypass(), so the method runs.',
  );
  t.is(
    await caching.refresh(() => find.explain('42')),
    'miss: the call is within caching.refresh(), so it loads anew.',
  );
  await caching.refresh(async () => {
    await users.find('42');
    t.regex(await find.explain('42'), /^hit \(l2\)/);
  });
  const odd = { f: () => {} };
  t.regex(
    await caching.of(users, 'lenient').explain(odd),
    /^uncached: the call has no valid key, so the method runs\. ./,
  );
  t.regex(await caching.of(users, 'strict').explain(odd), /^rejects: the call has no valid key\. ./);
});

test('explain: a load that the call would wait for, and who runs it', async (t) => {
  const world = new World(t);
  const [{ users, find }, other] = [world.process(0), world.process(1)];
  const { clock } = world.rig;
  const gate = deferred();
  world.gate = gate.promise;
  const running = users.find('42');
  await settled();
  await clock.advance(1_000);
  t.is(
    await find.explain('42'),
    'miss: nothing is stored. A load of this process has been running for 1000 ms, and the call waits for it.',
  );
  t.is(
    await other.find.explain('42'),
    'miss: nothing is stored. Another process holds the lease for 4000 ms, and longer if it extends it. The call waits for ' +
      'at most 5000 ms.',
  );
  gate.resolve();
  await running;
  t.regex(await other.find.explain('42'), /^hit \(l2\)/, 'The lease has not suffered.');
});

test('explain: what is stored is no valid value', async (t) => {
  const world = new World(t);
  const [{ users, find, chaos }, other] = [world.process(0), world.process(1)];
  const { entries } = world.rig.store;
  await other.users.find('42');
  chaos.fail('entries.lease', 'refused');
  await find.refresh('42');
  chaos.heal();
  t.is(await find.explain('42'), 'miss: the stored value is older than one that this process has returned.');
  t.regex(await other.find.explain('42'), /^hit/);
  const storeKey = new StoreKeys(world.rig.namespace).entry('user:7');
  await users.find('42');
  const { record } = await entries.read(new StoreKeys(world.rig.namespace).entry('user:42'), []);
  await entries.lease(storeKey, 'x'.repeat(16), 1_000, undefined);
  await entries.fill(storeKey, 'x'.repeat(16), record!, world.rig.clock.now() + 1_000);
  t.is(await find.explain('7'), 'miss: what is stored cannot be decoded.', 'It is of another key.');
});

test('explain: a value that the request has read before', async (t) => {
  const world = new World(t);
  const { users, find, cache } = world.process(0);
  await withRequestMemo(async () => {
    await users.find('42');
    t.is(await find.explain('42'), 'hit (memo): the request has read the value before.');
    await cache.invalidate({ keys: ['user:42'] });
    t.is(await find.explain('42'), 'miss: nothing is stored.');
  });
});

test('explain: a stale value that another process loads again', async (t) => {
  const world = new World(t);
  const [{ users, caching }, other] = [world.process(0), world.process(1)];
  const gate = deferred();
  await users.graceful('42');
  await world.rig.clock.advance(61_000);
  world.gate = gate.promise;
  const running = users.graceful('42');
  await settled();
  t.regex(
    await other.caching.of(other.users, 'graceful').explain('42'),
    /^stale: .* A load holds the lease for 5000 ms, and longer if it extends it\.$/,
  );
  t.regex(
    await caching.of(users, 'graceful').explain('42'),
    / A load of this process has been running for 0 ms, and the call waits for it\.$/,
  );
  gate.resolve();
  await running;
});

test('explain: a stale value, its grace, and a back-off', async (t) => {
  const world = new World(t);
  const { users, caching } = world.process(0);
  const { clock } = world.rig;
  const graceful = caching.of(users, 'graceful');
  await users.graceful('42');
  await clock.advance(61_000);
  t.is(
    await graceful.explain('42'),
    'stale: its ttl ended 1000 ms ago, at 1970-01-01T00:01:01.000Z. The call loads, and the old value is returned if the ' +
      'load fails or takes longer than 5000 ms; 3599000 ms of its grace are left.',
  );
  world.isDown = true;
  await users.graceful('42');
  t.is(
    await graceful.explain('42'),
    'stale: its ttl ended 1000 ms ago, at 1970-01-01T00:01:01.000Z, and a load has failed, so the value is returned ' +
      'without a load for 10000 ms; 3599000 ms of its grace are left.',
  );
  await clock.advance(3_599_000);
  t.regex(await graceful.explain('42'), /^miss: /);
});

test('explain: why the value in memory is not used', async (t) => {
  const world = new World(t, { l1: { ttl: '30s' } });
  const [{ users, find, caching }, other] = [world.process(0), world.process(1)];
  const end = async (): Promise<string> => (await find.explain('42')).replace(/^.*The L1 is not used: /, '');
  await Promise.all([caching.ready(), other.caching.ready()]);
  await users.find('42');
  t.is(await find.explain('42'), 'hit (l1): the memory of this process has the value.');
  await other.cache.invalidate({ tags: ['users'] });
  await settled();
  t.is(await end(), 'one of its tags or the namespace was invalidated.');
  await users.find('42');
  await world.rig.clock.advance(30_000);
  t.is(
    await find.explain('42'),
    'hit (l2): the store has the value, and its ttl ends in 30000 ms. The L1 is not used: it does not have the value.',
  );
});
