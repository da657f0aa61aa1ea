import type { WorkerOptions } from 'bullmq';
import type { Duration } from '../../core/shared/duration.js';
import {
  custom,
  duration,
  integer,
  unchecked,
  type Option,
  type ParsedOptions,
} from '../../core/shared/option-schema.js';
import { readDuration } from '../../core/shared/duration.js';

/** What of the options of a BullMQ worker is passed on. */
export type BullmqWorkerOptions = Omit<WorkerOptions, 'connection' | 'prefix' | 'autorun'>;

/** The options of `@Processes`. */
export interface ProcessesOptions {
  /** How many jobs this process runs at the same time: 1 or more. @default 1 */
  readonly concurrency?: number | undefined;
  /**
   * How many jobs all processes together start in a time, such as `{ max: 10, duration: '1s' }`.
   * @default not bounded
   */
  readonly limiter?: { readonly max: number; readonly duration: Duration } | undefined;
  /**
   * After how long a job counts as stalled whose process has died or hangs: 1 s or more. A process that works extends it
   * twice in that time.
   * @default '30s'
   */
  readonly lockDuration?: Duration | undefined;
  /** How often stalled jobs are looked for, to be run again: 1 s or more. @default '30s' */
  readonly stalledInterval?: Duration | undefined;
  /** How often a job is run again because it has stalled. Then it fails for good. @default 1 */
  readonly maxStalledCount?: number | undefined;
  /** Other options of a worker of BullMQ, as BullMQ has them. Those above take precedence. @default none */
  readonly bullmq?: BullmqWorkerOptions | undefined;
}

/** The schema of `ProcessesOptions`. What is read is what BullMQ takes. */
export const processesOptions = {
  concurrency: integer({ min: 1, default: 1 }),
  limiter: custom("an object such as { max: 10, duration: '1s' }", readLimiter, undefined) as Option<
    { readonly max: number; readonly duration: number } | undefined
  >,
  lockDuration: duration({ min: 1_000, default: '30s' }),
  stalledInterval: duration({ min: 1_000, default: '30s' }),
  maxStalledCount: integer({ min: 0, default: 1 }),
  bullmq: unchecked<BullmqWorkerOptions>('an object of options of BullMQ'),
} satisfies Record<keyof ProcessesOptions, Option<unknown>>;

export type ParsedProcessesOptions = ParsedOptions<typeof processesOptions>;

export function toWorkerOptions({ bullmq, ...own }: ParsedProcessesOptions): BullmqWorkerOptions {
  return { ...bullmq, ...own } as BullmqWorkerOptions;
}

function readLimiter(value: unknown): { readonly max: number; readonly duration: number } | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { max, duration, ...others } = value as { readonly max?: unknown; readonly duration?: unknown };
  const ms = readDuration(duration, { min: 1 });
  if (ms === undefined || Object.keys(others).length > 0) return undefined;
  return typeof max === 'number' && Number.isSafeInteger(max) && max >= 1 ? { max, duration: ms } : undefined;
}
