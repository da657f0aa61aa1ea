import 'reflect-metadata';
import { isDeepStrictEqual } from 'node:util';
import { NestFactory } from '@nestjs/core';
import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { Redis } from 'ioredis';
import test, { type ExecutionContext } from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/index.js';
import { eventually } from '../support/eventually.js';
import { redisForFile } from '../support/servers.js';
import { modulesOf } from './code-blocks.js';
import { compileProject } from './compiled-project.js';

const redis = redisForFile(test);

/** What the pages take for granted: the database of the reader. The tests hold its answers back. */
const DB = `
export interface User { readonly id: string; readonly name: string; readonly since: Date; readonly day: string }
export const rows = new Map<string, User | null>();
export const state = { calls: 0, running: 0, together: 0, hold: Promise.resolve() };
async function answer<Value>(value: Value): Promise<Value> {
  state.calls++;
  state.together = Math.max(state.together, ++state.running);
  await state.hold;
  state.running--;
  if (value instanceof Error) throw value;
  return value;
}
export const db = {
  user: async (id: string): Promise<User | null> => answer(rows.get(id) as User | null),
  rename: async (id: string, name: string): Promise<void> => {
    rows.set(id, { id, name, since: new Date(0), day: '2020-01-01T00:00:00.000Z' });
  },
  settle: async (id: string, _signal?: AbortSignal): Promise<string> => answer('settled ' + id),
  signIn: async (ip: string): Promise<string> => answer('session of ' + ip),
};
`;

interface Db {
  readonly rows: Map<string, unknown>;
  readonly state: { calls: number; running: number; together: number; hold: Promise<void> };
  readonly db: { rename(id: string, name: string): Promise<void> };
}

/** Compiles a page, and imports one side of it, with its database. */
async function open<Side>(t: ExecutionContext, page: string, side: string) {
  t.timeout(120_000);
  process.env['REDIS_URL'] = redis().url;
  const project = await compileProject({ ...modulesOf(`migrating/${page}.md`), 'db.ts': DB });
  t.teardown(() => project.remove());
  const database = await project.load<Db>('db.js');
  const module = await project.load<Side & { caching?: Caching; close?(): Promise<unknown> }>(`${side}.js`);
  t.teardown(() => module.close?.());
  await module.caching?.ready();
  return { ...database, ...module };
}

/**
 * Expects what a program does on an empty Redis. On a busy machine a call may lose its store timeout, and then runs the
 * method once more: three chances.
 */
async function expect<Seen>(t: ExecutionContext, { state }: Db, act: () => Promise<Seen>, expected: Seen) {
  for (let chances = 2; ; chances--) {
    const client = new Redis(redis().url);
    await client.flushall();
    client.disconnect();
    Object.assign(state, { calls: 0, together: 0, hold: Promise.resolve() });
    const seen = await act();
    if (isDeepStrictEqual(seen, expected) || chances === 0) return t.deepEqual(seen, expected);
  }
}

/** Calls of the database wait until the returned function is called. */
function holdBack(state: Db['state']): () => void {
  let release!: () => void;
  state.hold = new Promise((resolve) => (release = resolve));
  return release;
}

interface User {
  readonly name: string;
  readonly since: unknown;
  readonly day: unknown;
}

interface UsersSide {
  readonly Users: new () => {
    find(id: string): Promise<User | null | undefined>;
    rename(id: string, name: string): Promise<void>;
    renameAll(id: string, name: string): Promise<void>;
  };
}

/** How often two calls read the database for what may not be a value, and the types of a Date and of a text like one. */
interface Values {
  readonly nullReads: number;
  readonly undefinedReads: number | 'rejects';
  readonly since: string;
  readonly day: string;
}

const PAGES: Record<
  string,
  { readonly invalidations: readonly ('rename' | 'renameAll')[]; readonly before: Values }
> = {
  'cache-manager': {
    invalidations: ['rename'],
    before: { nullReads: 1, undefinedReads: 2, since: 'string', day: 'string' },
  },
  'type-cacheable': {
    invalidations: ['rename', 'renameAll'],
    before: { nullReads: 2, undefinedReads: 2, since: 'object', day: 'object' },
  },
  bentocache: {
    invalidations: ['rename', 'renameAll'],
    before: { nullReads: 1, undefinedReads: 'rejects', since: 'string', day: 'string' },
  },
};
const AFTER: Values = { nullReads: 1, undefinedReads: 1, since: 'object', day: 'string' };

for (const [page, { invalidations, before }] of Object.entries(PAGES)) {
  for (const side of ['before', 'after']) {
    test.serial(`${page}, ${side}: a cold key is loaded once, and again after an invalidation`, async (t) => {
      const { Users, ...database } = await open<UsersSide>(t, page, side);
      const users = new Users();
      const act = async () => {
        await database.db.rename('1', 'Ada');
        await Promise.all(Array.from({ length: 10 }, () => users.find('1')));
        const names = [(await users.find('1'))?.name];
        const { calls } = database.state;
        for (const method of invalidations) {
          await users[method]('1', method);
          names.push((await users.find('1'))?.name);
        }
        return { calls, names };
      };
      await expect(t, database, act, { calls: 1, names: ['Ada', ...invalidations] });
    });

    const becomes = side === 'before' ? 'stored' : 'not stored';
    test.serial(`${page}, ${side}: a value that was read before an invalidation is ${becomes}`, async (t) => {
      const { Users, ...database } = await open<UsersSide>(t, page, side);
      const users = new Users();
      const act = async () => {
        const names = [];
        for (const method of invalidations) {
          await database.db.rename(method, 'old');
          const release = holdBack(database.state);
          const late = users.find(method);
          await eventually('the database is read', () => database.state.running === 1);
          await users[method](method, 'new');
          const invalidatedAt = Date.now();
          await eventually('a millisecond passes', () => Date.now() > invalidatedAt);
          release();
          await late;
          names.push((await users.find(method))?.name);
        }
        return names;
      };
      const name = side === 'before' ? 'old' : 'new';
      await expect<unknown>(
        t,
        database,
        act,
        Array.from(invalidations, () => name),
      );
    });

    test.serial(`${page}, ${side}: which values are stored, and how they come back`, async (t) => {
      const { Users, ...database } = await open<UsersSide>(t, page, side);
      const users = new Users();
      const readsOf = async (id: string) => {
        database.state.calls = 0;
        for (let i = 0; i < 2; i++) await users.find(id);
        return database.state.calls;
      };
      const act = async (): Promise<Values> => {
        database.rows.set('null', null);
        const nullReads = await readsOf('null');
        const undefinedReads = await readsOf('undefined').catch(() => 'rejects' as const);
        await database.db.rename('dates', 'Ada');
        await users.find('dates');
        const { since, day } = (await users.find('dates'))!;
        return { nullReads, undefinedReads, since: typeof since, day: typeof day };
      };
      await expect(t, database, act, side === 'before' ? before : AFTER);
    });
  }
}

test.serial('type-cacheable: a clear by hash key deletes what has the name within its own', async (t) => {
  const { Users, ...database } = await open<UsersSide>(t, 'type-cacheable', 'before');
  const client = new Redis(redis().url);
  t.teardown(() => client.disconnect());
  const act = async () => {
    await client.set('very-old-users:1', 'of another program');
    await new Users().renameAll('1', 'Ada');
    return client.get('very-old-users:1');
  };
  await expect(t, database, act, null);
});

test.serial('bentocache: an error of the loader is wrapped; here it is its own', async (t) => {
  const failure = new Error('The database is down.');
  for (const side of ['before', 'after']) {
    const { Users, rows } = await open<UsersSide>(t, 'bentocache', side);
    rows.set('failing', failure);
    const error = await t.throwsAsync(new Users().find('failing'));
    t.is(side === 'before' ? error.cause : error, failure, side);
    t.is(error === failure, side === 'after');
  }
});

test.serial(
  'bentocache: with grace, the first call after deleteByTag gets the old value; here the new one',
  async (t) => {
    const bento = new BentoCache({
      default: 'users',
      ttl: '15m',
      grace: '6h',
      stores: { users: bentostore().useL1Layer(memoryDriver({})) },
    });
    const find = (name: string) => bento.getOrSet({ key: 'user', tags: ['users'], factory: () => name });
    await find('old');
    const storedAt = Date.now();
    await eventually('a millisecond passes', () => Date.now() > storedAt);
    await bento.deleteByTag({ tags: ['users'] });
    t.is(await find('new'), 'old');

    const caching = new Caching({ adapter: memory(), defaults: { ttl: '15m', grace: '6h', softTimeout: 0 } });
    t.teardown(() => caching.close());
    const findHere = (name: string) => caching.cache.getOrSet('user', () => name, { tags: ['users'] });
    await findHere('old');
    await caching.cache.invalidate({ tags: ['users'] });
    t.is(await findHere('new'), 'new');
  },
);

test.serial(
  'bentocache: a load that fails is repeated for each caller; here they share its error',
  async (t) => {
    const before = await open<UsersSide>(t, 'bentocache', 'before');
    const after = await open<UsersSide>(t, 'bentocache', 'after');
    for (const [side, calls] of [
      [before, 10],
      [after, 1],
    ] as const) {
      const users = new side.Users();
      const act = async () => {
        side.rows.set('failing', new Error('The database is down.'));
        await Promise.allSettled(Array.from({ length: 10 }, () => users.find('failing')));
        return side.state.calls;
      };
      await expect<number>(t, side, act, calls);
    }
  },
);

interface InvoicesSide {
  readonly Invoices: new () => Record<'settle' | 'settleByHand', (id: string) => Promise<string>>;
}

for (const side of ['before', 'after']) {
  test.serial(`redlock, ${side}: one body runs at a time, by wrapper and by hand`, async (t) => {
    const { Invoices, ...database } = await open<InvoicesSide>(t, 'redlock', side);
    const invoices = new Invoices();
    const act = async () => {
      const ids = ['1', '1', '1'];
      const settled = [
        ...ids.map((id) => invoices.settle(id)),
        ...ids.map((id) => invoices.settleByHand(id)),
      ];
      const results = new Set(await Promise.all(settled));
      return { results: [...results], calls: database.state.calls, together: database.state.together };
    };
    await expect(t, database, act, { results: ['settled 1'], calls: 6, together: 1 });
  });

  const gets = side === 'before' ? 'an error of the release' : 'the result';
  test.serial(
    `redlock, ${side}: the caller gets ${gets} if the lock is gone when the body ends`,
    async (t) => {
      const { Invoices, ...database } = await open<InvoicesSide>(t, 'redlock', side);
      const client = new Redis(redis().url);
      t.teardown(() => client.disconnect());
      const act = async () => {
        const release = holdBack(database.state);
        const settled = new Invoices().settleByHand('2').catch((error: Error) => error.name);
        await eventually('the body runs', () => database.state.running === 1);
        await client.flushall();
        release();
        return settled;
      };
      await expect(t, database, act, side === 'before' ? 'ExecutionError' : 'settled 2');
    },
  );
}

interface SessionsSide {
  readonly Sessions: new () => { login(ip: string): Promise<string> };
  status(error: unknown): { readonly status: number; readonly retryAfterMs?: number };
}

for (const side of ['before', 'after']) {
  test.serial(
    `rate-limiter-flexible, ${side}: five pass, and the others are told when to come again`,
    async (t) => {
      const { Sessions, status, ...database } = await open<SessionsSide>(t, 'rate-limiter-flexible', side);
      const sessions = new Sessions();
      const act = async () => {
        const calls = await Promise.allSettled(
          Array.from({ length: 8 }, () => sessions.login('203.0.113.7')),
        );
        return calls.map((call) => {
          if (call.status === 'fulfilled') return 200;
          const { status: code, retryAfterMs = 0 } = status(call.reason);
          return retryAfterMs > 0 && retryAfterMs <= 60_000 ? code : 'without a time';
        });
      };
      await expect<unknown>(t, database, act, [200, 200, 200, 200, 200, 429, 429, 429]);
    },
  );
}

test.serial('rate-limiter-flexible counts refused calls; here they take nothing', async (t) => {
  const ip = '203.0.113.8';
  const loginEightTimes = ({ Sessions }: SessionsSide) => {
    const sessions = new Sessions();
    return Promise.allSettled(Array.from({ length: 8 }, () => sessions.login(ip)));
  };
  const before = await open<SessionsSide>(t, 'rate-limiter-flexible', 'before');
  const after = await open<SessionsSide & { caching: Caching }>(t, 'rate-limiter-flexible', 'after');
  const client = new Redis(redis().url);
  t.teardown(() => client.disconnect());
  const rule = { limit: 5, per: '1m', algorithm: 'fixed-window' } as const;
  const act = async () => {
    await loginEightTimes(before);
    await loginEightTimes(after);
    await after.caching.limits.refund(['login', ip], rule, 1);
    const { remaining } = await after.caching.limits.peek(['login', ip], rule);
    return { consumed: await client.get(`old-login:${ip}`), remaining };
  };
  await expect<unknown>(t, before, act, { consumed: '8', remaining: 1 });
});

/** The URL of an application that a page shows. */
async function serve(t: ExecutionContext, AppModule: new () => object): Promise<string> {
  const app = await NestFactory.create(AppModule, { logger: false });
  t.teardown(() => app.close());
  await app.listen(0, '127.0.0.1');
  return app.getUrl();
}

interface ApplicationSide {
  readonly AppModule: new () => object;
}

for (const side of ['before', 'after']) {
  test.serial(`nestjs-throttler, ${side}: the same requests pass`, async (t) => {
    const { AppModule } = await open<ApplicationSide>(t, 'nestjs-throttler', side);
    const url = await serve(t, AppModule);
    const ask = async (method: string, route: string) => {
      const statuses = [];
      for (let i = 0; i < 6; i++) statuses.push((await fetch(`${url}/${route}`, { method })).status);
      return statuses;
    };
    t.deepEqual(await ask('GET', 'products'), [200, 200, 200, 200, 429, 429]);
    t.deepEqual(await ask('POST', 'login'), [201, 201, 429, 429, 429, 429]);
    t.deepEqual(await ask('GET', 'health'), [200, 200, 200, 200, 200, 200]);
  });
}

for (const side of ['nest-before', 'nest-after']) {
  test.serial(`cache-manager, ${side}: a route is answered from the cache`, async (t) => {
    const { AppModule, db, state } = await open<ApplicationSide>(t, 'cache-manager', side);
    const url = await serve(t, AppModule);
    await db.rename('1', 'Ada');
    for (let i = 0; i < 3; i++) t.is(await (await fetch(`${url}/users/1/name`)).text(), 'Ada');
    t.is(state.calls, 1);
  });
}
