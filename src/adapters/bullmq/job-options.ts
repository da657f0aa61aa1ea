import type { BackoffOptions, JobsOptions, KeepJobs } from 'bullmq';
import { readDuration, type Duration } from '../../core/shared/duration.js';
import {
  custom,
  duration,
  flag,
  integer,
  unchecked,
  type Option,
  type ParsedOptions,
} from '../../core/shared/option-schema.js';

/** The pauses before retries. `exponential`: twice as long each time. Another type is one of the worker's own. */
export interface Backoff {
  readonly type: 'fixed' | 'exponential' | (string & {});
  /** The first pause. */
  readonly delay?: Duration | undefined;
  /** Up to this share of the pause, from 0 to 1, is taken off at random. @default 0 */
  readonly jitter?: number | undefined;
}

/** Which finished jobs are kept: the latest `count`, and none that is older than `age`. */
export interface Kept {
  readonly age?: Duration | undefined;
  readonly count?: number | undefined;
}

/** How a job is run. */
export interface JobOptions {
  /** How often the job is run at most, until it succeeds: 1 or more. @default 1 */
  readonly attempts?: number | undefined;
  /**
   * The pause before a retry: a duration, or `{ type: 'exponential', delay: '1s', jitter: 0.5 }`.
   * @default none: it is retried at once
   */
  readonly backoff?: Duration | Backoff | undefined;
  /** Jobs with a lower number are run first, from 1 to 2,097,151. 0: before all of them. @default 0 */
  readonly priority?: number | undefined;
  /** True: the job is run before those that wait already. @default false */
  readonly lifo?: boolean | undefined;
  /**
   * Which jobs that have succeeded are kept, to be looked at: `{ age, count }`, a count, false for all, true for none.
   * @default { age: '1d', count: 1000 }
   */
  readonly removeOnComplete?: boolean | number | Kept | undefined;
  /**
   * Which jobs that have failed for good are kept: `{ age, count }`, a count, false for all, true for none.
   * @default false
   */
  readonly removeOnFail?: boolean | number | Kept | undefined;
  /** Other options of a job of BullMQ, as BullMQ has them. Those above take precedence. @default none */
  readonly bullmq?: JobsOptions | undefined;
}

/** How jobs with the same key are made one. */
export interface DeduplicationRules {
  /** How long the key counts. @default until the job has finished */
  readonly ttl?: Duration | undefined;
  /** True: each job that is left out starts `ttl` anew. @default false */
  readonly extend?: boolean | undefined;
  /** True: the new job replaces one that is still delayed. @default false */
  readonly replace?: boolean | undefined;
  /** True: of the jobs that are added while one is running, the last is run after it. @default false */
  readonly keepLastIfActive?: boolean | undefined;
}

/** The schema of `DeduplicationRules`. */
export const deduplicationRules = {
  ttl: duration({ min: 1 }),
  extend: flag(false),
  replace: flag(false),
  keepLastIfActive: flag(false),
} satisfies Record<keyof DeduplicationRules, Option<unknown>>;

/** What is read is what BullMQ takes. */
export const jobOptions = {
  attempts: integer({ min: 1, default: 1 }),
  backoff: custom(
    "a duration, or an object such as { type: 'exponential', delay: '1s' }",
    readBackoff,
    undefined,
  ) as Option<number | BackoffOptions | undefined>,
  priority: integer({ min: 0, max: 2_097_151, default: 0 }),
  lifo: flag(false),
  removeOnComplete: kept(),
  removeOnFail: kept(),
  bullmq: unchecked<JobsOptions>('an object of options of BullMQ'),
} satisfies Record<keyof JobOptions, Option<unknown>>;

export type ParsedJobOptions = ParsedOptions<typeof jobOptions>;

/** BullMQ keeps every job that has succeeded. On a Redis that does not evict, they would fill the memory. */
const DEFAULTS: JobsOptions = { removeOnComplete: { age: 86_400, count: 1_000 } };

/** Joins options of a queue and of a job; the later ones take precedence. */
export function toBullmq(...parsed: readonly ParsedJobOptions[]): JobsOptions {
  const joined = { ...DEFAULTS };
  for (const { bullmq, ...own } of parsed) Object.assign(joined, bullmq, own);
  return joined;
}

function readBackoff(value: unknown): number | BackoffOptions | undefined {
  if (typeof value !== 'object' || value === null) return readDuration(value);
  const { type, delay, jitter, ...others } = value as Backoff;
  const ms = delay === undefined ? 0 : readDuration(delay);
  if (typeof type !== 'string' || ms === undefined || Object.keys(others).length > 0) return undefined;
  if (jitter === undefined) return { type, delay: ms };
  return typeof jitter === 'number' && jitter >= 0 && jitter <= 1 ? { type, delay: ms, jitter } : undefined;
}

function kept(): Option<boolean | number | KeepJobs | undefined> {
  return custom('true, false, a count, or an object of age and count', readKept, undefined) as Option<
    boolean | number | KeepJobs | undefined
  >;
}

function readKept(value: unknown): boolean | number | KeepJobs | undefined {
  if (typeof value === 'boolean') return value;
  if (isCount(value)) return value;
  if (typeof value !== 'object' || value === null) return undefined;
  const { age, count, ...others } = value as Kept;
  const ms = readDuration(age);
  if (Object.keys(others).length > 0 || (count !== undefined && !isCount(count))) return undefined;
  if (age === undefined) return count === undefined ? undefined : { count };
  if (ms === undefined) return undefined;
  // BullMQ counts in seconds.
  const seconds = Math.ceil(ms / 1_000);
  return count === undefined ? { age: seconds } : { age: seconds, count };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
