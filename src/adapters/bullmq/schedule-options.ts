import type { JobSchedulerTemplateOptions, RepeatOptions } from 'bullmq';
import type { Duration } from '../../core/shared/duration.js';
import { OptionsError } from '../../core/shared/errors.js';
import {
  custom,
  duration,
  flag,
  integer,
  parseOptions,
  text,
  type Option,
} from '../../core/shared/option-schema.js';
import { jobOptions, toBullmq, type JobOptions, type ParsedJobOptions } from './job-options.js';

/** When a scheduler makes jobs: `every` or `pattern`, and the rest of this. */
export interface RepeatTimes {
  /** The time between two jobs: 1 ms or more. The first one is run at once, unless `startDate` is later. */
  readonly every?: Duration | undefined;
  /** A cron expression, with seconds if it has six fields: `'0 3 * * *'` is each day at three. */
  readonly pattern?: string | undefined;
  /** The time zone of `pattern`. @default that of the process that runs the job before it */
  readonly tz?: string | undefined;
  /** How many jobs are made. @default no end */
  readonly limit?: number | undefined;
  /** No job is made before. @default now */
  readonly startDate?: Date | undefined;
  /** No job is made after. @default no end */
  readonly endDate?: Date | undefined;
  /** True: with `pattern`, the first job is run at once. @default false */
  readonly immediately?: boolean | undefined;
}

/** When a scheduler makes jobs. */
export type Repeat = RepeatTimes &
  (
    | { readonly every: Duration; readonly pattern?: undefined }
    | { readonly pattern: string; readonly every?: undefined }
  );

const date = custom(
  'a Date',
  (value) => (value instanceof Date && !Number.isNaN(value.getTime()) ? value : undefined),
  undefined,
) as Option<Date | undefined>;

/** The schema of `RepeatTimes`. */
export const repeatOptions = {
  every: duration({ min: 1 }),
  pattern: text('0 3 * * *'),
  tz: text('Europe/Berlin'),
  limit: integer({ min: 1 }),
  startDate: date,
  endDate: date,
  immediately: flag(false),
} satisfies Record<keyof RepeatTimes, Option<unknown>>;

/** The options of `jobs(caching).schedule`. */
export interface ScheduleOptions extends JobOptions {
  /** The name of the jobs, for those who look at the queue. @default the name of the queue */
  readonly name?: string | undefined;
}

/** The schema of `ScheduleOptions`. */
export const scheduleOptions = { ...jobOptions, name: text('nightly') } satisfies Record<
  keyof ScheduleOptions,
  Option<unknown>
>;

/** @throws OptionsError */
export function toRepeat(repeat: Repeat, label: string): Omit<RepeatOptions, 'key'> {
  const parsed = parseOptions(repeatOptions, repeat, label);
  if ((parsed.every === undefined) !== (parsed.pattern === undefined))
    return parsed as Omit<RepeatOptions, 'key'>;
  throw new OptionsError(
    `${label} takes one of every and pattern: { every: '1h' }, or { pattern: '0 3 * * *' }; ` +
      `${parsed.every === undefined ? 'neither' : 'both'} was given.`,
  );
}

export function toTemplate(...parsed: readonly ParsedJobOptions[]): JobSchedulerTemplateOptions {
  return toBullmq(...parsed);
}
