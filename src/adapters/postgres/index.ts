import type { Caching } from '../../core/caching.js';
import { withContext } from '../../core/keys/context.js';
import type { Clock, Timer } from '../../core/ports/clock.js';
import { Backoff } from '../../core/shared/backoff.js';
import { OptionsError } from '../../core/shared/errors.js';
import { EventPublisher } from '../../core/shared/event-publisher.js';
import { parseOptions } from '../../core/shared/option-schema.js';
import { systemClock } from '../../core/shared/system-clock.js';
import {
  invalidateOnNotifyOptions,
  type ChangedRow,
  type InvalidateOnNotifyOptions,
  type PostgresClient,
  type TableRule,
} from './notify-options.js';
import { readNotification } from './notification.js';

export type {
  ChangedRow,
  InvalidateOnNotifyOptions,
  PostgresClient,
  RowTarget,
  TableRule,
} from './notify-options.js';

/** Listens to PostgreSQL until it is closed. */
export interface NotifyListener {
  /** Resolves when it listens, and what changed before is invalidated. Attempts go on until it does or is closed. */
  ready(): Promise<void>;
  /** Ends the connection. Idempotent. */
  close(): Promise<void>;
}

const INITIAL_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;

/**
 * Invalidates entries when rows of PostgreSQL change, whoever changes them: listens to a channel that triggers notify
 * (docs/other-writers.md has the trigger function).
 *
 * PostgreSQL keeps no notification for a client that is not connected. So each time it has connected, also the first time, it
 * invalidates the tags of all tables. A lost connection is opened again, after pauses from 0.1 s to 5 s. Failures are published
 * as `error` events, with the operation `notify`.
 *
 * @throws OptionsError
 * @example
 * const listener = invalidateOnNotify({
 *   caching,
 *   client: () => new pg.Client('postgres://localhost/shop'),
 *   tables: {
 *     prices: 'prices',
 *     users: { tag: 'users', row: ({ id }) => ({ keys: [['user', id]] }) },
 *   },
 * });
 * await listener.ready();
 */
export function invalidateOnNotify(options: InvalidateOnNotifyOptions): NotifyListener {
  const label = 'invalidateOnNotify({ ... })';
  const {
    caching,
    client,
    tables,
    channel = 'cachement',
    heartbeat = 5_000,
  } = parseOptions(invalidateOnNotifyOptions, options, label);
  if (typeof caching?.cache?.invalidate !== 'function') {
    throw new OptionsError(`${label} needs the option caching: a Caching.`);
  }
  if (client === undefined) {
    throw new OptionsError(`${label} needs the option client: () => new pg.Client('postgres://...').`);
  }
  const rules = readTables(tables, label);
  return new Listener({ caching, client, rules, channel, heartbeatMs: heartbeat, clock: systemClock });
}

/** @throws OptionsError */
function readTables(tables: unknown, label: string): ReadonlyMap<string, TableRule | string> {
  const entries = typeof tables === 'object' && tables !== null ? Object.entries(tables) : [];
  if (entries.length === 0) {
    throw new OptionsError(`${label} needs the option tables: a tag or { tag, row } for each table.`);
  }
  for (const [table, rule] of entries as [string, Partial<TableRule> | string | undefined][]) {
    const isRule = typeof rule === 'object' && isTag(rule?.tag) && typeof rule?.row === 'function';
    if (!isTag(rule) && !isRule) {
      throw new OptionsError(
        `tables.${table} of ${label} is a tag, such as 'users', or { tag: 'users', row: (row) => ({ keys: [...] }) }.`,
      );
    }
  }
  return new Map(entries as [string, TableRule | string][]);
}

function isTag(tag: unknown): tag is string {
  return typeof tag === 'string' && tag !== '';
}

interface ListenerSetup {
  readonly caching: Caching;
  readonly client: () => PostgresClient;
  readonly rules: ReadonlyMap<string, TableRule | string>;
  readonly channel: string;
  readonly heartbeatMs: number;
  readonly clock: Clock;
}

class Listener implements NotifyListener {
  readonly #setup: ListenerSetup;
  readonly #events: EventPublisher;
  readonly #backoff: Backoff;
  readonly #ready: Promise<void>;
  #setReady!: () => void;
  /** The connection that there is, or that is being opened. */
  #client: PostgresClient | undefined;
  #timer: Timer | undefined;
  #closed = false;

  constructor(setup: ListenerSetup) {
    this.#setup = setup;
    this.#events = new EventPublisher(setup.caching.namespace);
    this.#backoff = new Backoff(setup.clock, INITIAL_PAUSE_MS, MAX_PAUSE_MS);
    this.#ready = new Promise((resolve) => {
      this.#setReady = resolve;
    });
    this.#connect();
  }

  ready(): Promise<void> {
    return this.#ready;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#setReady();
    this.#timer?.cancel();
    const client = this.#client;
    this.#client = undefined;
    if (client !== undefined) await end(client, this.#setup);
  }

  #connect(): void {
    let client: PostgresClient;
    try {
      client = this.#client = this.#setup.client();
    } catch (error) {
      this.#reconnect(error);
      return;
    }
    client.on('error', (error) => this.#lose(client, error));
    client.on('end', () => this.#lose(client, new Error('The connection to PostgreSQL has ended.')));
    client.on('notification', ({ payload }) => {
      if (client === this.#client) this.#changed(payload);
    });
    this.#listen(client).catch((error: unknown) => this.#lose(client, error));
  }

  async #listen(client: PostgresClient): Promise<void> {
    await this.#inTime(client.connect());
    await this.#inTime(client.query(`LISTEN "${this.#setup.channel}"`));
    if (client !== this.#client) return;
    // After LISTEN, so that what changes meanwhile is notified. At the start, too: nobody may have listened before.
    // guard: what-was-not-notified-is-invalidated
    await Promise.all([...this.#setup.rules.keys()].map((table) => this.#invalidateTable(table)));
    this.#backoff.reset();
    this.#setReady();
    this.#checkLater(client);
  }

  /** A connection may be dead without a sign of it. */
  #checkLater(client: PostgresClient): void {
    if (client !== this.#client) return;
    this.#timer = this.#setup.clock.after(this.#setup.heartbeatMs, () => {
      this.#inTime(client.query('SELECT 1')).then(
        () => this.#checkLater(client),
        (error: unknown) => this.#lose(client, error),
      );
    });
  }

  /** @throws Error if the server does not answer within a heartbeat, and what `answer` rejects with */
  #inTime(answer: Promise<unknown>): Promise<unknown> {
    const { clock, heartbeatMs } = this.#setup;
    return new Promise((resolve, reject) => {
      const message = `PostgreSQL has not answered within ${heartbeatMs} ms.`;
      const timer = clock.after(heartbeatMs, () => reject(new Error(message)));
      answer.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  #lose(client: PostgresClient, error: unknown): void {
    if (client !== this.#client) return;
    this.#client = undefined;
    this.#timer?.cancel();
    void end(client, this.#setup);
    this.#reconnect(error);
  }

  #reconnect(error: unknown): void {
    this.#events.error('notify', {}, error);
    if (!this.#closed) this.#timer = this.#setup.clock.after(this.#backoff.next(), () => this.#connect());
  }

  #changed(payload: string | undefined): void {
    const notification = readNotification(payload);
    const rule = notification === undefined ? undefined : this.#setup.rules.get(notification.table);
    if (notification === undefined || rule === undefined) {
      // It may be about any table.
      // guard: unreadable-notification-is-about-every-table
      for (const table of this.#setup.rules.keys()) void this.#invalidateTable(table);
      const reason =
        notification === undefined ? 'cannot be read' : 'names a table that is not in the option tables';
      this.#events.error(
        'notify',
        {},
        new Error(`A notification ${reason}: ${String(payload).slice(0, 200)}`),
      );
      return;
    }
    const { table, rows } = notification;
    if (typeof rule === 'string' || rows.length === 0) void this.#invalidateTable(table);
    else for (const row of rows) void this.#invalidateRow(table, rule, row);
  }

  /** Never rejects. */
  async #invalidateRow(table: string, { row: targetOf }: TableRule, row: ChangedRow): Promise<void> {
    try {
      const { context = {}, ...target } = targetOf(row);
      await withContext(context, () => this.#setup.caching.cache.invalidate(target));
    } catch (error) {
      this.#events.error('notify', {}, error);
      // guard: row-that-cannot-be-mapped-invalidates-its-table
      await this.#invalidateTable(table);
    }
  }

  /** Never rejects. An invalidation that the store does not confirm is queued by the `Caching`. */
  async #invalidateTable(table: string): Promise<void> {
    const rule = this.#setup.rules.get(table)!;
    const tag = typeof rule === 'string' ? rule : rule.tag;
    try {
      // The tag of a table is one of all contexts.
      await this.#setup.caching.verbs({ context: false }).cache.invalidate({ tags: [tag] });
    } catch (error) {
      this.#events.error('notify', {}, error);
    }
  }
}

/** Ends a connection, which does not answer any more perhaps. Never rejects. */
function end(client: PostgresClient, { clock, heartbeatMs }: ListenerSetup): Promise<void> {
  return new Promise((resolve) => {
    // guard: silent-connection-is-destroyed
    const timer = clock.after(heartbeatMs, () => {
      client.connection?.stream?.destroy();
      resolve();
    });
    client
      .end()
      .catch(() => {})
      .finally(() => {
        timer.cancel();
        resolve();
      });
  });
}
