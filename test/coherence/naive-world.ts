import { StoreUnavailableError } from '../../src/core/shared/errors.js';
import type { OpenCache, WorldCache } from './scheduled-world.js';
import type { ScheduledStore } from './scheduled-store.js';

/** What all naive caches of one world share. */
interface Shared {
  readonly values: Map<string, unknown>;
  readonly tagged: Map<string, Set<string>>;
  openers: number;
}

const shares = new WeakMap<ScheduledStore, Shared>();

/** Get, load, set, delete, in the same schedules as the engine. */
export const openNaive: OpenCache = (store): WorldCache => {
  let shared = shares.get(store);
  if (shared === undefined)
    shares.set(store, (shared = { values: new Map(), tagged: new Map(), openers: 0 }));
  const { values, tagged } = shared;
  const opener = shared.openers++;
  const away = (error: unknown): undefined => {
    if (!(error instanceof StoreUnavailableError)) throw error;
  };
  const get = <T>(key: string): Promise<T | undefined> =>
    store.pass(opener, `get ${key}`, async () => values.get(key) as T | undefined).catch(away);
  return {
    get,
    getOrSet: async (key, load, { tags = [], unless }) => {
      const found = await get<Awaited<ReturnType<typeof load>>>(key);
      if (found !== undefined) return found;
      const value = await load();
      if (unless?.(value) === true) return value;
      const labels = typeof tags === 'function' ? tags(value) : tags;
      await store
        .pass(opener, `set ${key}`, async () => {
          values.set(key, value);
          for (const tag of labels) tagged.set(tag, new Set([...(tagged.get(tag) ?? []), key]));
        })
        .catch(away);
      return value;
    },
    invalidate: async ({ keys = [], tags = [], all = false }) => {
      const done = await store
        .pass(opener, 'delete', async () => {
          for (const key of keys) values.delete(key);
          for (const key of tags.flatMap((tag) => [...(tagged.get(tag) ?? [])])) values.delete(key);
          if (all) values.clear();
          return true;
        })
        .catch(away);
      return { acknowledged: done ?? false };
    },
  };
};
