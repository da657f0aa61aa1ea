import { Redis } from 'ioredis';
import { startRedis } from '../../support/servers.js';
import { startWorker, type ServedBy } from '../../support/process.js';
import { startProxy } from '../../support/proxy.js';
import { HistoryChecker, type Verdict } from './check-history.js';
import { injectFaults } from './faults.js';
import type { HistoryReport, HistorySample, HistoryWorkerInit, Pace, serve } from './history-worker.js';

/** For how long the L1 of another process may return an invalidated value (G2 in docs/coherence.md). */
const BOUND_MS = 1_000;
/** Without an L1 every call asks the store, so keys can be invalidated all the time. */
const STORE_PACE: Pace = { readers: 12, writers: 2, readEveryMs: 2, writeEveryMs: 20, clears: 0.2, skew: 1 };
/** Values stay in memory for a while, and some for much longer than the bound. */
const MEMORY_PACE: Pace = {
  readers: 24,
  writers: 2,
  readEveryMs: 4,
  writeEveryMs: 160,
  clears: 0.03,
  skew: 2,
};

/** The part of the keys for which the L1 has room. */
const IN_MEMORY = 0.75;

export interface HistoryOptions {
  readonly ms: number;
  readonly processes: number;
  /** Of each kind. */
  readonly keys: number;
  /** @default true */
  readonly fenced?: boolean;
  /** With an L1, and with faults. */
  readonly coherence?: 'bus' | 'tracking' | 'validate';
  /** Called with what each process tells about itself, every few seconds. */
  readonly onSample?: (sample: HistorySample) => void;
}

export interface HistoryResult extends Verdict {
  readonly l1Hits: number;
  readonly faults: Readonly<Record<string, number>>;
  /** What nobody has caught in the processes. */
  readonly uncaught: readonly string[];
  /** Version of the server. */
  readonly redis: string;
}

/** Runs readers and writers in several processes on one real Redis for `ms`, and checks the whole history. */
export async function runHistory(options: HistoryOptions): Promise<HistoryResult> {
  const { ms, processes, keys, fenced = true, coherence, onSample } = options;
  const indices = Array.from({ length: processes }, (_, index) => index);
  // The fault that pauses the server is a signal.
  const [server, database] = await Promise.all([startRedis({ local: true }), startRedis()]);
  const redis = await versionOf(server.url);
  const proxies = await Promise.all(coherence === undefined ? [] : indices.map(() => startProxy(server)));
  const workers = await Promise.all(
    indices.map((index) => {
      const init: HistoryWorkerInit = {
        index,
        cacheUrl: proxies[index]?.url ?? server.url,
        databaseUrl: database.url,
        keys,
        fenced,
        coherence,
        // Of four kinds.
        maxEntries: Math.ceil(4 * keys * IN_MEMORY),
        timeout: coherence === undefined ? '2000ms' : '300ms',
        pace: coherence === undefined ? STORE_PACE : MEMORY_PACE,
      };
      return startWorker<ServedBy<typeof serve>>(new URL('history-worker.js', import.meta.url), init);
    }),
  );
  const checker = new HistoryChecker(
    processes,
    coherence === undefined || coherence === 'validate' ? 0 : BOUND_MS,
  );
  const l1Hits = indices.map(() => 0);
  for (const [index, worker] of workers.entries()) {
    worker.on('events', (payload) => {
      const { events, until } = payload as HistoryReport;
      checker.add(index, events, until);
    });
    worker.on('sample', (payload) => {
      const sample = payload as HistorySample;
      l1Hits[index] = sample.l1Hits;
      onSample?.(sample);
    });
  }
  const stop = new AbortController();
  try {
    const running = Promise.all(workers.map((worker) => worker.call('run', ms)));
    const disturbing =
      coherence === undefined
        ? Promise.resolve({})
        : injectFaults({ server, proxies, workers }, 500, stop.signal);
    const timer = setTimeout(() => stop.abort(), ms);
    try {
      const [uncaught, faults] = await Promise.all([running, disturbing]);
      const verdict = checker.finish();
      return {
        ...verdict,
        l1Hits: l1Hits.reduce((sum, one) => sum + one),
        faults,
        uncaught: uncaught.flat(),
        redis,
      };
    } finally {
      clearTimeout(timer);
    }
  } finally {
    stop.abort();
    await Promise.all(workers.map((worker) => worker.stop()));
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    await Promise.all([server.stop(), database.stop()]);
  }
}

async function versionOf(url: string): Promise<string> {
  const client = new Redis(url);
  try {
    return /redis_version:(\S+)/.exec(await client.info('server'))?.[1] ?? 'unknown';
  } finally {
    client.disconnect();
  }
}
