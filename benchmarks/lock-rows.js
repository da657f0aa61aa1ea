/**
 * What was found to break in redlock 5.0.0-beta.2. Each fault is played twice: with redlock alone, used with ioredis
 * as its README shows, and with the locks of this package, which run on redlock.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import process from 'node:process';
import { fromRoot } from './support/from-root.js';
import { startMember } from './support/members.js';
import { cells } from './support/plots.js';
import { startLocalRedis } from './support/redis.js';
import { startSlowReplies } from './support/slow-replies.js';
import { table } from './support/table.js';
import { Caching } from '../dist/index.js';
import { ioredis } from '../dist/ioredis.js';

const { Redis } = fromRoot('ioredis');
const { default: Redlock } = fromRoot('redlock');

const KEY = 'invoice:42';
const NAMESPACE = 'rows';
/** The key of the lock in Redis, by side. */
const NAMES = { alone: KEY, ours: `${NAMESPACE}:lock:{${KEY}}` };
const SERVERS = 3;
const LATE = Symbol('late');

/** With the defaults of ioredis each attempt would wait for more than a minute for a server that is down. */
const FAIL_FAST = { enableOfflineQueue: false, maxRetriesPerRequest: 0 };

/** Each side returns what was seen, as `text`, and whether that is what a lock must do, as `holds`. */
const ROWS = [
  {
    row: 'a',
    what: 'two servers, one of which another holds',
    alone: async (stage) => {
      await stage.heldByAnother(NAMES.alone, 60_000, [0]);
      const redlock = stage.redlock([0, 1]);
      const settled = await within(3_000, redlock.acquire([KEY], 1_000));
      return { holds: settled !== LATE, text: settled === LATE ? 'never settles (3 s)' : 'settles' };
    },
    ours: async (stage) => {
      try {
        stage.caching({ servers: [0, 1] });
        return { holds: false, text: 'accepted' };
      } catch (error) {
        return { holds: true, text: `refused at once: ${error.name}` };
      }
    },
  },
  {
    row: 'b',
    what: 'a lock of 1 s that is won after a wait of 1.5 s',
    alone: async (stage) => {
      await stage.heldByAnother(NAMES.alone, 1_500);
      const lock = await stage.redlock().acquire([KEY], 1_000);
      return validity(lock.expiration - Date.now());
    },
    ours: async (stage) => {
      await stage.heldByAnother(NAMES.ours, 1_500);
      const { locks } = await stage.caching();
      const lease = await locks.acquire(KEY, { lease: '1s', renew: 0 });
      return validity(lease.remainingMs);
    },
  },
  {
    row: 'c',
    what: 'replies take 800 ms, the lock lives for 500 ms',
    alone: async (stage) => {
      await stage.throughProxies();
      const redlock = stage.redlock();
      await stage.repliesTake(800);
      const lock = await redlock.acquire([KEY], 500);
      return validity(lock.expiration - Date.now());
    },
    ours: async (stage) => {
      await stage.throughProxies();
      const { locks } = await stage.caching({ timeout: '5s' });
      await stage.repliesTake(800);
      return outcome(
        () => locks.acquire(KEY, { lease: '500ms', wait: '1s', renew: 0 }),
        (lease) => validity(lease.remainingMs),
        (error) => ({ holds: error.name === 'LockUnavailableError', text: `refused: ${error.name}` }),
      );
    },
  },
  {
    row: 'd',
    what: 'the keys vanish while it is held (lease 1 s)',
    alone: (stage) =>
      heldWith(stage.redlock(), 1_000, async (signal) => {
        await stage.flush();
        return untilAbort(signal, 5_000, 1_000);
      }),
    ours: async (stage) => {
      const { locks } = await stage.caching();
      return locks.withLease(KEY, { lease: '1s' }, async ({ signal }) => {
        await stage.flush();
        return untilAbort(signal, 5_000, 1_000);
      });
    },
  },
  {
    row: 'e',
    what: 'no server answers any more while it is held (lease 1 s)',
    alone: (stage) =>
      heldWith(stage.redlock(), 1_000, async (signal) => {
        await stage.freeze();
        return untilAbort(signal, 5_000, 1_000);
      }),
    ours: async (stage) => {
      const { locks } = await stage.caching();
      return locks.withLease(KEY, { lease: '1s' }, async ({ signal }) => {
        await stage.freeze();
        return untilAbort(signal, 5_000, 1_000);
      });
    },
  },
  {
    row: 'f',
    what: 'one of three is down, another’s key on one ends in 300 ms',
    alone: async (stage) => {
      await stage.heldByAnother(NAMES.alone, 300, [0]);
      const redlock = stage.redlock([0, 1, 2], FAIL_FAST);
      await stage.connected();
      await stage.kill(2);
      return timeTo(() => redlock.acquire([KEY], 30_000));
    },
    ours: async (stage) => {
      await stage.heldByAnother(NAMES.ours, 300, [0]);
      await stage.kill(2);
      const { locks } = await stage.caching();
      return timeTo(() => locks.acquire(KEY, { lease: '30s' }));
    },
  },
  {
    row: 'g',
    what: 'the event loop is blocked past the lease (700 ms)',
    alone: (stage) =>
      heldWith(
        stage.redlock(),
        700,
        async (signal) => {
          block(1_000);
          return {
            holds: signal.aborted,
            text: signal.aborted ? 'known at once' : 'not known after the block',
          };
        },
        { automaticExtensionThreshold: 200 },
      ),
    ours: async (stage) => {
      const { locks } = await stage.caching();
      return locks.withLease(KEY, { lease: '700ms' }, async (lease) => {
        block(1_000);
        const known = lease.signal.aborted;
        return { holds: known, text: known ? 'known at once' : 'not known after the block' };
      });
    },
  },
  {
    row: 'h',
    what: 'the body throws, and the release fails',
    alone: async (stage) => {
      const redlock = stage.redlock([0, 1, 2], FAIL_FAST);
      await stage.connected();
      return bodysError(() =>
        redlock.using([KEY], 2_000, async () => {
          await stage.killAll();
          throw new Error('of the body');
        }),
      );
    },
    ours: async (stage) => {
      const { locks } = await stage.caching();
      return bodysError(() =>
        locks.withLease(KEY, { lease: '2s' }, async () => {
          await stage.killAll();
          throw new Error('of the body');
        }),
      );
    },
  },
];

function within(ms, promise) {
  return Promise.race([promise, delay(ms, LATE, { ref: false })]);
}

function validity(ms) {
  return { holds: ms > 0, text: `returned with ${Math.round(ms)} ms left` };
}

/** How long it takes until the holder's signal aborts. */
async function untilAbort(signal, patienceMs, leaseMs) {
  const begun = performance.now();
  const aborted = new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', resolve, { once: true });
  });
  if ((await within(patienceMs, aborted)) === LATE)
    return { holds: false, text: `no abort within ${patienceMs / 1_000} s` };
  const ms = performance.now() - begun;
  return { holds: ms <= leaseMs * 1.25, text: `aborts after ${Math.round(ms)} ms` };
}

/** The result of the body, whatever `using` does afterwards. */
async function heldWith(redlock, duration, body, settings = {}) {
  return new Promise((resolve, reject) => {
    redlock
      .using([KEY], duration, settings, async (signal) => resolve(await body(signal)))
      .catch((error) => reject(error));
  });
}

async function timeTo(acquire) {
  const begun = performance.now();
  const took = () => `after ${Math.round(performance.now() - begun)} ms`;
  return outcome(
    acquire,
    () => ({ holds: true, text: `got it ${took()}` }),
    (error) => ({ holds: false, text: `${error.name} ${took()}` }),
  );
}

async function bodysError(call) {
  return outcome(
    call,
    () => ({ holds: false, text: 'no error' }),
    ({ message, name }) => ({
      holds: message === 'of the body',
      text: message === 'of the body' ? 'the body’s error' : `${name} instead of the body’s error`,
    }),
  );
}

async function outcome(call, done, failed) {
  try {
    return done(await call());
  } catch (error) {
    return failed(error);
  }
}

function block(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** The servers for one side of one row, and the clients and proxies that were opened on them. */
class Stage {
  #servers;
  #urls;
  #clients = [];
  #cachings = [];
  #proxies = [];
  #paused = false;

  constructor(servers) {
    this.#servers = servers;
    this.#urls = servers.map(({ url }) => url);
  }

  redlock(servers = [0, 1, 2], options = {}) {
    const clients = servers.map((i) => this.#client(this.#urls[i], options));
    return new Redlock(clients, {
      driftFactor: 0.01,
      retryCount: 10,
      retryDelay: 200,
      retryJitter: 200,
      automaticExtensionThreshold: 500,
    });
  }

  caching({ servers = [0, 1, 2], ...options } = {}) {
    const lockServers = servers.map((i) => this.#urls[i]);
    const adapter = ioredis(this.#urls[0], { lockServers, ...options });
    const caching = new Caching({ adapter, namespace: NAMESPACE });
    this.#cachings.push(caching);
    return caching.ready().then(() => caching);
  }

  async throughProxies() {
    this.#proxies = await Promise.all(this.#servers.map(({ url }) => startSlowReplies(url)));
    this.#urls = this.#proxies.map(({ url }) => url);
  }

  /** Waits until all clients are connected; later replies take this long. */
  async repliesTake(ms) {
    await this.connected();
    for (const proxy of this.#proxies) proxy.delay(ms);
  }

  async connected() {
    const waiting = this.#clients.filter(({ status }) => status !== 'ready');
    await Promise.all(waiting.map((client) => once(client, 'ready')));
  }

  async heldByAnother(name, ms, servers = [0, 1, 2]) {
    for (const i of servers) await this.#client(this.#servers[i].url).set(name, 'another', 'PX', ms);
  }

  async flush() {
    await Promise.all(this.#servers.map(({ url }) => this.#client(url).flushall()));
  }

  /** The servers accept commands, and do not reply. */
  async freeze() {
    this.#paused = true;
    for (const server of this.#servers) await server.pause();
  }

  async kill(i) {
    await this.#servers[i].kill();
  }

  async killAll() {
    await Promise.all(this.#servers.map((server) => server.kill()));
  }

  async end() {
    if (this.#paused) for (const server of this.#servers) await server.resume();
    for (const client of this.#clients) client.disconnect();
    await Promise.all(this.#cachings.map((caching) => caching.close()));
    await Promise.all(this.#proxies.map((proxy) => proxy.stop()));
  }

  #client(url, options = {}) {
    const client = new Redis(url, options);
    client.on('error', () => {});
    this.#clients.push(client);
    return client;
  }
}

export const title = 'What breaks in redlock alone';
const explanation = `Each row is played twice, on three servers of its own: with redlock 5.0.0-beta.2 and ioredis as its README shows them,
and with the locks of this package, which run on the same redlock. **ok**: this is what a lock must do. "aborts after"
counts from the fault until the holder's signal aborts; the lease is 1 s. In the rows (f) and (h) the
clients of redlock alone fail at once, which is not their default: with the defaults an attempt waits for a server that
is down for more than a minute.`;

export async function ask({ say }) {
  const data = [];
  for (const { row, what } of ROWS) {
    const seen = {};
    for (const side of ['alone', 'ours']) {
      say(`(${row}) ${what}: ${side === 'alone' ? 'redlock alone' : 'cachement'}`);
      seen[side] = await playInItsOwnProcess({ row, side });
    }
    data.push({ row, what, ...seen });
  }
  const broken = data.filter(({ ours }) => !ours.holds).map(({ row }) => row);
  return {
    ...(await present(data)),
    data,
    explanation,
    packages: ['cachement', 'redlock', 'ioredis'],
    ...(broken.length > 0 ? { failure: `cachement does not hold in the rows ${broken.join(', ')}.` } : {}),
  };
}

/** A process of its own, because redlock leaves timers and rejected promises behind when its servers end. */
async function playInItsOwnProcess(part) {
  const { call, stop } = await startMember(import.meta.url);
  try {
    return await call('play', part);
  } finally {
    await stop();
  }
}

/** What one of the processes does. */
export function member() {
  process.on('unhandledRejection', () => {});
  return { play };
}

async function play({ row, side }) {
  const servers = await Promise.all(Array.from({ length: SERVERS }, () => startLocalRedis()));
  const stage = new Stage(servers);
  try {
    const seen = await within(20_000, ROWS.find((one) => one.row === row)[side](stage));
    return seen === LATE ? { holds: false, text: 'no outcome (20 s)' } : seen;
  } catch (error) {
    return { holds: false, text: `${error.name}: ${error.message}` };
  } finally {
    await stage.end();
    await Promise.all(servers.map((server) => server.stop()));
  }
}

async function present(data) {
  const sides = ['redlock alone', 'cachement'];
  const lines = data.map(({ row, what, alone, ours }) => ({
    label: `(${row}) ${what}`,
    seen: [alone, ours],
  }));
  const shown = ({ holds, text }) => `${text}${holds ? ' (ok)' : ''}`;
  return {
    table: table(
      ['', ...sides],
      lines.map(({ label, seen }) => [label, ...seen.map(shown)]),
    ),
    picture: await cells(
      title,
      sides,
      lines.map(({ label, seen }) => ({
        label,
        cells: seen.map(({ holds, text }) => ({ text, is: holds ? 'good' : 'bad' })),
      })),
      290,
    ),
  };
}
