import { once } from 'node:events';
import { inspect } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import type { SessionData } from 'express-session';
import type { Session } from 'fastify';
import { Cluster } from 'ioredis';
import { expressSessionStore } from '../../../src/adapters/express-session/index.js';
import { fastifySessionStore } from '../../../src/adapters/fastify-session/index.js';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { memory } from '../../../src/adapters/memory/index.js';
import type { Adapter } from '../../../src/core/ports/adapter.js';
import { Caching, KeyError, OptionsError, StoreUnavailableError, ValueError } from '../../../src/index.js';
import { recordEvents } from '../../../src/testing/record-events.js';
import { chaosAdapter, type ChaosAdapter } from '../../../src/testing/chaos-adapter.js';
import { eventually } from '../../support/eventually.js';
import { startCluster, startRedis, type RedisCluster, type RedisServer } from '../../support/servers.js';

declare module 'express-session' {
  interface SessionData {
    userId?: string;
    n?: number;
    large?: unknown;
  }
}

let server: RedisServer;
let cluster: RedisCluster;

test.before('start Redis', async () => {
  [server, cluster] = await Promise.all([startRedis(), startCluster(3)]);
});
test.after.always('stop Redis', async () => {
  await Promise.all([server?.stop(), cluster?.stop()]);
});

/** A session as both frameworks have it. */
interface AnySession {
  cookie: object;
  userId?: string | undefined;
  n?: number;
  large?: unknown;
}

/** A store of either framework, with promises. */
interface Store {
  get(id: string): Promise<AnySession | null>;
  set(id: string, session: AnySession): Promise<void>;
  destroy(id: string): Promise<void>;
  revokeAll(user: string, except?: string): Promise<void>;
}

interface Options {
  readonly ttl?: '1s' | '1h';
  readonly maxAge?: '1s';
  readonly maxValueBytes?: number;
  readonly name?: string;
  readonly withUser?: boolean;
}

function promised<T>(call: (done: (error?: unknown, value?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => (error ? reject(error as Error) : resolve(value as T)));
  });
}

const FRAMEWORKS = {
  express(caching: Caching, { withUser, ...options }: Options): Store {
    const user = withUser ? (session: SessionData) => session.userId : undefined;
    const store = expressSessionStore({ caching, user, ...options });
    return {
      get: (id) => promised((done) => store.get(id, done)),
      set: (id, session) => promised((done) => store.set(id, session as SessionData, done)),
      destroy: (id) => promised((done) => store.destroy(id, done)),
      revokeAll: (user, except) => store.revokeAll(user, except),
    };
  },
  fastify(caching: Caching, { withUser, ...options }: Options): Store {
    const user = withUser ? (session: Session) => (session as AnySession).userId : undefined;
    const store = fastifySessionStore({ caching, user, ...options });
    return {
      get: (id) => promised((done) => store.get(id, done as never)),
      set: (id, session) => promised((done) => store.set(id, session as Session, done)),
      destroy: (id) => promised((done) => store.destroy(id, done)),
      revokeAll: (user, except) => store.revokeAll(user, except),
    };
  },
} as const;

let namespaces = 0;

function open(
  t: ExecutionContext,
  kind: 'memory' | 'one Redis' | 'a Redis Cluster' = 'memory',
): { caching: Caching; chaos: ChaosAdapter } {
  const patient = { timeout: '20s', connectTimeout: '20s' } as const;
  let inner: Adapter = memory();
  if (kind === 'one Redis') inner = ioredis(server.url, patient);
  if (kind === 'a Redis Cluster') {
    const client = new Cluster([...cluster.nodes]);
    t.teardown(() => client.disconnect());
    inner = ioredis(client, patient);
  }
  const chaos = chaosAdapter(inner);
  const caching = new Caching({ adapter: chaos, namespace: `stores-${++namespaces}` });
  t.teardown(() => caching.close());
  return { caching, chaos };
}

const session = (more: Partial<AnySession> = {}): AnySession => ({ cookie: { path: '/' }, n: 1, ...more });
const inMs = (ms: number) => ({ cookie: { path: '/', expires: new Date(Date.now() + ms) } });

for (const [framework, create] of Object.entries(FRAMEWORKS)) {
  for (const kind of ['memory', 'one Redis', 'a Redis Cluster'] as const) {
    const it = (title: string, run: (t: ExecutionContext, caching: Caching) => Promise<void>): void => {
      test(`${framework}, ${kind}: ${title}`, async (t) => run(t, open(t, kind).caching));
    };

    it('a session is found by every instance until it is destroyed', async (t, caching) => {
      const [store, other] = [create(caching, {}), create(caching, {})];
      t.is(await store.get('s1'), null);
      await store.set('s1', session());
      t.deepEqual(await other.get('s1'), session());
      await other.set('s1', session({ n: 2 }));
      t.like(await store.get('s1'), { n: 2 });
      await store.destroy('s1');
      await store.destroy('s1');
      t.is(await other.get('s1'), null);
    });

    it('a session that was destroyed is not brought back by a slow request', async (t, caching) => {
      const store = create(caching, {});
      await store.set('s1', session());
      const slow = (await store.get('s1'))!;
      await store.destroy('s1');
      await store.set('s1', { ...slow, n: 2 });
      t.is(await store.get('s1'), null);
    });

    it('a session ends with its cookie, or else after the ttl, and a save extends it', async (t, caching) => {
      const store = create(caching, { ttl: '1s' });
      await store.set('ttl', session());
      await store.set('short', session(inMs(1_000)));
      await store.set('long', session(inMs(60_000)));
      await store.set('saved', session());
      await store.set('saved', session(inMs(60_000)));
      await store.set('text', session({ cookie: { expires: new Date(Date.now() + 60_000).toISOString() } }));
      for (const id of ['ttl', 'short']) {
        await eventually(`the end of ${id}`, async () => (await store.get(id)) === null);
      }
      for (const id of ['long', 'saved', 'text']) t.truthy(await store.get(id));
    });

    it('revokeAll ends the sessions of a user but one, and no save brings one back', async (t, caching) => {
      const store = create(caching, { withUser: true });
      for (const id of ['s1', 's2', 's3']) await store.set(id, session({ userId: 'u1' }));
      await store.set('other', session({ userId: 'u2' }));
      await store.set('anonymous', session());
      await store.revokeAll('u1', 's3');
      // Slow requests save: as they were, as nobody's, as another user's.
      await store.set('s1', session({ userId: 'u1' }));
      t.is(await store.get('s1'), null);
      await store.set('s1', session());
      t.is(await store.get('s1'), null);
      await store.set('s2', session({ userId: 'u3' }));
      t.is(await store.get('s2'), null);
      for (const id of ['s3', 'other', 'anonymous']) t.truthy(await store.get(id));
      await store.revokeAll('u1');
      t.is(await store.get('s3'), null);
      await store.set('s4', session({ userId: 'u1' }));
      t.truthy(await store.get('s4'));
    });
  }

  test(`${framework}: a cookie that has ended destroys the session`, async (t) => {
    const store = create(open(t).caching, {});
    await store.set('s1', session());
    await store.set('s1', session(inMs(-1)));
    t.is(await store.get('s1'), null);
  });

  test(`${framework}: a session ends at maxAge, however often it is saved`, async (t) => {
    const store = create(open(t).caching, { maxAge: '1s' });
    await store.set('s1', session(inMs(60_000)));
    await eventually('the end', async () => {
      const found = await store.get('s1');
      if (found !== null) await store.set('s1', session(inMs(60_000)));
      return found === null;
    });
    t.pass();
  });

  test(`${framework}: a session may change its user, and belongs to the later one`, async (t) => {
    const store = create(open(t).caching, { withUser: true });
    await store.set('s1', session());
    await store.set('s1', session({ userId: 'u1' }));
    await store.set('s1', session({ userId: 'u2' }));
    await store.revokeAll('u1');
    t.like(await store.get('s1'), { userId: 'u2' });
    await store.set('s1', session());
    await store.revokeAll('u2');
    t.truthy(await store.get('s1'));
  });

  test(`${framework}: a save that is bound before a revocation, and stored after it, is revoked`, async (t) => {
    const { caching, chaos } = open(t);
    const store = create(caching, { withUser: true });
    const held = chaos.hold('sessions.save', 'request');
    const saved = store.set('s1', session({ userId: 'u1' }));
    await held.reached;
    await store.revokeAll('u1');
    held.release();
    await saved;
    t.is(await store.get('s1'), null);
  });

  test(`${framework}: the store has no id, and no error or event names it`, async (t) => {
    const { caching, chaos } = open(t);
    const { of, stop } = recordEvents(caching.namespace);
    t.teardown(stop);
    const store = create(caching, { withUser: true });
    await store.set('very-secret-id', session({ userId: 'u1' }));
    await store.get('very-secret-id');
    await store.destroy('very-secret-id');
    const sent = (['save', 'read', 'remove', 'bind'] as const).flatMap((verb) =>
      chaos.calls(`sessions.${verb}`),
    );
    t.true(sent.length >= 4);
    t.false(inspect(sent, { depth: 10 }).includes('very-secret-id'));
    chaos.setDown(true);
    const error = await t.throwsAsync(store.get('very-secret-id'), { instanceOf: StoreUnavailableError });
    t.false(inspect([error, of('error')], { depth: 10 }).includes('very-secret-id'));
  });

  test(`${framework}: a store that does not answer is an error, never "no session"`, async (t) => {
    const { caching, chaos } = open(t);
    const store = create(caching, { withUser: true });
    await store.set('s1', session({ userId: 'u1' }));
    chaos.fail('sessions.isCurrent', 'reply lost', 1);
    await t.throwsAsync(store.get('s1'), { instanceOf: StoreUnavailableError });
    chaos.setDown(true);
    for (const call of [
      store.get('s1'),
      store.set('s1', session()),
      store.destroy('s1'),
      store.revokeAll('u1'),
    ]) {
      await t.throwsAsync(call, { instanceOf: StoreUnavailableError });
    }
  });

  test(`${framework}: an id that no generator makes is not found without a question to the store`, async (t) => {
    const { caching, chaos } = open(t);
    const store = create(caching, {});
    for (const bad of ['', 'x'.repeat(1_025), 'a\nb', '\0', undefined, 42, {}] as unknown as string[]) {
      t.is(await store.get(bad), null);
      await store.destroy(bad);
      const error = await t.throwsAsync(store.set(bad, session()), { instanceOf: KeyError });
      t.regex(error.message, /1 to 1024 characters without control characters/);
    }
    t.deepEqual(chaos.verbs, []);
  });

  test(`${framework}: a session that cannot be stored is an error, and the stored one stays`, async (t) => {
    const { caching } = open(t);
    const store = create(caching, { maxValueBytes: 1_000 });
    await store.set('s1', session());
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    const bad: readonly (readonly [unknown, RegExp])[] = [
      [1n, /no BigInt/],
      [cycle, /contains itself/],
      ['x'.repeat(1_000), /at most 1000 bytes; this one has 10\d\d/],
      [JSON.parse('{"__proto__":{"admin":true}}'), /without keys __proto__/],
    ];
    for (const [large, message] of bad) {
      const error = await t.throwsAsync(store.set('s1', session({ large })), { instanceOf: ValueError });
      t.regex(error.message, message);
      t.regex(error.message, /It is not stored/);
    }
    for (const none of [undefined, null, 'text'] as unknown as AnySession[]) {
      await t.throwsAsync(store.set('s1', none), { instanceOf: ValueError });
    }
    t.deepEqual(await store.get('s1'), session());
  });

  test(`${framework}: a user that is no text is an error`, async (t) => {
    const { caching } = open(t);
    const store = create(caching, { withUser: true });
    const bad = session({ userId: 42 as unknown as string });
    await t.throwsAsync(store.set('s1', bad), {
      instanceOf: OptionsError,
      message: /user of the session store/,
    });
    await t.throwsAsync(store.revokeAll(''), { instanceOf: OptionsError });
  });

  test(`${framework}: stores of different names have different sessions`, async (t) => {
    const { caching } = open(t);
    const [one, other] = [create(caching, { name: 'one' }), create(caching, { name: 'other' })];
    await one.set('s1', session());
    t.is(await other.get('s1'), null);
  });

  test.serial(`${framework}: what the callback throws does not call it again`, async (t) => {
    const { caching } = open(t);
    const store =
      framework === 'express' ? expressSessionStore({ caching }) : fastifySessionStore({ caching });
    const thrown: unknown[] = [];
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => void thrown.push(error));
    t.teardown(() => {
      process.removeAllListeners('uncaughtException');
      for (const listener of before) process.on('uncaughtException', listener);
    });
    let calls = 0;
    const fail = (): never => {
      calls += 1;
      throw new Error(`call ${calls}`);
    };
    store.get('s1', fail);
    await eventually('the exception', () => thrown.length === 1);
    store.set('s1', session() as never, fail);
    await eventually('the exception', () => thrown.length === 2);
    store.destroy('s1', fail);
    await eventually('the exception', () => thrown.length === 3);
    t.is(calls, 3);
  });

  test(`${framework}: options are checked`, (t) => {
    const { caching } = open(t);
    const opened = (options: object) => () =>
      framework === 'express'
        ? expressSessionStore({ caching, ...options })
        : fastifySessionStore({ caching, ...options });
    for (const [options, message] of [
      [{ tll: 1 }, /no option 'tll'/],
      [{ ttl: 0 }, /ttl of \w+SessionStore/],
      [{ name: 'a b' }, /name of \w+SessionStore/],
      [{ user: 'u1' }, /user of \w+SessionStore\(\{ \.\.\. \}\) is a function/],
      [{ caching: {} }, /is a Caching/],
    ] as const) {
      t.throws(opened(options), { instanceOf: OptionsError, message });
    }
  });
}

// --- what only express-session has ----------------------------------------------------------------------------------

for (const kind of ['memory', 'one Redis', 'a Redis Cluster'] as const) {
  test(`express, ${kind}: touch extends a session and its cookie, and not the data`, async (t) => {
    const store = expressSessionStore({ caching: open(t, kind).caching, user: ({ userId }) => userId });
    const touch = (id: string, more: Partial<AnySession>): Promise<void> =>
      promised((done) => store.touch(id, session(more) as SessionData, done));
    const get = (id: string): Promise<SessionData | null> => promised((done) => store.get(id, done));
    const set = (id: string, more: Partial<AnySession>): Promise<void> =>
      promised((done) => store.set(id, session(more) as SessionData, done));
    await set('s1', { ...inMs(60_000), n: 1, userId: 'u1' });
    const later = inMs(120_000);
    await touch('s1', { ...later, n: 5 });
    t.like(await get('s1'), { n: 1, cookie: { expires: later.cookie.expires.toISOString() } });
    await touch('s2', inMs(60_000));
    t.is(await get('s2'), null, 'there is none to touch');
    await promised((done) => store.destroy('s1', done));
    await touch('s1', inMs(60_000));
    t.is(await get('s1'), null, 'touch does not bring it back');
    await set('s3', inMs(60_000));
    await touch('s3', inMs(-1));
    t.is(await get('s3'), null, 'its cookie has ended');
  });

  test(`express, ${kind}: all, ids, length and clear are about the sessions of this store`, async (t) => {
    const { caching } = open(t, kind);
    const store = expressSessionStore({ caching, user: ({ userId }) => userId });
    const other = expressSessionStore({ caching, name: 'express2' });
    await promised((done) => other.set('s1', session() as SessionData, done));
    for (let n = 0; n < 30; n++) {
      await promised((done) => store.set(`s${n}`, session({ n, userId: `u${n}` }) as SessionData, done));
    }
    await promised((done) => store.destroy('s7', done));
    const length = (of: typeof store): Promise<number> => promised((done) => of.length(done));
    const all = (of: typeof store): Promise<SessionData[]> => promised((done) => of.all(done as never));
    t.is(await length(store), 29);
    t.is(await length(other), 1);
    const ids = await promised<string[]>((done) => store.ids(done));
    t.is(new Set(ids).size, 29);
    t.false(ids.includes('s1'));
    await store.revokeAll('u5');
    const expected = Array.from({ length: 30 }, (_, n) => n).filter((n) => n !== 7 && n !== 5);
    t.deepEqual(
      (await all(store)).map(({ n }) => n).sort((a, b) => a! - b!),
      expected,
    );
    const slow = await promised<SessionData>((done) => store.get('s1', done as never));
    await promised((done) => store.clear(done));
    t.is(await length(store), 0);
    t.is(await length(other), 1);
    await promised((done) => store.set('s1', slow, done));
    t.is(await length(store), 0, 'a slow request does not bring one back');
  });
}

test('express: connect and disconnect are emitted on request only, for its own namespace', async (t) => {
  const own = await startRedis();
  t.teardown(() => own.stop());
  const caching = new Caching({ adapter: ioredis(own.url), namespace: 'events' });
  t.teardown(() => caching.close());
  await caching.ready();
  const store = expressSessionStore({ caching, whileUnavailable: 'no-session' });
  const quiet = expressSessionStore({ caching });
  const other = expressSessionStore({ caching: open(t).caching, whileUnavailable: 'no-session' });
  for (const one of [quiet, other]) one.on('disconnect', () => t.fail());
  const gone = once(store, 'disconnect');
  const back = once(store, 'connect');
  await own.kill();
  t.true((await gone)[0] instanceof Error);
  await own.restart();
  await back;
});

test('express: an error without a callback is an event', async (t) => {
  const { caching, chaos } = open(t);
  const { of, stop } = recordEvents(caching.namespace);
  t.teardown(stop);
  const store = expressSessionStore({ caching });
  chaos.setDown(true);
  store.destroy('s1');
  const [event] = await eventually('the event', () => of('error').length > 0 && of('error'));
  t.like(event, { operation: 'session', key: undefined });
  t.true(event!.error instanceof StoreUnavailableError);
});

test('a damaged session is not found, and is an event', async (t) => {
  const { caching } = open(t);
  const { of, stop } = recordEvents(caching.namespace);
  t.teardown(stop);
  const store = FRAMEWORKS.express(caching, {});
  await store.set('s1', session());
  const { sessions } = caching.backend;
  const [key] = await sessions.keys(`${caching.namespace}:session:express:`);
  for (const payload of ['{"n":', '"text"', '{"__proto__":{"admin":true}}']) {
    await sessions.update(key!, { proof: '' }, { payload: Buffer.from(payload) });
    t.is(await store.get('s1'), null);
  }
  t.is(of('error').length, 3);
});
