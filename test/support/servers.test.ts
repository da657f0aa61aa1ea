import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { Cluster, Redis } from 'ioredis';
import { eventually } from './eventually.js';
import { dockerAnswers } from './find-docker.js';
import { findRedisServer } from './find-redis.js';
import { redisForFile, startCluster, startIndependent, startRedis, startSentinel } from './servers.js';

const shared = redisForFile(test);

function connectTo(t: ExecutionContext, url: string): Redis {
  const client = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 20 });
  client.on('error', () => {});
  t.teardown(() => client.disconnect());
  return client;
}

/**
 * Identifies the run of the server that answers at the URL; undefined: none does. Soon after a server has ended, another test
 * may have one on its port.
 */
async function runAt(url: string): Promise<string | undefined> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  client.on('error', () => {});
  try {
    await client.connect();
    return /run_id:(\w+)/.exec(await client.info('server'))?.[1];
  } catch {
    return undefined;
  } finally {
    client.disconnect();
  }
}

test('a server starts empty and keeps nothing on disk', async (t) => {
  const client = connectTo(t, shared().url);
  t.is(await client.dbsize(), 0);
  t.deepEqual(await client.config('GET', 'save'), ['save', '']);
  t.deepEqual(await client.config('GET', 'appendonly'), ['appendonly', 'no']);
});

test('where REDIS_IMAGE is set and an engine answers, the server is a container, and else a process', async (t) => {
  const inDocker = (process.env['REDIS_IMAGE'] ?? '') !== '' && (await dockerAnswers());
  if (inDocker) t.is(shared().kind, 'docker');
  else t.regex(shared().kind, /^(local|docker)$/);
  t.is(typeof shared().pid, shared().kind === 'local' ? 'number' : 'undefined');
});

test('a server takes a password and arguments', async (t) => {
  const server = await startRedis({ password: 'p@ss word', args: ['--maxmemory', '7mb'] });
  t.teardown(() => server.stop());
  const client = connectTo(t, server.url);
  t.deepEqual(await client.config('GET', 'maxmemory'), ['maxmemory', String(7 * 1_024 * 1_024)]);
  const stranger = new Redis(server.port, server.host, { maxRetriesPerRequest: 0 });
  stranger.on('error', () => {});
  t.teardown(() => stranger.disconnect());
  await t.throwsAsync(stranger.get('a'), { message: /NOAUTH/ });
});

test('a wrong argument fails with what the server says', async (t) => {
  await t.throwsAsync(startRedis({ args: ['--no-such-directive', '1'], local: true }), {
    message: /Bad directive/,
  });
});

test('a stopped server is gone, and stopping it again does nothing', async (t) => {
  const server = await startRedis();
  const run = await runAt(server.url);
  t.truthy(run);
  await server.stop();
  t.not(await runAt(server.url), run);
  await server.stop();
});

test('a killed server comes back empty on the same port', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const client = connectTo(t, server.url);
  await client.set('a', '1');
  const run = await runAt(server.url);
  await server.kill();
  t.not(await runAt(server.url), run);
  t.is(server.pid, undefined);
  await server.restart();
  t.is(await client.get('a'), null);
});

test('a server that is up can be restarted too', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const client = connectTo(t, server.url);
  await client.set('a', '1');
  await server.restart();
  t.is(await client.get('a'), null);
});

test('a paused server accepts a command and answers it when it is resumed', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const client = connectTo(t, server.url);
  await client.ping();
  await server.pause();
  const reply = client.set('a', '1');
  const pause = new Promise((resolve) => setTimeout(resolve, 100, 'nothing yet'));
  t.is(await Promise.race([reply, pause]), 'nothing yet');
  await server.resume();
  t.is(await reply, 'OK');
});

test('a paused server can be stopped', async (t) => {
  const server = await startRedis();
  const run = await runAt(server.url);
  t.truthy(run);
  await server.pause();
  await server.stop();
  t.not(await runAt(server.url), run);
});

test('independent servers know nothing of each other', async (t) => {
  const servers = await startIndependent(3);
  t.teardown(() => Promise.all(servers.map((server) => server.stop())));
  const clients = servers.map(({ url }) => connectTo(t, url));
  await clients[0]?.set('a', '1');
  t.deepEqual(await Promise.all(clients.map((client) => client.get('a'))), ['1', null, null]);
});

test('a cluster answers for keys on each of its nodes', async (t) => {
  const cluster = await startCluster();
  t.teardown(() => cluster.stop());
  t.is(cluster.nodes.length, 3);
  const client = new Cluster(cluster.nodes.slice(0, 1));
  t.teardown(() => client.disconnect());
  for (let index = 0; index < 100; index += 1) await client.set(`key:${index}`, index);
  t.is(await client.get('key:42'), '42');
  const sizes = await Promise.all(client.nodes('master').map((node) => node.dbsize()));
  t.is(sizes.length, 3);
  t.true(sizes.every((size) => size > 0));
});

test('a sentinel makes the replica the primary when the primary is killed', async (t) => {
  const setup = await startSentinel();
  t.teardown(() => setup.stop());
  const client = new Redis({ sentinels: setup.sentinels, name: setup.name, maxRetriesPerRequest: null });
  client.on('error', () => {});
  t.teardown(() => client.disconnect());
  await client.set('a', '1');
  t.is(await client.wait(1, 5_000), 1);
  await setup.primary.kill();
  const replica = connectTo(t, setup.replica.url);
  await eventually('the replica is promoted', async () =>
    (await replica.info('replication')).includes('role:master'),
  );
  t.is(await client.get('a'), '1');
  t.is(await client.set('b', '2'), 'OK');
  t.is(await replica.get('b'), '2');
});

for (const end of ['SIGKILL', 'exit'] as const) {
  test(`no server and no worker outlives a test process that ends by ${end}, not even a paused one`, async (t) => {
    const script = fileURLToPath(new URL('./test-holder.js', import.meta.url));
    const holder = spawn(process.execPath, [script, end], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => holder.kill('SIGKILL'));
    const [line] = (await once(holder.stdout, 'data')) as [Buffer];
    const held = JSON.parse(line.toString()) as { urls: string[]; pids: number[] };
    t.is(held.urls.length, 3);
    t.true(held.pids.length >= 2);
    t.true(held.pids.every(isRunning));
    t.truthy(await runAt(held.urls[0] ?? ''));

    if (end === 'SIGKILL') holder.kill('SIGKILL');
    else holder.kill('SIGUSR2');
    await once(holder, 'exit');
    await eventually('the processes are gone', () => !held.pids.some(isRunning));
    for (const url of held.urls) {
      await eventually(`nothing listens at ${url}`, async () => (await runAt(url)) === undefined);
    }
  });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('REDIS_SERVER goes before the PATH, and a wrong one is an error', async (t) => {
  // Whether it is a Redis server shows when it is started.
  const program = process.execPath;
  t.is(await findRedisServer({ PATH: '/nowhere', REDIS_SERVER: program }), program);
  t.is(await findRedisServer({ PATH: '/nowhere' }), undefined);
  t.is(await findRedisServer({ PATH: '/nowhere', REDIS_SERVER: '' }), undefined);
  await t.throwsAsync(findRedisServer({ ...process.env, REDIS_SERVER: '/nowhere/redis-server' }), {
    message: /REDIS_SERVER is "\/nowhere\/redis-server"/,
  });
});

test('where there is no redis-server, a cluster says why it cannot run and what helps', async (t) => {
  const module = JSON.stringify(new URL('./servers.js', import.meta.url));
  const script = `const { startCluster } = await import(${module}); await startCluster();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, PATH: '/nowhere', REDIS_SERVER: '' },
  });
  const output = await text(child.stderr);
  t.regex(output, /A cluster needs a redis-server of this machine/);
  for (const way of ['REDIS_IMAGE', 'REDIS_SERVER', 'PATH', 'Debian']) t.true(output.includes(way), way);
});

test('an engine that accepts and never answers is none, and neither is another web server', async (t) => {
  const silent = createServer(() => {});
  const other = createServer((socket) => socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n'));
  const engine = createServer((socket) =>
    socket.end('HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\ncontent-length: 2\r\n\r\nOK'),
  );
  const addresses = [];
  for (const server of [silent, other, engine]) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => server.close());
    addresses.push(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }
  t.false(await dockerAnswers([]));
  t.false(await dockerAnswers(['unix:///nowhere/docker.sock', 'not an address']));
  t.false(await dockerAnswers(addresses.slice(0, 2)));
  // The time that it may take is no part of what this test is about.
  t.true(await dockerAnswers(addresses, 30_000));
});
