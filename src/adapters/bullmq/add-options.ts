import type { DeduplicationOptions } from 'bullmq';
import { contextOption, type ContextOfCall, type KeyContext } from '../../core/keys/context.js';
import { logicalKey, type Key } from '../../core/keys/key.js';
import { quote } from '../../core/shared/describe.js';
import type { Duration } from '../../core/shared/duration.js';
import { KeyError, OptionsError } from '../../core/shared/errors.js';
import {
  custom,
  duration,
  parseOptions,
  text,
  unchecked,
  type Option,
} from '../../core/shared/option-schema.js';
import { deduplicationRules, jobOptions, type DeduplicationRules, type JobOptions } from './job-options.js';

/** The options of `jobs(caching).add`. */
export interface AddOptions extends JobOptions {
  /** How long until the job may be run. @default 0 */
  readonly delay?: Duration | undefined;
  /**
   * The id of the job. While a job with this id exists, also one that has finished and is kept, another one is not added. It
   * has no ':', and is not a number.
   * @default a number
   */
  readonly jobId?: Key | undefined;
  /**
   * A key, and rules. While a job with this key waits or runs, or for `ttl`, another one is not added.
   * @default every job is added
   */
  readonly deduplication?: (DeduplicationRules & { readonly key: Key }) | undefined;
  /** The name of the job, for those who look at the queue. @default the name of the queue */
  readonly name?: string | undefined;
  /**
   * Parts of the context that `jobId` and the key of `deduplication` have beside those of the `Caching`; or false: none
   * (docs/context.md).
   * @default those of the `Caching`
   */
  readonly context?: readonly string[] | false | undefined;
}

/** The options that say which job it is, with keys of any form. */
export const identityOptions = {
  delay: duration({ default: 0 }),
  jobId: unchecked<unknown>("a key, such as 'welcome-42'"),
  deduplication: custom(
    'an object of a key and rules',
    (value) => (typeof value === 'object' && value !== null && 'key' in value ? value : undefined),
    undefined,
  ) as Option<(DeduplicationRules & { readonly key: unknown }) | undefined>,
};

/** The schema of `AddOptions`. */
export const addOptions = {
  ...identityOptions,
  ...jobOptions,
  name: text('welcome'),
  context: contextOption,
} satisfies Record<keyof AddOptions, Option<unknown>>;

/** The rules of `deduplication`, without its key. @throws OptionsError */
export function parseRules(
  { key: _key, ...rules }: DeduplicationRules & { readonly key: unknown },
  label: string,
): Omit<DeduplicationOptions, 'id'> {
  const parsed = parseOptions(deduplicationRules, rules, `deduplication of ${label}`);
  return parsed as Omit<DeduplicationOptions, 'id'>;
}

/** Returns the id of a job. @throws KeyError for an id that BullMQ does not accept */
export function jobIdFrom(key: unknown, parts: ContextOfCall | undefined, label: string): string {
  const own = logicalKey(key as Key, label);
  const id = parts === undefined ? own : parts.key(own);
  // guard: job-id-is-one-of-bullmq
  if (!id.includes(':') && !/^\d+$/.test(id)) return id;
  throw new KeyError(
    `${label} is a key without ':' that is not a number, such as 'welcome-42', because BullMQ numbers jobs itself, and ` +
      `${quote(id)} was given.`,
  );
}

/** Checks a template when the class is defined. @throws OptionsError */
export function checkIdTemplate(template: unknown, label: string): void {
  if (typeof template !== 'string' || !template.includes(':')) return;
  throw new OptionsError(
    `${label} is a template without ':', such as 'welcome-{0}', because BullMQ accepts no id with it, and ${quote(template)} was given.`,
  );
}

/** Returns the id of a deduplication. @throws KeyError */
export function deduplicationIdFrom(key: unknown, parts: ContextOfCall | undefined, label: string): string {
  const own = logicalKey(key as Key, label);
  return parts === undefined ? own : parts.key(own);
}

/** The context that the keys of a job have; undefined if it has no keys. @throws MissingContextError */
export function contextOf(
  context: KeyContext | undefined,
  options: { readonly jobId?: unknown; readonly deduplication?: unknown },
  label: () => string,
): ContextOfCall | undefined {
  if (options.jobId === undefined && options.deduplication === undefined) return undefined;
  return context?.read(label);
}
