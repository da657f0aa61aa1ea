/**
 * What callers feel while Redis is killed, restarted, paused and resumed under load. Two processes call a @Cached
 * method without a pause. The added latency of a call is its whole time less the time that the method itself took.
 */
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { decorate } from './support/decorate.js';
import { startMember } from './support/members.js';
import { bars } from './support/plots.js';
import { startLocalRedis } from './support/redis.js';
import { median, percentile } from './support/statistics.js';
import { table } from './support/table.js';

const STORE_TIMEOUT_MS = 250;
const PHASES = [
  { name: 'healthy', act: async () => {} },
  { name: 'killed', act: (redis) => redis.kill() },
  { name: 'restarted', act: (redis) => redis.restart() },
  { name: 'paused (SIGSTOP)', act: (redis) => redis.pause() },
  { name: 'resumed (SIGCONT)', act: (redis) => redis.resume() },
];
const PROCESSES = 2;
const CALLERS = 50;
const LOAD_MS = 5;

export const title = 'When Redis goes away';
const explanation = `${PROCESSES} processes, each with ${CALLERS} callers, call a \`@Cached\` method whose load takes ${LOAD_MS} ms, while Redis is killed,
restarted, paused and resumed. **Added**: the time of a call less the time of its own load. \`storeTimeout\` is ${STORE_TIMEOUT_MS} ms.
**Served at the end**: whether a second read is a hit at the end of the phase.`;

export async function ask({ quick, say }) {
  const ms = quick ? 1_000 : 4_000;
  const redis = await startLocalRedis();
  const members = await Promise.all(Array.from({ length: PROCESSES }, () => startMember(import.meta.url)));
  try {
    await Promise.all(members.map(({ call }) => call('open', { url: redis.url })));
    const data = [];
    for (const { name, act } of PHASES) {
      say(name);
      await act(redis);
      const reports = await Promise.all(members.map(({ call }) => call('measure', { ms })));
      data.push({ phase: name, ...summarizePhase(reports) });
    }
    return { ...(await present(data)), data, explanation, libraries: ['cachement-decorated'] };
  } finally {
    await Promise.all(members.map(({ stop }) => stop()));
    await redis.stop();
  }
}

function summarizePhase(reports) {
  const added = reports.flatMap((report) => report.added);
  const sum = (figure) => reports.reduce((all, report) => all + report[figure], 0);
  return {
    calls: sum('calls'),
    loads: sum('loads'),
    addedMs: { p50: median(added), p99: percentile(added, 0.99), worst: percentile(added, 1) },
    errors: sum('errors'),
    unhandledRejections: sum('unhandled'),
    servedAtEnd: reports.every(({ hitAtEnd }) => hitAtEnd),
  };
}

/** What one of the processes does. */
export function member() {
  let unhandled = 0;
  process.on('unhandledRejection', () => (unhandled += 1));
  let items;
  let hits = 0;
  let loads = 0;
  const loadMs = new Map();
  return {
    open: async ({ url }) => {
      const { Caching, createDecorators, subscribe } = await import('../dist/index.js');
      const { ioredis } = await import('../dist/ioredis.js');
      const caching = new Caching({
        adapter: ioredis(url),
        namespace: 'outage',
        defaults: { ttl: '1m', storeTimeout: STORE_TIMEOUT_MS },
      });
      await caching.ready();
      class Items {
        async find(id) {
          loads += 1;
          await delay(LOAD_MS);
          return { id };
        }
      }
      decorate(Items, 'find', createDecorators(caching).Cached({ key: 'item:{0}' }));
      items = new Items();
      subscribe('hit', () => (hits += 1));
      subscribe('load', ({ key, ms }) => loadMs.set(key, ms));
    },
    measure: async ({ ms }) => {
      const until = performance.now() + ms;
      const added = [];
      let errors = 0;
      loads = 0;
      const callUntilTheEnd = async (_, caller) => {
        for (let i = 0; performance.now() < until; i += 1) {
          const id = `${process.pid}-${caller}-${i % 20}`;
          const key = `item:${id}`;
          loadMs.delete(key);
          const begun = performance.now();
          await items.find(id).catch(() => (errors += 1));
          added.push(performance.now() - begun - (loadMs.get(key) ?? 0));
          await delay(1);
        }
      };
      await Promise.all(Array.from({ length: CALLERS }, callUntilTheEnd));
      const hitsBefore = hits;
      await items.find('probe');
      await items.find('probe');
      return { added, calls: added.length, loads, errors, unhandled, hitAtEnd: hits > hitsBefore };
    },
  };
}

async function present(data) {
  const milliseconds = (ms) => `${ms.toFixed(1)} ms`;
  return {
    table: table(
      ['', 'calls', 'loads', 'added: median', 'p99', 'worst', 'errors', 'unhandled', 'served at the end'],
      data.map(({ phase, calls, loads, addedMs, errors, unhandledRejections, servedAtEnd }) => [
        phase,
        calls.toLocaleString('en'),
        loads.toLocaleString('en'),
        ...[addedMs.p50, addedMs.p99, addedMs.worst].map(milliseconds),
        String(errors),
        String(unhandledRejections),
        servedAtEnd ? 'yes' : 'no',
      ]),
    ),
    picture: await bars(
      title,
      ['p50', 'p99', 'worst'].map((figure) => ({
        title: figure,
        unit: 'added latency, ms',
        bars: data.map(({ phase, addedMs }) => ({
          label: phase,
          value: addedMs[figure],
          text: addedMs[figure].toFixed(1),
          ours: true,
        })),
      })),
    ),
  };
}
