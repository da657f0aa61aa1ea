import type { Job } from 'bullmq';
import { parseOptions } from '../../core/shared/option-schema.js';
import type { MethodContext } from '../../decorators/shared/around.js';
import { onInstanceMade } from '../../decorators/shared/made-instances.js';
import { definitionOf, type JobQueue } from './queue.js';
import { instances, processors } from './start-workers.js';
import { processesOptions, type ProcessesOptions } from './worker-options.js';

/**
 * A method that processes jobs. `data` is that of the job, as the schema of the queue returns it. `signal` aborts when the job
 * is cancelled, or when the `Caching` is closed and the job takes too long.
 */
export type ProcessesMethod<This, Data, Result, Input> = (
  this: This,
  data: Data,
  job: Job<Input, Result>,
  signal: AbortSignal,
) => Result | Promise<Result>;

/** A decorator for methods that process jobs. It works as a standard and as a legacy decorator. */
export type ProcessesDecorator<This, Data, Result, Input> = (
  ...args:
    | [method: ProcessesMethod<This, Data, Result, Input>, context: MethodContext<This>]
    | [target: This, key: string | symbol, descriptor: { value?: ProcessesMethod<This, Data, Result, Input> }]
) => void;

/**
 * Calls the method with the data of each job of a queue. What it returns is the result of the job. If it throws, the job is
 * run again, as often as its `attempts` say.
 *
 * A job is run at least once: if a process dies while it runs a job, another one runs it again after `lockDuration`. So the
 * method must be able to run twice for a job.
 *
 * A container that is registered with this library (tsyringe, NestJS, Inversify, Awilix, TypeDI, typed-inject) starts workers
 * for the first instance of the class that it makes; `startWorkers` starts them for any instance. The method is called on the
 * instance, so an override in a subclass gets the jobs.
 *
 * @param queue of `defineQueue`. The first parameter of the method accepts its data
 * @throws DecorationError, OptionsError while the class is defined
 * @see docs/jobs.md
 * @example
 * @Processes(emails, { concurrency: 10 })
 * async send({ to }: { to: string }): Promise<void> { ... }
 */
export function Processes<This extends object, Data, Result, Input>(
  queue: JobQueue<Data, Result, Input>,
  options: ProcessesOptions = {},
): ProcessesDecorator<This, NoInfer<Data>, NoInfer<Result>, NoInfer<Input>> {
  const decorate = (...args: readonly unknown[]): void => {
    processors.add(args, (label) => ({
      source: definitionOf(queue, label),
      options: parseOptions(processesOptions, options, label),
    }));
    onInstanceMade('@Processes', (instance, caching) => instances.made(instance, caching));
  };
  return decorate as ProcessesDecorator<This, Data, Result, Input>;
}
