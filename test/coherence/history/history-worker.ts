import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Redis } from 'ioredis';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import type { Adapter } from '../../../src/core/ports/adapter.js';
import type { EntryStore } from '../../../src/core/ports/entry-store.js';
import { Cached, Caching, Invalidates, subscribe } from '../../../src/index.js';
import { serveWorker, type WorkerContext } from '../../support/process.js';
import type { HistoryEvent } from './check-history.js';

export interface HistoryWorkerInit {
  readonly index: number;
  readonly cacheUrl: string;
  /** The Redis server that serves as the database. The cache does not use it. */
  readonly databaseUrl: string;
  readonly keys: number;
  /** False: a fill is stored even if its lease is lost, like a plain SET. */
  readonly fenced: boolean;
  /** Undefined: no L1. */
  readonly coherence: 'bus' | 'tracking' | 'validate' | undefined;
  /** Fewer than there are keys, so that the store is asked all the time: replies race with messages. */
  readonly maxEntries: number;
  /** How long the store may take to answer: a call, and a command. */
  readonly timeout: `${number}ms`;
  readonly pace: Pace;
}

/** How often a process reads and writes. */
export interface Pace {
  readonly readers: number;
  readonly writers: number;
  /** The longest pause of a reader and of a writer between two calls. The shortest is none. */
  readonly readEveryMs: number;
  readonly writeEveryMs: number;
  /** The part of the turns to clear that do. If every turn cleared all entries, none would exist that could be stale. */
  readonly clears: number;
  /** 1: all keys are invalidated equally often. Above that, some are invalidated rarely. */
  readonly skew: number;
}

/** What a process emits about itself, as `sample`. */
export interface HistorySample {
  readonly process: number;
  /** In seconds, since its start. */
  readonly at: number;
  readonly calls: number;
  readonly l1Hits: number;
  readonly hits: number;
  readonly rejections: number;
  readonly rss: number;
  readonly heapUsed: number;
  readonly arrayBuffers: number;
}

/** What a process emits while it runs, as `events`. @see HistoryChecker.add */
export interface HistoryReport {
  readonly events: readonly HistoryEvent[];
  readonly until: number;
}

const REPORT_EVERY_MS = 200;
const SAMPLE_EVERY_MS = 5_000;

/** Replaces the lease just before each fill, which makes a fill equivalent to an unfenced SET. */
function unfenced(adapter: Adapter): Adapter {
  return {
    name: 'unfenced',
    open(host) {
      const backend = adapter.open(host);
      const { entries } = backend;
      const fill: EntryStore['fill'] = async (key, token, record, until) => {
        await entries.lease(key, token, 1_000, '*');
        return entries.fill(key, token, record, until);
      };
      const open: EntryStore = {
        read: (...args) => entries.read(...args),
        time: (...args) => entries.time(...args),
        nonces: (...args) => entries.nonces(...args),
        lease: (...args) => entries.lease(...args),
        extend: (...args) => entries.extend(...args),
        fill,
        touch: (...args) => entries.touch(...args),
        release: (...args) => entries.release(...args),
        remove: (...args) => entries.remove(...args),
        mark: (...args) => entries.mark(...args),
        unmark: (...args) => entries.unmark(...args),
        getOrCreateNonces: (...args) => entries.getOrCreateNonces(...args),
        removeNonces: (...args) => entries.removeNonces(...args),
        replicated: (...args) => entries.replicated(...args),
      };
      return { ...backend, entries: open, ready: () => backend.ready(), close: () => backend.close() };
    },
  };
}

interface Row {
  readonly version: number;
  readonly group: string;
  readonly began: number;
  readonly asked: number;
}

/** A call, as the code that it runs knows it. */
interface Call {
  readonly start: number;
  acknowledged: boolean;
  fromMemory: boolean;
}

const calls = new AsyncLocalStorage<Call>();

/** In ms, by the clock that all processes of a host share. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Items of four kinds, one for each way to invalidate: by key, by tag, by result tag, and all. */
class Items {
  readonly #database: Redis;

  constructor(database: Redis) {
    this.#database = database;
  }

  @Cached({ key: 'item:{0}', ttl: '20s' })
  async byKey(id: string): Promise<Row> {
    return this.#load(id);
  }

  @Cached({ key: 'tagged:{0}', ttl: '20s', idleTtl: '1s', tags: ['tag:{0}'] })
  async byTag(id: string): Promise<Row> {
    return this.#load(id);
  }

  @Cached({ key: 'late:{0}', ttl: '20s', tags: (row) => [row.group] })
  async byLateTag(id: string): Promise<Row> {
    return this.#load(id);
  }

  @Invalidates({ keys: 'item:{0}' })
  async updateByKey(id: string): Promise<number> {
    return this.#store(id);
  }

  @Invalidates({ tags: 'tag:{0}' })
  async updateByTag(id: string): Promise<number> {
    return this.#store(id);
  }

  @Invalidates({ tags: (_version, id) => [`group:${id}`] })
  async updateByLateTag(id: string): Promise<number> {
    return this.#store(id);
  }

  @Invalidates({ all: true })
  async updateByClear(id: string): Promise<number> {
    return this.#store(id);
  }

  async #load(id: string): Promise<Row> {
    const began = now();
    await delay(Math.random() * 3);
    const version = Number((await this.#database.get(`version:${id}`)) ?? 0);
    await delay(Math.random() * 12);
    return { version, group: `group:${id}`, began, asked: calls.getStore()!.start };
  }

  async #store(id: string): Promise<number> {
    return this.#database.incr(`version:${id}`);
  }
}

export async function serve({ init, emit }: WorkerContext<HistoryWorkerInit>): Promise<{
  /** Resolves with what nobody has caught. */
  run(ms: number): Promise<readonly string[]>;
}> {
  const database = new Redis(init.databaseUrl);
  const adapter = ioredis(init.cacheUrl, { timeout: init.timeout, connectTimeout: '1s' });
  const caching = new Caching({
    adapter: init.fenced ? adapter : unfenced(adapter),
    namespace: 'history',
    defaults: { storeTimeout: init.timeout },
    ...(init.coherence === undefined
      ? {}
      : { l1: { coherence: init.coherence, maxEntries: init.maxEntries } }),
  });
  await caching.ready();
  Caching.setDefault(caching);
  const items = new Items(database);
  const kinds = [
    { name: 'key', read: (id: string) => items.byKey(id), update: (id: string) => items.updateByKey(id) },
    { name: 'tag', read: (id: string) => items.byTag(id), update: (id: string) => items.updateByTag(id) },
    {
      name: 'late',
      read: (id: string) => items.byLateTag(id),
      update: (id: string) => items.updateByLateTag(id),
    },
    { name: 'clear', read: (id: string) => items.byKey(id), update: (id: string) => items.updateByClear(id) },
  ];
  const counts = { calls: 0, hits: 0, l1Hits: 0 };
  subscribe('hit', ({ tier }) => {
    counts.hits += 1;
    if (tier === 'l1') counts.l1Hits += 1;
    const call = calls.getStore();
    if (call !== undefined && tier === 'l1' && init.coherence !== 'validate') call.fromMemory = true;
  });
  // Published by the call that invalidates, before it returns.
  subscribe('invalidate', ({ acknowledged }) => {
    const call = calls.getStore();
    if (call !== undefined) call.acknowledged = acknowledged;
  });
  const uncaught: string[] = [];
  const note = (error: unknown): void =>
    void uncaught.push(error instanceof Error ? error.stack! : String(error));
  process.on('unhandledRejection', note);
  process.on('uncaughtException', note);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;

  return {
    async run(ms) {
      const { readers, writers, readEveryMs, writeEveryMs, clears, skew } = init.pace;
      let events: HistoryEvent[] = [];
      /** The calls that are under way. */
      const open = new Set<Call>();
      const begun = performance.now();
      const until = begun + ms;
      const one = (skew: number): { kind: (typeof kinds)[number]; id: string } => {
        const kind = kinds[Math.floor(Math.random() * kinds.length)]!;
        return { kind, id: `${kind.name}-${Math.floor(Math.random() ** skew * init.keys)}` };
      };
      const call = async <T>(run: () => Promise<T>): Promise<{ result: T; call: Call }> => {
        counts.calls += 1;
        const call: Call = { start: now(), acknowledged: false, fromMemory: false };
        open.add(call);
        try {
          return { result: await calls.run(call, run), call };
        } finally {
          open.delete(call);
        }
      };
      const read = async (): Promise<void> => {
        const { kind, id } = one(1);
        const { result, call: made } = await call(() => kind.read(id));
        const { start, fromMemory } = made;
        const { version, began, asked } = result;
        const read = { process: init.index, key: id, start, end: now(), version, began, asked, fromMemory };
        events.push({ type: 'read', ...read });
      };
      const reader = async (): Promise<void> => {
        while (performance.now() < until) {
          await read();
          await delay(Math.random() * readEveryMs);
        }
      };
      /** Computes between its reads. As long as they come from memory, no message arrives. */
      const busy = async (): Promise<void> => {
        while (performance.now() < until) {
          await delay(Math.min(Math.random() * 8_000, until - performance.now()));
          for (let i = 0; i < 20 && performance.now() < until; i++) {
            await read();
            for (const end = performance.now() + Math.random() * 150; performance.now() < end;);
          }
        }
      };
      const writer = async (): Promise<void> => {
        while (performance.now() < until) {
          const { kind, id } = one(skew);
          if (kind.name !== 'clear' || Math.random() < clears) {
            const { result: version, call: made } = await call(() => kind.update(id));
            const { acknowledged } = made;
            events.push({
              type: 'invalidation',
              process: init.index,
              key: id,
              version,
              ended: now(),
              acknowledged,
            });
          }
          await delay(Math.random() * writeEveryMs);
        }
      };
      const report = (): void => {
        // A call that is under way will be reported with its start.
        const until = Math.min(now(), ...[...open].map(({ start }) => start));
        emit('events', { events, until } satisfies HistoryReport);
        events = [];
      };
      const sample = (): void => {
        collect();
        const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
        const at = (performance.now() - begun) / 1_000;
        emit('sample', {
          process: init.index,
          at,
          ...counts,
          rejections: uncaught.length,
          rss,
          heapUsed,
          arrayBuffers,
        } satisfies HistorySample);
      };
      sample();
      const timers = [setInterval(report, REPORT_EVERY_MS), setInterval(sample, SAMPLE_EVERY_MS)];
      await Promise.all([
        ...Array.from({ length: readers }, reader),
        ...Array.from({ length: writers }, writer),
        init.coherence === undefined ? undefined : busy(),
      ]);
      for (const timer of timers) clearInterval(timer);
      sample();
      report();
      await caching.close();
      database.disconnect();
      return uncaught;
    },
  };
}

void serveWorker(serve);
