import { ioredis } from '../../../../src/adapters/ioredis/index.js';
import { Caching } from '../../../../src/index.js';
import { defineChannel, pubsub } from '../../../../src/pubsub/index.js';
import { serveWorker, type ServedBy, type WorkerContext } from '../../../support/process.js';

export interface SubscriberInit {
  readonly url: string;
  readonly namespace: string;
}

/** A number, and when it was published, in ms since 1970. */
export interface Numbered {
  readonly n: number;
  readonly at: number;
}

export const numbers = defineChannel<Numbered>('numbers');

/** A process that subscribes, and records what it gets. */
async function serve({ init: { url, namespace } }: WorkerContext<SubscriberInit>) {
  const caching = new Caching({
    adapter: ioredis(url, { timeout: '20s', connectTimeout: '2s' }),
    namespace,
  });
  await caching.ready();
  const got: number[] = [];
  const interruptions: { readonly from: number; readonly to: number }[] = [];
  const subscription = pubsub(caching).subscribe(numbers, ({ n }) => void got.push(n), {
    onInterrupted: ({ from, to }) => void interruptions.push({ from: from.getTime(), to: to.getTime() }),
  });
  await subscription.ready;
  return {
    got: () => got,
    interruptions: () => interruptions,
    isReceiving: () => subscription.isReceiving,
    close: async () => {
      await caching.close();
      await new Promise((resolve) => setImmediate(resolve));
      return process.getActiveResourcesInfo().filter((resource) => /TCP|Timeout|TTY/.test(resource));
    },
  };
}

export type SubscriberCalls = ServedBy<typeof serve>;

// Imported for its channel, too.
if (process.connected && process.argv[1]?.endsWith('subscriber-worker.js') === true) await serveWorker(serve);
