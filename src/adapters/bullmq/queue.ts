import { describe } from '../../core/shared/describe.js';
import { OptionsError } from '../../core/shared/errors.js';
import { custom, parseOptions, type Option } from '../../core/shared/option-schema.js';
import { brand } from '../../core/shared/registry.js';
import {
  schemaOption,
  type SchemaInput,
  type SchemaOutput,
  type StandardSchema,
} from '../../core/values/schema.js';
import { jobOptions, type JobOptions, type ParsedJobOptions } from './job-options.js';

/**
 * A queue: its name, and the types of its jobs. `Data` is what the method that processes a job gets, and `Result` what it
 * returns. `Input` is what is enqueued; a schema may transform it to `Data`.
 */
export interface JobQueue<out Data, out Result = unknown, in Input = Data> {
  readonly name: string;
  /** Only a type. */
  readonly '~data'?: Data;
  /** Only a type. */
  readonly '~result'?: Result;
  /** Only a type. */
  readonly '~input'?: (data: Input) => void;
}

/** The options of `defineQueue`. */
export interface DefineQueueOptions {
  /**
   * A schema of zod, valibot or any other library with the Standard Schema interface. It checks the data of a job, as JSON
   * keeps it, before the job is enqueued and before it is processed, and may transform it for the method that processes it. It
   * must validate synchronously.
   * @default none: the data is any value that JSON keeps equal
   */
  readonly schema?: StandardSchema | undefined;
  /** The defaults of the jobs of this queue. Options of a job take precedence. @default those of each option */
  readonly defaultJobOptions?: JobOptions | undefined;
}

/** The schema of `DefineQueueOptions`. */
export const defineQueueOptions = {
  schema: schemaOption,
  defaultJobOptions: custom(
    'an object of options',
    (value) => (typeof value === 'object' && value !== null ? value : undefined),
    undefined,
  ) as Option<JobOptions | undefined>,
} satisfies Record<keyof DefineQueueOptions, Option<unknown>>;

const QUEUE = brand('job queue');
const MAX_NAME_LENGTH = 100;

/** What is known of a queue at run time. */
export class QueueDefinition implements JobQueue<unknown> {
  readonly name: string;
  readonly schema: StandardSchema | undefined;
  readonly defaultJobOptions: ParsedJobOptions;

  constructor(name: string, schema: StandardSchema | undefined, defaultJobOptions: ParsedJobOptions) {
    this.name = name;
    this.schema = schema;
    this.defaultJobOptions = defaultJobOptions;
    Object.defineProperty(this, QUEUE, { value: true });
  }
}

/**
 * Defines a queue: its name, and the type of the data of its jobs, as a type argument or by a schema.
 *
 * @param name 1 to 100 characters out of A-Z a-z 0-9 _ . -
 * @throws OptionsError for an invalid name or option
 * @example
 * const emails = defineQueue<{ to: string }>('emails', { defaultJobOptions: { attempts: 5, backoff: '1s' } });
 * const reports = defineQueue('reports', { schema: z.object({ month: z.string() }) });
 */
export function defineQueue<S extends StandardSchema, Result = unknown>(
  name: string,
  options: DefineQueueOptions & { readonly schema: S },
): JobQueue<SchemaOutput<S>, Result, SchemaInput<S>>;
export function defineQueue<Data, Result = unknown>(
  name: string,
  options?: DefineQueueOptions & { readonly schema?: undefined },
): JobQueue<Data, Result>;
export function defineQueue(name: string, options: DefineQueueOptions = {}): JobQueue<unknown> {
  const expected = `name of defineQueue is a string of 1 to ${MAX_NAME_LENGTH} characters out of A-Z a-z 0-9 _ . -`;
  if (typeof name !== 'string' || !/^[\w.-]+$/.test(name) || name.length > MAX_NAME_LENGTH) {
    throw new OptionsError(`${expected} (such as 'emails'), and ${describe(name)} was given.`);
  }
  const label = `defineQueue('${name}', { ... })`;
  const { schema, defaultJobOptions = {} } = parseOptions(defineQueueOptions, options, label);
  return new QueueDefinition(
    name,
    schema,
    parseOptions(jobOptions, defaultJobOptions, `defaultJobOptions of ${label}`),
  );
}

/** @throws OptionsError for anything but what `defineQueue` of any copy of this package returns */
export function definitionOf(queue: JobQueue<unknown, unknown, never>, label: string): QueueDefinition {
  if (typeof queue === 'object' && queue !== null && QUEUE in queue) return queue as QueueDefinition;
  throw new OptionsError(
    `${label} takes a queue, such as defineQueue('emails'), and ${describe(queue)} was given.`,
  );
}
