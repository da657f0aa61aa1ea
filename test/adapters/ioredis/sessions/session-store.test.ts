import { Buffer } from 'node:buffer';
import test, { type ExecutionContext } from 'ava';
import { Cluster, Redis } from 'ioredis';
import { sessionKey, sessionPrefix, sessionUserKey } from '../../../../src/core/keys/store-keys.js';
import type { SessionDraft } from '../../../../src/core/ports/session-store.js';
import { StoreUnavailableError } from '../../../../src/core/shared/errors.js';
import { eventually } from '../../../support/eventually.js';
import { redisForFile, startCluster, startRedis } from '../../../support/servers.js';
import { admin, MAJORS, open, ready, type Rig } from '../rig.js';

const shared = redisForFile(test);

const HOUR = 3_600_000;
const PROOF = { proof: 'proof' };
const DRAFT: SessionDraft = {
  ...{ proof: 'proof', user: 'u', epoch: 'e', ttlMs: HOUR, maxAgeMs: undefined, meta: '' },
  payload: Buffer.from('data'),
};

const sessionOf = ({ namespace }: Rig, handle: string): string => sessionKey(namespace, 'app', handle);
const userOf = ({ namespace }: Rig): string => sessionUserKey(namespace, 'app', 'u');

async function everyWrite(t: ExecutionContext, rig: Rig): Promise<void> {
  const { sessions } = rig.backend;
  t.true(await sessions.create(sessionOf(rig, 'a'), DRAFT));
  await sessions.save(sessionOf(rig, 'b'), { ...DRAFT, maxAgeMs: 2 * HOUR });
  await sessions.save(sessionOf(rig, 'b'), DRAFT);
  await sessions.update(sessionOf(rig, 'a'), PROOF, { payload: Buffer.from('new') });
  await sessions.touch(sessionOf(rig, 'a'), PROOF, { ttlMs: HOUR, meta: 'm' });
  await sessions.remove(sessionOf(rig, 'c'), undefined, HOUR);
  const epoch = await sessions.bind(userOf(rig), 'a', 'e', HOUR);
  await sessions.isCurrent(userOf(rig), 'a', epoch, HOUR);
  await sessions.revoke(userOf(rig), 'e2', { handle: 'a', epoch });
}

for (const { major, Redis: AnyRedis } of MAJORS) {
  test(`every key has a ttl, and the prefix of the client is no pattern (ioredis ${major})`, async (t) => {
    const url = shared().url;
    for (const keyPrefix of ['', 'app:*?[a]\\^:']) {
      const client = new AnyRedis(url, { keyPrefix, lazyConnect: true });
      const rig = await ready(t, client);
      await everyWrite(t, rig);
      const side = admin(t, url);
      const names = (await side.keys('*')).filter((name) => name.startsWith(`${keyPrefix}${rig.namespace}:`));
      t.is(names.length, 5);
      for (const name of names) {
        const left = await side.pttl(name);
        t.true(left > 0 && left <= HOUR, `${name}: ${left}`);
      }
      const keys = await rig.backend.sessions.keys(sessionPrefix(rig.namespace, 'app'));
      t.deepEqual([...keys].sort(), [sessionOf(rig, 'a'), sessionOf(rig, 'b')]);
    }
  });
}

test('keys walks over many pages with SCAN, and never sends KEYS', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const rig = await ready(t, server.url);
  const side = admin(t, server.url);
  const { sessions } = rig.backend;
  const handles = Array.from({ length: 5_000 }, (_, i) => `h${i}`);
  await Promise.all(handles.map((handle) => sessions.save(sessionOf(rig, handle), DRAFT)));
  await side.config('RESETSTAT');
  t.is((await sessions.keys(sessionPrefix(rig.namespace, 'app'))).length, 5_000);
  const used = await side.info('commandstats');
  t.true(Number(/cmdstat_scan:calls=(\d+)/.exec(used)?.[1]) >= 5);
  t.notRegex(used, /cmdstat_keys:/);
});

test('in a Cluster keys asks every master, and rejects while one of them is away', async (t) => {
  const cluster = await startCluster(3);
  t.teardown(() => cluster.stop());
  const client = new Cluster([...cluster.nodes]);
  t.teardown(() => client.disconnect());
  const rig = await ready(t, client, { timeout: '2s' });
  const { sessions } = rig.backend;
  const handles = Array.from({ length: 60 }, (_, i) => `h${i}`);
  await Promise.all(handles.map((handle) => sessions.save(sessionOf(rig, handle), DRAFT)));
  const prefix = sessionPrefix(rig.namespace, 'app');
  t.is((await sessions.keys(prefix)).length, 60);
  for (const { url } of cluster.servers) {
    const side = new Redis(url);
    t.true((await side.dbsize()) > 0, 'the sessions are spread over the masters');
    side.disconnect();
  }
  await cluster.servers[1]!.kill();
  await eventually('an error, and never a part of the sessions', async () => {
    try {
      t.is((await sessions.keys(prefix)).length, 60);
      return false;
    } catch (error) {
      return error instanceof StoreUnavailableError;
    }
  });
});

test('before the masters are known keys rejects, and does not find nothing', async (t) => {
  const client = new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true });
  const { backend, namespace } = open(t, client, { timeout: '100ms' });
  await t.throwsAsync(backend.sessions.keys(sessionPrefix(namespace, 'app')), {
    instanceOf: StoreUnavailableError,
  });
});

test('a key of another type is an error, not a session that does not exist', async (t) => {
  const rig = await ready(t, shared().url);
  const side = admin(t, shared().url);
  await side.set(sessionOf(rig, 'text'), 'x');
  await side.lpush(userOf(rig), 'x');
  const { sessions } = rig.backend;
  for (const call of [
    sessions.read(sessionOf(rig, 'text'), PROOF),
    sessions.touch(sessionOf(rig, 'text'), PROOF, { ttlMs: HOUR }),
    sessions.update(sessionOf(rig, 'text'), PROOF, {}),
    sessions.create(sessionOf(rig, 'text'), DRAFT),
    sessions.save(sessionOf(rig, 'text'), DRAFT),
    sessions.bind(userOf(rig), 'h', 'e', HOUR),
    sessions.isCurrent(userOf(rig), 'h', 'e'),
    sessions.revoke(userOf(rig), 'e'),
  ]) {
    const error = await t.throwsAsync(call, { instanceOf: StoreUnavailableError, message: /WRONGTYPE/ });
    t.is(error.outcome, 'refused');
  }
});

test('a hash that has lost its fields is no session', async (t) => {
  const rig = await ready(t, shared().url);
  const side = admin(t, shared().url);
  await side.hset(sessionOf(rig, 'h'), 'p', 'proof');
  t.is(await rig.backend.sessions.read(sessionOf(rig, 'h'), PROOF), undefined);
});
