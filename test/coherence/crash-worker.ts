import { Redis } from 'ioredis';
import { ioredis } from '../../src/adapters/ioredis/index.js';
import { Caching, createDecorators } from '../../src/index.js';
import { serveWorker, type ServedBy, type WorkerContext } from '../support/process.js';

export interface CrashWorkerInit {
  readonly url: string;
  readonly namespace: string;
  readonly verb: 'invalidation' | 'put';
  readonly isSafe: boolean;
}

// A process of crashes.test.ts that is killed between a commit and its invalidation or put. The rows are counters in Redis.
async function serve({ init, emit, onStop }: WorkerContext<CrashWorkerInit>) {
  const { url, namespace, verb, isSafe } = init;
  const rows = new Redis(url);
  const caching = new Caching({ adapter: ioredis(url, { timeout: '5s' }), namespace });
  await caching.ready();
  onStop(async () => {
    await caching.close();
    rows.disconnect();
  });
  const { CachePut, Invalidates } = createDecorators(caching);
  const commit = async (row: number): Promise<number> => {
    const version = await rows.incr(`row:${namespace}:${row}`);
    emit('committed', row);
    // It is killed here.
    await new Promise(() => undefined);
    return version;
  };
  class Rows {
    @Invalidates({ keys: 'row:{0}', tags: 'table:{0}' })
    async write(row: number): Promise<void> {
      await commit(row);
    }
    @Invalidates({ keys: 'row:{0}', tags: 'table:{0}', safe: '1s' })
    async writeSafely(row: number): Promise<void> {
      await commit(row);
    }
    @CachePut({ key: 'row:{0}', ttl: '10m' })
    async put(row: number): Promise<number> {
      return commit(row);
    }
    @CachePut({ key: 'row:{0}', ttl: '10m', safe: '1s' })
    async putSafely(row: number): Promise<number> {
      return commit(row);
    }
  }
  const service = new Rows();
  return {
    write: async (row: number): Promise<void> => {
      if (verb === 'put') void (isSafe ? service.putSafely(row) : service.put(row));
      else void (isSafe ? service.writeSafely(row) : service.write(row));
    },
  };
}

export type CrashCalls = ServedBy<typeof serve>;

await serveWorker(serve);
