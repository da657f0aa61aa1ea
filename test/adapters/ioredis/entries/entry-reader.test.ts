import test, { type ExecutionContext } from 'ava';
import { Cluster, type Redis } from 'ioredis';
import { StoreUnavailableError } from '../../../../src/core/shared/errors.js';
import { startCluster, startRedis } from '../../../support/servers.js';
import { admin, callsOf, open, ready, store, type Rig } from '../rig.js';

/** A rig on a server of its own, so that its commands can be counted. */
async function alone(t: ExecutionContext): Promise<Rig & { readonly side: Redis }> {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const rig = await ready(t, server.url);
  return { ...rig, side: admin(t, server.url) };
}

/** Keys looked up in Redis while `work` runs. */
async function lookups(side: Redis, work: () => Promise<unknown>): Promise<number> {
  const count = async (): Promise<number> => {
    const stats = await side.info('stats');
    return ['hits', 'misses']
      .map((kind) => Number(new RegExp(`keyspace_${kind}:(\\d+)`).exec(stats)?.[1]))
      .reduce((sum, each) => sum + each);
  };
  const before = await count();
  await work();
  return (await count()) - before;
}

test('all reads of one tick are one MGET', async (t) => {
  const { entries, entry, clear, tag, side } = await alone(t);
  const record = await store(entries, entry('5'));
  const before = await callsOf(side, 'mget');
  const [snapshots, nonces] = await Promise.all([
    Promise.all(Array.from({ length: 100 }, (_, i) => entries.read(entry(String(i)), [clear]))),
    entries.nonces([tag('x'), clear]),
  ]);
  t.is((await callsOf(side, 'mget')) - before, 1);
  t.true(record.equals(snapshots[5]!.record!));
  t.is(snapshots.filter((snapshot) => snapshot.record !== null).length, 1);
  t.deepEqual(nonces, [null, null]);
});

test('10,000 reads of one tick are 20 commands', async (t) => {
  const { entries, entry, clear, side } = await alone(t);
  const before = await callsOf(side, 'mget');
  await Promise.all(Array.from({ length: 10_000 }, (_, i) => entries.read(entry(String(i)), [clear])));
  t.is((await callsOf(side, 'mget')) - before, 20);
});

test('a nonce that many calls read is read once', async (t) => {
  const { entries, entry, clear, tag, side } = await alone(t);
  await entries.getOrCreateNonces([tag('a'), tag('b')], undefined, 'n'.repeat(16), 60_000);
  const looked = await lookups(side, async () => {
    const wanted = [[clear], [clear, tag('a')], [tag('b'), tag('a')], [clear], [tag('a'), clear, tag('a')]];
    const found = await Promise.all(wanted.map((keys, i) => entries.read(entry(String(i)), keys)));
    const n = 'n'.repeat(16);
    t.deepEqual(
      found.map(({ nonces }) => nonces),
      [[null], [null, n], [n, n], [null], [n, null, n]],
    );
  });
  t.is(looked, 5 + 3);
});

test('while a command is in progress, calls of later ticks are batched', async (t) => {
  const { entries, entry, clear, side } = await alone(t);
  const before = await callsOf(side, 'mget');
  const reads = [entries.read(entry('first'), [clear])];
  for (let i = 0; i < 10; i++) {
    await new Promise((resolve) => process.nextTick(resolve));
    reads.push(entries.read(entry(String(i)), [clear]));
  }
  await Promise.all(reads);
  t.is((await callsOf(side, 'mget')) - before, 2);
});

test('a call with more nonces than fit in one command is served', async (t) => {
  const { entries, entry, tag } = await alone(t);
  const tags = Array.from({ length: 1_000 }, (_, i) => tag(String(i)));
  await entries.getOrCreateNonces(tags, undefined, 'n'.repeat(16), 60_000);
  const [small, large] = await Promise.all([entries.read(entry('a'), []), entries.read(entry('b'), tags)]);
  t.deepEqual(small.nonces, []);
  t.is(large.nonces.filter((nonce) => nonce === 'n'.repeat(16)).length, 1_000);
});

test('G10 bounded delay: an expired timeout ends its own call and no other of the batch', async (t) => {
  const { entries, entry, clear, side, changes } = await alone(t);
  await side.call('CLIENT', 'PAUSE', '1000', 'ALL');
  const patient = entries.read(entry('a'), [clear]);
  const error = await t.throwsAsync(entries.read(entry('b'), [clear], 20), {
    instanceOf: StoreUnavailableError,
  });
  t.is(error.outcome, 'unknown');
  await t.throwsAsync(entries.nonces([clear], 30.5), { instanceOf: StoreUnavailableError });
  t.deepEqual(await patient, { record: null, nonces: [null] });
  t.deepEqual(changes, [], "a caller's budget says nothing about the server");
});

test('CROSSSLOT: in a Cluster the reads of one tick are one command per node', async (t) => {
  const cluster = await startCluster(3);
  t.teardown(() => cluster.stop());
  const client = new Cluster([...cluster.nodes]);
  t.teardown(() => client.disconnect());
  const { entries, entry, clear } = await ready(t, client);
  const sides = cluster.servers.map(({ url }) => admin(t, url));
  const count = async (): Promise<number[]> => Promise.all(sides.map((side) => callsOf(side, 'evalsha')));
  const keys = Array.from({ length: 60 }, (_, i) => entry(`{${i % 20}}:${i}`));
  const records = await Promise.all(keys.map((key, i) => store(entries, key, `value ${i}`)));
  const before = await count();
  const found = await Promise.all(keys.map((key) => entries.read(key, [clear])));
  t.true(found.every(({ record }, i) => records[i]!.equals(record!)));
  const after = await count();
  t.deepEqual(
    after.map((calls, i) => calls - before[i]!),
    [1, 1, 1],
  );
});

test('calls before the connection is ready wait for it', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const { entries, entry, clear } = open(t, server.url);
  t.deepEqual(await entries.read(entry('a'), [clear]), { record: null, nonces: [null] });
});
