import { setTimeout as delay } from 'node:timers/promises';
import { serveWorker, type WorkerContext } from '../../support/process.js';
import type { Call, Run } from './calls.js';
import {
  cachementLimiter,
  countThenExpireLimiter,
  readThenWriteLimiter,
  type Limiter,
  type LimiterSetup,
  type NaiveSetup,
} from './limiters.js';

export type RatesWorkerInit = { readonly index: number; readonly callers: number } & (
  | { readonly limiter: 'cachement'; readonly setup: LimiterSetup }
  | { readonly limiter: NaiveLimiter; readonly setup: NaiveSetup }
);

export type NaiveLimiter = 'read, then write' | 'count, then expire' | 'count, then die';

/** A denied caller retries after this time in ms, or up to twice as long. */
const PAUSE_MS = 2;
/** The longest time that a body holds a slot, in ms. */
const LONGEST_BODY_MS = 20;

/** Runs all callers of this process. An admitted caller calls again at once. */
export async function serve({ init }: WorkerContext<RatesWorkerInit>): Promise<{
  consume(ms: number, costs: readonly number[]): Promise<Call[]>;
  run(ms: number): Promise<Run[]>;
}> {
  const limiter = await open(init);
  const { index, callers } = init;
  const all = async (ms: number, once: (caller: number) => Promise<boolean | undefined>): Promise<void> => {
    const until = now() + ms;
    const caller = async (_: unknown, i: number): Promise<void> => {
      while (now() < until) if ((await once(i)) !== true) await delay(PAUSE_MS * (1 + Math.random()));
    };
    await Promise.all(Array.from({ length: callers }, caller));
    await limiter.close();
  };
  return {
    async consume(ms, costs) {
      const calls: Call[] = [];
      await all(ms, async (caller) => {
        const cost = costs[caller % costs.length]!;
        const sent = now();
        const decision = await limiter.consume(cost);
        const call = { process: index, sent, received: now(), cost };
        const nothing = { source: 'none' as const, retryAfterMs: 0, resetMs: 0 };
        if (decision === undefined) {
          calls.push({ ...call, ...nothing, outcome: 'unknown' });
        } else {
          const { allowed, source, retryAfterMs, resetMs } = decision;
          const outcome = allowed ? 'admitted' : 'refused';
          calls.push({ ...call, outcome, source, retryAfterMs, resetMs });
        }
        return decision?.allowed;
      });
      return calls;
    },
    async run(ms) {
      const runs: Run[] = [];
      await all(ms, async () => {
        let [begun, ended] = [Number.NaN, Number.NaN];
        const sent = now();
        const ran = await limiter.run(async () => {
          begun = now();
          await delay(Math.random() * LONGEST_BODY_MS);
          ended = now();
        });
        const outcome = ran === undefined ? 'unknown' : ran ? 'admitted' : 'refused';
        runs.push({ process: index, sent, received: now(), outcome, begun, ended });
        return ran;
      });
      return runs;
    },
  };
}

function open(init: RatesWorkerInit): Limiter | Promise<Limiter> {
  switch (init.limiter) {
    case 'cachement':
      return cachementLimiter(init.setup);
    case 'read, then write':
      return readThenWriteLimiter(init.setup);
    case 'count, then expire':
      return countThenExpireLimiter(init.setup, false);
    case 'count, then die':
      return countThenExpireLimiter(init.setup, true);
  }
}

/** In ms, by the clock that all processes of this machine share. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

void serveWorker(serve);
