import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { clearKey, entryKey, lockKey } from '../../../src/core/keys/store-keys.js';
import { startCluster, type RedisCluster } from '../../support/servers.js';
import { ClusterOperator } from './cluster-operator.js';
import { NAMESPACE, limitRecord } from './guarded.js';
import { runTopology, type Torment, type TopologyRun } from './run-topology.js';
import { assertNothingUnexplained, assertNothingWrong, say } from './say.js';
import { MODES, namespaceOf } from './modes.js';

/** A longer run: CLUSTER_SECONDS=60 npm test -- test/coherence/topology/cluster.test.ts */
const SECONDS = Number(process.env['CLUSTER_SECONDS'] ?? 0);

/** Keys whose slots are moved, and whose masters are killed: records of every kind. */
const RECORDS = [
  ...MODES.flatMap((mode) => [clearKey(namespaceOf(mode)), entryKey(namespaceOf(mode), 'key:key-0')]),
  ...['gcra:0', 'log:0', 'fixed:0', 'slots:0'].map(limitRecord),
  ...['plain:0', 'fair:0', 'a:0', 'permits:0'].map((key) => lockKey(NAMESPACE, key)),
];

let cluster: RedisCluster;
let operator: ClusterOperator;
test.before('start a Cluster', async () => {
  cluster = await startCluster(3, { replicas: 1 });
  operator = await ClusterOperator.of(cluster, delay);
});
test.after.always('stop it', async () => {
  operator?.close();
  await cluster?.stop();
});

let next = 0;
/** In turn, so that every record has its time. */
const someRecord = (): string => RECORDS[next++ % RECORDS.length]!;

async function run(
  t: ExecutionContext,
  torments: readonly (readonly [string, Torment])[],
): Promise<TopologyRun> {
  t.timeout((SECONDS + 120) * 1_000);
  await operator.flush();
  const made = await runTopology(
    { kind: 'cluster', nodes: [...cluster.nodes] },
    operator,
    torments,
    SECONDS * 1_000,
  );
  say(t, made);
  assertNothingUnexplained(t, made);
  return made;
}

test.serial(
  'G1, G2, G7, G8, G9, G11: in a Cluster, failovers by hand and moving slots make nothing wrong, in every coherence of an L1',
  async (t) => {
    const made = await run(t, [
      [
        'times that slots were moved',
        async () => {
          for (let i = 0; i < 4; i++) await operator.move(someRecord());
        },
      ],
      ['failovers', () => operator.failOver()],
    ]);
    assertNothingWrong(t, made);
    const { MOVED = 0, ASK = 0, TRYAGAIN = 0 } = await operator.redirections();
    t.log(`redirections: ${MOVED} MOVED, ${ASK} ASK, ${TRYAGAIN} TRYAGAIN`);
    t.true(MOVED > 0 && ASK > 0);
  },
);

test.serial(
  'G1, G7, G8, G9: in a Cluster, a master that is killed loses only what its replica had not confirmed',
  async (t) => {
    await run(t, [
      ['kills without its replica', () => operator.kill(someRecord(), true)],
      ...(SECONDS > 0 ? [['kills', () => operator.kill(someRecord(), false)] as const] : []),
    ]);
  },
);
