import test, { type ExecutionContext } from 'ava';
import { inspect } from 'node:util';
import { Cluster, Redis } from 'ioredis';
import { ioredis } from '../../../../src/adapters/ioredis/index.js';
import {
  Caching,
  LockLostError,
  LockNotObtainedError,
  LockUnavailableError,
  OptionsError,
  StoreSetupError,
  StoreUnavailableError,
  subscribe,
} from '../../../../src/index.js';
import { eventually } from '../../../support/eventually.js';
import { freePort } from '../../../support/free-port.js';
import { lockFleetForFile, type LockServer } from './lock-fleet.js';

const fleet = lockFleetForFile(test, 3);

/** Ways in which a server can be of no use. None of them says goodbye. */
const AWAY: Readonly<Record<string, (server: LockServer) => Promise<unknown>>> = {
  'is killed': ({ server }) => server.kill(),
  'is stopped by SIGSTOP': ({ server }) => server.pause(),
  'is swallowed by the network': async ({ proxy }) => proxy.timeout(),
  'is slower than any deadline': async ({ proxy }) => proxy.latency(60_000),
  'is reached by requests only': async ({ proxy }) => proxy.timeout('downstream'),
  'refuses connections': async ({ proxy }) => proxy.down(),
  'resets connections': async ({ proxy }) => proxy.resetPeer(),
};

/** The messages of the `degraded` events while a test runs. */
function degradations(t: ExecutionContext, namespace: string): readonly string[] {
  const messages: string[] = [];
  t.teardown(
    subscribe('degraded', (event) => {
      if (event.namespace === namespace) messages.push(event.error.message);
    }),
  );
  return messages;
}

for (const [how, makeAway] of Object.entries(AWAY)) {
  test.serial(
    `with one of three servers that ${how}, locks are acquired, renewed and released`,
    async (t) => {
      const { servers, open } = fleet();
      const { caching, namespace, standing } = await open(t, { timeout: '1s' });
      const messages = degradations(t, namespace);
      const held = await caching.locks.acquire('held before', { lease: '3s' });
      await makeAway(servers[1]!);
      for (let i = 0; i < 5; i++) {
        await caching.locks.withLease('k', { lease: '3s', wait: '20s' }, async (lease) => {
          await t.throwsAsync(caching.locks.acquire('k', { wait: 0 }), { instanceOf: LockNotObtainedError });
          lease.assertHeld();
        });
      }
      const first = held.remainingMs;
      await eventually('it is renewed', () => held.remainingMs > first);
      await held.release();
      await eventually('every server that answers has released the lock', async () => {
        return (await standing('k')) + (await standing('held before')) <= 2;
      });
      t.deepEqual(messages, [], 'that is what the others are for');
    },
  );

  test.serial(
    `G8 locks: with two of three servers that ${how}, no lock is acquired, and the granted one is released`,
    async (t) => {
      const { servers, open } = fleet();
      const { caching } = await open(t, { timeout: '1s' });
      const warm = await caching.locks.acquire('warm', { wait: '20s' });
      await warm.release();
      await makeAway(servers[0]!);
      await makeAway(servers[1]!);
      const ran: string[] = [];
      const error = await t.throwsAsync(
        caching.locks.withLease('k', { lease: '60s', wait: 0 }, () => ran.push('the body')),
        { instanceOf: LockUnavailableError },
      );
      t.deepEqual(ran, []);
      t.deepEqual(
        error.servers.map(({ server }) => server),
        servers.map(({ proxy }) => proxy.url),
      );
      const answers = error.servers.map(({ answer }) => answer);
      t.true(answers[0] instanceof StoreUnavailableError && answers[1] instanceof StoreUnavailableError);
      t.is(answers[2], 'granted');
      t.false(
        /votesAgainst|ExecutionError|ResourceLockedError/.test(inspect(error, { depth: 20 })),
        'the error contains nothing of redlock, which holds clients',
      );
      await eventually('the third server has released it', async () => {
        return (await servers[2]!.admin.keys('*:lock:{k}')).length === 0;
      });
      t.is(await caching.locks.withLease('k', { wait: 0, onUnavailable: 'run' }, () => 'ran'), 'ran');
    },
  );
}

test.serial('a late grant of a silent server is released when it answers again', async (t) => {
  const { servers, open } = fleet();
  const { caching, standing } = await open(t);
  const warm = await caching.locks.acquire('warm', { wait: '20s' });
  await warm.release();
  for (const { server } of servers) await server.pause();
  const error = await t.throwsAsync(caching.locks.acquire('k', { lease: '1h', wait: 0 }), {
    instanceOf: LockUnavailableError,
  });
  t.is(error.servers.length, 3);
  for (const { server } of servers) await server.resume();
  // Long before the lease ends.
  await eventually('every server has released it', async () => (await standing('k')) === 0);
  const lease = await caching.locks.acquire('k', { wait: '20s' });
  await lease.release();
});

test.serial('an abort ends the wait at once and leaves nothing behind', async (t) => {
  const { servers, open } = fleet();
  const { caching, standing } = await open(t, { timeout: '20s' });
  const warm = await caching.locks.acquire('warm', { wait: '20s' });
  await warm.release();
  for (const { server } of servers) await server.pause();
  const controller = new AbortController();
  const options = { lease: '1h', wait: '1h', signal: controller.signal } as const;
  const waiting = t.throwsAsync(caching.locks.acquire('k', options));
  const reason = new Error('enough');
  controller.abort(reason);
  t.is(await waiting, reason);
  for (const { server } of servers) await server.resume();
  await eventually('every server has released it', async () => (await standing('k')) === 0);
  // Whatever was granted meanwhile would be in its way.
  const lease = await caching.locks.acquire('k', { wait: '20s' });
  await lease.release();
});

test.serial('a release that cannot be sent is sent later', async (t) => {
  const { servers, open } = fleet();
  const { caching, standing } = await open(t);
  const lease = await caching.locks.acquire('k', { lease: '1h', wait: '20s' });
  for (const { proxy } of servers) proxy.down();
  await lease.release();
  t.is(await standing('k'), 3);
  for (const { proxy } of servers) await proxy.heal();
  await eventually('every server has released it', async () => (await standing('k')) === 0);
});

test.serial(
  'G8 locks: a lock is lost if a majority of servers lost its data, and not if a minority did',
  async (t) => {
    const { servers, open } = fleet();
    const { caching } = await open(t, { timeout: '1s' });
    const lease = await caching.locks.acquire('k', { lease: '3s', wait: '20s' });
    await servers[0]!.server.restart();
    const before = lease.remainingMs;
    await eventually('it is renewed', () => lease.remainingMs > before);
    t.false(lease.signal.aborted);
    await servers[1]!.server.restart();
    await eventually('it is known to be lost', () => lease.signal.aborted);
    t.is((lease.signal.reason as LockLostError).code, 'E_LOCK_LOST');
  },
);

test.serial('G8 locks: never two holders while servers fail and recover', async (t) => {
  const { servers, open } = fleet();
  const namespace = `turns-${process.pid}`;
  const cachings = await Promise.all([1, 2, 3].map(() => open(t, { namespace, timeout: '1s' })));
  let holders = 0;
  let turns = 0;
  let over = false;
  const work = cachings.flatMap(({ caching }) =>
    [1, 2].map(async () => {
      while (!over) {
        const body = async (): Promise<void> => {
          holders += 1;
          turns += 1;
          t.is(holders, 1);
          await new Promise((resolve) => setImmediate(resolve));
          holders -= 1;
        };
        await caching.locks.withLease('k', { lease: '5s', wait: '20s' }, body);
      }
    }),
  );
  for (const { server } of servers) {
    const before = turns;
    await server.pause();
    await eventually('it goes on with two', () => turns > before + 20);
    await server.resume();
    const after = turns;
    await eventually('it goes on with three', () => turns > after + 20);
  }
  over = true;
  await Promise.all(work);
});

test.serial('read-write lock: readers share and a writer is alone, across several servers', async (t) => {
  const { open } = fleet();
  const { caching } = await open(t, { timeout: '1s' });
  const { locks } = caching;
  const readers = await Promise.all([1, 2].map(() => locks.acquire('k', { mode: 'shared', wait: '20s' })));
  t.is(readers[0]!.fencingToken, undefined);
  await t.throwsAsync(locks.acquire('k', { wait: 0 }), { instanceOf: LockNotObtainedError });
  const writer = locks.acquire('k', { wait: '20s' });
  for (const reader of readers) await reader.release();
  const lease = await writer;
  t.is(lease.fencingToken, undefined, 'several servers have no common counter');
  await t.throwsAsync(locks.acquire('k', { mode: 'shared', wait: 0 }), { instanceOf: LockNotObtainedError });
  await lease.release();
});

test.serial('features that need one server are refused with several', async (t) => {
  const { open } = fleet();
  const { caching } = await open(t);
  await t.throwsAsync(caching.locks.acquire('k', { permits: 3 }), { instanceOf: OptionsError });
  await t.throwsAsync(caching.locks.acquire('k', { fair: true }), { instanceOf: OptionsError });
});

// --- setting up -------------------------------------------------------------------------------------------------------

test.serial('ready() needs a majority, and reports the problem of the others', async (t) => {
  const { servers, target } = fleet();
  const urls = servers.map(({ server }) => server.url);
  const nobody = `redis://127.0.0.1:${await freePort()}`;
  const readyWith = async (lockServers: string[]): Promise<void> => {
    const adapter = ioredis(target.url, { lockServers, connectTimeout: '5s' });
    const caching = new Caching({ adapter, namespace: `ready-${process.pid}` });
    t.teardown(() => caching.close());
    await caching.ready();
  };
  await readyWith([nobody, urls[1]!, urls[2]!]);
  const wrong = urls[0]!.replace('//', '//nobody:secret@');
  const error = await t.throwsAsync(readyWith([nobody, wrong, urls[2]!]), { instanceOf: StoreSetupError });
  t.regex(
    error.message,
    /Of the 3 lock servers of namespace 'ready-\d+', 2 are needed, and 2 cannot be used/,
  );
  t.regex(error.message, /Nothing listens there/);
  t.regex(error.message, /does not accept the user name and password/);
  t.false(inspect(error, { depth: 20 }).includes('secret'), 'no error contains the password');
});

test.serial('no error contains the password of a server', async (t) => {
  const { servers, target } = fleet();
  for (const { admin } of servers) await admin.config('SET', 'requirepass', 'secret');
  t.teardown(async () => {
    for (const { admin } of servers) await admin.config('SET', 'requirepass', '');
  });
  const lockServers = servers.map(({ proxy }) => proxy.url.replace('//', '//:secret@'));
  const adapter = ioredis(target.url, { lockServers });
  const caching = new Caching({ adapter, namespace: `secret-${process.pid}` });
  t.teardown(() => caching.close());
  await caching.ready();
  await (await caching.locks.acquire('k', { wait: '20s' })).release();
  for (const { proxy } of servers) proxy.down();
  const error = await t.throwsAsync(caching.locks.acquire('k', { wait: 0 }), {
    instanceOf: LockUnavailableError,
  });
  t.is(error.servers[0]!.server, servers[0]!.proxy.url.replace('//', '//:***@'));
  t.false(inspect(error, { depth: 20 }).includes('secret'));
});

test.serial('invalid lock servers are refused by ioredis()', (t) => {
  const [one, two, three] = fleet().servers.map(({ server }) => server);
  const refused = (lockServers: unknown, message: RegExp): void => {
    const error = t.throws(() => ioredis(one!.url, { lockServers: lockServers as string[] }), {
      instanceOf: OptionsError,
    });
    t.regex(error.message, message);
  };
  refused([], /0 were given/);
  refused([one!.url], /1 were given\. With fewer than three/);
  refused([one!.url, two!.url], /2 were given/);
  const four = [one!.url, two!.url, three!.url, 'redis://localhost:1'];
  refused(four, /4 were given\. An even number tolerates no more failures .* no majority/);
  refused('redis://localhost', /a string was given|'redis/);
  refused([one!.url, two!.url, 'http://localhost'], /takes a URL/);
  refused([one!.url, two!.url, `${one!.url}/3`], /number 1 and number 3 are the same server \(redis:.*\/3\)/);
  refused(
    [one!.url, two!.url, { host: 'LOCALHOST', port: two!.port, password: 'x' }],
    /number 2 and number 3 are the same server/,
  );
  const cluster = new Cluster([{ host: '127.0.0.1', port: one!.port }], { lazyConnect: true });
  refused([one!.url, two!.url, cluster], /number 3 is a Cluster client/);
  const client = new Redis(three!.url, { lazyConnect: true });
  t.is(ioredis(one!.url, { lockServers: [one!.url, { port: two!.port }, client] }).name, 'ioredis');
});
