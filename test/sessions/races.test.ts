import test, { type ExecutionContext } from 'ava';
import { Cluster, Redis } from 'ioredis';
import { ioredis } from '../../src/adapters/ioredis/index.js';
import { Sessions } from '../../src/core/sessions/index.js';
import { Caching } from '../../src/index.js';
import { chaosAdapter, type ChaosAdapter } from '../../src/testing/chaos-adapter.js';
import { startCluster, startRedis, type RedisCluster, type RedisServer } from '../support/servers.js';
import { begin, NaiveSessions, runThrough } from './naive-sessions.js';

let server: RedisServer;
let cluster: RedisCluster;

test.before('start Redis', async () => {
  [server, cluster] = await Promise.all([startRedis(), startCluster(3)]);
});
test.after.always('stop Redis', async () => {
  await Promise.all([server?.stop(), cluster?.stop()]);
});

interface World {
  /** Of the process whose calls the test holds. */
  readonly slow: Sessions<string>;
  readonly chaos: ChaosAdapter;
  /** Of another process. */
  readonly fast: Sessions<string>;
  readonly naive: NaiveSessions;
}

let worlds = 0;

for (const kind of ['one Redis', 'a Redis Cluster'] as const) {
  const it = (title: string, run: (t: ExecutionContext, world: World) => Promise<void>): void => {
    test(`${kind}: ${title}`, async (t) => {
      const client = kind === 'one Redis' ? new Redis(server.url) : new Cluster([...cluster.nodes]);
      t.teardown(() => client.disconnect());
      const namespace = `races-${++worlds}`;
      const open = async (): Promise<{ sessions: Sessions<string>; chaos: ChaosAdapter }> => {
        const chaos = chaosAdapter(ioredis(client, { timeout: '20s', connectTimeout: '20s' }));
        const caching = new Caching({ adapter: chaos, namespace });
        t.teardown(() => caching.close());
        await caching.ready();
        return { sessions: new Sessions<string>(caching, { maxAge: '1h' }), chaos };
      };
      const [slow, fast] = await Promise.all([open(), open()]);
      const naive = new NaiveSessions(client, namespace);
      await run(t, { slow: slow.sessions, chaos: slow.chaos, fast: fast.sessions, naive });
    });
  };

  // A reads S. B reads S, stores it under b, and removes s. A stores it under a: a and b are two sessions, and one of them is
  // that of an attacker who has rotated a stolen id.
  it('of two rotations one succeeds', async (t, { slow, chaos, fast, naive }) => {
    const id = await runThrough(naive.create('data', 'u1'));
    const rest = await begin(naive.rotate(id));
    const b = (await runThrough(naive.rotate(id)))!;
    const a = (await rest())!;
    t.deepEqual([await naive.get(a), await naive.get(b)], ['data', 'data'], 'naive: both are valid');

    for (const login of [{}, { user: 'u1' }]) {
      const created = await slow.create('data');
      const held = chaos.hold('sessions.update', 'request');
      const late = slow.rotate(created.id, login);
      await held.reached;
      const rotated = (await fast.rotate(created.id, login))!;
      held.release();
      t.is(await late, undefined);
      t.is((await fast.get(rotated.id))?.data, 'data');
      t.is(await fast.get(created.id), undefined);
    }

    const { id: contested } = await fast.create('data');
    const rotations = Array.from({ length: 20 }, (_, i) =>
      (i % 2 === 0 ? slow : fast).rotate(contested, { user: 'u2' }),
    );
    const winners = (await Promise.all(rotations)).filter((session) => session !== undefined);
    t.is(winners.length, 1);
    t.is((await fast.list('u2')).length, 1);
  });

  // B reads S to change it. A rotates: stores it under a, and removes s. B stores S under s: the old id, which an attacker may
  // have planted, is valid again.
  it('an update does not bring the old id of a rotation back', async (t, { slow, chaos, fast, naive }) => {
    const id = await runThrough(naive.create('data', 'u1'));
    const rest = await begin(naive.update(id, () => 'changed'));
    await runThrough(naive.rotate(id));
    await rest();
    t.is(await naive.get(id), 'changed', 'naive: the old id is valid');

    for (const change of ['changed', () => 'changed']) {
      const created = await slow.create('data');
      const held = chaos.hold('sessions.update', 'request');
      const late = slow.update(created.id, change);
      await held.reached;
      const rotated = (await fast.rotate(created.id, { user: 'u1' }))!;
      held.release();
      t.is(await late, undefined);
      t.is(await fast.get(created.id), undefined);
      t.is((await fast.get(rotated.id))?.data, 'data');
    }
  });

  // A reads S to rotate it. B changes S. A stores what it has read under a: the change of B is lost.
  it('a rotation keeps what an update has written meanwhile', async (t, { slow, chaos, fast, naive }) => {
    const id = await runThrough(naive.create('data', 'u1'));
    const rest = await begin(naive.rotate(id));
    await runThrough(naive.update(id, () => 'changed'));
    t.is(await naive.get((await rest())!), 'data', 'naive: the change is lost');

    const created = await slow.create('data');
    const held = chaos.hold('sessions.update', 'request');
    const rotation = slow.rotate(created.id, { user: 'u1' });
    await held.reached;
    t.is((await fast.update(created.id, 'changed'))?.data, 'changed');
    held.release();
    const rotated = (await rotation)!;
    t.is(rotated.data, 'changed');
    t.is((await fast.get(rotated.id))?.data, 'changed');
  });

  // B reads S to change it. A destroys S: a logout. B stores S: the user is logged in again.
  it('an update does not bring a destroyed session back', async (t, { slow, chaos, fast, naive }) => {
    const id = await runThrough(naive.create('data', 'u1'));
    const rest = await begin(naive.update(id, () => 'changed'));
    await naive.destroy(id);
    await rest();
    t.is(await naive.get(id), 'changed', 'naive: the session is back');

    for (const change of ['changed', () => 'changed']) {
      const created = await slow.create('data', { user: 'u1' });
      const held = chaos.hold('sessions.update', 'request');
      const late = slow.update(created.id, change);
      await held.reached;
      t.true(await fast.destroy(created.id));
      held.release();
      t.is(await late, undefined);
      t.is(await fast.get(created.id), undefined);
      t.deepEqual(await fast.list('u1'), []);
    }
  });

  // A stores a new session of the user. B reads the set of the user, in which it is not yet, and ends what it finds. A adds it
  // to the set: "log out everywhere" has left a session that existed.
  it('a revocation misses no session that is being created', async (t, { slow, chaos, fast, naive }) => {
    const rest = await begin(naive.create('data', 'u1'));
    await naive.revokeAll('u1');
    t.is(await naive.get(await rest()), 'data', 'naive: it is left');

    // Bound before the revocation, stored after it.
    const before = chaos.hold('sessions.create', 'request');
    const creation = slow.create('data', { user: 'u1' });
    await before.reached;
    await fast.revokeAll('u1');
    before.release();
    const { id } = await creation;
    t.is(await fast.get(id), undefined);
    t.deepEqual(await fast.list('u1'), []);

    // Bound after the revocation: a session that was created after it.
    const after = chaos.hold('sessions.bind', 'request');
    const later = slow.create('data', { user: 'u1' });
    await after.reached;
    await fast.revokeAll('u1');
    after.release();
    t.is((await fast.get((await later).id))?.data, 'data');

    // The same for a login.
    const anonymous = await slow.create('data');
    const login = chaos.hold('sessions.update', 'request');
    const rotation = slow.rotate(anonymous.id, { user: 'u1' });
    await login.reached;
    await fast.revokeAll('u1');
    login.release();
    t.is(await rotation, undefined);
    t.deepEqual(await fast.list('u1'), []);
  });

  // A reads S, which is valid. B revokes it. A stores S with a later end, and returns it.
  it('a session that is revoked while it is read is not returned', async (t, { slow, chaos, fast }) => {
    const created = await slow.create('data', { user: 'u1' });
    const held = chaos.hold('sessions.isCurrent', 'request');
    const read = slow.get(created.id);
    await held.reached;
    await fast.revokeAll('u1');
    held.release();
    t.is(await read, undefined);
    t.is(await slow.get(created.id), undefined);
  });

  // A revokes all but S1, B all but S2, both at once. The earlier one ends what the later one wants to keep.
  it('a revocation does not keep what another one has ended', async (t, { slow, chaos, fast }) => {
    const [one, two] = await Promise.all([
      slow.create('1', { user: 'u1' }),
      fast.create('2', { user: 'u1' }),
    ]);
    const held = chaos.hold('sessions.revoke', 'request');
    const late = slow.revokeAll('u1', { except: one.id });
    await held.reached;
    await fast.revokeAll('u1', { except: two.id });
    held.release();
    await late;
    t.is(await fast.get(one.id), undefined);
    t.is(
      await fast.get(two.id),
      undefined,
      'the later one has ended it; the earlier one had ended the other',
    );
    t.deepEqual(await fast.list('u1'), []);
  });
}
