import { milliseconds, type Duration } from './duration.js';
import { OptionsError } from './errors.js';

/** How entries live. Every option may stand on the call or the decorator, or in `new Caching({ defaults })`. */
export interface PolicyOptions {
  /**
   * How long a value may be returned, counted from the start of its load. There is no entry without one.
   * @default none: it must be given here or in the defaults
   */
  readonly ttl?: Duration | undefined;
  /**
   * The life of `null` and `undefined`; 0: they are not stored.
   * @default the ttl: they are values like any other
   */
  readonly negativeTtl?: Duration | undefined;
  /**
   * The greatest share of the ttl that is taken off at random, so that entries made together do not end
   * together. It only ever shortens.
   * @default 0.1
   */
  readonly jitter?: number | undefined;
  /**
   * How long a loader that dies keeps others from loading the same key. A loader that lives extends its lease,
   * for at most 20 times this long.
   * @default '5s'
   */
  readonly lease?: Duration | undefined;
  /**
   * How long a call waits for another process' load of the same key before it runs its own (whose result is
   * returned and not stored).
   * @default '5s'
   */
  readonly wait?: Duration | undefined;
  /**
   * What keeps all but one of the processes from loading a cold key: `lease`, a lease in the entry's own key, or
   * `lock`, the lock `cache:<key>` as well. Where locks are on servers of their own, a load then runs once even when
   * the entries' server fails over while it runs. It costs a round trip more. A lock that cannot be had delays a
   * call, and hinders none: it goes on with the lease alone, and publishes an `error`.
   * @default 'lease'
   */
  readonly stampede?: 'lease' | 'lock' | undefined;
  /**
   * The most that a call may lose to a slow or dead store before its method runs.
   * @default '250ms'
   */
  readonly budget?: Duration | undefined;
  /**
   * An entry also takes over the tags, with their nonces, of the cached calls made while it was loaded.
   * @default false
   */
  readonly inheritTags?: boolean | undefined;
  /**
   * What to do with a value that would not come back equal (a class instance, a function): `throw` a
   * ValueError to the caller, or `bypass`: return it, store nothing, publish `refused`.
   * @default 'throw'
   */
  readonly onUnsupported?: 'throw' | 'bypass' | undefined;
  /**
   * A larger encoded value is returned and not stored.
   * @default 8 MiB
   */
  readonly maxValueBytes?: number | undefined;
}

/** The same, resolved once: call over defaults over the library's own. */
export interface Policy {
  readonly ttl: number;
  readonly negativeTtl: number;
  readonly jitter: number;
  readonly lease: number;
  readonly wait: number;
  readonly stampede: 'lease' | 'lock';
  readonly budget: number;
  readonly inheritTags: boolean;
  readonly onUnsupported: 'throw' | 'bypass';
  readonly maxValueBytes: number;
}

const KNOWN: readonly (keyof PolicyOptions)[] = [
  'ttl',
  'negativeTtl',
  'jitter',
  'lease',
  'wait',
  'stampede',
  'budget',
  'inheritTags',
  'onUnsupported',
  'maxValueBytes',
];

/** What may happen to an invalidation that the store cannot take: go on in the background, or tell the caller. */
export type OnUnavailable = 'queue' | 'throw';

/**
 * @param where names the place in errors: `@Cached on Users.find`, `new Caching({ defaults })`
 * @throws OptionsError for a value that cannot be
 */
export function resolvePolicy(options: PolicyOptions, defaults: PolicyOptions, where: string): Policy {
  const ttl = options.ttl ?? defaults.ttl;
  if (ttl === undefined) {
    throw new OptionsError(
      `${where} has no ttl, and no entry is stored without one. Give it a ttl ('15m'), or give ` +
        `new Caching({ defaults: { ttl: '5m' } }) one for all.`,
    );
  }
  const life = positive(milliseconds(ttl, `ttl of ${where}`), ttl, `ttl of ${where}`);
  const negative = options.negativeTtl ?? defaults.negativeTtl;
  const lease = options.lease ?? defaults.lease ?? 5_000;
  const onUnsupported = options.onUnsupported ?? defaults.onUnsupported ?? 'throw';
  if (onUnsupported !== 'throw' && onUnsupported !== 'bypass') {
    throw new OptionsError(
      `onUnsupported of ${where} is 'throw' or 'bypass', and ${String(onUnsupported)} was given.`,
    );
  }
  const stampede = options.stampede ?? defaults.stampede ?? 'lease';
  if (stampede !== 'lease' && stampede !== 'lock') {
    throw new OptionsError(`stampede of ${where} is 'lease' or 'lock', and ${String(stampede)} was given.`);
  }
  return Object.freeze({
    ttl: life,
    negativeTtl: negative === undefined ? life : milliseconds(negative, `negativeTtl of ${where}`),
    jitter: share(options.jitter ?? defaults.jitter ?? 0.1, where),
    lease: positive(milliseconds(lease, `lease of ${where}`), lease, `lease of ${where}`),
    wait: milliseconds(options.wait ?? defaults.wait ?? 5_000, `wait of ${where}`),
    stampede,
    budget: milliseconds(options.budget ?? defaults.budget ?? 250, `budget of ${where}`),
    inheritTags: options.inheritTags ?? defaults.inheritTags ?? false,
    onUnsupported,
    maxValueBytes: bytes(options.maxValueBytes ?? defaults.maxValueBytes ?? 8 * 1024 * 1024, where),
  });
}

/**
 * Refuses option names that nobody reads: a misspelled `tll` must not pass for a choice.
 * @throws OptionsError
 */
export function checkNames(options: object, known: readonly string[], where: string): void {
  if (options === null || typeof options !== 'object') {
    throw new OptionsError(`${where} takes an object of options, and ${String(options)} was given.`);
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new OptionsError(`${where} has no option '${name}'. It has: ${known.join(', ')}.`);
    }
  }
}

export const policyNames: readonly string[] = KNOWN;

function positive(ms: number, given: unknown, what: string): number {
  if (ms > 0) return ms;
  throw new OptionsError(`${what} is more than 0, and ${String(given)} was given.`);
}

function share(jitter: number, where: string): number {
  if (typeof jitter === 'number' && jitter >= 0 && jitter <= 0.9) return jitter;
  throw new OptionsError(
    `jitter of ${where} is a share of the ttl from 0 to 0.9, and ${String(jitter)} was given.`,
  );
}

function bytes(max: number, where: string): number {
  if (Number.isSafeInteger(max) && max > 0) return max;
  throw new OptionsError(
    `maxValueBytes of ${where} is a whole number of bytes, more than 0, and ${String(max)} was given.`,
  );
}
