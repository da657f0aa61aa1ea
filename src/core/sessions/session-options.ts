import { custom, duration, flag, integer, text, unchecked, type Option } from '../shared/option-schema.js';
import type { Duration } from '../shared/duration.js';
import { schemaOption, type StandardSchema } from '../values/schema.js';

/** What all session stores have. */
export interface SessionTimes {
  /**
   * A session ends when it was not used for this long. At least 1 s.
   * @default '30m'
   */
  readonly ttl?: Duration | undefined;
  /**
   * A session ends at the latest this long after it was created, however much it is used. A login (`rotate` with a `user`)
   * begins anew.
   * @default not bounded
   */
  readonly maxAge?: Duration | undefined;
  /**
   * Separates the sessions of one `Caching`: those of staff and of customers, say. 1 to 32 characters out of A-Z a-z 0-9 _ -.
   * @default 'app'
   */
  readonly name?: string | undefined;
  /**
   * The maximum size of the encoded data of a session, in bytes. A larger one is refused with a ValueError: every request reads
   * the whole session.
   * @default 65536
   */
  readonly maxValueBytes?: number | undefined;
}

/** The options of `new Sessions`. */
export interface SessionsOptions<Data = unknown> extends SessionTimes {
  /**
   * Whether `get` and `update` extend the session by `ttl`. False: it ends `ttl` after it was created, or after the last
   * `touch`.
   * @default true
   */
  readonly rolling?: boolean | undefined;
  /**
   * A schema of zod, valibot or any other library with the Standard Schema interface. It checks, and may transform, the data
   * of each session that is written or read. A stored session that it rejects is not found.
   * @default none
   */
  readonly schema?: StandardSchema<Data> | undefined;
}

/** The options of `create`. */
export interface CreateSessionOptions {
  /**
   * Whose session it is, for `list` and `revokeAll`.
   * @default nobody's
   */
  readonly user?: string | undefined;
}

/** The options of `get`. */
export interface GetSessionOptions {
  /**
   * Whether this call extends the session. False for requests that the user does not make, such as polling.
   * @default that of the `Sessions`
   */
  readonly rolling?: boolean | undefined;
}

/** The options of `rotate`. */
export interface RotateSessionOptions<Data = unknown> {
  /**
   * Who has logged in.
   * @default who it was before
   */
  readonly user?: string | undefined;
  /**
   * Data that replace those of the session in the same step.
   * @default they stay
   */
  readonly data?: Data | undefined;
}

/** The options of `revokeAll`. */
export interface RevokeAllOptions {
  /**
   * The id of a session that stays valid, mostly that of the request. It is ignored if it is not a valid session of the user.
   * @default none
   */
  readonly except?: string | undefined;
}

/** The largest duration, 10 years: its end is still a date that Redis accepts. */
const MAX_MS = 10 * 365 * 86_400_000;
const MIN_MS = 1_000;

/** The schema of `SessionTimes`, with the defaults of a store. */
export function sessionTimes(ttl: string, name: string) {
  return {
    ttl: duration({ min: MIN_MS, max: MAX_MS, default: ttl }),
    maxAge: duration({ min: MIN_MS, max: MAX_MS }),
    name: custom(
      "1 to 32 characters out of A-Z a-z 0-9 _ -, such as 'staff'",
      (value) => (typeof value === 'string' && /^[\w-]{1,32}$/.test(value) ? value : undefined),
      name,
    ),
    maxValueBytes: integer({ min: 1, of: 'bytes', default: 65_536 }),
  } satisfies Record<keyof SessionTimes, Option<unknown>>;
}

/** The schema of `SessionsOptions`. */
export const sessionsOptions = {
  ...sessionTimes('30m', 'app'),
  rolling: flag(true),
  schema: schemaOption,
} satisfies Record<keyof SessionsOptions, Option<unknown>>;

/** The schema of `CreateSessionOptions`. */
export const createOptions = { user: text('u42') } satisfies Record<
  keyof CreateSessionOptions,
  Option<unknown>
>;

/** The schema of `GetSessionOptions`. */
export const getOptions = { rolling: flag() } satisfies Record<keyof GetSessionOptions, Option<unknown>>;

/** The schema of `RotateSessionOptions`. */
export const rotateOptions = {
  user: text('u42'),
  data: unchecked<unknown>('the data of a session'),
} satisfies Record<keyof RotateSessionOptions, Option<unknown>>;

/** The schema of `RevokeAllOptions`. */
export const revokeAllOptions = {
  except: unchecked<string>('the id of a session'),
} satisfies Record<keyof RevokeAllOptions, Option<unknown>>;
