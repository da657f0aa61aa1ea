import { setTimeout as delay } from 'node:timers/promises';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { Caching, LockNotObtainedError, LockUnavailableError, type Lease } from '../../../src/index.js';
import { serveWorker, type WorkerContext } from '../../support/process.js';
import type { EndedBody } from './check-lock-history.js';
import { FencedCounter, type Fence } from './fenced-counter.js';
import { seededRandom } from './seeded-random.js';

export interface LockHistoryInit {
  readonly worker: number;
  readonly lockUrl: string;
  /** The counter's Redis. */
  readonly resourceUrl: string;
  /** False: the same program without a lock. */
  readonly locked: boolean;
  readonly fence: Fence;
  readonly fair: boolean;
  readonly leaseMs: number;
  readonly callers: number;
  readonly seed: number;
}

export interface WorkerReport {
  readonly notObtained: number;
  readonly unavailable: number;
}

/** Each of its callers increments again and again, until `finish` is called. */
async function serve({ init, emit }: WorkerContext<LockHistoryInit>) {
  const random = seededRandom(init.seed);
  const counter = new FencedCounter(init.resourceUrl, init.fence);
  const caching = new Caching({ adapter: ioredis(init.lockUrl), namespace: 'lock-history' });
  await caching.ready();
  const options = { lease: init.leaseMs, wait: '30s', fair: init.fair } as const;
  let attempts = 0;
  let notObtained = 0;
  let unavailable = 0;
  let finished = false;

  // It never asks whether it still holds the lock: nothing but the resource stands in its way.
  const increment = async (lease: Lease | undefined): Promise<void> => {
    const began = process.hrtime.bigint();
    const attempt = `${init.worker}.${(attempts += 1)}`;
    emit('begun', attempt);
    const token = lease?.fencingToken ?? 0n;
    const value = await counter.read(attempt, token, began);
    await delay(random() * 3);
    emit('writing', attempt);
    const acknowledged = value !== undefined && (await counter.write(attempt, token, value + 1));
    const end = process.hrtime.bigint();
    emit('ended', { attempt, end, proven: isProven(lease), acknowledged } satisfies EndedBody);
  };
  const caller = async (): Promise<void> => {
    while (!finished) {
      try {
        if (init.locked) await caching.locks.withLease('counter', options, increment);
        else await increment(undefined);
      } catch (error) {
        if (error instanceof LockNotObtainedError) notObtained += 1;
        else if (error instanceof LockUnavailableError) unavailable += 1;
        else throw error;
        await delay(random() * 20);
      }
    }
  };
  let callers: Promise<unknown> = Promise.resolve();
  return {
    start: (): void => {
      callers = Promise.all(Array.from({ length: init.callers }, caller));
      callers.catch((error: unknown) => emit('failed', String(error)));
    },
    finish: async (): Promise<WorkerReport> => {
      finished = true;
      await callers;
      await caching.close();
      counter.close();
      return { notObtained, unavailable };
    },
  };
}

function isProven(lease: Lease | undefined): boolean {
  try {
    lease?.assertHeld();
    return lease !== undefined;
  } catch {
    return false;
  }
}

export type LockHistoryCalls = Awaited<ReturnType<typeof serve>>;

void serveWorker(serve);
