import test, { type ExecutionContext } from 'ava';
import type { Cluster } from 'ioredis';
import { acquireSharedScript } from '../../../../src/adapters/ioredis/locks/acquire-shared-script.js';
import { extendScript } from '../../../../src/adapters/ioredis/locks/held-scripts.js';
import { lockScript, type AcquireReply } from '../../../../src/adapters/ioredis/locks/lock-script.js';
import { RedisConnection } from '../../../../src/adapters/ioredis/connection/redis-connection.js';
import type { ScriptRunner } from '../../../../src/adapters/ioredis/commands/script.js';
import { resolveTarget } from '../../../../src/adapters/ioredis/connection/target.js';
import { slotOf } from '../../../../src/adapters/ioredis/commands/cluster-slot.js';
import { Caching } from '../../../../src/core/caching.js';
import { ioredis } from '../../../../src/adapters/ioredis/index.js';
import { systemClock } from '../../../../src/core/shared/system-clock.js';
import { StoreUnavailableError } from '../../../../src/core/shared/errors.js';
import { entryKey, lockKey } from '../../../../src/core/keys/store-keys.js';
import type { LockGrant, LockReply, LockRequest } from '../../../../src/core/ports/lock-store.js';
import { eventually } from '../../../support/eventually.js';
import { redisForFile, startCluster, startRedis } from '../../../support/servers.js';
import { admin, callsOf, MAJORS, ready, type Target } from '../rig.js';

const server = redisForFile(test);
const LONG = 60_000;
const DAY = 24 * 60 * 60 * 1_000;
const OWNER = 'a'.repeat(32);
const OTHER = 'b'.repeat(32);

function request(parts: Partial<LockRequest> & Pick<LockRequest, 'keys'>): LockRequest {
  return { leaseMs: LONG, permits: 1, ticket: undefined, ticketMs: 1_000, ...parts };
}

function grantOf(reply: LockReply): LockGrant {
  if (reply.status !== 'granted') throw new Error(`Expected it to be granted, and it is ${reply.status}.`);
  return reply.grant;
}

function heldFor(reply: LockReply): number {
  if (reply.status !== 'held') throw new Error(`Expected it to be held, and it is ${reply.status}.`);
  return reply.forMs;
}

/** A backend, a client beside it, and a lock of one test. */
async function rigFor(t: ExecutionContext, target: Target = server().url) {
  const rig = await ready(t, target);
  const { locks } = rig.backend;
  const side = admin(t, server().url);
  return { ...rig, locks, side, key: lockKey(rig.namespace, 'a') };
}

/** The scripts themselves, as any owner. */
async function scriptsFor(t: ExecutionContext, namespace: string): Promise<ScriptRunner> {
  const settings = {
    clock: systemClock,
    namespace,
    timeout: 20_000,
    connectTimeout: 20_000,
    changed: () => {},
  };
  const link = new RedisConnection(resolveTarget(server().url), 'locks', settings, () => {});
  t.teardown(() => link.close());
  link.open();
  await link.check();
  return link.scripts;
}

async function acquireAs(
  scripts: ScriptRunner,
  owner: string,
  keys: readonly string[],
  parts: { readonly permits?: number; readonly ticket?: string } = {},
): Promise<AcquireReply> {
  const { permits = 1, ticket } = parts;
  const asked = { keys, owner, leaseMs: LONG, ticket, ticketMs: 1_000 };
  if (permits !== 1) return scripts.run(acquireSharedScript, [{ ...asked, permits, channel: 'nobody' }]);
  const [reply] = await scripts.run(lockScript, [[{ ...asked, kind: 'acquire', least: 0n }], 'nobody']);
  if (typeof reply !== 'object' || reply instanceof Error) throw new Error(String(reply));
  return reply;
}

/** @returns how many of the locks the owner held */
async function releaseAs(scripts: ScriptRunner, owner: string, keys: readonly string[]): Promise<unknown> {
  const [reply] = await scripts.run(lockScript, [[{ kind: 'release', keys, owner }], 'nobody']);
  return reply;
}

// --- who may do what ------------------------------------------------------------------------------------------------

test('G8 locks: release with the token of another is refused and changes nothing', async (t) => {
  const { key, namespace, side } = await rigFor(t);
  const scripts = await scriptsFor(t, namespace);
  await acquireAs(scripts, OWNER, [key]);
  const before = await side.get(key);
  t.is(await releaseAs(scripts, OTHER, [key]), 0);
  t.is(await side.get(key), before);
  t.is(await releaseAs(scripts, OWNER, [key]), 1);
  t.is(await releaseAs(scripts, OWNER, [key]), 0, 'released before');

  await acquireAs(scripts, OWNER, [key], { permits: 3 });
  t.is(await releaseAs(scripts, OTHER, [key]), 0);
  t.truthy(await side.zscore(key, OWNER));
  t.is(await releaseAs(scripts, OWNER, [key]), 1);
  t.is(await side.exists(key), 0);
});

test('G8 locks: extend with the token of another is refused and changes nothing', async (t) => {
  const { key, namespace, side } = await rigFor(t);
  const scripts = await scriptsFor(t, namespace);
  for (const permits of [1, 3]) {
    await acquireAs(scripts, OWNER, [key], { permits });
    t.false(await scripts.run(extendScript, [[key], OTHER, LONG * 2, true]));
    t.true((await side.pttl(key)) <= LONG);
    t.true(await scripts.run(extendScript, [[key], OWNER, LONG * 2, true]));
    t.true((await side.pttl(key)) > LONG);
    await side.del(key);
    t.false(await scripts.run(extendScript, [[key], OWNER, LONG, true]), 'gone');
    t.is(await side.exists(key), 0);
  }
});

test('a request whose reply was lost is granted again when repeated', async (t) => {
  const { key, namespace, side } = await rigFor(t);
  const scripts = await scriptsFor(t, namespace);
  const first = await acquireAs(scripts, OWNER, [key]);
  t.deepEqual(await acquireAs(scripts, OWNER, [key]), first);
  t.true(first.granted);

  const keys = ['b', 'c'].map((name) => lockKey(namespace, name));
  const several = await acquireAs(scripts, OWNER, keys);
  t.deepEqual(await acquireAs(scripts, OWNER, keys), several);

  const shared = lockKey(namespace, 'shared');
  for (let i = 0; i < 2; i++) t.true((await acquireAs(scripts, OWNER, [shared], { permits: 2 })).granted);
  t.true((await acquireAs(scripts, OTHER, [shared], { permits: 2 })).granted, 'it was counted once');

  const fair = lockKey(namespace, 'fair');
  const fairly = await acquireAs(scripts, OWNER, [fair], { ticket: 'x' });
  t.deepEqual(await acquireAs(scripts, OWNER, [fair], { ticket: 'x' }), fairly);
  t.is(await side.exists(`${fair}:queue`), 0, 'whoever was granted waits no more');
});

// --- what stands there ------------------------------------------------------------------------------------------------

test('a foreign value at the key of a lock is left alone, and the lock counts as held', async (t) => {
  const { locks, namespace, side } = await rigFor(t);
  const foreign = {
    list: (key: string) => side.rpush(key, 'x'),
    hash: (key: string) => side.hset(key, 'x', 1),
    'sorted set': (key: string) => side.zadd(key, 1, 'x'),
    'stamp of another lock': (key: string) => side.set(key, OWNER),
    text: (key: string) => side.set(key, 'x'),
  };
  for (const [what, put] of Object.entries(foreign)) {
    const key = lockKey(namespace, what);
    await put(key);
    const before = await side.dump(key);
    for (const permits of [1, 2, Infinity]) {
      t.is(heldFor(await locks.acquire(request({ keys: [key], permits, leaseMs: 5_000 }))), 5_000, what);
    }
    await side.pexpire(key, LONG);
    const left = heldFor(await locks.acquire(request({ keys: [key] })));
    t.true(left > LONG - 20_000 && left <= LONG, what);
    t.deepEqual(await side.dump(key), before, what);
  }
});

test('a lock key without a TTL gets one', async (t) => {
  const { locks, namespace, side } = await rigFor(t);
  for (const permits of [1, 2]) {
    const key = lockKey(namespace, `persisted ${permits}`);
    grantOf(await locks.acquire(request({ keys: [key], permits, leaseMs: LONG * 60 })));
    await side.persist(key);
    heldFor(await locks.acquire(request({ keys: [key], leaseMs: 5_000 })));
    const left = await side.pttl(key);
    t.true(left > 0 && left <= 5_000);
  }
});

test('every key has the TTL of its lock', async (t) => {
  const { locks, namespace, side } = await rigFor(t);
  const lock = (name: string): string => lockKey(namespace, name);
  const seen = async (most: number): Promise<void> => {
    for (const name of await side.keys(`${namespace}:lock:*`)) {
      const left = await side.pttl(name);
      t.true(left > 0 && left <= (name.endsWith(':fence') ? 2 * DAY : most), `${name} ends in ${left} ms`);
    }
  };
  const grants = [
    grantOf(await locks.acquire(request({ keys: [lock('a'), lock('b')] }))),
    grantOf(await locks.acquire(request({ keys: [lock('c')], permits: Infinity }))),
    grantOf(await locks.acquire(request({ keys: [lock('d')], ticket: 't' }))),
    grantOf(await locks.acquire(request({ keys: [lock('e')], permits: 2 }))),
  ];
  for (const name of ['a', 'c', 'e']) heldFor(await locks.acquire(request({ keys: [lock(name)] })));
  heldFor(await locks.acquire(request({ keys: [lock('d')], ticket: 'u' })));
  t.is(
    (await side.keys(`${namespace}:lock:*`)).length,
    5 + 3 + 2 + 2,
    'locks, fences, pending writers, a queue',
  );
  await seen(LONG);
  for (const grant of grants) t.is(await grant.extend(LONG * 2), 'extended');
  t.true((await side.pttl(lock('a'))) > LONG);
  t.true((await side.pttl(`${lock('a')}:fence`)) > LONG * 2 + DAY);
  await seen(LONG * 2);
  for (const grant of grants) await grant.release();
  await locks.abandon(request({ keys: [lock('d')], ticket: 'u' }));
  for (const name of ['c', 'e']) await locks.abandon(request({ keys: [lock(name)] }));
  t.deepEqual(
    (await side.keys(`${namespace}:lock:*`)).sort(),
    ['a', 'b', 'd'].map((name) => `${lock(name)}:fence`),
  );
});

test('a lock and an entry of the same name are independent', async (t) => {
  const caching = new Caching({
    adapter: ioredis(server().url, { timeout: '20s' }),
    namespace: `names-${process.pid}`,
    defaults: { ttl: '1m' },
  });
  t.teardown(() => caching.close());
  const { cache, locks } = caching;
  await cache.set('user:1', 'cached');
  await locks.withLease('user:1', {}, async (lease) => {
    t.is(await cache.get('user:1'), 'cached');
    await cache.set('user:1', 'written under the lock');
    await cache.invalidate({ keys: ['user:1'] });
    lease.assertHeld();
    t.is(await cache.getOrSet('user:1', () => 'loaded'), 'loaded');
    await cache.clear();
    lease.assertHeld();
  });
  t.not(lockKey('n', 'x'), entryKey('n', 'x'));
});

// --- fencing --------------------------------------------------------------------------------------------------------

test('G8 locks: fencing tokens grow even after the loss of all data', async (t) => {
  const own = await startRedis();
  t.teardown(() => own.stop());
  const side = admin(t, own.url);
  const { backend, namespace } = await ready(t, own.url);
  const key = lockKey(namespace, 'a');
  let last = 0n;
  const losses: (() => Promise<unknown>)[] = [
    async () => {},
    () => side.flushall(),
    () => side.script('FLUSH'),
    () => side.rpush(`${key}:fence`, 'not ours'),
    () => side.set(`${key}:fence`, 'no number'),
  ];
  for (const lose of losses) {
    await side.del(key, `${key}:fence`);
    await lose();
    const { fencingToken, release } = grantOf(await backend.locks.acquire(request({ keys: [key] })));
    t.true(fencingToken! > last, `${fencingToken} after ${last}`);
    last = fencingToken!;
    await release();
  }
});

test('G8 locks: fencing tokens grow from the stored one, however far ahead of the clock', async (t) => {
  const { key, locks, side } = await rigFor(t);
  await side.set(`${key}:fence`, '4503599627370496');
  const first = grantOf(await locks.acquire(request({ keys: [key] })));
  t.is(first.fencingToken, 4_503_599_627_370_497n);
  await first.release();
  const fair = grantOf(await locks.acquire(request({ keys: [key], ticket: 'x' })));
  t.is(fair.fencingToken, 4_503_599_627_370_498n);
});

// --- connections and clients ------------------------------------------------------------------------------------------

for (const { major, Redis: Class } of MAJORS) {
  test(`locks have their own connection, opened by the first lock (ioredis ${major})`, async (t) => {
    const { key, locks, namespace, side } = await rigFor(t, new Class(server().url, { lazyConnect: true }));
    const names = async (): Promise<number> => {
      const list = String(await side.client('LIST'));
      return list.split('\n').filter((line) => line.includes(`name=cachement:${namespace}:locks`)).length;
    };
    t.is(await names(), 0);
    const grants = await Promise.all([1, 2, 3].map((i) => locks.acquire(request({ keys: [`${key}${i}`] }))));
    t.is(await names(), 1);
    for (const reply of grants) await grantOf(reply).release();
  });

  test(`locks keep the keyPrefix, and release messages work with it (ioredis ${major})`, async (t) => {
    const pattern = new Class(server().url, { lazyConnect: true, keyPrefix: 'app:' });
    const { key, listening, locks, side, woken } = await rigFor(t, pattern);
    await listening(key, `${key}#t`);
    const first = grantOf(await locks.acquire(request({ keys: [key] })));
    t.is(await side.exists(`app:${key}`), 1);
    heldFor(await locks.acquire(request({ keys: [key] })));
    heldFor(await locks.acquire(request({ keys: [key], ticket: 't' })));
    await first.release();
    await eventually('both keys wake their waiters', () => woken.includes(key) && woken.includes(`${key}#t`));
    t.deepEqual(await side.keys(`${key}*`), []);
  });
}

test('a lock whose command cannot be sent is unavailable and leaves nothing behind', async (t) => {
  const own = await startRedis();
  t.teardown(() => own.stop());
  const { backend, namespace } = await ready(t, own.url);
  const key = lockKey(namespace, 'a');
  const grant = grantOf(await backend.locks.acquire(request({ keys: [key] })));
  await own.kill();
  const reply = await eventually('it is known', async () => {
    const reply = await backend.locks.acquire(request({ keys: [lockKey(namespace, 'b')] }));
    return reply.status === 'unavailable' && reply;
  });
  t.is(reply.servers.length, 1);
  t.true(reply.servers[0]!.answer instanceof StoreUnavailableError);
  t.is(reply.servers[0]!.server, own.url);
  t.is(await grant.extend(LONG), 'unavailable');
  await t.throwsAsync(grant.release(), { instanceOf: StoreUnavailableError });
});

test('OOM: without memory a lock is unavailable, and a held one can be released', async (t) => {
  const own = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] });
  t.teardown(() => own.stop());
  const side = admin(t, own.url);
  const { backend, namespace } = await ready(t, own.url);
  const { locks } = backend;
  const key = lockKey(namespace, 'a');
  const shared = lockKey(namespace, 'shared');
  const grant = grantOf(await locks.acquire(request({ keys: [key] })));
  const reader = grantOf(await locks.acquire(request({ keys: [shared], permits: Infinity })));
  await side.config('SET', 'maxmemory', '1');
  for (const parts of [{}, { permits: 2 }, { ticket: 't' }]) {
    const reply = await locks.acquire(request({ keys: [lockKey(namespace, 'b')], ...parts }));
    if (reply.status !== 'unavailable') return t.fail(`${reply.status} ${JSON.stringify(parts)}`);
    const { answer } = reply.servers[0]!;
    t.true(
      answer instanceof StoreUnavailableError && answer.outcome === 'refused' && /OOM/.test(answer.message),
    );
  }
  t.is(await grant.extend(LONG), 'extended');
  await grant.release();
  await reader.release();
  await side.config('SET', 'maxmemory', '0');
  t.is(await side.exists(key, shared, lockKey(namespace, 'b')), 0);
});

// --- what travels together --------------------------------------------------------------------------------------------

test('acquires and releases of one tick are one script, in their order', async (t) => {
  const own = await startRedis();
  t.teardown(() => own.stop());
  const side = admin(t, own.url);
  const { backend, namespace } = await ready(t, own.url);
  const { locks } = backend;
  const keyOf = (name: string): string => lockKey(namespace, name);
  const held = grantOf(await locks.acquire(request({ keys: [keyOf('held')] })));
  await side.config('RESETSTAT');
  const [freed, other, same, , again] = await Promise.all([
    locks.acquire(request({ keys: [keyOf('a')], leaseMs: LONG / 2 })),
    locks.acquire(request({ keys: [keyOf('b'), keyOf('c')] })),
    locks.acquire(request({ keys: [keyOf('c')] })),
    held.release(),
    locks.acquire(request({ keys: [keyOf('held')] })),
  ]);
  t.is(await callsOf(side, 'evalsha'), 1);
  t.true(grantOf(other).fencingToken! >= grantOf(freed).fencingToken!);
  t.true(heldFor(same) > 0, 'the request before it in the script has it');
  t.true(
    grantOf(again).fencingToken! > held.fencingToken!,
    'the release before it in the script has freed it',
  );
  t.true((await side.pttl(keyOf('a'))) <= LONG / 2);
  t.true((await side.pttl(keyOf('b'))) > LONG / 2);

  await Promise.all([freed, other, again].map((reply) => grantOf(reply).release()));
  t.is(await callsOf(side, 'evalsha'), 2);
  t.deepEqual(
    (await side.keys('*')).filter((key) => !key.endsWith(':fence') && key.includes(':lock:')),
    [],
  );
});

test('an operation that fails changes nothing about the others of its script', async (t) => {
  const { locks, namespace, side } = await rigFor(t);
  const keyOf = (name: string): string => lockKey(namespace, name);
  await side.set(`${keyOf('fair')}:places`, 'of another program');
  const held = grantOf(await locks.acquire(request({ keys: [keyOf('held')] })));
  const [fair, plain] = await Promise.all([
    locks.acquire(request({ keys: [keyOf('fair')], ticket: 'x' })),
    locks.acquire(request({ keys: [keyOf('plain')] })),
    held.release(),
  ]);
  if (fair.status !== 'unavailable') return t.fail(fair.status);
  const { answer } = fair.servers[0]!;
  t.true(answer instanceof StoreUnavailableError && answer.outcome === 'refused');
  t.regex((answer as Error).message, /^acquire was refused by .*WRONGTYPE/);
  t.is(await side.exists(keyOf('plain')), 1);
  t.is(await side.exists(keyOf('held'), keyOf('fair')), 0);
  await grantOf(plain).release();
});

test('a replica refuses the whole script, and a new connection looks for the master', async (t) => {
  const own = await startRedis();
  t.teardown(() => own.stop());
  const side = admin(t, own.url);
  const { backend, namespace } = await ready(t, own.url);
  const { locks } = backend;
  grantOf(await locks.acquire(request({ keys: [lockKey(namespace, 'held')] })));
  await side.replicaof('127.0.0.1', 1);
  const connections = async (): Promise<number> =>
    Number(/total_connections_received:(\d+)/.exec(await side.info('stats'))![1]);
  const before = await connections();
  const [held, free] = await Promise.all(
    ['held', 'free'].map((name) => locks.acquire(request({ keys: [lockKey(namespace, name)], ticketMs: 0 }))),
  );
  for (const reply of [held!, free!]) {
    if (reply.status !== 'unavailable') return t.fail(reply.status);
    const { answer } = reply.servers[0]!;
    t.true(answer instanceof StoreUnavailableError && answer.outcome === 'refused');
    t.regex((answer as Error).message, /READONLY/);
  }
  await eventually('it has connected again', async () => (await connections()) > before);
});

test('CROSSSLOT: in a Cluster the locks of one tick are acquired and released slot by slot', async (t) => {
  const cluster = await startCluster(3);
  t.teardown(() => cluster.stop());
  const pattern = new MAJORS[0].Cluster([...cluster.nodes], { lazyConnect: true });
  const { backend, namespace } = await ready(t, pattern);
  const keys = Array.from({ length: 12 }, (_, i) => lockKey(namespace, `k${i}`));
  const grants = await Promise.all(
    keys.map(async (key) => grantOf(await backend.locks.acquire(request({ keys: [key] })))),
  );
  for (const grant of grants) t.is(typeof grant.fencingToken, 'bigint');
  await t.notThrowsAsync(Promise.all(grants.map((grant) => grant.release())));
});

test('the lock store of a Caching without locks stays unopened after close', async (t) => {
  const { backend, namespace } = await ready(t, server().url);
  await backend.close();
  const reply = await backend.locks.acquire(request({ keys: [lockKey(namespace, 'a')] }));
  if (reply.status !== 'unavailable') return t.fail(reply.status);
  t.regex((reply.servers[0]!.answer as Error).message, /is closed/);
  await backend.locks.abandon(request({ keys: [lockKey(namespace, 'a')] }));
});

// --- a Cluster ------------------------------------------------------------------------------------------------------

test('CROSSSLOT: in a Cluster several keys are acquired slot by slot with one token, or released', async (t) => {
  const cluster = await startCluster(3);
  t.teardown(() => cluster.stop());
  const pattern = new MAJORS[0].Cluster([...cluster.nodes], { lazyConnect: true });
  const { backend, namespace } = await ready(t, pattern);
  const { locks } = backend;
  const client: Cluster = new MAJORS[0].Cluster([...cluster.nodes]);
  t.teardown(() => client.disconnect());
  const keys = Array.from({ length: 12 }, (_, i) => lockKey(namespace, `k${i}`)).sort();
  const bySlot = keys.toSorted((one, other) => slotOf(one) - slotOf(other));
  const last = bySlot.at(-1)!;
  // The clock of the last one's server seems to be far ahead.
  await client.set(`${last}:fence`, '4503599627370496');

  const other = grantOf(await locks.acquire(request({ keys: [last] })));
  heldFor(await locks.acquire(request({ keys })));
  for (const key of keys) t.is(await client.exists(key), key === last ? 1 : 0);
  await other.release();

  const all = grantOf(await locks.acquire(request({ keys })));
  t.is(all.fencingToken, 4_503_599_627_370_498n);
  for (const key of keys) t.is(await client.get(`${key}:fence`), '4503599627370498', key);
  t.is(await all.extend(LONG * 2), 'extended');
  for (const key of keys) t.true((await client.pttl(key)) > LONG);
  await client.del(bySlot[5]!);
  t.is(await all.extend(LONG), 'lost');
  await all.release();
  for (const key of keys) t.is(await client.exists(key), 0);
});

test('CROSSSLOT: in a Cluster, keys are released if the node of another key is unavailable', async (t) => {
  const cluster = await startCluster(3);
  t.teardown(() => cluster.stop());
  const pattern = new MAJORS[0].Cluster([...cluster.nodes], { lazyConnect: true });
  const { backend, namespace } = await ready(t, pattern, { timeout: '1s' });
  const { locks } = backend;
  const sides = cluster.servers.map(({ url }) => admin(t, url));
  const keys = Array.from({ length: 12 }, (_, i) => lockKey(namespace, `k${i}`)).sort();
  const all = grantOf(await locks.acquire(request({ keys })));
  await all.release();
  await cluster.servers[2]!.kill();
  const reply = await locks.acquire(request({ keys }));
  t.is(reply.status, 'unavailable');
  for (const side of sides.slice(0, 2)) {
    await eventually('all keys are released', async () => {
      const left = await side.keys(`${namespace}:lock:*`);
      return left.every((name) => name.endsWith(':fence'));
    });
  }
});
