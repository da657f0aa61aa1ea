import { readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import pg from 'pg';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { memory } from '../../../src/adapters/memory/index.js';
import {
  invalidateOnNotify,
  type InvalidateOnNotifyOptions,
  type NotifyListener,
} from '../../../src/adapters/postgres/index.js';
import { Caching, type CachingOptions } from '../../../src/core/caching.js';
import { withContext } from '../../../src/core/keys/context.js';
import { createDecorators } from '../../../src/decorators/create-decorators.js';
import { recordEvents } from '../../../src/testing/record-events.js';
import { eventually } from '../../support/eventually.js';
import { startPostgres, type PostgresServer } from '../../support/postgres.js';
import { projectFolder } from '../../support/project-folder.js';
import { startProxy } from '../../support/proxy.js';
import { redisForFile } from '../../support/servers.js';

const PAGE = readFileSync(path.join(projectFolder, 'docs/other-writers.md'), 'utf8');
/** The statements of the page: the function of the triggers, and the triggers. */
const [FUNCTION = '', TRIGGERS = ''] = [...PAGE.matchAll(/^```sql\n(.*?)^```$/gms)].map(([, sql]) => sql!);
/** How old a read is at most, in ms, as the page says. */
const BOUND_MS = Number(/\*\*at most (\d+) s\*\*/.exec(PAGE)?.[1]) * 1_000;

const redis = redisForFile(test);
let postgres: PostgresServer;
test.before('start PostgreSQL', async (t) => {
  t.timeout(300_000);
  postgres = await startPostgres();
  // Every test has a database of its own, which is a copy of this one.
  await postgres.psql(FUNCTION, 'template1');
});
test.after.always('stop PostgreSQL', () => postgres?.stop());

let opened = 0;

/** The address of the server, by another port. */
function through(port: number, database?: string): string {
  return postgres.url(database).replace(`:${postgres.port}/`, `:${port}/`);
}

interface Shop {
  readonly caching: Caching;
  readonly listener: NotifyListener;
  errors(): readonly string[];
  /** Statements on tables of this test: `users (id, org, name)` and `prices (name, amount)`, with the triggers of the page. */
  psql(sql: string): Promise<string>;
  user(id: string): Promise<string | undefined>;
  prices(): Promise<string>;
}

interface Settings extends Partial<InvalidateOnNotifyOptions> {
  readonly adapter?: CachingOptions['adapter'];
  readonly context?: readonly string[];
  /** The port on which the listener connects: that of a proxy. */
  readonly port?: number;
  readonly created?: (client: pg.Client) => void;
  readonly triggers?: string;
}

async function open(t: ExecutionContext, settings: Settings = {}): Promise<Shop> {
  const {
    adapter = memory(),
    context,
    port = postgres.port,
    created,
    triggers = TRIGGERS,
    ...options
  } = settings;
  const name = `shop_${process.pid}_${++opened}`;
  const psql = (sql: string): Promise<string> => postgres.psql(sql, name);
  await postgres.psql(`CREATE DATABASE ${name}`);
  await psql(`
    CREATE TABLE users (id bigint PRIMARY KEY, org text, name text NOT NULL);
    CREATE TABLE prices (name text PRIMARY KEY, amount int NOT NULL);
    ${triggers}
    INSERT INTO users VALUES (42, 'acme', 'Ada'), (43, 'acme', 'Bob');
    INSERT INTO prices VALUES ('tea', 3);
  `);
  const caching = new Caching({
    adapter,
    namespace: name,
    defaults: { ttl: '1h', storeTimeout: '10s' },
    ...(context === undefined ? {} : { context }),
  });
  const { of, stop } = recordEvents(name);
  const { Cached } = createDecorators(caching);
  class Reads {
    @Cached({ key: 'user:{0}', tags: ['users'] })
    async user(id: string): Promise<string | undefined> {
      const found = await psql(`SELECT name FROM users WHERE id = ${id}`);
      return found === '' ? undefined : found;
    }

    @Cached({ key: 'prices', tags: ['prices'] })
    async prices(): Promise<string> {
      return psql('SELECT * FROM prices');
    }
  }
  const reads = new Reads();
  const listener = invalidateOnNotify({
    caching,
    client: () => {
      const client = new pg.Client(through(port, name));
      created?.(client);
      return client;
    },
    tables: {
      users: { tag: 'users', row: ({ id }) => ({ keys: [['user', id]] }) },
      prices: 'prices',
    },
    ...options,
  });
  t.teardown(async () => {
    await listener.close();
    await caching.close();
    stop();
  });
  await listener.ready();
  return {
    caching,
    listener,
    psql,
    errors: () => of('error').map(({ operation, error }) => `${operation}: ${(error as Error).message}`),
    user: (id) => reads.user(id),
    prices: () => reads.prices(),
  };
}

for (const [store, adapter] of [
  ['memory', () => memory()],
  ['Redis', () => ioredis(redis().url, { timeout: '10s' })],
] as const) {
  test(`a row changed by psql is seen by a cached read, within the time that the page states (${store})`, async (t) => {
    const { psql, user, prices } = await open(t, { adapter: adapter() });
    for (const { sql, id, expected } of [
      { sql: "UPDATE users SET name = 'Grace' WHERE id = 42", id: '42', expected: 'Grace' },
      { sql: "INSERT INTO users VALUES (44, 'acme', 'Carl')", id: '44', expected: 'Carl' },
      { sql: 'DELETE FROM users WHERE id = 42', id: '42', expected: undefined },
      { sql: 'UPDATE users SET id = 42 WHERE id = 44', id: '42', expected: 'Carl' },
      { sql: 'UPDATE users SET id = 45 WHERE id = 42', id: '42', expected: undefined },
      { sql: 'TRUNCATE users', id: '43', expected: undefined },
    ]) {
      t.not(await user(id), expected);
      await psql(sql);
      await eventually(sql, async () => (await user(id)) === expected, BOUND_MS);
    }
    t.is(await prices(), 'tea|3');
    for (const [sql, expected] of [
      ['UPDATE prices SET amount = 4', 'tea|4'],
      ["INSERT INTO prices VALUES ('jam', 5)", 'tea|4\njam|5'],
      ['TRUNCATE prices', ''],
    ] as const) {
      await psql(sql);
      await eventually(sql, async () => (await prices()) === expected, BOUND_MS);
    }
  });
}

test('a changed row ends its own entry, and no other', async (t) => {
  const { caching, psql, user } = await open(t);
  await user('42');
  await user('43');
  await psql("UPDATE users SET name = 'Grace' WHERE id = 42");
  await eventually('the new name', async () => (await user('42')) === 'Grace');
  t.true(await caching.cache.has('user:43'));
});

test('a change that is not committed ends nothing', async (t) => {
  const { caching, psql, user } = await open(t);
  await user('42');
  await psql("BEGIN; UPDATE users SET name = 'Grace' WHERE id = 42; ROLLBACK");
  await psql("UPDATE users SET name = 'Bert' WHERE id = 43");
  await eventually('a later change', async () => (await user('43')) === 'Bert');
  t.true(await caching.cache.has('user:42'));
});

test('the columns of a row keep all of their digits, and the trigger sends no others', async (t) => {
  const rows: unknown[] = [];
  const { psql } = await open(t, {
    tables: {
      users: {
        tag: 'users',
        row: (row) => {
          rows.push(row);
          return {};
        },
      },
      prices: 'prices',
    },
  });
  await psql("INSERT INTO users VALUES (9007199254740993, NULL, 'Zoe')");
  await eventually('a row', () => rows.length === 1);
  await psql('UPDATE users SET id = 9007199254740995 WHERE id = 9007199254740993');
  await eventually('the row before and after', () => rows.length === 3);
  t.deepEqual(rows[0], { id: '9007199254740993' });
  t.deepEqual(new Set(rows.slice(1)), new Set([{ id: '9007199254740993' }, { id: '9007199254740995' }]));
});

test('a row that is too large for a message ends the entries of its table', async (t) => {
  const triggers = TRIGGERS.replace("'users', 'id'", "'users', 'id', 'name'");
  const { caching, psql, user } = await open(t, { triggers });
  await user('42');
  await psql("UPDATE users SET name = repeat('x', 9000) WHERE id = 43");
  await eventually('the tag', async () => !(await caching.cache.has('user:42')));
  t.is((await user('43'))?.length, 9_000);
});

test('what changes while the connection is lost is invalidated when it is there again', async (t) => {
  const proxy = await startProxy(postgres);
  t.teardown(() => proxy.stop());
  const { psql, user, prices, errors } = await open(t, { port: proxy.port });
  t.is(await user('42'), 'Ada');
  t.is(await prices(), 'tea|3');
  const undo = proxy.down();
  proxy.resetConnections();
  await psql("UPDATE users SET name = 'Grace' WHERE id = 42; UPDATE prices SET amount = 4");
  t.is(await user('42'), 'Ada');
  await undo();
  await eventually('the name', async () => (await user('42')) === 'Grace', BOUND_MS);
  await eventually('the price', async () => (await prices()) === 'tea|4', BOUND_MS);
  t.true(errors().length > 0);
  // It listens again.
  await psql("UPDATE users SET name = 'Hedy' WHERE id = 42");
  await eventually('a later name', async () => (await user('42')) === 'Hedy', BOUND_MS);
});

test('a connection that is silently dead is replaced', async (t) => {
  const proxy = await startProxy(postgres);
  t.teardown(() => proxy.stop());
  const clients: pg.Client[] = [];
  const { psql, user } = await open(t, {
    heartbeat: '500ms',
    port: proxy.port,
    created: (client) => clients.push(client),
  });
  t.is(await user('42'), 'Ada');
  // Nothing arrives any more, and nothing is closed. A new connection goes through.
  const undo = proxy.timeout();
  await psql("UPDATE users SET name = 'Grace' WHERE id = 42");
  await eventually('a second connection', () => clients.length > 1);
  await undo();
  await eventually('the name', async () => (await user('42')) === 'Grace', BOUND_MS);
});

test('close ends a connection that is silently dead', async (t) => {
  const proxy = await startProxy(postgres);
  t.teardown(() => proxy.stop());
  const clients: pg.Client[] = [];
  const { listener } = await open(t, {
    heartbeat: '1s',
    port: proxy.port,
    created: (client) => clients.push(client),
  });
  proxy.timeout();
  await listener.close();
  await eventually('the socket is destroyed', () => socketOf(clients[0]!).destroyed);
  t.pass();
});

function socketOf(client: pg.Client): { readonly destroyed: boolean } {
  return (client as unknown as { connection: { stream: { destroyed: boolean } } }).connection.stream;
}

test('a connection that the server ends is replaced', async (t) => {
  const { psql, user, errors } = await open(t);
  t.is(await user('42'), 'Ada');
  await psql(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  );
  await eventually('it is noticed', () => errors().length > 0);
  await psql("UPDATE users SET name = 'Grace' WHERE id = 42");
  await eventually('the name', async () => (await user('42')) === 'Grace', BOUND_MS);
});

for (const payload of [
  '',
  '{',
  '[]',
  '{"table":7}',
  '{"table":"users","rows":{}}',
  '{"table":"users","rows":[7]}',
]) {
  test(`a notification that cannot be read ends the entries of all tables: ${payload}`, async (t) => {
    const channel = `own_${++opened}`;
    const { caching, psql, user, prices, errors } = await open(t, { channel });
    await user('42');
    await prices();
    await psql(`SELECT pg_notify('${channel}', '${payload}')`);
    await eventually('both', async () => (await caching.cache.getMany(['user:42', 'prices'])).size === 0);
    t.deepEqual(errors(), [`notify: A notification cannot be read: ${payload}`]);
  });
}

test('a notification of a table that is not mapped ends the entries of all tables, and is reported', async (t) => {
  const channel = `own_${++opened}`;
  const { caching, psql, user, prices, errors } = await open(t, { channel });
  await user('42');
  await prices();
  await psql(`SELECT pg_notify('${channel}', '{"table":"orders"}')`);
  await eventually('both', async () => (await caching.cache.getMany(['user:42', 'prices'])).size === 0);
  t.deepEqual(errors(), [
    'notify: A notification names a table that is not in the option tables: {"table":"orders"}',
  ]);
});

test('a row that cannot be mapped ends the entries of its table, and is reported', async (t) => {
  const { caching, psql, user, errors } = await open(t, {
    tables: {
      users: {
        tag: 'users',
        row: () => {
          throw new Error('no such column');
        },
      },
      prices: 'prices',
    },
  });
  await user('42');
  await psql("UPDATE users SET name = 'Bert' WHERE id = 43");
  await eventually('the tag', async () => !(await caching.cache.has('user:42')));
  t.true(errors().includes('notify: no such column'));
});

test('a row names the context of its keys, and the tags of tables are those of all contexts', async (t) => {
  const { caching, psql } = await open(t, {
    context: ['tenant'],
    triggers: TRIGGERS.replace("'users', 'id'", "'users', 'id', 'org'"),
    tables: {
      users: {
        tag: 'users',
        row: ({ id, org }) => ({ keys: [['user', id]], context: { tenant: org ?? '' } }),
      },
      prices: 'prices',
    },
  });
  const has = (tenant: string): Promise<boolean> =>
    withContext({ tenant }, () => caching.cache.has('user:42'));
  for (const tenant of ['acme', 'beta']) {
    await withContext({ tenant }, () => caching.cache.set('user:42', 1, { sharedTags: ['users'] }));
  }
  await psql("UPDATE users SET name = 'Grace' WHERE id = 42");
  await eventually('one tenant', async () => !(await has('acme')));
  t.true(await has('beta'));
  await psql('TRUNCATE users');
  await eventually('the other tenant', async () => !(await has('beta')));
});

test('without a server it tries again, until there is one or it is closed', async (t) => {
  const proxy = await startProxy(postgres);
  t.teardown(() => proxy.stop());
  const undo = proxy.down();
  const caching = new Caching({ adapter: memory(), namespace: `late_${++opened}`, defaults: { ttl: '1h' } });
  const { of, stop } = recordEvents(caching.namespace);
  t.teardown(async () => {
    await caching.close();
    stop();
  });
  const listener = invalidateOnNotify({
    caching,
    client: () => new pg.Client(through(proxy.port)),
    tables: { prices: 'prices' },
  });
  t.teardown(() => listener.close());
  await caching.cache.set('price', 3, { tags: ['prices'] });
  await eventually('two attempts', () => of('error').length >= 2);
  t.true(await caching.cache.has('price'));
  await undo();
  await listener.ready();
  t.false(await caching.cache.has('price'));

  const other = invalidateOnNotify({
    caching,
    client: () => new pg.Client('postgres://127.0.0.1:1/none'),
    tables: { prices: 'prices' },
  });
  const ready = other.ready();
  await other.close();
  await ready;
});

test('an option that is missing or wrong is refused, with what is expected', (t) => {
  const caching = new Caching({ adapter: memory() });
  t.teardown(() => caching.close());
  const options: InvalidateOnNotifyOptions = {
    caching,
    client: () => t.fail('no connection'),
    tables: { users: 'users' },
  };
  for (const [change, message] of [
    [{ caching: undefined }, /needs the option caching: a Caching/],
    [{ client: undefined }, /needs the option client: \(\) => new pg\.Client/],
    [{ client: new pg.Client() }, /client of invalidateOnNotify\(\{ \.\.\. \}\) is a function/],
    [{ tables: undefined }, /needs the option tables/],
    [{ tables: {} }, /needs the option tables/],
    [{ tables: { users: '' } }, /tables\.users of .* is a tag, such as 'users', or \{ tag/],
    [{ tables: { users: { tag: 'users' } } }, /tables\.users of .* is a tag/],
    [{ tables: { users: { row: () => ({}) } } }, /tables\.users of .* is a tag/],
    [{ channel: 'a"; DROP TABLE users; --' }, /channel of .* is a name of letters, digits and _/],
    [{ heartbeat: '1ms' }, /heartbeat of .* is a duration/],
  ] as const) {
    t.throws(() => invalidateOnNotify({ ...options, ...change } as InvalidateOnNotifyOptions), {
      code: 'E_OPTIONS',
      message,
    });
  }
});
