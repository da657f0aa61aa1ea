import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { Redis } from 'ioredis';
import { ioredis } from '../../src/adapters/ioredis/index.js';
import { Caching } from '../../src/index.js';
import { redisForFile } from '../support/servers.js';
import { startWorker } from '../support/process.js';
import type { CrashCalls, CrashWorkerInit } from './crash-worker.js';

/** A longer run: CRASHES=200. */
const CRASHES = Number(process.env['CRASHES'] ?? 8);
const AT_A_TIME = 4;
/** `safe` of the writers, and a margin for the reading. */
const SAFE_MS = 1_000;

const server = redisForFile(test);

/** Kills writers between their commit and their invalidation or put, and counts the old values that are read afterwards. */
async function crashes(
  t: ExecutionContext,
  verb: CrashWorkerInit['verb'],
  isSafe: boolean,
): Promise<Record<'during' | 'after', number>> {
  const { url } = server();
  const namespace = `crashes-${process.pid}-${verb}-${String(isSafe)}`;
  const rows = new Redis(url);
  const caching = new Caching({
    adapter: ioredis(url, { timeout: '5s' }),
    namespace,
    defaults: { ttl: '10m', storeTimeout: '5s' },
  });
  t.teardown(async () => {
    await caching.close();
    rows.disconnect();
  });
  await caching.ready();
  const versionOf = async (row: number): Promise<number> => Number(await rows.get(`row:${namespace}:${row}`));
  /** One entry is invalidated or put by its key, one is invalidated by its tag. */
  const read = async (row: number): Promise<number[]> => {
    const byKey = caching.cache.getOrSet(`row:${row}`, () => versionOf(row));
    if (verb === 'put') return [await byKey];
    const list = caching.cache.getOrSet(`list:${row}`, () => versionOf(row), { tags: [`table:${row}`] });
    return Promise.all([byKey, list]);
  };
  const stale = { during: 0, after: 0 };
  const crash = async (row: number): Promise<void> => {
    const init: CrashWorkerInit = { url, namespace, verb, isSafe };
    const worker = await startWorker<CrashCalls>(new URL('./crash-worker.js', import.meta.url), init);
    t.true((await read(row)).every((version) => version === 0));
    const committed = new Promise((resolve) => worker.on('committed', resolve));
    await worker.call('write', row);
    await committed;
    await worker.kill();
    const killedAt = performance.now();
    const count = async (when: 'during' | 'after'): Promise<void> => {
      const old = (await read(row)).filter((version) => version !== 1).length;
      stale[when] += old;
    };
    while (performance.now() < killedAt + SAFE_MS) {
      await count('during');
      await delay(50);
    }
    await delay(100);
    await count('after');
    await count('after');
  };
  for (let from = 0; from < CRASHES; from += AT_A_TIME) {
    const batch = Array.from({ length: Math.min(AT_A_TIME, CRASHES - from) }, (_, i) => from + i);
    await Promise.all(batch.map(crash));
  }
  return stale;
}

for (const { verb, entries } of [
  { verb: 'invalidation', entries: 2 },
  { verb: 'put', entries: 1 },
] as const) {
  test.serial(
    `G12 a writer that is killed between commit and ${verb}: with safe, nothing stale is read`,
    async (t) => {
      t.timeout(1_200_000);
      const { during, after } = await crashes(t, verb, true);
      t.log(`${CRASHES} writers killed: ${during} stale reads within ${SAFE_MS} ms, ${after} after it`);
      t.is(during, 0);
      t.is(after, 0);
    },
  );

  test.serial(
    `a writer that is killed between commit and ${verb}: without safe, the old values are read until their ttl ends`,
    async (t) => {
      t.timeout(1_200_000);
      const { after } = await crashes(t, verb, false);
      t.log(`${CRASHES} writers killed: ${after} stale reads after ${SAFE_MS} ms`);
      t.is(after, 2 * entries * CRASHES);
    },
  );
}
