import { Redis } from 'ioredis';
import { serveWorker, type ServedBy, type WorkerContext } from './process.js';

export interface TestWorkerInit {
  readonly redisUrl?: string;
  readonly failToStart?: boolean;
}

class RefusedError extends Error {
  readonly retryAfterMs = 1_500;
  get code(): string {
    return 'E_REFUSED';
  }
}

// The script behind the tests of process.ts.
function serve({ init, emit, onStop }: WorkerContext<TestWorkerInit>) {
  if (init.failToStart) throw new Error('told to fail');
  const redis = init.redisUrl === undefined ? undefined : new Redis(init.redisUrl);
  let counter = 0;
  onStop(async () => {
    await redis?.set('stopped-in-order', String(process.pid));
    redis?.disconnect();
  });
  return {
    pid: () => process.pid,
    increment: (by: number): number => (counter += by),
    echo: <Value>(value: Value): Value => value,
    ping: async () => (redis ? redis.ping() : undefined),
    refuse: (): never => {
      const error = new RefusedError('come back later');
      error.name = 'RefusedError';
      throw error;
    },
    tick: (milliseconds: number): void => {
      setInterval(() => emit('tick', (counter += 1)), milliseconds);
    },
    never: () => new Promise<void>(() => {}),
    spin: (): void => {
      for (;;);
    },
  };
}

export type TestWorkerCalls = ServedBy<typeof serve>;

await serveWorker(serve);
