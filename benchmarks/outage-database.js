/**
 * Redis is killed under 2,000 callers, and restarted empty. What reaches the database behind the cache, how long do the
 * callers wait, and how long does another application of that database wait? The database is a process of its own.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileOf } from './libraries/all.js';
import { startMember } from './support/members.js';
import { courses } from './support/plots.js';
import { startLocalRedis } from './support/redis.js';
import { percentile, wallClock } from './support/statistics.js';
import { table } from './support/table.js';

/** What is measured. `caching`: options of `new Caching`, for cachement. */
const SETUPS = [
  { name: 'cachement', library: 'cachement-decorated' },
  {
    name: 'cachement, maxConcurrentLoads: 40',
    library: 'cachement-decorated',
    caching: { maxConcurrentLoads: 40 },
  },
  {
    name: 'cachement, both, and outage: { l1: 2s }',
    library: 'cachement-decorated',
    caching: { maxConcurrentLoads: 40, defaults: { outage: { l1: '2s' } } },
  },
  { name: 'bentocache', library: 'bentocache' },
  { name: 'cacheable', library: 'cacheable' },
  { name: 'cache-manager', library: 'cache-manager' },
  { name: 'layered-loader', library: 'layered-loader' },
];
const CALLERS = 2_000;
/** How long a caller pauses between two calls, on average. */
const PAUSE_MS = 500;
const KEYS = 10_000;
const DATABASE = { atOnce: 50, queryMs: 20, otherEveryMs: 20 };
const BIN_MS = 250;
/** How long the calls that are open at the end may take. */
const LAST_CALLS_MS = 5_000;

const perSecond = (DATABASE.atOnce * 1_000) / DATABASE.queryMs;

export const title = 'When Redis dies: the database behind the cache';
const explanation = `One process with ${CALLERS.toLocaleString('en')} callers, each of which reads one of ${KEYS.toLocaleString('en')} keys, pauses for ${PAUSE_MS} ms on average, and reads
the next. Redis is killed, and later restarted empty. A load is a query of a database in a process of its own, which serves ${DATABASE.atOnce}
at once, each in ${DATABASE.queryMs} ms (${perSecond.toLocaleString('en')} in a second), and lets the others wait in a queue. Another application asks the same database
every ${DATABASE.otherEveryMs} ms. **Queries**: those of the callers that arrived at the database, in a second. **Waiting**: the longest queue there.
**Other application**: how long its queries took. **Answered**: calls with a value, in a second. The latency of a call counts for the
phase in which it began. **No answer**: calls that ended with an error, and calls still open ${LAST_CALLS_MS / 1_000} s after the end.
Every library has the set-up of its documentation, as in the other benchmarks, without memory in front of Redis.`;

export async function ask({ quick, say }) {
  const seconds = quick ? { before: 1, during: 3, after: 3 } : { before: 3, during: 8, after: 9 };
  const redis = await startLocalRedis();
  const data = [];
  try {
    for (const setup of SETUPS) data.push(await measure(setup, redis, seconds, say));
  } finally {
    await redis.stop();
  }
  const libraries = [...new Set(SETUPS.map(({ library }) => library))];
  return { ...(await present(data, seconds)), data, explanation, libraries };
}

async function measure(setup, redis, seconds, say) {
  const phases = Object.entries(seconds);
  say(`${setup.name}: filling the cache`);
  await redis.restart();
  const database = await startMember(import.meta.url);
  const callers = await startMember(import.meta.url, fileOf(setup.library));
  try {
    const port = await database.call('openDatabase');
    await callers.call('openCallers', { url: redis.url, port, setup });
    const from = wallClock() + 100;
    const until = from + 1_000 * phases.reduce((sum, [, length]) => sum + length, 0);
    await Promise.all([database.call('record', { from }), callers.call('start', { from, until })]);
    const acts = { before: async () => {}, during: () => redis.kill(), after: () => redis.restart() };
    await delay(from - wallClock());
    for (const [phase, length] of phases) {
      say(`${setup.name}: ${phase} the outage`);
      const begun = wallClock();
      await acts[phase]();
      await delay(length * 1_000 - (wallClock() - begun));
    }
    say(`${setup.name}: the last calls`);
    const course = { calls: await callers.call('report'), queries: await database.call('report') };
    return { setup: setup.name, ...summary(course, phases), bins: binned(course, until - from) };
  } finally {
    await callers.stop();
    await database.stop();
  }
}

/** Figures of each phase. Times of `calls` and `queries` are ms since the start. */
function summary({ calls, queries }, phases) {
  let end = 0;
  const figures = phases.map(([phase, seconds]) => {
    const from = end;
    const until = (end = from + seconds * 1_000);
    const within = ({ at }) => at >= from && at < until;
    const made = calls.filter(within);
    const times = made.filter(({ ok }) => ok).map(({ ms }) => ms);
    const own = queries.filter(({ isOther }) => !isOther).filter(within);
    const other = queries.filter(({ isOther }) => isOther).filter(within);
    return {
      phase,
      queriesPerSecond: own.length / seconds,
      mostWaiting: Math.max(0, ...own.map(({ waiting }) => waiting)),
      otherMs: percentiles(other.map(({ ms }) => ms)),
      answeredPerSecond: calls.filter(({ at, ms, ok }) => ok && within({ at: at + ms })).length / seconds,
      callMs: percentiles(times),
      unanswered: made.filter(({ ok }) => !ok).length,
      refused: made.filter(({ error }) => error === 'LoadShedError').length,
    };
  });
  return { phases: figures };
}

function percentiles(times) {
  return times.length === 0 ? undefined : { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}

/** The course of one run, for the picture and the JSON. */
function binned({ calls, queries }, ms) {
  return Array.from({ length: Math.ceil(ms / BIN_MS) }, (_, i) => {
    const within = (at) => at >= i * BIN_MS && at < (i + 1) * BIN_MS;
    const ended = calls.filter(({ at, ms, ok }) => ok && within(at + ms));
    const other = queries.filter(({ isOther, at, ms }) => isOther && within(at + ms)).map(({ ms }) => ms);
    const own = queries.filter(({ isOther, at }) => !isOther && within(at));
    return {
      at: i * BIN_MS,
      queriesPerSecond: (own.length * 1_000) / BIN_MS,
      waiting: Math.max(0, ...own.map(({ waiting }) => waiting)),
      otherMs: other.length === 0 ? undefined : Math.round(percentile(other, 0.5)),
      answeredPerSecond: (ended.length * 1_000) / BIN_MS,
    };
  });
}

/** What the two processes of a run do: one is the database, the other has the callers. */
export function member(library) {
  return library === undefined ? database() : callers(library);
}

function database() {
  const queries = [];
  const queue = [];
  let running = 0;
  let origin;
  const next = () => {
    while (running < DATABASE.atOnce && queue.length > 0) {
      const answer = queue.shift();
      running += 1;
      setTimeout(() => {
        running -= 1;
        answer();
        next();
      }, DATABASE.queryMs);
    }
  };
  const query = (isOther, answer) => {
    const begun = wallClock();
    const waiting = queue.length;
    queue.push(() => {
      if (origin !== undefined)
        queries.push({ isOther, waiting, at: begun - origin, ms: wallClock() - begun });
      answer();
    });
    next();
  };
  return {
    openDatabase: async () => {
      const server = createServer((socket) => {
        socket.on('error', () => {});
        createInterface({ input: socket }).on('line', (id) => query(false, () => socket.write(`${id}\n`)));
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server.address().port;
    },
    record: ({ from }) => {
      origin = from;
      setInterval(() => query(true, () => {}), DATABASE.otherEveryMs);
    },
    report: () => queries,
  };
}

function callers({ open }) {
  // Clients without an error listener print or throw each failed attempt to connect. What counts is what callers get.
  process.on('unhandledRejection', () => {});
  process.on('uncaughtException', () => {});
  console.error = () => {};
  const calls = [];
  let read;
  let query;
  let ended;
  return {
    openCallers: async ({ url, port, setup }) => {
      query = await connectTo(port);
      const cache = await open({
        url,
        prefix: 'outage',
        ttlSeconds: 600,
        near: false,
        caching: setup.caching,
      });
      read = (id, load) => cache.read(`item-${id}`, load);
      const fill = async (_, from) => {
        for (let id = from; id < KEYS; id += 50) await read(id, async () => ({ id }));
      };
      await Promise.all(Array.from({ length: 50 }, fill));
    },
    start: ({ from, until }) => {
      const caller = async () => {
        await delay(from - wallClock() + Math.random() * PAUSE_MS);
        while (wallClock() < until) {
          const id = Math.floor(Math.random() * KEYS);
          const begun = wallClock();
          const call = { at: begun - from, ms: Infinity, ok: false };
          calls.push(call);
          try {
            const value = await read(id, () => query(id));
            if (value?.id !== id) throw new Error(`Asked for ${id} and got ${JSON.stringify(value)}.`);
            call.ok = true;
          } catch (error) {
            call.error = error.name;
          }
          call.ms = wallClock() - begun;
          await delay(Math.random() * 2 * PAUSE_MS);
        }
      };
      ended = Promise.all(Array.from({ length: CALLERS }, caller));
    },
    report: async () => {
      await Promise.race([ended, delay(LAST_CALLS_MS)]);
      return calls;
    },
  };
}

/** A client of the database: one connection, whose queries are answered in any order. */
async function connectTo(port) {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.setNoDelay(true);
  const waiting = new Map();
  let last = 0;
  createInterface({ input: socket }).on('line', (line) => {
    const { resolve, id } = waiting.get(line);
    waiting.delete(line);
    resolve({ id });
  });
  return (id) =>
    new Promise((resolve) => {
      const line = String((last += 1));
      waiting.set(line, { resolve, id });
      socket.write(`${line}\n`);
    });
}

async function present(data, seconds) {
  const whole = (number) => Math.round(number).toLocaleString('en');
  const milliseconds = (times) =>
    times === undefined ? '-' : `${whole(times.p50)} / ${whole(times.p99)} ms`;
  const head = [
    '',
    'queries/s',
    'waiting',
    'other application, median / p99',
    'answered/s',
    'calls, median / p99',
    'no answer',
  ];
  const rows = data.flatMap(({ setup, phases }) =>
    phases.map((one) => [
      `${setup}: ${one.phase}`,
      whole(one.queriesPerSecond),
      whole(one.mostWaiting),
      milliseconds(one.otherMs),
      whole(one.answeredPerSecond),
      milliseconds(one.callMs),
      whole(one.unanswered),
    ]),
  );
  const columns = [
    { field: 'queriesPerSecond', title: 'queries at the database, per second', mark: perSecond },
    { field: 'otherMs', title: "another application's query, ms", mark: DATABASE.queryMs },
    { field: 'answeredPerSecond', title: 'calls answered, per second' },
  ];
  const outage = { from: seconds.before, until: seconds.before + seconds.during };
  const courseOf = ({ setup, bins }) => ({
    label: setup,
    points: bins.map((bin) => ({ ...bin, at: bin.at / 1_000 })),
  });
  return {
    table: table(head, rows),
    picture: await courses(title, data.map(courseOf), columns, outage),
    notes: 'Grey in the picture: Redis is away.',
  };
}
