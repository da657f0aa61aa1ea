import { StoreUnavailableError } from '../../src/core/shared/errors.js';
import type { OpenCache, WorldCache } from './scheduled-world.js';
import type { Adapter } from '../../src/core/ports/adapter.js';

/** The state that all naive caches of one world share. */
interface Shared {
  readonly values: Map<string, unknown>;
  readonly tagged: Map<string, Set<string>>;
}

/** Keyed by the adapter that the caches would use. */
const shares = new WeakMap<Adapter, Shared>();

/** A naive cache (get, load, set, delete) in the same schedules as the engine. */
export const openNaive: OpenCache = (chaos): WorldCache => {
  let shared = shares.get(chaos.inner);
  if (shared === undefined) shares.set(chaos.inner, (shared = { values: new Map(), tagged: new Map() }));
  const { values, tagged } = shared;
  const away = (error: unknown): undefined => {
    if (!(error instanceof StoreUnavailableError)) throw error;
  };
  const get = <T>(key: string): Promise<T | undefined> =>
    chaos.pass('entries.read', async () => values.get(key) as T | undefined).catch(away);
  return {
    get,
    getOrSet: async (key, load, { tags = [], unless }) => {
      const found = await get<Awaited<ReturnType<typeof load>>>(key);
      if (found !== undefined) return found;
      const value = await load();
      if (unless?.(value) === true) return value;
      const labels = typeof tags === 'function' ? tags(value) : tags;
      await chaos
        .pass('entries.fill', async () => {
          values.set(key, value);
          for (const tag of labels) tagged.set(tag, new Set([...(tagged.get(tag) ?? []), key]));
        })
        .catch(away);
      return value;
    },
    invalidate: async ({ keys = [], tags = [], all = false }) => {
      const done = await chaos
        .pass('entries.remove', async () => {
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
