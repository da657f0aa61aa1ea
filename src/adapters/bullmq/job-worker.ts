import { UnrecoverableError, Worker, type Job, type WorkerOptions } from 'bullmq';
import type { Clock, Timer } from '../../core/ports/clock.js';
import type { OwnClient } from '../../core/ports/own-client.js';
import { readData } from './job-data.js';
import type { QueueDefinition } from './queue.js';

/** Processes one job. `data` is that of the job, as the schema of the queue returns it. */
export type ProcessJob = (data: unknown, job: Job, signal: AbortSignal) => unknown;

/** How long a job may react to the abort of its signal, in ms. */
const ABORT_GRACE_MS = 1_000;

/** A worker of BullMQ that checks the data of its jobs, and that can be ended while they run. */
export class JobWorker extends Worker {
  readonly #running = new Set<Promise<unknown>>();
  readonly #connection: OwnClient;
  readonly #clock: Clock;
  #end: Promise<void> | undefined;

  constructor(
    queue: QueueDefinition,
    process: ProcessJob,
    options: Omit<WorkerOptions, 'connection'>,
    connection: OwnClient,
    clock: Clock,
  ) {
    // With a third parameter, BullMQ passes a signal.
    const run = (job: Job, _token: string | undefined, signal?: AbortSignal): Promise<unknown> => {
      const work = processChecked(queue, process, job, signal!);
      this.#running.add(work);
      const ended = (): void => void this.#running.delete(work);
      work.then(ended, ended);
      return work;
    };
    super(queue.name, run, { ...options, connection: connection.client });
    this.#connection = connection;
    this.#clock = clock;
  }

  /**
   * Takes no more jobs, and waits for those that run. Jobs that take longer than `timeout` are left: their signals abort, and
   * another worker runs them again after `lockDuration`.
   *
   * @param timeout in ms
   */
  end(timeout: number): Promise<void> {
    return (this.#end ??= this.#drain(timeout));
  }

  async #drain(timeout: number): Promise<void> {
    const ended = this.close();
    // Without a server BullMQ would wait for it, and cannot write down what the jobs return.
    const drained = this.#connection.isReady ? ended : Promise.allSettled(this.#running);
    const isDrained = await this.#within(timeout, drained);
    if (isDrained && this.#connection.isReady) return;
    this.cancelAllJobs('The worker is closing.');
    // guard: worker-that-does-not-end-is-ended
    if (!(await this.#within(this.#running.size > 0 ? ABORT_GRACE_MS : 0, ended))) await this.#abandon();
  }

  /** Closes it again, with force: BullMQ itself does so only the first time. */
  async #abandon(): Promise<void> {
    this.closing = undefined;
    await this.close(true);
  }

  /** True if `work` ends in time. */
  async #within(ms: number, work: Promise<unknown>): Promise<boolean> {
    let timer: Timer | undefined;
    const late = new Promise<false>((resolve) => (timer = this.#clock.after(ms, () => resolve(false))));
    const done = work.then(() => true);
    return Promise.race([done, late]).finally(() => timer?.cancel());
  }
}

async function processChecked(
  queue: QueueDefinition,
  process: ProcessJob,
  job: Job,
  signal: AbortSignal,
): Promise<unknown> {
  let data: unknown;
  try {
    data = readData(queue, job.data, `Job ${job.id} has failed, and is not retried.`);
  } catch (error) {
    // guard: data-that-the-schema-rejects-is-not-retried
    throw new UnrecoverableError((error as Error).message);
  }
  return process(data, job, signal);
}
