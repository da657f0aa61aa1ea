import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { createDecorators, type Caching } from '../../../src/index.js';
import { clearKey, entryKey } from '../../../src/core/keys/store-keys.js';
import { currentCall, now } from './calls.js';

export interface Row {
  readonly version: number;
  readonly group: string;
  /** When its load began, and the call that started the load. @see Read in check-history.ts */
  readonly began: number;
  readonly asked: number;
}

/** One way to read rows and to invalidate them. The ids of different kinds are different rows. */
export interface Kind {
  readonly name: string;
  /** The logical key of an entry. */
  key(id: string): string;
  /** A key in the slot of the record that an invalidation changes: if its master loses that, the invalidation is lost. */
  record(id: string): string;
  /** @param ids one, or several for a batch */
  read(ids: readonly string[]): Promise<ReadonlyMap<string, Row>>;
  update(id: string): Promise<Update>;
}

export interface Update {
  readonly version: number;
  /** True if a replica has the invalidation, and that was asked. */
  readonly replicated?: boolean;
}

/** For how long a mark stands that its process does not renew. */
const SAFE = '3s';
const TTL = '20s';

/** Every way that the decorators have to read and to invalidate, on one `Caching`. The database is a Redis of its own. */
export function kindsOf(caching: Caching, namespace: string, database: Redis): readonly Kind[] {
  const { Cached, CachedMany, CachePut, Invalidates } = createDecorators(caching);

  const load = async (id: string): Promise<Row> => {
    const began = now();
    const asked = currentCall().start;
    await delay(Math.random() * 3);
    const version = Number((await database.get(`version:${namespace}:${id}`)) ?? 0);
    await delay(Math.random() * 8);
    return { version, group: `group:${id}`, began, asked };
  };
  const store = async (id: string): Promise<number> => database.incr(`version:${namespace}:${id}`);

  class Items {
    @Cached({ key: 'key:{0}', ttl: TTL })
    async byKey(id: string): Promise<Row> {
      return load(id);
    }
    @Invalidates({ keys: 'key:{0}' })
    async updateByKey(id: string): Promise<number> {
      return store(id);
    }

    @Cached({ key: 'tag:{0}', ttl: TTL, tags: ['tag:{0}'] })
    async byTag(id: string): Promise<Row> {
      return load(id);
    }
    @Invalidates({ tags: 'tag:{0}' })
    async updateByTag(id: string): Promise<number> {
      return store(id);
    }

    @Cached({ key: 'late:{0}', ttl: TTL, tags: (row) => [row.group] })
    async byLateTag(id: string): Promise<Row> {
      return load(id);
    }
    @Invalidates({ tags: (_version, id) => [`group:${id}`] })
    async updateByLateTag(id: string): Promise<number> {
      return store(id);
    }

    @CachedMany({ key: 'many:{0}', ttl: TTL })
    async many(ids: readonly string[]): Promise<ReadonlyMap<string, Row>> {
      return new Map(await Promise.all(ids.map(async (id) => [id, await load(id)] as const)));
    }
    @Invalidates({ keys: 'many:{0}' })
    async updateOneOfMany(id: string): Promise<number> {
      return store(id);
    }

    @Cached({ key: 'safe:{0}', ttl: TTL })
    async bySafeKey(id: string): Promise<Row> {
      return load(id);
    }
    @Invalidates({ keys: 'safe:{0}', safe: SAFE })
    async updateSafely(id: string): Promise<number> {
      return store(id);
    }

    @Cached({ key: 'safe-tag:{0}', ttl: TTL, tags: ['safe:{0}'] })
    async bySafeTag(id: string): Promise<Row> {
      return load(id);
    }
    @Invalidates({ tags: 'safe:{0}', safe: SAFE })
    async updateTagSafely(id: string): Promise<number> {
      return store(id);
    }

    @Cached({ key: 'put:{0}', ttl: TTL })
    async byPut(id: string): Promise<Row> {
      return load(id);
    }
    @CachePut({ key: 'put:{0}', ttl: TTL })
    async put(id: string): Promise<Row> {
      const began = now();
      return { version: await store(id), group: `group:${id}`, began, asked: currentCall().start };
    }

    @Cached({ key: 'replicated:{0}', ttl: TTL })
    async byReplicated(id: string): Promise<Row> {
      return load(id);
    }
    async updateOnReplicas(id: string): Promise<Update> {
      const version = await store(id);
      const { replicas = 0 } = await caching.cache.invalidate(
        { keys: [`replicated:${id}`] },
        { waitReplicas: { count: 1, timeout: '500ms' } },
      );
      return { version, replicated: replicas >= 1 };
    }
  }

  const items = new Items();
  const one =
    (read: (id: string) => Promise<Row>): Kind['read'] =>
    async ([id]) =>
      new Map([[id!, await read(id!)]]);
  const kind = (
    name: string,
    record: 'entry' | 'nonce',
    read: Kind['read'],
    update: (id: string) => Promise<Update>,
  ): Kind => {
    const key = (id: string): string => `${name}:${id}`;
    return {
      name,
      key,
      record: (id) => (record === 'nonce' ? clearKey(namespace) : entryKey(namespace, key(id))),
      read,
      update,
    };
  };
  const plain =
    (update: (id: string) => Promise<number>) =>
    async (id: string): Promise<Update> => ({ version: await update(id) });
  return [
    kind(
      'key',
      'entry',
      one((id) => items.byKey(id)),
      plain((id) => items.updateByKey(id)),
    ),
    kind(
      'tag',
      'nonce',
      one((id) => items.byTag(id)),
      plain((id) => items.updateByTag(id)),
    ),
    kind(
      'late',
      'nonce',
      one((id) => items.byLateTag(id)),
      plain((id) => items.updateByLateTag(id)),
    ),
    kind(
      'many',
      'entry',
      (ids) => items.many(ids),
      plain((id) => items.updateOneOfMany(id)),
    ),
    kind(
      'safe',
      'entry',
      one((id) => items.bySafeKey(id)),
      plain((id) => items.updateSafely(id)),
    ),
    kind(
      'safe-tag',
      'nonce',
      one((id) => items.bySafeTag(id)),
      plain((id) => items.updateTagSafely(id)),
    ),
    kind(
      'put',
      'entry',
      one((id) => items.byPut(id)),
      async (id) => items.put(id),
    ),
    kind(
      'replicated',
      'entry',
      one((id) => items.byReplicated(id)),
      (id) => items.updateOnReplicas(id),
    ),
  ];
}
