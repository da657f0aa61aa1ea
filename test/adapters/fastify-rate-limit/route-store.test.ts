import test, { type ExecutionContext } from 'ava';
import {
  fastifyRateLimitStore,
  type FastifyRateLimitStore,
  type Hits,
  type RouteLimitOptions,
} from '../../../src/adapters/fastify-rate-limit/index.js';
import { memory } from '../../../src/adapters/memory/index.js';
import { Caching } from '../../../src/index.js';
import { fakeClock, type FakeClock } from '../../../src/testing/fake-clock.js';

const WINDOW = 1_000;
const MAX = 2;

interface Rig {
  readonly clock: FakeClock;
  readonly store: FastifyRateLimitStore;
  hit(key?: string): Promise<Hits>;
  look(): Promise<Hits>;
}

function rig(t: ExecutionContext, options: RouteLimitOptions): Rig {
  const clock = fakeClock();
  const caching = new Caching({ adapter: memory(), clock });
  t.teardown(() => caching.close());
  const store = new (fastifyRateLimitStore({ caching }))(options);
  const ask = (verb: 'incr' | 'read', key: string): Promise<Hits> =>
    new Promise((resolve, reject) => {
      store[verb](key, (error, hits) => (hits === undefined ? reject(error) : resolve(hits)), WINDOW, MAX);
    });
  return { clock, store, hit: (key = 'ada') => ask('incr', key), look: () => ask('read', 'ada') };
}

async function hits(rig: Rig, count: number): Promise<Hits | undefined> {
  let last: Hits | undefined;
  for (let hit = 0; hit < count; hit++) last = await rig.hit();
  return last;
}

test('hits count until the end of the window that the first hit starts', async (t) => {
  const r = rig(t, {});
  t.deepEqual(await r.hit(), { current: 1, ttl: WINDOW });
  await r.clock.advance(400);
  t.deepEqual(await hits(r, 3), { current: 4, ttl: 600 });
  await r.clock.advance(600);
  t.deepEqual(await r.hit(), { current: 1, ttl: WINDOW });
});

test('continueExceeding: each hit beyond the limit denies for another window', async (t) => {
  const r = rig(t, { continueExceeding: true });
  t.deepEqual(await hits(r, MAX), { current: 2, ttl: WINDOW });
  await r.clock.advance(900);
  t.deepEqual(await r.hit(), { current: 3, ttl: WINDOW });
  // The window of the first hit has ended, and the refusal has not.
  await r.clock.advance(900);
  t.deepEqual(await r.hit(), { current: 4, ttl: WINDOW });
  await r.clock.advance(999);
  t.deepEqual(await r.hit(), { current: 5, ttl: WINDOW });
  await r.clock.advance(WINDOW);
  t.deepEqual(await r.hit(), { current: 1, ttl: WINDOW });
});

test('exponentialBackoff: each hit beyond the limit denies for twice as long', async (t) => {
  const r = rig(t, { exponentialBackoff: true });
  t.deepEqual(await hits(r, MAX), { current: 2, ttl: WINDOW });
  t.deepEqual(await r.hit(), { current: 3, ttl: WINDOW });
  t.deepEqual(await r.hit(), { current: 4, ttl: 2 * WINDOW });
  await r.clock.advance(1_900);
  t.deepEqual(await r.hit(), { current: 5, ttl: 4 * WINDOW });
  await r.clock.advance(3_900);
  t.deepEqual(await r.hit(), { current: 6, ttl: 8 * WINDOW });
  await r.clock.advance(8 * WINDOW);
  t.deepEqual(await r.hit(), { current: 1, ttl: WINDOW });
});

test('exponentialBackoff starts again after it has ended', async (t) => {
  const r = rig(t, { exponentialBackoff: true });
  t.deepEqual(await hits(r, MAX + 3), { current: 5, ttl: 4 * WINDOW });
  await r.clock.advance(4 * WINDOW);
  t.deepEqual(await hits(r, MAX + 1), { current: 3, ttl: WINDOW });
});

test('exponentialBackoff ends after 30 days at the latest', async (t) => {
  const r = rig(t, { exponentialBackoff: true });
  t.deepEqual(await hits(r, MAX + 60), { current: 62, ttl: 30 * 86_400_000 });
});

test('read returns what incr returned, and changes nothing', async (t) => {
  for (const options of [{}, { continueExceeding: true }, { exponentialBackoff: true }]) {
    const r = rig(t, options);
    t.deepEqual(await r.look(), { current: 0, ttl: 0 });
    for (let hit = 1; hit <= MAX + 3; hit++) {
      const told = await r.hit();
      t.deepEqual(await r.look(), told, `${JSON.stringify(options)}, hit ${hit}`);
      t.deepEqual(await r.look(), told);
    }
    const { current, ttl } = await r.look();
    await r.clock.advance(ttl - 1);
    t.deepEqual(await r.look(), { current, ttl: 1 });
    await r.clock.advance(1);
    t.deepEqual(await r.look(), { current: 0, ttl: 0 });
  }
});

test('a denial of one client does not affect another', async (t) => {
  const r = rig(t, { continueExceeding: true });
  await hits(r, MAX + 1);
  t.deepEqual(await r.hit('bob'), { current: 1, ttl: WINDOW });
});

test('a child store has the options of its route', async (t) => {
  const r = rig(t, {});
  const child = r.store.child({ exponentialBackoff: true, routeInfo: { method: 'GET', url: '/' } });
  const hit = (): Promise<Hits | undefined> =>
    new Promise((resolve) => child.incr('ada', (_error, found) => resolve(found), WINDOW, 0));
  t.deepEqual(await hit(), { current: 1, ttl: WINDOW });
  t.deepEqual(await hit(), { current: 2, ttl: 2 * WINDOW });
});
