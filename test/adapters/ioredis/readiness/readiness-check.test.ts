import test, { type ExecutionContext } from 'ava';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { Cluster, Redis } from 'ioredis';
import { StoreSetupError } from '../../../../src/core/shared/errors.js';
import {
  lockKey,
  rateRuleKey,
  rateSubject,
  sessionKey,
  sessionPrefix,
  sessionUserKey,
} from '../../../../src/core/keys/store-keys.js';
import type { Algorithm } from '../../../../src/core/ports/rate-store.js';
import { rateAlgorithms } from '../../../../src/core/limits/algorithms/index.js';
import { newToken } from '../../../../src/core/shared/token.js';
import { eventually } from '../../../support/eventually.js';
import { freePort } from '../../../support/free-port.js';
import { startCluster, startRedis, type RedisServer } from '../../../support/servers.js';
import { startProxy } from '../../../support/proxy.js';
import {
  admin,
  MAJORS,
  open,
  ready,
  store,
  valueOf,
  type Rig,
  type RigOptions,
  type Target,
} from '../rig.js';
import { LATER } from '../../../support/later.js';

let server: RedisServer;

test.before(async () => {
  server = await startRedis({ password: 'secret' });
});
test.after.always(async () => {
  await server?.stop();
});

const SOON: RigOptions = { connectTimeout: '2s' };

/** How ready() fails, with both majors. */
async function failures(
  t: ExecutionContext,
  options: object,
  rigOptions: RigOptions = SOON,
): Promise<readonly StoreSetupError[]> {
  const errors: StoreSetupError[] = [];
  for (const { Redis: Class } of MAJORS) {
    const pattern = new Class({ ...(options as object), lazyConnect: true });
    const { backend } = open(t, pattern, rigOptions);
    const error = await t.throwsAsync(backend.ready(), { instanceOf: StoreSetupError });
    t.false(inspect(error, { depth: 20 }).includes('secret'), 'no error contains the password');
    t.is(error.code, 'E_STORE_SETUP');
    errors.push(error);
  }
  return errors;
}

async function fails(t: ExecutionContext, options: object, ...messages: readonly RegExp[]): Promise<void> {
  for (const error of await failures(t, options))
    for (const message of messages) t.regex(error.message, message);
}

async function listening(t: ExecutionContext, listener: Server): Promise<number> {
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.teardown(() => listener.close());
  return (listener.address() as AddressInfo).port;
}

test('a wrong password', async (t) => {
  const { host, port } = server;
  await fails(
    t,
    { host, port, username: 'default', password: 'not-secret' },
    new RegExp(`^cachement cannot use redis://default:\\*\\*\\*@127.0.0.1:${port} \\(namespace 'rig-`),
    /does not accept the user name and password/,
    /WRONGPASS/,
    /Check them in the URL/,
  );
});

test('no password where one is needed', async (t) => {
  const { host, port } = server;
  await fails(t, { host, port }, /requires a password, and none was given/, /redis:\/\/:password@host/);
});

test('a database that does not exist', async (t) => {
  const { host, port, password } = server;
  await fails(t, { host, port, password, db: 99 }, /\/99 /, /no database with this number/);
});

test('a database that does not exist is reported even to a late ready()', async (t) => {
  const { host, port, password } = server;
  for (const { Redis: Class } of MAJORS) {
    const { backend, entries } = open(
      t,
      new Class({ host, port, password: password!, db: 99, lazyConnect: true }),
    );
    await entries.nonces(['rig:clear:{rig}']);
    await t.throwsAsync(backend.ready(), {
      instanceOf: StoreSetupError,
      message: /no database with this number/,
    });
  }
});

test('nothing listens at the port', async (t) => {
  await fails(t, { host: '127.0.0.1', port: await freePort() }, /Nothing listens there/, /ECONNREFUSED/);
});

test('no such host', async (t) => {
  await fails(t, { host: 'no-such-host.invalid', port: 6379 }, /There is no host with this name/);
});

test('a web server', async (t) => {
  const web = createHttpServer((_request, response) => response.end('hello'));
  const port = await listening(t, web);
  await fails(t, { host: '127.0.0.1', port }, /does not speak the protocol of Redis/, /may be a web server/);
});

test('a port that accepts and never answers', async (t) => {
  const sockets: Socket[] = [];
  const port = await listening(
    t,
    createServer((socket) => void sockets.push(socket)),
  );
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  await fails(t, { host: '127.0.0.1', port }, /accepts connections and then does not answer/);
});

test('a server without TLS where TLS is required', async (t) => {
  const { host, port, password } = server;
  for (const error of await failures(t, { host, port, password, tls: {} })) {
    t.regex(error.message, /rediss:\/\/:\*\*\*@127/);
    t.regex(error.message, /TLS/);
  }
});

test('a replica', async (t) => {
  const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', '1'] });
  t.teardown(() => replica.stop());
  await fails(t, { host: replica.host, port: replica.port }, /is a replica/, /Expected the master/);
});

test('a server without memory', async (t) => {
  const full = await startRedis({ args: ['--maxmemory', '1'] });
  t.teardown(() => full.stop());
  await fails(t, { host: full.host, port: full.port }, /no memory left/, /Raise its maxmemory/);
});

test('a server at its maximum of connections', async (t) => {
  const full = await startRedis({ args: ['--maxclients', '1'] });
  t.teardown(() => full.stop());
  const first = admin(t, full.url);
  await first.ping();
  // Whether its last words arrive, before the end of the connection, is chance.
  await fails(
    t,
    { host: full.host, port: full.port },
    /It accepts no more connections|It closes every connection/,
    /maxclients/,
  );
});

test('a server older than Redis 6', async (t) => {
  // There is none to be had here, so a real one is made to say another version on its way.
  const relay = createServer((client) => {
    const upstream = connect(server.port, server.host);
    client.pipe(upstream);
    upstream.on('data', (chunk) =>
      client.write(chunk.toString('latin1').replace(/redis_version:\d/, 'redis_version:5'), 'latin1'),
    );
    for (const socket of [client, upstream]) socket.on('error', () => {});
    client.on('close', () => upstream.destroy());
  });
  const port = await listening(t, relay);
  await fails(
    t,
    { host: '127.0.0.1', port, password: 'secret' },
    /It is Redis 5\./,
    /Expected Redis 6\.0 or newer/,
  );
});

test('a node of a Cluster instead of a single server, and the reverse', async (t) => {
  const cluster = await startCluster(1);
  t.teardown(() => cluster.stop());
  const { host, port } = cluster.nodes[0]!;
  await fails(t, { host, port }, /node of a Redis Cluster/, /new Cluster\(/);
  for (const { Cluster: Class } of MAJORS) {
    const pattern = new Class([{ host: server.host, port: server.port }], {
      lazyConnect: true,
      redisOptions: { password: 'secret' },
    });
    const error = await t.throwsAsync(open(t, pattern, SOON).backend.ready(), {
      instanceOf: StoreSetupError,
    });
    t.regex(error.message, /the Cluster of redis:\/\/:\*\*\*@127\.0\.0\.1/);
    t.regex(error.message, /not a Redis Cluster/);
  }
});

test('a Cluster with a wrong password', async (t) => {
  const cluster = await startCluster(1);
  t.teardown(() => cluster.stop());
  for (const { Cluster: Class } of MAJORS) {
    const redisOptions = { username: 'nobody', password: 'secret' };
    const pattern = new Class([...cluster.nodes], { lazyConnect: true, redisOptions });
    const error = await t.throwsAsync(open(t, pattern, SOON).backend.ready(), {
      instanceOf: StoreSetupError,
    });
    t.regex(error.message, /does not accept the user name and password/);
    t.regex(error.message, /the Cluster of redis:\/\/nobody:\*\*\*@127/);
    t.false(inspect(error, { depth: 20 }).includes('secret'));
  }
});

/** A user of the server; gives options to connect as that user. */
async function user(
  t: ExecutionContext,
  ...rights: string[]
): Promise<{ options: object; side: Redis; name: string }> {
  const name = `user-${newToken()}`;
  const side = admin(t, server.url);
  await side.call('ACL', 'SETUSER', name, 'on', '>pass', ...rights);
  const { host, port } = server;
  return { options: { host, port, username: name, password: 'pass' }, side, name };
}

const DENIALS: readonly { what: string; rights: readonly string[]; told: RegExp }[] = [
  { what: 'one command', rights: ['~*', '&*', '+@all', '-mget'], told: /no right to: mget\./ },
  {
    what: 'commands in scripts',
    rights: ['~*', '&*', '+@all', '-pexpire', '-setrange', '-zcount'],
    told: /no right to: zcount, setrange, pexpire\./,
  },
  { what: 'scripts', rights: ['~*', '&*', '+@all', '-evalsha', '-eval'], told: /no right to: evalsha\./ },
  {
    what: 'scripts that are not known yet',
    rights: ['~*', '&*', '+@all', '-eval'],
    told: /no right to: (eval|it)/,
  },
  { what: 'its keys', rights: ['~other:*', '&*', '+@all'], told: /no right to: .*keys/ },
  {
    what: 'its channel',
    rights: ['~*', 'resetchannels', '&other', '+@all'],
    told: /no right to: .*(channel|publish)/,
  },
  { what: 'subscribing', rights: ['~*', '&*', '+@all', '-subscribe'], told: /no right to: subscribe/ },
  { what: 'unsubscribing', rights: ['~*', '&*', '+@all', '-unsubscribe'], told: /no right to: unsubscribe/ },
  { what: 'anything', rights: ['~*', '&*', '-@all'], told: /no right to:/ },
];
for (const { what, rights, told } of DENIALS) {
  test.serial(`NOPERM: a user without the right to ${what}`, async (t) => {
    const { options, side, name } = await user(t, ...rights);
    await side.script('FLUSH');
    for (const { message } of await failures(t, options)) {
      t.true(message.includes(`Its user '${name}' has`), message);
      t.regex(message, told);
      t.true(message.includes(`ACL SETUSER ${name} resetkeys ~rig-`), message);
    }
  });
}

/** What a connection needs when it is made or looked after. Scripts that are known are not sent again. */
const OF_CONNECTIONS = ['ping', 'info', 'select', 'client|setname', 'subscribe', 'unsubscribe', 'eval'];

test.serial('the ACL in the message is sufficient and minimal', async (t) => {
  for (const prefix of ['', 'app:*?']) {
    const { options, side } = await user(t, '-@all');
    const pattern = new Redis({ ...options, keyPrefix: prefix, lazyConnect: true });
    const first = open(t, pattern, SOON);
    const { message } = (await t.throwsAsync(first.backend.ready())) ?? { message: '' };
    const rule = /Expected these rights: ACL (.*)$/.exec(message)?.[1];
    t.truthy(rule);
    await side.call('ACL', ...rule!.split(' '));
    await side.script('FLUSH');

    const rig = await ready(t, pattern, { namespace: first.namespace });
    const { entries, entry, tag, clear, tagChanges } = rig;
    await side.config('RESETSTAT');
    await everyVerb(t, rig);
    const used = await side.info('commandstats');
    const rights = [...rule!.matchAll(/\+(\S+)/g)].map(([, command]) => command!);
    t.deepEqual(
      rights.filter((command) => !used.includes(`cmdstat_${command}:`) && !OF_CONNECTIONS.includes(command)),
      [],
      'every right is used',
    );

    const mine = new Redis(options);
    t.teardown(() => mine.disconnect());
    await t.throwsAsync(mine.get('foreign'), { message: /NOPERM/ });
    await t.throwsAsync(mine.publish('foreign', ''), { message: /NOPERM/ });
    await t.throwsAsync(mine.keys('*'), { message: /NOPERM/ });
    t.truthy([entries, entry, tag, clear, tagChanges]);
  }
});

test.serial('the ACL for a Cluster is sufficient', async (t) => {
  const cluster = await startCluster(2);
  t.teardown(() => cluster.stop());
  const sides = cluster.servers.map(({ url }) => admin(t, url));
  const everywhere = (...command: readonly string[]): Promise<unknown> =>
    Promise.all(sides.map((side) => side.call('ACL', ...command)));
  await everywhere('SETUSER', 'app', 'on', '>pass', '-@all', '+cluster|slots', '+cluster|info', '+info');
  for (const { Cluster: Class } of MAJORS) {
    const pattern = new Class([...cluster.nodes], {
      lazyConnect: true,
      redisOptions: { username: 'app', password: 'pass' },
    });
    const first = open(t, pattern, SOON);
    const { message } = (await t.throwsAsync(first.backend.ready())) ?? { message: '' };
    const rule = /Expected these rights: ACL (.*)$/.exec(message)?.[1];
    t.truthy(rule, message);
    await everywhere(...rule!.split(' '));
    await everyVerb(t, await ready(t, pattern, { namespace: first.namespace }));
  }
});

async function everyVerb(t: ExecutionContext, rig: Awaited<ReturnType<typeof ready>>): Promise<void> {
  const { entries, entry, tag, clear, tagChanges } = rig;
  const key = entry(newToken());
  const token = newToken();
  t.is((await entries.lease(key, token, 60_000, undefined)).status, 'granted');
  t.is((await entries.lease(key, newToken(), 60_000, undefined)).status, 'held');
  t.true(await entries.extend(key, token, 60_000));
  t.is(await entries.fill(key, token, valueOf(token), LATER), 'stored');
  t.is((await entries.getOrCreateNonces([clear, tag('a')], tagChanges, newToken(), 60_000)).nonces.length, 2);
  await entries.getOrCreateNonces([clear, tag('a')], tagChanges, newToken(), 90_000);
  t.truthy((await entries.read(key, [clear, tag('a')])).record);
  await entries.removeNonces([tag('a')], tagChanges, [1], newToken());
  await entries.remove([key]);
  await store(entries, key);
  await entries.lease(key, token, 60_000, '*');
  t.true(await entries.release(key, token));
  await everyRate(t, rig);
  await everyLock(t, rig);
  await everySession(t, rig);
  t.deepEqual(rig.changes, []);
}

async function everySession(t: ExecutionContext, { namespace, backend: { sessions } }: Rig): Promise<void> {
  const key = sessionKey(namespace, 'app', newToken());
  const user = sessionUserKey(namespace, 'app', newToken());
  const epoch = await sessions.bind(user, 'handle', newToken(), 60_000);
  const draft = {
    ...{ proof: 'proof', user: 'u', epoch, ttlMs: 60_000, maxAgeMs: undefined, meta: '' },
    payload: Buffer.from('data'),
  };
  const match = { proof: 'proof' };
  t.true(await sessions.create(key, draft));
  t.truthy(await sessions.read(key, match));
  t.truthy(await sessions.touch(key, match, { ttlMs: 60_000 }));
  t.truthy(await sessions.update(key, match, { payload: Buffer.from('new') }));
  t.deepEqual(await sessions.save(key, draft), { status: 'saved' });
  t.true(await sessions.isCurrent(user, 'handle', epoch, 90_000));
  await sessions.revoke(user, newToken(), { handle: 'handle', epoch });
  t.deepEqual(await sessions.handles(user), ['handle']);
  t.true((await sessions.keys(sessionPrefix(namespace, 'app'))).includes(key));
  t.true(await sessions.remove(key, undefined, 1_000));
}

async function everyRate(t: ExecutionContext, { namespace, backend: { rates } }: Rig): Promise<void> {
  const subject = rateSubject(namespace, newToken());
  const limit = 2;
  const rules = (Object.keys(rateAlgorithms) as Algorithm[]).map((algorithm) => ({
    ...{ key: rateRuleKey(subject, algorithm), algorithm, limit, perMs: 60_000, burst: limit },
  }));
  const request = { subject, rules, cost: 1, token: newToken(), repeatable: true, force: false };
  t.true((await rates.consume(request)).rules.every(({ allowed }) => allowed));
  await rates.consume({ ...request, token: 'forced', cost: 5, force: true });
  t.false((await rates.consume({ ...request, token: 'refused' })).rules.some(({ allowed }) => allowed));
  t.true(await rates.renew(rules, request.token));
  await rates.refund({ ...request, wakeOnlyIfFull: false });
  const short = { ...request, rules: rules.map((rule) => ({ ...rule, perMs: 1 })), repeatable: false };
  const log = rules.findIndex(({ algorithm }) => algorithm === 'sliding-window-log');
  const ended = async (): Promise<boolean> =>
    (await rates.consume({ ...short, cost: 0 })).rules[log]!.used === 0;
  await eventually('what the log has is older than its window', ended);
  await rates.consume({ ...short, force: true });
  await rates.block(subject, 60_000);
  await rates.reset(
    subject,
    rules.map(({ key }) => key),
  );
}

test('ready() can be called again after the problem is fixed', async (t) => {
  const proxy = await startProxy(server);
  t.teardown(() => proxy.stop());
  const undo = proxy.down();
  const { backend } = open(t, `redis://:secret@${proxy.host}:${proxy.port}`, SOON);
  await t.throwsAsync(backend.ready(), { instanceOf: StoreSetupError, message: /Nothing listens/ });
  await undo();
  await t.notThrowsAsync(backend.ready());
  await t.notThrowsAsync(Promise.all([backend.ready(), backend.ready()]));
});

test('ready() rejects if close is called', async (t) => {
  const { backend } = open(t, `redis://127.0.0.1:${await freePort()}`);
  const waiting = backend.ready();
  await backend.close();
  await t.throwsAsync(waiting, { instanceOf: StoreSetupError, message: /The Caching was closed/ });
});

test('a Cluster with one unavailable seed is ready', async (t) => {
  const cluster = await startCluster(2);
  t.teardown(() => cluster.stop());
  const pattern = new Cluster([{ host: '127.0.0.1', port: await freePort() }, ...cluster.nodes], {
    lazyConnect: true,
  });
  await t.notThrowsAsync(open(t, pattern).backend.ready());
});

test('the password is masked in a target given as text', async (t) => {
  const { host, port } = server;
  const targets: readonly Target[] = [
    `redis://default:hush@${host}:${port}`,
    `redis://${host}:${port}?password=hush`,
  ];
  for (const target of targets) {
    const error = await t.throwsAsync(open(t, target, SOON).backend.ready(), { instanceOf: StoreSetupError });
    t.false(inspect(error, { depth: 20 }).includes('hush'));
  }
});

async function everyLock(t: ExecutionContext, { namespace, backend: { locks } }: Rig): Promise<void> {
  const key = lockKey(namespace, newToken());
  const ways = [{ permits: 1 }, { permits: Infinity }, { permits: 2 }, { permits: 1, ticket: 'a' }];
  for (const way of ways) {
    const request = { keys: [key], leaseMs: 60_000, ticket: undefined, ticketMs: 1_000, ...way };
    const writer = { ...request, permits: 1, ticket: way.ticket === undefined ? undefined : 'b' };
    const reply = await locks.acquire(request);
    if (reply.status !== 'granted') return t.fail(reply.status);
    t.is((await locks.acquire(writer)).status, 'held');
    t.is((await locks.acquire({ ...request, permits: 4 })).status, 'held');
    t.is(await reply.grant.extend(90_000), 'extended');
    await reply.grant.release();
    await locks.abandon(writer);
  }
}
