// What callers feel while Redis is killed, restarted, stopped with SIGSTOP and continued, under load.
//
//     node benchmarks/outage.js
//
// Two processes call a @Cached method without pause. The added latency of a call is its whole time less the time
// that the method itself ran in it.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startLocalRedis } from './support/local-redis.js';

const BUDGET = 250;
const PHASES = [
  { name: 'healthy', act: async () => {} },
  { name: 'killed', act: (redis) => redis.kill() },
  { name: 'restarted', act: (redis) => redis.restart() },
  { name: 'SIGSTOP', act: async (redis) => redis.signal('SIGSTOP') },
  { name: 'SIGCONT', act: async (redis) => redis.signal('SIGCONT') },
];
const PHASE_MS = 4_000;
const PROCESSES = 2;
const CALLERS = 50;
const LOAD_MS = 5;

if (process.send === undefined) await main();
else await worker();

async function main() {
  const redis = await startLocalRedis();
  const workers = Array.from({ length: PROCESSES }, () =>
    fork(fileURLToPath(import.meta.url), { env: { ...process.env, REDIS_URL: redis.url } }),
  );
  try {
    await Promise.all(workers.map((child) => once(child, 'message')));
    console.log(
      `${PROCESSES} processes x ${CALLERS} callers, budget ${BUDGET} ms, ${PHASE_MS / 1_000} s a phase\n`,
    );
    const rows = [];
    for (const { name, act } of PHASES) {
      process.stderr.write(`${name} ...\n`);
      await act(redis);
      const reports = await Promise.all(
        workers.map(async (child) => {
          const answer = once(child, 'message');
          child.send({ measure: PHASE_MS });
          return (await answer)[0];
        }),
      );
      const added = reports.flatMap((report) => report.added).sort((a, b) => a - b);
      rows.push({
        phase: name,
        calls: reports.reduce((sum, one) => sum + one.calls, 0),
        loads: reports.reduce((sum, one) => sum + one.loads, 0),
        'added ms: p50': round(added[Math.floor(added.length * 0.5)]),
        p99: round(added[Math.floor(added.length * 0.99)]),
        worst: round(added.at(-1)),
        'errors to callers': reports.reduce((sum, one) => sum + one.errors, 0),
        'unhandled rejections': reports.reduce((sum, one) => sum + one.unhandled, 0),
        'served from Redis at the end': reports.every((one) => one.hitAtEnd) ? 'yes' : 'no',
      });
    }
    console.table(rows);
  } finally {
    for (const child of workers) child.kill();
    await redis.signal('SIGCONT');
    await redis.stop();
  }
}

async function worker() {
  const { Caching, createDecorators, subscribe } = await import('../dist/index.js');
  const { ioredis } = await import('../dist/ioredis.js');
  const { decorate } = await import('./support/decorate.js');
  let unhandled = 0;
  process.on('unhandledRejection', () => unhandled++);
  const caching = new Caching({
    adapter: ioredis(process.env.REDIS_URL),
    namespace: 'outage',
    defaults: { ttl: '1m', storeTimeout: BUDGET },
  });
  await caching.ready();
  const { Cached } = createDecorators(caching);
  let loads = 0;
  class Items {
    async find(id) {
      loads++;
      await delay(LOAD_MS);
      return { id };
    }
  }
  decorate(Items, 'find', Cached({ key: 'item:{0}' }));
  const items = new Items();
  let hits = 0;
  let loadMs = new Map();
  subscribe('hit', () => hits++);
  subscribe('load', ({ key, ms }) => loadMs.set(key, ms));
  process.send('ready');
  process.on('message', async ({ measure }) => {
    const until = performance.now() + measure;
    const added = [];
    let errors = 0;
    let calls = 0;
    loads = 0;
    await Promise.all(
      Array.from({ length: CALLERS }, async (_, caller) => {
        for (let i = 0; performance.now() < until; i++) {
          const id = `${process.pid}-${caller}-${i % 20}`;
          const key = `item:${id}`;
          loadMs.delete(key);
          const start = performance.now();
          try {
            await items.find(id);
          } catch {
            errors++;
          }
          added.push(performance.now() - start - (loadMs.get(key) ?? 0));
          calls++;
          await delay(1);
        }
      }),
    );
    const before = hits;
    await items.find('probe');
    await items.find('probe');
    process.send({ added, calls, loads, errors, unhandled, hitAtEnd: hits > before });
  });
  process.on('disconnect', () => process.exit());
}

function round(ms) {
  return Math.round(ms * 10) / 10;
}
