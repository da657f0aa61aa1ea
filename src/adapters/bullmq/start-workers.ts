import type { Job, Worker } from 'bullmq';
import type { Caching } from '../../core/caching.js';
import { warnOnce } from '../../core/shared/registry.js';
import { HandlerInstances } from '../../decorators/shared/handler-instances.js';
import { HandlerMethods, type HandlerMethod } from '../../decorators/shared/handler-methods.js';
import type { JobWorker } from './job-worker.js';
import { jobs } from './jobs.js';
import type { QueueDefinition } from './queue.js';
import type { ParsedProcessesOptions } from './worker-options.js';

type Handler = HandlerMethod<QueueDefinition, ParsedProcessesOptions>;

/** The methods with `@Processes`. */
export const processors = new HandlerMethods<QueueDefinition, ParsedProcessesOptions>('@Processes');

/** The workers of an instance. */
export interface Workers {
  /** Those of BullMQ, one for each method with `@Processes`. */
  readonly workers: readonly Worker[];
  /** Resolves when all of them are connected. */
  ready(): Promise<void>;
  /** Takes no more jobs, and waits for those that run, for the `closeTimeout` of `jobs(caching)`. Never rejects. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const instances = new HandlerInstances<QueueDefinition, ParsedProcessesOptions, Workers>(processors, {
  call: 'startWorkers(caching, instance)',
  begin: start,
  end: (workers) => workers.close(),
  isBegunByContainers: (caching) => jobs(caching).startsWorkers,
  warnOfSecond: (caching, className) =>
    warnOnce(
      'CACHEMENT_SECOND_WORKER',
      `${caching.namespace} ${className}`,
      `The container has made a second ${className}, which has methods with @Processes. Only the first one processes jobs. ` +
        'Register the class as a singleton, or start workers for each instance by startWorkers(caching, instance).',
    ),
});

/**
 * Starts a worker for each method with `@Processes` of an instance. Again for the same instance and `Caching`, it returns what
 * it returned before, until that is closed. With `enabled: false` it starts none.
 *
 * @param caching the `Caching` whose queues are processed. Closing it closes the workers
 * @param instance of a class with `@Processes`, its own or inherited
 * @throws OptionsError if the instance has no such method
 * @throws StoreSetupError if the adapter of the `Caching` is not one of Redis
 * @example
 * const workers = startWorkers(caching, mailer);
 * await workers.close();
 */
export function startWorkers(caching: Caching, instance: object): Workers {
  return instances.begin(caching, instance);
}

function start(caching: Caching, instance: object, handlers: readonly Handler[], ended: () => void): Workers {
  const queues = jobs(caching);
  const workers = caching.enabled ? handlers.map((handler) => startMethod(caching, instance, handler)) : [];
  const close = async (): Promise<void> => {
    ended();
    await Promise.all(workers.map((worker) => queues.endWorker(worker)));
  };
  return {
    workers,
    ready: async () => void (await Promise.all(workers.map((worker) => worker.waitUntilReady()))),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function startMethod(caching: Caching, instance: object, { method, source, options }: Handler): JobWorker {
  const name = `${instance.constructor.name}.${String(method)}`;
  type Method = (data: unknown, job: Job, signal: AbortSignal) => unknown;
  return jobs(caching).startWorker(
    source,
    // Read at each job, so that decorators of other libraries apply, and overrides.
    (data, job, signal) => (instance as Record<PropertyKey, Method>)[method]!(data, job, signal),
    options,
    () => name,
  );
}
