/** Run in a process of its own: processes numbers, and says which it has begun. */
import { jobs, Processes, startWorkers } from '../../../src/adapters/bullmq/index.js';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { Caching } from '../../../src/index.js';
import { serveWorker, type WorkerContext } from '../../support/process.js';
import { numbers } from './jobs-rig.js';

export interface Init {
  readonly url: string;
  readonly namespace: string;
  /** The number at which it hangs; undefined: none. */
  readonly hangsAt: number | undefined;
}

export async function serve({ init, emit, onStop }: WorkerContext<Init>) {
  const { url, namespace, hangsAt } = init;
  const caching = new Caching({ adapter: ioredis(url), namespace });
  onStop(() => caching.close());
  jobs(caching, { closeTimeout: 0 });
  class Numbers {
    @Processes(numbers, { concurrency: 2, lockDuration: '1s', stalledInterval: '1s' })
    async take(number: number, { attemptsMade }: { readonly attemptsMade: number }): Promise<number> {
      emit('begun', number);
      if (number === hangsAt) await new Promise(() => {});
      // Each third one fails at first.
      if (number % 3 === 0 && attemptsMade === 0) throw new Error('not yet');
      return number * 2;
    }
  }
  await startWorkers(caching, new Numbers()).ready();
  return { ping: () => true };
}

void serveWorker(serve);
