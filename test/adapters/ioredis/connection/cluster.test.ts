import test, { type ExecutionContext } from 'ava';
import type { Redis } from 'ioredis';
import { slotOf } from '../../../../src/adapters/ioredis/commands/cluster-slot.js';
import { StoreUnavailableError } from '../../../../src/core/shared/errors.js';
import type { Snapshot } from '../../../../src/core/ports/entry-store.js';
import { newToken } from '../../../../src/core/shared/token.js';
import { fakeClock, type FakeClock } from '../../../../src/testing/fake-clock.js';
import { eventually } from '../../../support/eventually.js';
import { startCluster, type RedisCluster, type RedisServer } from '../../../support/servers.js';
import { admin, callsOf, MAJORS, open, ready, refusedAtOnce, store, valueOf, type Rig } from '../rig.js';
import { LATER } from '../../../support/later.js';

interface Ground extends Rig {
  readonly cluster: RedisCluster;
  readonly clock: FakeClock;
  readonly sides: readonly Redis[];
  /** Entry keys on the node of this number, which hold values. */
  keysOn(node: number): string[];
}

const TIMEOUT = 200;
const COUNT = 30;

async function ground(t: ExecutionContext, major: (typeof MAJORS)[number]): Promise<Ground> {
  // What is left of a cluster goes on serving its slots.
  const cluster = await startCluster(3, { args: ['--cluster-require-full-coverage', 'no'] });
  t.teardown(() => cluster.stop());
  const pattern = new major.Cluster([...cluster.nodes], { lazyConnect: true });
  const clock = fakeClock();
  const rig = await ready(t, pattern, { clock });
  const keys = Array.from({ length: COUNT }, (_, i) => rig.entry(String(i)));
  await Promise.all(keys.map((key) => store(rig.entries, key)));
  // Slots 5461 and 10922 are the first of their nodes: the shares are rounded down where they begin.
  const nodeOf = (key: string): number => Math.ceil(((slotOf(key) + 1) * 3) / 16_384) - 1;
  return {
    ...rig,
    cluster,
    clock,
    sides: cluster.servers.map(({ url }) => admin(t, url)),
    keysOn: (node) => keys.filter((key) => nodeOf(key) === node),
  };
}

async function recovery({ clock, changes }: Ground): Promise<void> {
  await eventually('the breakers close', async () => {
    await clock.advance(50);
    return changes.at(-1) === 'recovered';
  });
}

for (const major of MAJORS) {
  const on = (title: string, run: (t: ExecutionContext, ground: Ground) => Promise<void>): void => {
    test(`${title} (ioredis ${major.major})`, async (t) => run(t, await ground(t, major)));
  };

  on('reads and scripts follow a slot that has moved (MOVED, ASK)', async (t, g) => {
    const { entries, cluster, sides } = g;
    const key = g.keysOn(0)[0]!;
    const slot = String(slotOf(key));
    const target = (await sides[1]!.call('CLUSTER', 'MYID')) as string;
    const { host, port } = cluster.nodes[1]!;
    await sides[1]!.call(
      'CLUSTER',
      'SETSLOT',
      slot,
      'IMPORTING',
      (await sides[0]!.call('CLUSTER', 'MYID')) as string,
    );
    await sides[0]!.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target);

    // A key that is not there yet: the old owner says ASK.
    await sides[0]!.call('MIGRATE', host, String(port), key, '0', '5000');
    t.truthy((await entries.read(key, [])).record);
    const several = (): Promise<Snapshot[]> => Promise.all(g.keysOn(0).map((name) => entries.read(name, [])));
    for (const { record } of await several()) t.truthy(record);
    const token = newToken();
    t.is((await entries.lease(key, token, 60_000, '*')).status, 'granted');
    t.is(await entries.fill(key, token, valueOf(token), LATER), 'stored');

    // And then MOVED.
    for (const side of [sides[1]!, sides[0]!, sides[2]!])
      await side.call('CLUSTER', 'SETSLOT', slot, 'NODE', target);
    for (const { record } of await several()) t.truthy(record);
    t.truthy((await entries.read(key, [])).record);
    await entries.remove([key]);
    t.is((await entries.read(key, [])).record, null);
  });

  on(
    'keys of many slots are read with one command for each node, and one of another type is none',
    async (t, { entries, entry, keysOn, sides }) => {
      const list = entry('a list');
      const owner = sides[Math.ceil(((slotOf(list) + 1) * 3) / 16_384) - 1]!;
      await owner.rpush(list, 'x');
      const keys = [0, 1, 2].flatMap(keysOn);
      const read = (): Promise<Snapshot[]> =>
        Promise.all([...keys, list].map((key) => entries.read(key, [])));
      await read();
      await Promise.all(sides.map((side) => side.config('RESETSTAT')));
      const snapshots = await read();
      t.is(snapshots.pop()!.record, null, 'a key of another type');
      for (const { record } of snapshots) t.truthy(record);
      for (const side of sides) {
        t.is(await callsOf(side, 'evalsha'), 1);
        t.is(await callsOf(side, 'mget'), 0);
      }
    },
  );

  on('CROSSSLOT: keys of many slots are removed on every node', async (t, { entries, keysOn, sides }) => {
    const keys = [0, 1, 2].flatMap(keysOn);
    t.is(keys.length, COUNT);
    t.true([0, 1, 2].every((node) => keysOn(node).length > 0));
    await entries.remove(keys);
    const left = await Promise.all(sides.map((side) => side.dbsize()));
    t.deepEqual(left, [0, 0, 0]);
  });

  const ABSENCES: readonly {
    name: string;
    begin(server: RedisServer): Promise<void>;
    end(server: RedisServer): Promise<void>;
  }[] = [
    { name: 'dies', begin: (server) => server.kill(), end: (server) => server.restart() },
    { name: 'is stopped', begin: (server) => server.pause(), end: (server) => server.resume() },
  ];
  for (const { name, begin, end } of ABSENCES) {
    on(`a node that ${name} affects its own slots only`, async (t, g) => {
      const { entries, clock, changes, cluster, keysOn } = g;
      const server = cluster.servers[2]!;
      const [lost, others] = [keysOn(2), [...keysOn(0), ...keysOn(1)]];
      await begin(server);
      const reads = [...lost, ...others].map((key) => entries.read(key, []));
      const outcomes = Promise.allSettled(reads);
      // Those of the other nodes are there without any time having passed.
      for (const read of reads.slice(lost.length)) t.truthy((await read).record);
      await clock.advance(TIMEOUT);
      for (const [i, outcome] of (await outcomes).entries()) {
        t.is(outcome.status, i < lost.length ? 'rejected' : 'fulfilled');
      }
      await eventually('it is noticed', () => changes.length > 0);
      t.is((await refusedAtOnce(entries.release(lost[0]!, newToken())))?.outcome, 'refused');
      t.truthy((await entries.read(others[0]!, [])).record);
      t.is(changes.length, 1);
      t.regex(changes[0]!, new RegExp(`node 127.0.0.1:${server.port}`));

      await end(server);
      await recovery(g);
      await t.notThrowsAsync(entries.read(lost[0]!, []));
      t.is(changes.length, 2);
    });
  }

  on('a Cluster that is down refuses, and is used again after it', async (t, g) => {
    const { entries, keysOn, cluster, changes } = g;
    await Promise.all(cluster.servers.map((server) => server.kill()));
    const key = keysOn(0)[0]!;
    await eventually('it is noticed', () => changes.length > 0);
    await eventually('every node is missed', async () => {
      const calls = [0, 1, 2].map((node) => refusedAtOnce(entries.release(keysOn(node)[0]!, newToken())));
      return (await Promise.all(calls)).every((refusal) => refusal?.outcome === 'refused');
    });
    await Promise.all(cluster.servers.map((server) => server.restart()));
    await recovery(g);
    await eventually('it serves', async () => {
      await g.clock.advance(50);
      return store(entries, key).then(
        () => true,
        (error) => {
          t.true(error instanceof StoreUnavailableError);
          return false;
        },
      );
    });
    t.truthy((await entries.read(key, [])).record);
  });

  on('wakeups continue when the node that published them is gone', async (t, g) => {
    const { entries, cluster, sides, namespace, woken, clock } = g;
    const listenedAt = async (node: number): Promise<boolean> =>
      (await sides[node]!.pubsub('NUMSUB', `${namespace}:wake`))[1] === 1;
    const among = async (nodes: readonly number[]): Promise<{ readonly node: number } | undefined> => {
      for (const node of nodes) if (await listenedAt(node)) return { node };
      return undefined;
    };
    const first = await eventually('one node tells', () => among([0, 1, 2]));
    await cluster.servers[first.node]!.kill();
    await eventually('another node tells', async () => {
      await clock.advance(50);
      return among([0, 1, 2].filter((node) => node !== first.node));
    });
    const key = g.keysOn((first.node + 1) % 3)[0]!;
    await g.listening(key);
    const token = newToken();
    await entries.lease(key, token, 60_000, '*');
    await entries.lease(key, newToken(), 60_000, undefined);
    await entries.release(key, token);
    await eventually('it wakes', () => woken.includes(key));
    t.pass();
  });
}

test('a Cluster older than Redis 7 is asked once whether it reads keys of many slots, and then slot by slot', async (t) => {
  // A server that does not know the script answers with an error of the same kind.
  const cluster = await startCluster(3, { args: ['--rename-command', 'EVALSHA', ''] });
  t.teardown(() => cluster.stop());
  const client = new MAJORS[0].Cluster([...cluster.nodes]);
  t.teardown(() => client.disconnect());
  const { entries, entry } = open(t, new MAJORS[0].Cluster([...cluster.nodes], { lazyConnect: true }));
  const keys = Array.from({ length: COUNT }, (_, i) => entry(String(i)));
  for (const key of keys) await client.set(key, valueOf(newToken()));
  const sides = cluster.servers.map(({ url }) => admin(t, url));
  const errors = async (): Promise<number> => {
    const counts = await Promise.all(
      sides.map(async (side) => /errorstat_ERR:count=(\d+)/.exec(await side.info('errorstats'))?.[1]),
    );
    return counts.reduce((sum, count) => sum + Number(count ?? 0), 0);
  };
  const read = async (): Promise<void> => {
    const snapshots = await Promise.all(keys.map((key) => entries.read(key, [])));
    for (const { record } of snapshots) t.truthy(record);
  };
  await read();
  const asked = await errors();
  t.true(asked > 0);
  await read();
  t.is(await errors(), asked);
});
