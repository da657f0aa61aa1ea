import test, { type ExecutionContext } from 'ava';
import { ResponseCache } from '../../src/adapters/http/response-cache.js';
import { memory } from '../../src/adapters/memory/index.js';
import { entryKey } from '../../src/core/keys/store-keys.js';
import type { SealOptions } from '../../src/core/seal/seal-options.js';
import { Cached, CachedMany, Caching, withCaching } from '../../src/index.js';
import { fakeClock } from '../../src/testing/fake-clock.js';
import { recordEvents } from '../../src/testing/record-events.js';
import { HeldLoad, Row } from '../support/held-load.js';
import { LATER } from '../support/later.js';
import { rig, type Rig } from '../support/rig.js';
import { KEY, NEW_KEY, SEAL } from '../support/seal-keys.js';
import { settled } from '../support/settled.js';

const MODES = ['encrypt', 'sign'] as const;
const notCalled = async (): Promise<unknown> => {
  throw new Error('The loader was called.');
};

async function recordAt({ namespace, store }: Rig, key: string): Promise<Buffer> {
  const { record } = await store.entries.read(entryKey(namespace, key), []);
  return Buffer.from(record!);
}

/** Writes a record as it is, as someone does who can write to the store. */
async function put({ namespace, store }: Rig, key: string, record: Uint8Array): Promise<void> {
  const [name, token] = [entryKey(namespace, key), 'intruder-0123456'];
  await store.entries.lease(name, token, 1_000, '*');
  await store.entries.fill(name, token, record, LATER);
}

/** Processes of one fleet that have different keys, on one memory. */
function fleet(t: ExecutionContext, ...seals: readonly (SealOptions | undefined)[]) {
  const clock = fakeClock();
  const adapter = memory();
  const { of, stop } = recordEvents('fleet');
  const caches = seals.map((seal) => {
    const defaults = { ttl: '1m', jitter: 0 } as const;
    const caching = new Caching({ adapter, namespace: 'fleet', clock, seal, defaults });
    t.teardown(() => caching.close());
    return caching.cache;
  });
  t.teardown(stop);
  return { clock, caches, causes: () => of('miss').map(({ cause }) => cause), errors: () => of('error') };
}

for (const mode of MODES) {
  const seal = { ...SEAL, mode } as const;

  test.serial(`${mode}: what was not sealed is a miss, is loaded again and replaced`, async (t) => {
    const { caches, causes, errors } = fleet(t, seal, undefined);
    const [sealed, plain] = caches;
    await plain!.set('key', 'forged');
    t.is(await sealed!.get('key'), undefined);
    t.false(await sealed!.has('key'));
    t.is((await sealed!.getMany(['key'])).size, 0);
    t.is(await sealed!.getOrSet('key', async () => 'loaded'), 'loaded');
    t.is(await sealed!.getOrSet('key', notCalled), 'loaded');
    t.deepEqual(new Set(causes()), new Set(['unverified']));
    t.is(await plain!.get('key'), undefined);
    t.is(causes().at(-1), 'undecodable');
    t.deepEqual(errors(), []);
  });

  test(`${mode}: a record that was moved to another key or altered is a miss, and never an error`, async (t) => {
    const world = rig(t, 2, { seal });
    const [here, there] = world.openers;
    await here!.cache.set('mine', 'my balance');
    await here!.cache.set('yours', 'your balance');
    const record = await recordAt(world, 'mine');
    const altered = Buffer.from(record);
    altered[altered.length - 1]! ^= 1;
    const forgeries: readonly Uint8Array[] = [record, altered, record.subarray(0, 70), Buffer.from('junk')];
    for (const forgery of forgeries) {
      await put(world, 'yours', forgery);
      t.is(await there!.cache.get('yours'), undefined);
      t.is(await there!.cache.getOrSet('yours', async () => 'your balance'), 'your balance');
      t.is(await there!.cache.getOrSet('yours', notCalled), 'your balance');
    }
    await put(world, 'mine', altered);
    t.is(await there!.cache.get('mine'), undefined);
    await put(world, 'mine', record);
    t.is(await there!.cache.get('mine'), 'my balance');
    t.deepEqual(new Set(world.of('miss').map(({ cause }) => cause)), new Set(['unverified']));
    t.deepEqual(world.of('error'), []);
  });

  test(`${mode}: an entry ends with its ttl, also if the store keeps its record for longer`, async (t) => {
    const world = rig(t, 2, { seal });
    const [here, there] = world.openers;
    await here!.cache.set('key', 1);
    await put(world, 'key', await recordAt(world, 'key'));
    await world.clock.advance(59_999);
    t.is(await there!.cache.get('key'), 1);
    await world.clock.advance(1);
    t.is(await there!.cache.get('key'), undefined);
    t.is(world.of('miss').at(-1)?.cause, 'expired');
    t.is(await there!.cache.getOrSet('key', async () => 2), 2);
    t.is(await here!.cache.getOrSet('key', notCalled), 2);
  });

  test(`${mode}: an entry in a reply to a request for its lease ends with its ttl, too`, async (t) => {
    const world = rig(t, 2, { seal });
    const [here, there] = world.openers;
    await here!.cache.set('key', 1);
    const record = await recordAt(world, 'key');
    await here!.cache.invalidate({ keys: ['key'] });
    await world.clock.advance(60_000);
    const lease = there!.chaos.hold('entries.lease', 'request');
    const read = there!.cache.getOrSet('key', async () => 2);
    await lease.reached;
    await put(world, 'key', record);
    lease.release();
    t.is(await read, 2);
  });

  test(`${mode}: what the scripts change in a record leaves its seal intact`, async (t) => {
    const world = rig(t, 2, { seal, defaults: { ttl: '1m', grace: '10m', jitter: 0 } });
    const [here, there] = world.openers;
    const row = new Row();
    const fails = async (): Promise<number> => {
      throw new Error('The database is down.');
    };
    await here!.cache.getOrSet('key', row.load);
    await world.clock.advance(60_000);
    t.is(await here!.cache.getOrSet('key', fails), 1, 'the load fails');
    t.is(await there!.cache.getOrSet('key', notCalled), 1, 'back-off');
    await world.clock.advance(10_000);
    row.write();
    const held = new HeldLoad(row);
    const first = here!.cache.getOrSet('key', held.run);
    await held.entered;
    const second = there!.cache.getOrSet('key', notCalled, { softTimeout: 0 });
    t.is(await second, 1, 'a lease, and a waiter');
    const third = there!.cache.getOrSet('key', notCalled);
    await settled();
    held.finish();
    await world.clock.advance(500);
    t.deepEqual([await first, await third], [2, 2]);
    t.deepEqual(
      world.of('hit').map(({ stale }) => stale),
      [
        'error',
        'back-off',
        'timeout',
        ...world
          .of('hit')
          .slice(3)
          .map(() => undefined),
      ],
    );
    t.false(world.of('miss').some(({ cause }) => cause === 'unverified'));
  });

  test(`${mode}: a hit in memory does not ask the store`, async (t) => {
    const world = rig(t, 2, { seal, l1: true });
    const [here, there] = world.openers;
    await here!.cache.getOrSet('key', async () => ({ id: 1 }));
    t.deepEqual(await there!.cache.getOrSet('key', notCalled), { id: 1 });
    for (const { cache, chaos } of [here!, there!]) {
      chaos.setDown(true);
      t.deepEqual(await cache.getOrSet('key', notCalled), { id: 1 });
    }
    t.deepEqual(
      world.of('hit').map(({ tier }) => tier),
      ['l2', 'l1', 'l1'],
    );
  });

  test(`${mode}: null, undefined, bytes, compressed values and those of codecs come back equal`, async (t) => {
    const codec = {
      name: 'upper',
      encode: (value: unknown) => (typeof value === 'string' ? Buffer.from(value.toUpperCase()) : undefined),
      decode: (bytes: Uint8Array) => Buffer.from(bytes).toString().toLowerCase(),
    };
    const defaults = { ttl: '1m', compression: { threshold: 100 }, codec } as const;
    const { openers } = rig(t, 2, { seal, defaults });
    const values = [
      null,
      undefined,
      Buffer.from('bytes'),
      [1n, new Date(0)],
      { a: 'x'.repeat(1_000) },
      'text',
    ];
    for (const [i, value] of values.entries()) {
      const load = async () => value;
      t.deepEqual(await openers[0]!.cache.getOrSet(`key:${i}`, load), value);
      t.deepEqual(await openers[1]!.cache.getOrSet(`key:${i}`, notCalled), value);
      t.true(await openers[1]!.cache.has(`key:${i}`));
    }
  });

  test(`${mode}: decorated methods, batches and handles`, async (t) => {
    const world = rig(t, 2, { seal });
    class Users {
      loads = 0;

      @Cached({ key: 'user:{0}' })
      async find(id: string): Promise<{ id: string }> {
        this.loads++;
        return { id };
      }

      @CachedMany({ key: (id) => `user:${id}`, returns: 'list' })
      async findMany(ids: string[]): Promise<{ id: string }[]> {
        this.loads++;
        return ids.map((id) => ({ id }));
      }
    }
    const users = new Users();
    const [here, there] = world.openers.map(({ caching }) => caching);
    await withCaching(here!, () => users.findMany(['1', '2']));
    t.deepEqual(await withCaching(there!, () => users.findMany(['2', '1'])), [{ id: '2' }, { id: '1' }]);
    t.deepEqual(await withCaching(there!, () => users.find('1')), { id: '1' });
    t.is(users.loads, 1);
    await withCaching(there!, async () => {
      const handle = there!.of(users, 'find');
      t.deepEqual((await handle.peek('1'))?.value, { id: '1' });
      t.regex(await handle.explain('1'), /^hit \(l2\)/);
      await put(world, 'user:1', await recordAt(world, 'user:2'));
      t.is(await handle.peek('1'), undefined);
      t.is(
        await handle.explain('1'),
        'miss: what is stored is not sealed by one of the keys, or was altered.',
      );
      t.deepEqual(await handle.refresh('1'), { id: '1' });
      t.deepEqual((await handle.peek('1'))?.value, { id: '1' });
    });
  });

  // --- rotation ------------------------------------------------------------------------------------------------------

  test.serial(`${mode}: a key is replaced in three deployments, without a miss in any of them`, async (t) => {
    const [old, both, next, last] = [[KEY], [KEY, NEW_KEY], [NEW_KEY, KEY], [NEW_KEY]].map((keys) => ({
      keys,
      mode,
    }));
    const { clock, caches, causes } = fleet(t, old, both, next, last);
    const [first, second, third, fourth] = caches;
    const steps = [
      [first!, second!],
      [second!, third!],
    ];
    for (const [i, [before, after]] of steps.entries()) {
      // While a deployment runs, each side reads what the other one has stored.
      await before!.set(`before:${i}`, 1);
      await after!.set(`after:${i}`, 1);
      t.is(await after!.getOrSet(`before:${i}`, notCalled), 1);
      t.is(await before!.getOrSet(`after:${i}`, notCalled), 1);
    }
    // Before the last deployment, the entries of the old key have ended.
    await clock.advance(60_000);
    await third!.set('third', 1);
    t.is(await fourth!.getOrSet('third', notCalled), 1);
    await fourth!.set('fourth', 1);
    t.is(await third!.getOrSet('fourth', notCalled), 1);
    t.deepEqual(causes(), []);
  });

  test.serial(
    `${mode}: with keys that the other side does not have, each side loads by itself`,
    async (t) => {
      const { caches, causes, errors } = fleet(t, { keys: [KEY], mode }, { keys: [NEW_KEY, KEY], mode });
      const [old, next] = caches;
      const row = new Row();
      t.is(await next!.getOrSet('key', row.load), 1);
      row.write();
      t.is(await old!.getOrSet('key', row.load), 2, 'cannot read it');
      t.is(await next!.getOrSet('key', row.load), 2, 'reads what the old side has stored');
      t.deepEqual(causes(), ['absent', 'unverified']);
      t.deepEqual(errors(), []);
    },
  );

  test.serial(
    `${mode}: a call that waits for a load of a process with another key loads by itself`,
    async (t) => {
      const { clock, caches, errors } = fleet(t, { keys: [KEY], mode }, { keys: [NEW_KEY], mode });
      const [one, other] = caches;
      const held = new HeldLoad(new Row());
      const first = one!.getOrSet('key', held.run);
      await held.entered;
      const second = other!.getOrSet('key', async () => 7);
      await settled();
      held.finish();
      await clock.advance(500);
      t.deepEqual([await first, await second], [1, 7]);
      t.is(await other!.get('key'), 7);
      t.deepEqual(errors(), []);
    },
  );
}

test.serial('the two modes do not read each other', async (t) => {
  const { caches, causes } = fleet(t, { keys: [KEY], mode: 'encrypt' }, { keys: [KEY], mode: 'sign' });
  await caches[0]!.set('key', 1);
  t.is(await caches[1]!.get('key'), undefined);
  await caches[1]!.set('key', 2);
  t.is(await caches[0]!.get('key'), undefined);
  t.deepEqual(causes(), ['unverified', 'unverified']);
});

test('encrypt: no part of a value or response is in the store', async (t) => {
  const world = rig(t, 1, { seal: SEAL });
  const { caching, cache } = world.openers[0]!;
  await cache.set('key', { name: 'a secret name' }, { tags: ['tag'] });
  const responses = new ResponseCache<unknown>({ caching }, 'cacheResponse({ ... })', () => 0);
  const request = {
    method: 'GET',
    origin: 'http://shop.example',
    target: '/',
    headers: { host: 'shop.example' },
    identifiedBy: () => undefined,
  };
  const body = Buffer.from('a secret body');
  await responses.respond(request, undefined, async (hold) => {
    const response = { status: 200, headers: {}, body };
    return hold.judge(response) === undefined ? response : undefined;
  });
  const reply = await responses.respond(request, undefined, async () => undefined);
  t.true(reply.kind === 'send' && Buffer.from(reply.response.body).equals(body));
  const responseKey = world.of('hit').at(-1)!.key;
  for (const key of ['key', responseKey]) {
    const record = await recordAt(world, key);
    t.true(record.includes(key));
    t.false(record.includes('secret'));
  }
});

test('not covered: an older record of the same key is returned again, within its ttl', async (t) => {
  const world = rig(t, 2, { seal: SEAL });
  const [here, there] = world.openers;
  await here!.cache.set('key', 'old');
  const record = await recordAt(world, 'key');
  await here!.cache.set('key', 'new');
  await put(world, 'key', record);
  t.is(await there!.cache.get('key'), 'old');
});
