import { startRedis } from '../../support/servers.js';
import { startWorker, type ServedBy } from '../../support/process.js';
import { checkHistory, type HistoryEvent, type Verdict } from './check-history.js';
import type { HistoryWorkerInit, serve } from './history-worker.js';

/** Runs readers and writers in several processes on one real Redis for `ms`, and checks the whole history. */
export async function runHistory(options: {
  readonly ms: number;
  readonly processes: number;
  readonly keys: number;
  readonly fenced: boolean;
}): Promise<Verdict> {
  const [cache, database] = await Promise.all([startRedis(), startRedis()]);
  const workers = await Promise.all(
    Array.from({ length: options.processes }, (_, index) => {
      const init: HistoryWorkerInit = {
        index,
        cacheUrl: cache.url,
        databaseUrl: database.url,
        keys: options.keys,
        fenced: options.fenced,
      };
      return startWorker<ServedBy<typeof serve>>(new URL('history-worker.js', import.meta.url), init);
    }),
  );
  try {
    const histories = await Promise.all(workers.map((worker) => worker.call('run', options.ms)));
    return checkHistory(histories.flat() as HistoryEvent[]);
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
    await Promise.all([cache.stop(), database.stop()]);
  }
}
