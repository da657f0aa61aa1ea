import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import type { Adapter } from '../../../src/core/ports/adapter.js';
import type { EntryStore } from '../../../src/core/ports/entry-store.js';
import { Cached, Caching, Invalidates } from '../../../src/index.js';
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
}

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
        nonces: (...args) => entries.nonces(...args),
        lease: (...args) => entries.lease(...args),
        extend: (...args) => entries.extend(...args),
        fill,
        release: (...args) => entries.release(...args),
        remove: (...args) => entries.remove(...args),
        getOrCreateNonces: (...args) => entries.getOrCreateNonces(...args),
        removeNonces: (...args) => entries.removeNonces(...args),
      };
      return { ...backend, entries: open, ready: () => backend.ready(), close: () => backend.close() };
    },
  };
}

interface Row {
  readonly version: number;
  readonly group: string;
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

  @Cached({ key: 'tagged:{0}', ttl: '20s', tags: ['tag:{0}'] })
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
    await delay(Math.random() * 3);
    const version = Number((await this.#database.get(`version:${id}`)) ?? 0);
    await delay(Math.random() * 12);
    return { version, group: `group:${id}` };
  }

  async #store(id: string): Promise<number> {
    return this.#database.incr(`version:${id}`);
  }
}

export async function serve({ init }: WorkerContext<HistoryWorkerInit>): Promise<{
  run(ms: number): Promise<HistoryEvent[]>;
}> {
  const database = new Redis(init.databaseUrl);
  const adapter = ioredis(init.cacheUrl, { timeout: '2s' });
  const caching = new Caching({
    adapter: init.fenced ? adapter : unfenced(adapter),
    namespace: 'history',
    defaults: { storeTimeout: '2s' },
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
  return {
    async run(ms) {
      const events: HistoryEvent[] = [];
      const until = performance.now() + ms;
      const one = (): { kind: (typeof kinds)[number]; id: string } => {
        const kind = kinds[Math.floor(Math.random() * kinds.length)]!;
        return { kind, id: `${kind.name}-${Math.floor(Math.random() * init.keys)}` };
      };
      const reader = async (): Promise<void> => {
        while (performance.now() < until) {
          const { kind, id } = one();
          const start = process.hrtime.bigint();
          const { version } = await kind.read(id);
          const end = process.hrtime.bigint();
          events.push({ type: 'read', process: init.index, key: id, start, end, version });
          await delay(Math.random() * 2);
        }
      };
      const writer = async (): Promise<void> => {
        while (performance.now() < until) {
          const { kind, id } = one();
          // If every turn cleared all entries, no entry would exist that could be stale.
          if (kind.name !== 'clear' || Math.random() < 0.2) {
            const version = await kind.update(id);
            const acknowledged = process.hrtime.bigint();
            events.push({ type: 'invalidation', process: init.index, key: id, version, acknowledged });
          }
          await delay(Math.random() * 20);
        }
      };
      await Promise.all([...Array.from({ length: 12 }, reader), writer(), writer()]);
      await caching.close();
      database.disconnect();
      return events;
    },
  };
}

void serveWorker(serve);
