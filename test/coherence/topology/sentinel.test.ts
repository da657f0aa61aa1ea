import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { startSentinel } from '../../support/servers.js';
import { assertNothingUnexplained, assertNothingWrong, say } from './say.js';
import { runTopology, type Torment } from './run-topology.js';
import { SentinelOperator } from './sentinel-operator.js';

/** A longer run: CLUSTER_SECONDS=60 npm test -- test/coherence/topology/sentinel.test.ts */
const SECONDS = Number(process.env['CLUSTER_SECONDS'] ?? 0);

async function run(
  t: ExecutionContext,
  torments: (operator: SentinelOperator) => readonly (readonly [string, Torment])[],
) {
  t.timeout((SECONDS + 120) * 1_000);
  const setup = await startSentinel({ sentinels: 3, downAfterMs: 1_500 });
  t.teardown(() => setup.stop());
  const { sentinels, name } = setup;
  const operator = new SentinelOperator(setup, delay);
  const made = await runTopology(
    { kind: 'sentinel', sentinels, name },
    operator,
    torments(operator),
    SECONDS * 1_000,
  );
  say(t, made);
  assertNothingUnexplained(t, made);
  return made;
}

test.serial(
  'G1, G2, G7, G8, G9, G11: behind Sentinel, a failover by hand makes nothing wrong if the writes are paused for it',
  async (t) => {
    const made = await run(t, (operator) => [['failovers', () => operator.failOver(true)]]);
    assertNothingWrong(t, made);
  },
);

if (SECONDS > 0) {
  test.serial(
    'G1: behind Sentinel, a failover by hand loses what the old primary confirms meanwhile',
    async (t) => {
      await run(t, (operator) => [['failovers', () => operator.failOver(false)]]);
    },
  );
}

test.serial(
  'G1, G7, G8, G9: behind Sentinel, a primary that is killed loses only what its replica had not confirmed',
  async (t) => {
    await run(t, (operator) => [
      ['kills without its replica', () => operator.kill(true)],
      ...(SECONDS > 0 ? [['kills', () => operator.kill(false)] as const] : []),
    ]);
  },
);
