import type { Job, Worker } from 'bullmq';
import { Caching } from '../../core/caching.js';
import { describe } from '../../core/shared/describe.js';
import { OptionsError } from '../../core/shared/errors.js';
import { shared, warnOnce } from '../../core/shared/registry.js';
import { HandlerMethods, type HandlerMethod } from '../../decorators/shared/handler-methods.js';
import type { InstanceWork } from '../../decorators/shared/made-instances.js';
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

/** By `Caching` and instance. */
const started = shared('workers', () => new WeakMap<Caching, WeakMap<object, Workers>>());
/** The instance of a class for which a container has started workers, by `Caching`. */
const classes = shared('worker classes', () => new WeakMap<Caching, WeakMap<object, object>>());

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
  if (!Caching.is(caching)) {
    throw new OptionsError(
      `startWorkers(caching, instance) takes a Caching, and ${describe(caching)} was given.`,
    );
  }
  const handlers = typeof instance === 'object' && instance !== null ? processors.of(instance) : [];
  if (handlers.length === 0) {
    throw new OptionsError(
      'startWorkers(caching, instance) takes an instance with a method that has @Processes, and ' +
        `${describe(instance)} was given.`,
    );
  }
  return start(caching, instance, handlers);
}

function start(caching: Caching, instance: object, handlers: readonly Handler[]): Workers {
  const ofCaching = started.get(caching) ?? new WeakMap<object, Workers>();
  started.set(caching, ofCaching);
  const known = ofCaching.get(instance);
  // guard: instance-has-one-worker-for-each-method
  if (known !== undefined) return known;
  const queues = jobs(caching);
  const workers = caching.enabled ? handlers.map((handler) => startMethod(caching, instance, handler)) : [];
  const close = async (): Promise<void> => {
    ofCaching.delete(instance);
    await Promise.all(workers.map((worker) => queues.endWorker(worker)));
  };
  const created: Workers = {
    workers,
    ready: async () => void (await Promise.all(workers.map((worker) => worker.waitUntilReady()))),
    close,
    [Symbol.asyncDispose]: close,
  };
  ofCaching.set(instance, created);
  return created;
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

/**
 * Starts the workers of an instance that a container has made, unless it has made another one of the class: a transient
 * service must not open connections as often as it is resolved.
 */
export function startMade(instance: object, caching: Caching): InstanceWork | undefined {
  const handlers = processors.of(instance);
  if (handlers.length === 0 || !jobs(caching).startsWorkers) return undefined;
  const made = classes.get(caching) ?? new WeakMap<object, object>();
  classes.set(caching, made);
  const owner = instance.constructor;
  const first = made.get(owner);
  // guard: one-instance-of-a-class-has-workers
  if (first !== undefined && first !== instance) {
    warnOnce(
      'CACHEMENT_SECOND_WORKER',
      `${caching.namespace} ${owner.name}`,
      `The container has made a second ${owner.name}, which has methods with @Processes. Only the first one processes jobs. ` +
        'Register the class as a singleton, or start workers for each instance by startWorkers(caching, instance).',
    );
    return undefined;
  }
  const workers = start(caching, instance, handlers);
  made.set(owner, instance);
  return {
    end: async () => {
      made.delete(owner);
      await workers.close();
    },
  };
}
