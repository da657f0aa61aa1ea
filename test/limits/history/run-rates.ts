import { setTimeout as delay } from 'node:timers/promises';
import { startWorker, type ServedBy, type Worker } from '../../support/process.js';
import type { Call, Run } from './calls.js';
import type { RatesWorkerInit, serve } from './rates-worker.js';

type RatesWorker = Worker<ServedBy<typeof serve>>;

/** Starts one worker process for each of `inits`, and stops them after `work`. */
export async function withWorkers<T>(
  inits: readonly RatesWorkerInit[],
  work: (workers: readonly RatesWorker[]) => Promise<T>,
): Promise<T> {
  const script = new URL('rates-worker.js', import.meta.url);
  const workers = await Promise.all(inits.map((init) => startWorker<ServedBy<typeof serve>>(script, init)));
  try {
    return await work(workers);
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
  }
}

/**
 * Records the calls of all processes while their callers use one key for `ms`.
 *
 * @param stops pauses of all processes in ms, at equal distances
 */
export async function consumeHistory(
  inits: readonly RatesWorkerInit[],
  ms: number,
  costs: readonly number[] = [1],
  stops: readonly number[] = [],
): Promise<Call[]> {
  const histories = await withWorkers(inits, async (workers) => {
    const calls = Promise.all(workers.map((worker) => worker.call('consume', ms, costs)));
    const stopped = stops.reduce((sum, one) => sum + one, 0);
    for (const stop of stops) {
      await delay((ms - stopped) / (stops.length + 1));
      for (const worker of workers) worker.pause();
      await delay(stop);
      for (const worker of workers) worker.resume();
    }
    return calls;
  });
  return histories.flat() as Call[];
}

export async function runHistory(inits: readonly RatesWorkerInit[], ms: number): Promise<Run[]> {
  const histories = await withWorkers(inits, (workers) =>
    Promise.all(workers.map((worker) => worker.call('run', ms))),
  );
  return histories.flat() as Run[];
}
