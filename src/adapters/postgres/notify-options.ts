import type { InvalidationTargetOptions } from '../../core/cache/cache.js';
import type { Caching } from '../../core/caching.js';
import type { ContextParts } from '../../core/keys/context.js';
import type { Duration } from '../../core/shared/duration.js';
import { callback, duration, matching, unchecked, type Option } from '../../core/shared/option-schema.js';

/** What is used of a `Client` of pg. */
export interface PostgresClient {
  connect(): Promise<unknown>;
  query(text: string): Promise<unknown>;
  end(): Promise<void>;
  on(event: 'notification', listener: (message: { readonly payload?: string | undefined }) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  /** Its socket, to end a connection on which nothing arrives any more. */
  readonly connection?: { readonly stream?: { destroy(): unknown } };
}

/** The columns of a row that the trigger sends, by name, as text. */
export type ChangedRow = Readonly<Record<string, string | null | undefined>>;

/** What a changed row invalidates. `context` are the parts of its keys and tags (docs/context.md). */
export interface RowTarget extends InvalidationTargetOptions {
  readonly context?: ContextParts | undefined;
}

/** The entries that depend on a table. */
export interface TableRule {
  /**
   * The tag of every entry that depends on the table. It is invalidated if it is not known which rows have changed: after a
   * lost connection, after TRUNCATE, and by triggers that send no row.
   */
  readonly tag: string;
  /** Returns what a row invalidates. Called for the row before and after its change. */
  readonly row: (row: ChangedRow) => RowTarget;
}

export interface InvalidateOnNotifyOptions {
  /** The `Caching` whose entries are invalidated. It is not closed with the listener. */
  readonly caching: Caching;
  /** Creates a client of pg that is not connected. Called for every connection. */
  readonly client: () => PostgresClient;
  /**
   * The entries that depend on each table, by the name that its triggers send: a tag, which every change of the table
   * invalidates; or a tag, and a function of a row.
   */
  readonly tables: Readonly<Record<string, string | TableRule>>;
  /** The channel that the triggers notify. @default 'cachement' */
  readonly channel?: string | undefined;
  /**
   * How often the connection is checked, and how long the server may take to answer: from 100 ms to a minute. A connection
   * that is silently dead is replaced after two of these times.
   * @default '5s'
   */
  readonly heartbeat?: Duration | undefined;
}

/** The schema of `InvalidateOnNotifyOptions`: names, checks and defaults. */
export const invalidateOnNotifyOptions = {
  caching: unchecked<Caching>('a Caching'),
  client: callback<() => PostgresClient>(),
  tables: unchecked<Readonly<Record<string, string | TableRule>>>(
    'an object: a tag or { tag, row } by table',
  ),
  channel: matching(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, "a name of letters, digits and _, such as 'cachement'"),
  heartbeat: duration({ min: 100, max: 60_000, default: '5s' }),
} satisfies Record<keyof InvalidateOnNotifyOptions, Option<unknown>>;
