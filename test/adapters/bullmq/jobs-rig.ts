import type { ExecutionContext } from 'ava';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import type { JobsOptions } from '../../../src/adapters/bullmq/index.js';
import { defineQueue, jobs } from '../../../src/adapters/bullmq/index.js';
import { Caching, subscribe, type CachementEvents, type CachingOptions } from '../../../src/index.js';

export const numbers = defineQueue<number, number>('numbers', {
  defaultJobOptions: { attempts: 3, backoff: 10 },
});

let count = 0;

/** A `Caching` with a namespace of its own, whose jobs that still run at the end of the test are not waited for. */
export function cachingWithJobs(
  t: ExecutionContext,
  url: string,
  options: JobsOptions = {},
  others: Partial<CachingOptions> = {},
): Caching {
  const namespace = `jobs-${process.pid}-${count++}`;
  const caching = new Caching({ namespace, ...others, adapter: others.adapter ?? ioredis(url) });
  jobs(caching, { closeTimeout: 0, ...options });
  t.teardown(() => caching.close());
  return caching;
}

/** The `error` events of a namespace. */
export function errorsOf(t: ExecutionContext, { namespace }: Caching): CachementEvents['error'][] {
  const errors: CachementEvents['error'][] = [];
  t.teardown(
    subscribe('error', (event) => {
      if (event.namespace === namespace) errors.push(event);
    }),
  );
  return errors;
}
