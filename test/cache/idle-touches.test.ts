import test from 'ava';
import { entryKey } from '../../src/core/keys/store-keys.js';
import {
  bindCaching,
  Cached,
  CachedMany,
  CachePut,
  Caching,
  CachingDefaults,
  currentLoad,
  OptionsError,
  StoreUnavailableError,
  type CachingOptions,
} from '../../src/index.js';
import { memory } from '../../src/adapters/memory/index.js';
import { fakeClock } from '../../src/testing/fake-clock.js';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig, type Opener, type Rig } from '../support/rig.js';
import { SEAL } from '../support/seal-keys.js';
import { settled } from '../support/settled.js';

const IDLE = { ttl: '10m', idleTtl: '1m' } as const;
const MINUTE = 60_000;
const DOWN = new Error('The database is down.');
const fails = async (): Promise<number> => {
  throw DOWN;
};
const notCalled = async (): Promise<number> => {
  throw new Error('The loader was called.');
};

function touches({ chaos }: Opener): number {
  return chaos.calls('entries.touch').length;
}

/** True if the store has the entry. In the last millisecond of its life `memory()` still has it. */
async function isStored({ namespace, store }: Rig, key = 'key'): Promise<boolean> {
  return (await store.entries.read(entryKey(namespace, key), [])).record !== null;
}

/** Advances the clock in steps of `step` ms, and reads after each. */
async function readEvery({ clock }: Rig, step: number, ms: number, read: () => unknown): Promise<void> {
  for (let passed = 0; passed < ms; passed += step) {
    await clock.advance(step);
    await read();
    await settled();
  }
}

// --- the idle time -----------------------------------------------------------------------------------------------------

test('idleTtl: a value that nobody reads is gone', async (t) => {
  const world = rig(t);
  const { cache } = world.openers[0]!;
  const row = new Row();
  await cache.getOrSet('key', row.load, IDLE);
  await world.clock.advance(MINUTE - 1);
  t.true(await isStored(world));
  await world.clock.advance(2);
  t.false(await isStored(world));
  row.write();
  t.is(await cache.getOrSet('key', row.load, IDLE), 2);
});

test('G6 age: a value that is read lives on, until its ttl ends', async (t) => {
  const world = rig(t);
  const { cache } = world.openers[0]!;
  const row = new Row();
  await cache.getOrSet('key', row.load, IDLE);
  row.write();
  await readEvery(world, 40_000, 560_000, async () => t.is(await cache.getOrSet('key', notCalled, IDLE), 1));
  await world.clock.advance(39_999);
  t.is(await cache.getOrSet('key', row.load, IDLE), 1);
  await settled();
  await world.clock.advance(2);
  t.false(await isStored(world));
  t.is(await cache.getOrSet('key', row.load, IDLE), 2);
});

test('idleTtl: it counts from when the value is stored, and the ttl from when its load starts', async (t) => {
  const world = rig(t);
  const { cache } = world.openers[0]!;
  const held = new HeldLoad(new Row());
  const first = cache.getOrSet('key', held.run, { ttl: '70s', idleTtl: '1m', loadTimeout: '5m' });
  await held.entered;
  for (let i = 0; i < 10; i++) {
    await world.clock.advance(2_000);
    await settled();
  }
  held.finish();
  t.is(await first, 1);
  await world.clock.advance(49_999);
  t.true(await isStored(world), 'It was not read for less than a minute.');
  await world.clock.advance(2);
  t.false(await isStored(world), 'Its load has started 70 seconds ago.');
});

test('idleTtl: a process touches an entry once in a quarter of it, and the entry lives for three quarters more', async (t) => {
  const world = rig(t);
  const [here] = world.openers;
  const { clock } = world;
  const { cache } = here!;
  await cache.getOrSet('key', new Row().load, IDLE);
  await cache.get('key');
  await clock.advance(15_001);
  t.is(touches(here!), 0, 'It has just stored it.');
  for (let i = 0; i < 100; i++) await cache.get('key');
  t.is(touches(here!), 1);
  await clock.advance(15_000);
  for (let i = 0; i < 100; i++) await cache.get('key');
  t.is(touches(here!), 1);
  await clock.advance(44_999);
  t.true(await isStored(world));
  await clock.advance(2);
  t.false(await isStored(world));
});

test('idleTtl: what any process reads stays for all', async (t) => {
  const world = rig(t, 2);
  const [here, there] = world.openers;
  await here!.cache.getOrSet('key', new Row().load, IDLE);
  await readEvery(world, 30_000, 300_000, () => there!.cache.get('key'));
  t.is(await here!.cache.getOrSet('key', notCalled, IDLE), 1);
  t.is(touches(there!), 10);
});

test('idleTtl: the option of the call that stores counts, whoever reads', async (t) => {
  const world = rig(t);
  const { cache } = world.openers[0]!;
  await cache.getOrSet('idle', new Row().load, IDLE);
  await cache.getOrSet('other', new Row().load, { ttl: '10m' });
  const both = async (): Promise<void> => {
    t.is(await cache.getOrSet('idle', notCalled, { ttl: '1m' }), 1);
    t.is(await cache.getOrSet('other', notCalled, IDLE), 1);
  };
  await readEvery(world, 50_000, 300_000, both);
  t.is(touches(world.openers[0]!), 6, 'The other one needs none.');
  await world.clock.advance(MINUTE + 1);
  t.false(await isStored(world, 'idle'));
  t.true(await isStored(world, 'other'));
});

// --- what is a read ----------------------------------------------------------------------------------------------------

const READS: Readonly<Record<string, (opener: Opener) => Promise<unknown>>> = {
  getOrSet: ({ cache }) => cache.getOrSet('key', notCalled, IDLE),
  getOrSetMany: ({ cache }) => cache.getOrSetMany(['key'], async () => [], { ...IDLE, key: (id) => id }),
  get: ({ cache }) => cache.get('key'),
  getMany: ({ cache }) => cache.getMany(['key']),
  has: ({ cache }) => cache.has('key'),
  'a call within a transaction': ({ caching, cache }) =>
    caching.transaction(() => cache.getOrSet('key', notCalled, IDLE)),
  'the load of another key': ({ cache }) =>
    cache.getOrSet(`outer-${Math.random()}`, () => cache.getOrSet('key', notCalled, IDLE), {
      ttl: '1s',
      inheritTags: true,
    }),
};

for (const [name, read] of Object.entries(READS)) {
  test(`idleTtl: ${name} is a read`, async (t) => {
    const world = rig(t);
    await world.openers[0]!.cache.getOrSet('key', new Row().load, IDLE);
    await readEvery(world, 50_000, 200_000, () => read(world.openers[0]!));
    t.true(await isStored(world));
  });
}

class Users {
  runs = 0;

  @Cached({ key: 'user:{0}', ...IDLE })
  async find(id: string): Promise<string> {
    return `${id} ${++this.runs}`;
  }

  @CachedMany({ key: 'user:{0}', ...IDLE })
  async findMany(ids: readonly string[]): Promise<Map<string, string>> {
    return new Map(ids.map((id) => [id, `${id} ${++this.runs}`]));
  }

  @CachePut({ key: 'user:{0}', ...IDLE })
  async rename(_id: string, name: string): Promise<string> {
    return name;
  }
}

function usersOf({ caching }: Opener): Users {
  const users = new Users();
  bindCaching(users, caching);
  return users;
}

test('idleTtl: calls of @Cached and @CachedMany are reads, and @CachePut begins the time anew', async (t) => {
  const world = rig(t);
  const users = usersOf(world.openers[0]!);
  t.is(await users.find('1'), '1 1');
  await readEvery(world, 50_000, 200_000, async () => t.is(await users.find('1'), '1 1'));
  await readEvery(world, 50_000, 200_000, async () => t.is((await users.findMany(['1'])).get('1'), '1 1'));
  await world.clock.advance(50_000);
  await users.rename('1', 'Ada');
  await world.clock.advance(MINUTE - 1);
  t.is(await users.find('1'), 'Ada');
  await world.clock.advance(MINUTE + 1);
  t.is(await users.find('1'), '1 2');
});

test('idleTtl: peek and explain of a handle show it, and are no reads', async (t) => {
  for (const l1 of [false, true]) {
    const world = rig(t, 1, { l1 });
    const opener = world.openers[0]!;
    const users = usersOf(opener);
    const find = opener.caching.of(users, 'find');
    await users.find('1');
    await world.clock.advance(1_000);
    const found = { value: '1 1', ageMs: 1_000, ttlMs: 599_000, idleTtlMs: MINUTE, tags: [], stale: false };
    t.deepEqual(await find.peek('1'), { ...found, tier: l1 ? 'l1' : 'l2' });
    await world.clock.advance(49_000);
    t.is((await find.peek('1'))?.tier, 'l2');
    const text =
      'hit (l2): the store has the value, and its ttl ends in 550000 ms, and it ends when nobody reads it for 60000 ms.';
    t.is((await find.explain('1')).replace(/ The L1 is not used.*/, ''), text);
    t.is(touches(opener), 0);
    await world.clock.advance(10_001);
    t.is(await find.peek('1'), undefined);
  }
});

test('idleTtl: a refresh through a handle begins the time anew', async (t) => {
  const world = rig(t);
  const users = usersOf(world.openers[0]!);
  const find = world.openers[0]!.caching.of(users, 'find');
  await users.find('1');
  await world.clock.advance(50_000);
  await find.refresh('1');
  await world.clock.advance(50_000);
  t.is(await users.find('1'), '1 2');
});

// --- values in memory --------------------------------------------------------------------------------------------------

for (const coherence of ['bus', 'validate'] as const) {
  test(`idleTtl: reads from memory (${coherence}) keep the entry in the store alive`, async (t) => {
    const world = rig(t, 2, { l1: { coherence, ttl: '10m' } });
    const [here, there] = world.openers;
    const read = async (): Promise<boolean> => t.is(await here!.cache.getOrSet('key', notCalled, IDLE), 1);
    t.is(await here!.cache.getOrSet('key', new Row().load, IDLE), 1);
    await readEvery(world, 1_000, 300_000, read);
    t.true(touches(here!) >= 18 && touches(here!) <= 20, `${touches(here!)} touches`);
    t.true(world.of('hit').filter(({ tier }) => tier === 'l1').length > 250);
    t.is(await there!.cache.getOrSet('key', notCalled, IDLE), 1);
  });
}

test('idleTtl: a value leaves the memory within a quarter of it, loaded or read', async (t) => {
  const world = rig(t, 2, { l1: { ttl: '10m' } });
  const tiers = (): string[] => world.of('hit').map(({ tier }) => tier);
  const [here, there] = world.openers;
  await here!.cache.getOrSet('key', new Row().load, IDLE);
  await there!.cache.get('key');
  await world.clock.advance(14_999);
  await here!.cache.get('key');
  await there!.cache.get('key');
  t.deepEqual(tiers().slice(1), ['l1', 'l1']);
  await world.clock.advance(2);
  await here!.cache.get('key');
  await there!.cache.get('key');
  t.deepEqual(tiers().slice(3), ['l2', 'l2']);
  await here!.cache.get('key');
  await there!.cache.get('key');
  t.deepEqual(tiers().slice(5), ['l1', 'l1']);
});

// --- with other options ------------------------------------------------------------------------------------------------

test('idleTtl: a stale value that is read lives on, until its grace ends', async (t) => {
  const world = rig(t);
  const { cache } = world.openers[0]!;
  const options = { ttl: '2m', idleTtl: '1m', grace: '5m', graceBackoff: 0 } as const;
  await cache.getOrSet('key', new Row().load, options);
  await readEvery(world, 40_000, 400_000, async () => t.is(await cache.getOrSet('key', fails, options), 1));
  await world.clock.advance(20_001);
  t.false(await isStored(world));
  await t.throwsAsync(cache.getOrSet('key', fails, options), { is: DOWN });
});

test('idleTtl: a value that nobody reads has no grace', async (t) => {
  const world = rig(t);
  const { cache } = world.openers[0]!;
  const options = { ttl: '1m', idleTtl: '1m', grace: '1h' } as const;
  await cache.getOrSet('key', new Row().load, options);
  await world.clock.advance(MINUTE + 1);
  await t.throwsAsync(cache.getOrSet('key', fails, options), { is: DOWN });
});

test('idleTtl: a refresh ahead begins the time anew, and needs a read', async (t) => {
  const world = rig(t);
  const { cache } = world.openers[0]!;
  const row = new Row();
  const options = { ttl: '100s', idleTtl: '1m', refreshAhead: 0.5 } as const;
  await cache.getOrSet('key', row.load, options);
  await world.clock.advance(59_000);
  row.write();
  t.is(await cache.getOrSet('key', row.load, options), 1);
  await settled();
  await world.clock.advance(49_000);
  t.is(await cache.getOrSet('key', notCalled, options), 2);
  await world.clock.advance(MINUTE + 1);
  t.false(await isStored(world));
});

test('idleTtl: a shorter ttl ends the value: of a load, of a result, of null', async (t) => {
  const world = rig(t);
  const { cache } = world.openers[0]!;
  const shorten = async (): Promise<number> => {
    currentLoad()?.set({ ttl: '20s' });
    return 1;
  };
  await cache.getOrSet('load', shorten, IDLE);
  await cache.getOrSet('result', async () => 1, { ...IDLE, ttl: () => '20s' });
  await cache.getOrSet('null', async () => null, { ...IDLE, negativeTtl: '20s' });
  const keys = ['load', 'result', 'null'];
  await world.clock.advance(19_000);
  for (const key of keys) {
    await cache.has(key);
    t.true(await isStored(world, key), key);
  }
  await settled();
  await world.clock.advance(1_001);
  for (const key of keys) t.false(await isStored(world, key), key);
});

for (const mode of ['encrypt', 'sign'] as const) {
  test(`idleTtl: a sealed value (${mode}) lives while it is read, and no longer than its ttl`, async (t) => {
    const world = rig(t, 1, { seal: { ...SEAL, mode } });
    const { cache } = world.openers[0]!;
    await cache.getOrSet('key', new Row().load, IDLE);
    await readEvery(world, 50_000, 550_000, async () => t.is(await cache.get('key'), 1));
    await world.clock.advance(50_001);
    t.false(await isStored(world));
    await cache.getOrSet('key', new Row().load, IDLE);
    await world.clock.advance(MINUTE + 1);
    t.is(await cache.get('key'), undefined);
  });
}

test('idleTtl: set stores a value that ends if it is not read', async (t) => {
  const world = rig(t);
  const { cache } = world.openers[0]!;
  await cache.set('key', 1, IDLE);
  await world.clock.advance(50_000);
  t.is(await cache.get('key'), 1);
  await settled();
  await world.clock.advance(50_000);
  t.is(await cache.get('key'), 1);
  await settled();
  await world.clock.advance(MINUTE + 1);
  t.is(await cache.get('key'), undefined);
});

test('idleTtl: the nonces of its tags live as long as it may', async (t) => {
  const world = rig(t);
  const { cache } = world.openers[0]!;
  const options = { ...IDLE, tags: ['users'] };
  await cache.getOrSet('key', new Row().load, options);
  await readEvery(world, 50_000, 550_000, async () =>
    t.is(await cache.getOrSet('key', notCalled, options), 1),
  );
});

// --- what a touch must not do ------------------------------------------------------------------------------------------

test('G1 no resurrection: a touch that arrives late does not bring an invalidated value back', async (t) => {
  const world = rig(t);
  const { cache, chaos } = world.openers[0]!;
  const row = new Row();
  await cache.getOrSet('key', row.load, { ...IDLE, tags: ['users'] });
  await world.clock.advance(30_000);
  for (const target of [{ keys: ['key'] }, { tags: ['users'] }]) {
    const hold = chaos.hold('entries.touch', 'request');
    t.is(await cache.getOrSet('key', notCalled, { ...IDLE, tags: ['users'] }), row.version);
    await hold.reached;
    row.write();
    await cache.invalidate(target);
    hold.release();
    await settled();
    t.is(await cache.get('key'), undefined);
    t.is(await cache.getOrSet('key', row.load, { ...IDLE, tags: ['users'] }), row.version);
    await world.clock.advance(30_000);
  }
});

test('idleTtl: a touch that arrives late does not let a newer value live on', async (t) => {
  const world = rig(t);
  const { cache, chaos } = world.openers[0]!;
  await cache.getOrSet('key', new Row().load, IDLE);
  await world.clock.advance(30_000);
  chaos.fail('entries.touch', 'late', 1);
  t.is(await cache.get('key'), 1);
  await settled();
  await cache.set('key', 2, IDLE);
  await world.clock.advance(50_000);
  await chaos.deliver();
  await world.clock.advance(10_001);
  t.false(await isStored(world));
});

test('G6 age: a touch that arrives late does not let a value outlive its ttl', async (t) => {
  const world = rig(t);
  const { cache, chaos } = world.openers[0]!;
  await cache.getOrSet('key', new Row().load, { ttl: '70s', idleTtl: '1m' });
  await world.clock.advance(50_000);
  t.is(await cache.get('key'), 1);
  await settled();
  await chaos.repeat('entries.touch');
  await world.clock.advance(19_000);
  await chaos.repeat('entries.touch');
  await world.clock.advance(1_001);
  t.false(await isStored(world));
});

test('G10 bounded delay: a read does not wait for its touch, and a touch that fails is an error event', async (t) => {
  const world = rig(t);
  const { cache, chaos } = world.openers[0]!;
  await cache.getOrSet('key', new Row().load, IDLE);
  await world.clock.advance(30_000);
  const hold = chaos.hold('entries.touch', 'request');
  t.is(await cache.getOrSet('key', notCalled, IDLE), 1);
  await hold.reached;
  hold.release();
  await settled();
  chaos.fail('entries.touch', 'refused');
  await world.clock.advance(16_000);
  for (let i = 0; i < 3; i++) t.is(await cache.getOrSet('key', notCalled, IDLE), 1);
  await settled();
  const errors = world.of('error').map(({ operation, key, error }) => [operation, key, error]);
  t.is(errors.length, 1, 'It is not repeated before the next quarter.');
  t.deepEqual(errors[0]!.slice(0, 2), ['touch', 'key']);
  t.true(errors[0]![2] instanceof StoreUnavailableError);
  await world.clock.advance(44_001);
  t.false(await isStored(world), 'It has ended early.');
});

test('idleTtl: without it no call touches', async (t) => {
  const world = rig(t, 1, { l1: true });
  const opener = world.openers[0]!;
  await opener.cache.getOrSet('key', new Row().load);
  await readEvery(world, 5_000, 50_000, () => opener.cache.get('key'));
  t.is(touches(opener), 0);
});

// --- options -----------------------------------------------------------------------------------------------------------

const invalid = (message: RegExp) => ({ instanceOf: OptionsError, message });

test('idleTtl: it is at most the ttl', async (t) => {
  const { cache, caching } = rig(t).openers[0]!;
  await t.throwsAsync(
    cache.getOrSet('key', notCalled, { ttl: '1m', idleTtl: '2m' }),
    invalid(
      /^idleTtl of getOrSet is at most its ttl, which is 60000 ms .*, and 120000 ms was given\. Give it a shorter idleTtl or a longer ttl\.$/,
    ),
  );
  await t.throwsAsync(
    cache.getOrSet('key', notCalled, { idleTtl: '2m' }),
    invalid(/its ttl, which is 60000 ms/),
  );
  await t.throwsAsync(cache.set('key', 1, { idleTtl: '2m' }), invalid(/^idleTtl of set/));
  t.throws(
    () => {
      class Service {
        @Cached({ ttl: '1m', idleTtl: '2m' })
        async find(): Promise<void> {}
      }
      return Service;
    },
    invalid(/^idleTtl of @Cached on find is at most its ttl/),
  );
  t.throws(
    () => {
      @CachingDefaults({ ttl: '1m', idleTtl: '2m' })
      class Service {}
      return Service;
    },
    invalid(/^idleTtl of @CachingDefaults on Service is at most its ttl/),
  );
  const defaults: CachingOptions['defaults'] = { ttl: '1m', idleTtl: '2m' };
  t.throws(
    () => new Caching({ adapter: memory(), clock: fakeClock(), defaults }),
    invalid(/^idleTtl of new Caching/),
  );
  for (const idleTtl of [0, '999ms', -1, null] as unknown as '1m'[]) {
    await t.throwsAsync(
      cache.getOrSet('key', notCalled, { idleTtl }),
      invalid(/^idleTtl of getOrSet is a duration/),
    );
  }
  class Later {
    @Cached({ key: 'later', idleTtl: '2m' })
    async find(): Promise<void> {}
  }
  const later = new Later();
  bindCaching(later, caching);
  await t.throwsAsync(later.find(), invalid(/^idleTtl of @Cached on find is at most its ttl/));
});

test('idleTtl: that of the Caching may be longer than the ttl of a call, and then has no effect', async (t) => {
  const world = rig(t, 1, { defaults: IDLE });
  const { cache } = world.openers[0]!;
  await cache.getOrSet('key', new Row().load, { ttl: '30s' });
  await cache.getOrSet('default', new Row().load);
  await world.clock.advance(29_999);
  t.is(await cache.get('key'), 1);
  await settled();
  await world.clock.advance(2);
  t.is(await cache.get('key'), undefined);
  await world.clock.advance(30_000);
  t.is(await cache.get('default'), undefined);
});

test('idleTtl: a class sets it for its methods', async (t) => {
  @CachingDefaults(IDLE)
  class Service {
    runs = 0;

    @Cached({ key: 'service' })
    async find(): Promise<number> {
      return ++this.runs;
    }

    @Cached({ key: 'short', ttl: '30s' })
    async short(): Promise<number> {
      return ++this.runs;
    }
  }
  const world = rig(t);
  const service = new Service();
  bindCaching(service, world.openers[0]!.caching);
  await service.find();
  await readEvery(world, 50_000, 200_000, async () => t.is(await service.find(), 1));
  await world.clock.advance(MINUTE + 1);
  t.is(await service.find(), 2);
  t.is(await service.short(), 3);
  await world.clock.advance(29_999);
  t.is(await service.short(), 3, 'The ttl of a method may be shorter than the idleTtl of its class.');
  await settled();
  await world.clock.advance(2);
  t.is(await service.short(), 4);
});
