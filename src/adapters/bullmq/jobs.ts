import { AsyncLocalStorage } from 'node:async_hooks';
import { Queue, QueueEvents, type Job, type JobsOptions as BullmqJobOptions } from 'bullmq';
import { Caching } from '../../core/caching.js';
import { KeyContext } from '../../core/keys/context.js';
import { describe } from '../../core/shared/describe.js';
import { OptionsError, StoreUnavailableError } from '../../core/shared/errors.js';
import { EventPublisher, type MethodLabel } from '../../core/shared/event-publisher.js';
import { defaultsOf, parseOptions, resolveOptions, type Resolved } from '../../core/shared/option-schema.js';
import { shared } from '../../core/shared/registry.js';
import {
  addOptions,
  contextOf,
  deduplicationIdFrom,
  jobIdFrom,
  parseRules,
  type AddOptions,
} from './add-options.js';
import { JobConnections } from './job-connections.js';
import { checkData } from './job-data.js';
import { toBullmq, type ParsedJobOptions } from './job-options.js';
import { JobWorker, type ProcessJob } from './job-worker.js';
import { jobsOptions, type JobsOptions } from './jobs-options.js';
import { definitionOf, type JobQueue, type QueueDefinition } from './queue.js';
import {
  scheduleOptions,
  toRepeat,
  toTemplate,
  type Repeat,
  type ScheduleOptions,
} from './schedule-options.js';
import { toWorkerOptions, type ParsedProcessesOptions } from './worker-options.js';

/**
 * Runs work in none of the contexts of its caller: what is opened in a request outlives it, and jobs are not a part of the
 * request that has started their worker.
 */
const runOutside = AsyncLocalStorage.snapshot();

/** One job, before it is added. */
export interface NewJob {
  readonly name: string | undefined;
  readonly data: unknown;
  /** In the order of their precedence, the weakest first. */
  readonly options: readonly ParsedJobOptions[];
  readonly delay?: number | undefined;
  readonly jobId?: string | undefined;
  readonly deduplication?: BullmqJobOptions['deduplication'];
}

/** The queues of a `Caching`, on BullMQ: see docs/jobs.md. */
export class Jobs {
  readonly #caching: Caching;
  readonly #settings: Resolved<typeof jobsOptions>;
  readonly #connections: JobConnections;
  readonly #events: EventPublisher;
  readonly #queues = new Map<QueueDefinition, Queue>();
  readonly #queueEvents = new Map<string, QueueEvents>();
  readonly #workers = new Set<JobWorker>();
  #isClosed = false;

  /** @internal use `jobs` */
  constructor(caching: Caching, settings: Resolved<typeof jobsOptions>) {
    this.#caching = caching;
    this.#settings = settings;
    this.#connections = new JobConnections(caching, settings.connection);
    this.#events = new EventPublisher(caching.namespace);
  }

  /**
   * The prefix of the keys of all queues, for other programs that read them: `shop:queue:{shop:queue}`.
   * @throws StoreSetupError if the adapter of the `Caching` is not one of Redis
   */
  get prefix(): string {
    return this.#connections.prefix;
  }

  /** @internal False: containers start no workers. */
  get startsWorkers(): boolean {
    return this.#settings.workers && this.#caching.enabled;
  }

  /**
   * Adds a job. It is stored when the promise resolves, and is run at least once.
   *
   * @returns the job of BullMQ. If its `jobId` or the key of its `deduplication` is in use, it has the id of the job that has it
   * @throws ValueError for data that the schema of the queue rejects, or without a schema, that JSON does not keep equal
   * @throws KeyError, MissingContextError if `jobId` or the key of `deduplication` cannot be built
   * @throws StoreUnavailableError if Redis does not answer within `timeout`. `outcome: 'unknown'`: it may have the job
   * @throws StoreSetupError if the adapter of the `Caching` is not one of Redis
   * @throws OptionsError
   * @example
   * await jobs(caching).add(emails, { to: 'ada@shop.dev' }, { delay: '10s' });
   */
  async add<Result, Input>(
    queue: JobQueue<unknown, Result, Input>,
    data: NoInfer<Input>,
    options: AddOptions = {},
  ): Promise<Job<Input, Result>> {
    const definition = definitionOf(queue, 'jobs(caching).add');
    const label = `jobs(caching).add to '${definition.name}'`;
    const { name, delay, jobId, deduplication, context, ...others } = parseOptions(
      addOptions,
      options,
      label,
    );
    const parts = contextOf(
      KeyContext.for(this.#caching.context, context),
      { jobId, deduplication },
      () => label,
    );
    const job = await this.enqueue(definition, {
      name,
      data,
      delay,
      options: [others],
      jobId: jobId === undefined ? undefined : jobIdFrom(jobId, parts, `jobId of ${label}`),
      deduplication:
        deduplication === undefined
          ? undefined
          : {
              ...parseRules(deduplication, label),
              id: deduplicationIdFrom(deduplication.key, parts, `deduplication.key of ${label}`),
            },
    });
    return job as Job<Input, Result>;
  }

  /** @internal Adds a job whose options are checked. @throws as `add` */
  async enqueue(queue: QueueDefinition, job: NewJob): Promise<Job> {
    this.#checkEnabled(queue);
    const { name = queue.name, data, options, ...own } = job;
    checkData(queue, data);
    const given = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
    return this.#request('Adding a job', queue, (target) =>
      target.add(name, data, { ...toBullmq(queue.defaultJobOptions, ...options), ...given }),
    );
  }

  /**
   * Makes jobs again and again, by a scheduler that is stored in Redis: one for its id, however many processes call this. If
   * it exists, its times, data and options become these. To end it: `jobs(caching).queue(queue).removeJobScheduler(id)`.
   *
   * @param id of the scheduler
   * @param repeat when: `{ every: '1h' }`, or `{ pattern: '0 3 * * *', tz: 'Europe/Berlin' }`
   * @returns the next job
   * @throws ValueError, StoreUnavailableError, StoreSetupError, OptionsError as `add` does
   * @example
   * await jobs(caching).schedule(reports, 'nightly', { pattern: '0 3 * * *' }, { month: '2026-01' });
   */
  async schedule<Result, Input>(
    queue: JobQueue<unknown, Result, Input>,
    id: string,
    repeat: Repeat,
    data: NoInfer<Input>,
    options: ScheduleOptions = {},
  ): Promise<Job<Input, Result>> {
    const definition = definitionOf(queue, 'jobs(caching).schedule');
    const label = `jobs(caching).schedule in '${definition.name}'`;
    if (typeof id !== 'string' || id === '') {
      throw new OptionsError(
        `${label} takes the id of a scheduler, such as 'nightly', and ${describe(id)} was given.`,
      );
    }
    const { name = definition.name, ...others } = parseOptions(scheduleOptions, options, label);
    const times = toRepeat(repeat, `the times of ${label}`);
    this.#checkEnabled(definition);
    checkData(definition, data);
    const job = await this.#request('Scheduling a job', definition, (target) =>
      target.upsertJobScheduler(id, times, {
        name,
        data,
        opts: toTemplate(definition.defaultJobOptions, others),
      }),
    );
    return job as Job<Input, Result>;
  }

  /**
   * The queue of BullMQ: everything else that it can do, such as counts, pausing, and removing jobs. It does not check data,
   * and its requests have no deadline. It is closed with the `Caching`.
   *
   * @throws StoreSetupError if the adapter of the `Caching` is not one of Redis
   * @example
   * const counts = await jobs(caching).queue(emails).getJobCounts();
   */
  queue<Result, Input>(queue: JobQueue<unknown, Result, Input>): Queue<Input, Result> {
    const definition = definitionOf(queue, 'jobs(caching).queue');
    const known = this.#queues.get(definition) ?? this.#openQueue(definition);
    return known as unknown as Queue<Input, Result>;
  }

  /**
   * The events of all jobs of a queue, in all processes: `completed`, `failed`, `progress`, ... It has a connection of its own,
   * and is closed with the `Caching`.
   *
   * @throws StoreSetupError if the adapter of the `Caching` is not one of Redis
   * @example
   * jobs(caching).events(emails).on('completed', ({ jobId }) => console.log(jobId));
   */
  events(queue: JobQueue<unknown, unknown, never>): QueueEvents {
    const { name } = definitionOf(queue, 'jobs(caching).events');
    const known = this.#queueEvents.get(name);
    if (known !== undefined) return known;
    this.#checkOpen();
    const { prefix } = this;
    const events = runOutside(
      () => new QueueEvents(name, { prefix, connection: this.#connections.get('workers').client }),
    );
    events.on('error', (error) => this.#events.error('worker', { key: name }, error));
    // Each call that waits for a job listens.
    events.setMaxListeners(0);
    this.#queueEvents.set(name, events);
    return events;
  }

  /** @internal Starts a worker. It ends by `endWorker`, or with the `Caching`. */
  startWorker(
    queue: QueueDefinition,
    process: ProcessJob,
    options: ParsedProcessesOptions,
    method: MethodLabel,
  ): JobWorker {
    this.#checkOpen();
    const { prefix } = this;
    const subject = { key: queue.name, method };
    // guard: jobs-run-in-no-request
    const worker = runOutside(() => {
      const connection = this.#connections.get('workers');
      return new JobWorker(
        queue,
        process,
        { ...toWorkerOptions(options), prefix },
        connection,
        this.#caching.clock,
      );
    });
    // guard: error-of-a-worker-is-an-event
    worker.on('error', (error) => this.#events.error('worker', subject, error));
    worker.on('failed', (_job, error) => this.#events.error('job', subject, error));
    this.#workers.add(worker);
    return worker;
  }

  /** @internal Never rejects. */
  async endWorker(worker: JobWorker): Promise<void> {
    await worker.end(this.#settings.closeTimeout);
    this.#workers.delete(worker);
  }

  /** @internal Ends everything. Called by `caching.close()`. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#workers].map((worker) => this.endWorker(worker)));
    await Promise.all([...this.#queueEvents.values()].map(endEvents));
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
    await this.#connections.end();
  }

  #openQueue(definition: QueueDefinition): Queue {
    this.#checkOpen();
    const { prefix } = this;
    const queue = runOutside(
      () =>
        new Queue(definition.name, {
          prefix,
          connection: this.#connections.get('jobs').client,
          defaultJobOptions: toBullmq(definition.defaultJobOptions),
          // If the check failed, because the connection is lost meanwhile, the queue would be useless for good.
          skipVersionCheck: true,
        }),
    );
    // Requests report errors to their callers.
    queue.on('error', () => {});
    this.#queues.set(definition, queue);
    return queue;
  }

  #request<T>(what: string, definition: QueueDefinition, send: (queue: Queue) => Promise<T>): Promise<T> {
    const queue = this.#queues.get(definition) ?? this.#openQueue(definition);
    return this.#connections
      .get('jobs')
      .run(`${what} to queue '${definition.name}'`, this.#settings.timeout, () => send(queue));
  }

  #checkOpen(): void {
    if (this.#isClosed) {
      throw new StoreUnavailableError(`The Caching '${this.#caching.namespace}' is closed.`, 'refused');
    }
  }

  /** A job that is neither stored nor run would be lost without a word. */
  #checkEnabled({ name }: QueueDefinition): void {
    if (this.#caching.enabled) return;
    throw new OptionsError(
      `A job for queue '${name}' was not added, because the Caching '${this.#caching.namespace}' has enabled: false. ` +
        'Enable it, or do not call add and schedule. (@Enqueues enqueues nothing then.)',
    );
  }
}

/** Ends it at once: BullMQ would first wait for a server that is away. */
async function endEvents(events: QueueEvents): Promise<void> {
  events.closing = Promise.resolve();
  await events.getBackend().close(true);
}

/** By `Caching`: one for all copies of this package. */
const opened = shared('jobs', () => new WeakMap<Caching, Jobs>());

/**
 * The queues of a `Caching`: always the same object for the same `Caching`. Their keys have its namespace.
 *
 * @param options only for the first call, before anything else uses the queues
 * @throws OptionsError for anything but a `Caching`, invalid options, and options after the first call
 * @example
 * await jobs(caching).add(emails, { to: 'ada@shop.dev' });
 */
export function jobs(caching: Caching, options?: JobsOptions): Jobs {
  if (!Caching.is(caching)) {
    throw new OptionsError(`jobs(caching) takes a Caching, and ${describe(caching)} was given.`);
  }
  const known = opened.get(caching);
  if (known !== undefined && options === undefined) return known;
  const parsed = parseOptions(jobsOptions, options ?? {}, 'jobs(caching, { ... })');
  if (known !== undefined) {
    throw new OptionsError(
      `jobs(caching, { ... }) was called with options after the jobs of the Caching '${caching.namespace}' were used. Call it ` +
        'with options once, right after new Caching, and without them elsewhere.',
    );
  }
  const created = new Jobs(caching, resolveOptions(parsed, defaultsOf(jobsOptions)));
  opened.set(caching, created);
  caching.onClose(() => created.close());
  return created;
}
