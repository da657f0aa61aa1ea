import type { Adapter } from '../../core/ports/adapter.js';
import type { Duration } from '../../core/shared/duration.js';
import { custom, duration, flag, type Option } from '../../core/shared/option-schema.js';

/** The options of `jobs(caching, { ... })`, for all queues of a `Caching` in this process. */
export interface JobsOptions {
  /**
   * The Redis of the queues, if it is not that of the cache: `ioredis('redis://...')` from 'cachement/ioredis'. Queues need
   * the maxmemory-policy `noeviction`, and a cache wants another one.
   * @default the Redis of the `Caching`
   */
  readonly connection?: Adapter | undefined;
  /**
   * False: containers start no workers for methods with `@Processes`, as in a process that only enqueues. `startWorkers`
   * starts them in any case.
   * @default true
   */
  readonly workers?: boolean | undefined;
  /**
   * How long adding a job may take, from 1 ms to a minute: the wait for a connection, and for the reply.
   * @default '2s'
   */
  readonly timeout?: Duration | undefined;
  /**
   * How long `caching.close()` waits for jobs that run, up to an hour. Then their signals abort, and another worker runs them
   * again after `lockDuration`.
   * @default '10s'
   */
  readonly closeTimeout?: Duration | undefined;
}

/** The schema of `JobsOptions`. */
export const jobsOptions = {
  connection: custom(
    "an adapter of Redis: ioredis('redis://...') from 'cachement/ioredis'",
    (value) => (typeof (value as Adapter | null)?.clients === 'function' ? value : undefined),
    undefined,
  ) as Option<Adapter | undefined>,
  workers: flag(true),
  timeout: duration({ min: 1, max: 60_000, default: '2s' }),
  closeTimeout: duration({ max: 3_600_000, default: '10s' }),
} satisfies Record<keyof JobsOptions, Option<unknown>>;
