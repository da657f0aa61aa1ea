import { KeyContext } from '../../core/keys/context.js';
import type { Key } from '../../core/keys/key.js';
import type { Duration } from '../../core/shared/duration.js';
import { EnqueueError, OptionsError, StoreUnavailableError } from '../../core/shared/errors.js';
import { EventPublisher } from '../../core/shared/event-publisher.js';
import { callback, oneOf, parseOptions, text, type Option } from '../../core/shared/option-schema.js';
import { around, callAsync, type AsyncMethodDecorator } from '../../decorators/shared/around.js';
import { compileKey, type KeyOption } from '../../decorators/shared/compile-key.js';
import { decoratorOptions } from '../../decorators/shared/decorator-options.js';
import type { Template } from '../../decorators/shared/key-template-type.js';
import { MethodName } from '../../decorators/shared/method-name.js';
import { perCaching, resolveCaching, type CachingSource } from '../../decorators/shared/resolve-caching.js';
import {
  checkIdTemplate,
  contextOf,
  deduplicationIdFrom,
  identityOptions,
  jobIdFrom,
  parseRules,
} from './add-options.js';
import { jobOptions, type DeduplicationRules, type JobOptions } from './job-options.js';
import { jobs } from './jobs.js';
import { definitionOf, type JobQueue } from './queue.js';

/** The options of `@Enqueues`. */
export interface EnqueuesOptions<
  This,
  A extends readonly unknown[],
  R,
  Input,
  I extends string,
  D extends string,
> extends JobOptions {
  /** A function of the result and the arguments that returns the data of the job. */
  readonly data: NoInfer<(this: This, result: R, ...args: A) => Input>;
  /** How long until the job may be run. @default 0 */
  readonly delay?: Duration | undefined;
  /**
   * The id of the job: a template of the arguments, or a function of the result and the arguments. While a job with this id
   * exists, also one that has finished and is kept, another one is not added. It has no ':', and is not a number.
   * @default a number
   */
  readonly jobId?: Template<I, A> | NoInfer<(this: This, result: R, ...args: A) => Key> | undefined;
  /**
   * A key, in the same forms as `jobId`, and rules. While a job with this key waits or runs, or for `ttl`, another one is not
   * added.
   * @default every job is added
   */
  readonly deduplication?:
    | (DeduplicationRules & {
        readonly key: Template<D, A> | NoInfer<(this: This, result: R, ...args: A) => Key>;
      })
    | undefined;
  /** The name of the job, for those who look at the queue. @default the name of the queue */
  readonly jobName?: string | undefined;
  /** A function of the arguments. If it returns false, the call enqueues nothing. */
  readonly when?: NoInfer<(this: This, ...args: A) => boolean> | undefined;
  /** A function of the result and the arguments. If it returns true, nothing is enqueued. */
  readonly unless?: NoInfer<(this: This, result: R, ...args: A) => boolean> | undefined;
  /**
   * What to do if Redis does not confirm the job. The method has succeeded in any case. `throw`: the call rejects with an
   * EnqueueError that has the result. `report`: an `error` event, and the call returns the result: the job may be lost.
   * @default 'throw'
   */
  readonly onUnavailable?: 'throw' | 'report' | undefined;
  /**
   * Parts of the context that `jobId` and the key of `deduplication` have beside those of the `Caching`; or false: none
   * (docs/context.md).
   * @default those of the `Caching`
   */
  readonly context?: readonly string[] | false | undefined;
  /**
   * Replaces class and method name in events and errors.
   * @default class and method name: `Users.save`
   */
  readonly name?: string | undefined;
  /**
   * The `Caching` to use, or a function of the instance that returns it.
   * @default found through the container (docs/dependency-injection.md)
   */
  readonly cache?: CachingSource<This> | undefined;
}

/** The schema of `EnqueuesOptions`. */
export const enqueuesOptions = {
  data: callback<(this: unknown, result: unknown, ...args: readonly unknown[]) => unknown>(),
  ...identityOptions,
  jobName: text('welcome'),
  ...jobOptions,
  unless: callback<(this: unknown, result: unknown, ...args: readonly unknown[]) => boolean>(),
  onUnavailable: oneOf(['throw', 'report'], 'throw'),
  ...decoratorOptions,
} satisfies Record<
  keyof EnqueuesOptions<unknown, readonly unknown[], unknown, unknown, string, string>,
  Option<unknown>
>;

/**
 * Adds a job to a queue after the method succeeds, before its promise resolves. If the method throws, nothing is added.
 *
 * A job that was added is run at least once. It is not added in one step with what the method writes: if the process dies
 * between the two, the job is lost.
 *
 * @param queue of `defineQueue`
 * @throws DecorationError, OptionsError while the class is defined
 * @throws EnqueueError (rejection) if the data, the `jobId` or the key of `deduplication` cannot be made or is refused, or if
 * Redis does not confirm the job and `onUnavailable` is `'throw'`; its `result` is that of the method
 * @throws MissingCachingError (rejection) if no `Caching` is found
 * @throws MissingContextError (rejection) before the method runs, if a part of the context that the keys must have is not set
 * @throws StoreSetupError (rejection) before the method runs, if the adapter of the `Caching` is not one of Redis
 * @throws (rejection) the errors of the method and of `when` and `unless`
 * @see docs/jobs.md
 * @example
 * @Enqueues(emails, { data: (user) => ({ to: user.id }), deduplication: { key: 'welcome:{0.id}', ttl: '1h' } })
 * async register(user: User): Promise<User> { ... }
 */
export function Enqueues<
  This extends object,
  A extends readonly unknown[],
  R,
  Input,
  const I extends string,
  const D extends string,
>(
  queue: JobQueue<unknown, unknown, Input>,
  rawOptions: EnqueuesOptions<This, A, R, Input, I, D>,
): AsyncMethodDecorator<This, A, R> {
  return around('@Enqueues', Enqueues, (joinPoint) => {
    const label = `@Enqueues on ${String(joinPoint.name)}`;
    const definition = definitionOf(queue, label);
    const parsed = parseOptions(enqueuesOptions, rawOptions as object, label);
    const { data, delay, jobId, deduplication, jobName, when, unless, onUnavailable, context, ...rest } =
      parsed;
    const { name: ownName, cache, ...others } = rest;
    if (data === undefined) {
      throw new OptionsError(
        `${label} has no data. Give it a function that returns the data of the job: data: (result) => ({ id: result.id }).`,
      );
    }
    const name = new MethodName('@Enqueues', joinPoint, ownName, undefined);
    checkIdTemplate(jobId, `jobId of ${label}`);
    const idOf = compileOwnKey(jobId, `jobId of ${label}`);
    const keyOf = compileOwnKey(deduplication?.key, `deduplication.key of ${label}`);
    const rules = deduplication === undefined ? undefined : parseRules(deduplication, label);
    const planOf = perCaching((caching) => ({
      context: KeyContext.for(caching.context, context),
      events: new EventPublisher(caching.namespace),
    }));
    return async (self, args, original) => {
      const caching = resolveCaching(self, cache, name);
      const run = (): Promise<unknown> => callAsync(original, self, args, name);
      if (!caching.enabled || (when !== undefined && !when.apply(self, args))) return run();
      const plan = planOf(caching);
      const queues = jobs(caching);
      // guard: setup-is-checked-before-the-method
      const { prefix: _isRedis } = queues;
      const parts = contextOf(plan.context, parsed, () => name.forErrors(self));
      const result = await run();
      if (unless?.apply(self, [result, ...args]) === true) return result;
      try {
        await queues.enqueue(definition, {
          name: jobName,
          data: data.apply(self, [result, ...args]),
          options: [others],
          delay,
          jobId: idOf && jobIdFrom(idOf(self, result, args), parts, `jobId of ${label}`),
          deduplication: keyOf && {
            ...rules,
            id: deduplicationIdFrom(keyOf(self, result, args), parts, `deduplication.key of ${label}`),
          },
        });
      } catch (cause) {
        // guard: job-that-is-lost-is-reported
        if (cause instanceof StoreUnavailableError && onUnavailable === 'report') {
          const subject = { key: definition.name, method: () => name.forEvents(self) };
          plan.events.error('enqueue', subject, cause);
          return result;
        }
        throw new EnqueueError(
          `${name.forErrors(self)} has succeeded, and its job was not added to queue '${definition.name}': ${messageOf(cause)}`,
          result,
          { cause },
        );
      }
      return result;
    };
  });
}

type KeyOfResult = (self: unknown, result: unknown, args: unknown[]) => unknown;

/** Compiles a key of a job. @returns undefined without one. @throws OptionsError */
function compileOwnKey(key: unknown, label: string): KeyOfResult | undefined {
  if (typeof key === 'function') return (self, result, args) => key.apply(self, [result, ...args]) as unknown;
  const render = compileKey(key as KeyOption, label);
  return render && ((self, _result, args) => render(args, self));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
