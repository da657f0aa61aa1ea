import { setTimeout as delay } from 'node:timers/promises';
import { startRedis } from '../../support/servers.js';
import { startWorker, type ServedBy } from '../../support/process.js';
import { judge, type TopologyVerdict } from './judge.js';
import type { Loss, Operator } from './operator.js';
import type { serve, Target, TopologyWorkerInit, WorkerHistory } from './topology-worker.js';

export interface TopologyRun extends TopologyVerdict {
  readonly failed: WorkerHistory['failed'];
  readonly errors: readonly string[];
  readonly losses: readonly Loss[];
  /** How often each thing was done. */
  readonly done: Readonly<Record<string, number>>;
}

/** What is done to the servers, in turn, until the time is over. */
export type Torment = () => Promise<void>;

const PROCESSES = 3;
/** Of each kind. So many that some are not updated while a failover lasts: an update then would mend what was lost. */
const ROWS = 48;
/** Between two of them, and after the last. */
const PAUSE_MS = 1_000;

/** Runs every decorator in three processes for `ms`, while the torments happen in turn, and judges all histories. */
export async function runTopology(
  target: Target,
  operator: Operator,
  torments: readonly (readonly [string, Torment])[],
  ms: number,
): Promise<TopologyRun> {
  const database = await startRedis();
  const workers = await Promise.all(
    Array.from({ length: PROCESSES }, (_, index) => {
      const init: TopologyWorkerInit = { index, target, databaseUrl: database.url, rows: ROWS };
      return startWorker<ServedBy<typeof serve>>(new URL('topology-worker.js', import.meta.url), init);
    }),
  );
  const done: Record<string, number> = {};
  try {
    const running = Promise.all(workers.map((worker) => worker.call('run')));
    const tormenting = (async () => {
      const end = performance.now() + ms;
      for (let turn = 0; turn < torments.length || performance.now() < end; turn++) {
        await delay(PAUSE_MS);
        const [name, torment] = torments[turn % torments.length]!;
        await torment();
        done[name] = (done[name] ?? 0) + 1;
      }
    })();
    await Promise.race([running, tormenting]);
    await delay(PAUSE_MS);
    await Promise.all(workers.map((worker) => worker.call('finish')));
    const histories = await running;
    await operator.notice();
    const { losses } = operator;
    return {
      ...judge(histories, losses),
      failed: sumOf(histories.map(({ failed }) => failed)),
      errors: histories.flatMap(({ errors }) => errors),
      losses,
      done,
    };
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
    await database.stop();
  }
}

function sumOf(counts: readonly WorkerHistory['failed'][]): WorkerHistory['failed'] {
  const sum: Record<string, number> = {};
  for (const count of counts) {
    for (const [name, value] of Object.entries(count)) sum[name] = (sum[name] ?? 0) + value;
  }
  return sum as unknown as WorkerHistory['failed'];
}
