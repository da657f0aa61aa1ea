import { deferred } from '../support/deferred.js';
import type { Habit } from './interleavings.js';
import type { HeldCall, Load, Node, Place, ReadOptions, Target, Version } from './place.js';
import { settled } from '../support/settled.js';
import { memory } from '../../src/adapters/memory/index.js';
import { chaosAdapter, type ChaosMoment } from '../../src/testing/chaos-adapter.js';
import type { ChaosVerb } from '../../src/testing/chaos-calls.js';

/** The state of naive caches in the shared store. */
class NaiveStore {
  readonly values = new Map<string, Version>();
  readonly tagged = new Map<string, Set<string>>();
  readonly locks = new Map<string, Promise<void>>();
}

/**
 * Cache-aside as it is often written by hand: get; load and set on a miss; delete on an invalidation. It has no lease
 * and no nonces. The interleavings must fail on it, which proves that they can fail.
 */
class NaiveNode implements Node {
  /** Used only to inject faults: it is never opened. */
  readonly chaos = chaosAdapter(memory());
  readonly #store: NaiveStore;
  readonly #habit: Habit;
  readonly #near = new Map<string, Version>();
  readonly #old = new Map<string, Version>();
  #invalidations = 0;
  #closed = false;

  constructor(store: NaiveStore, habit: Habit) {
    this.#store = store;
    this.#habit = habit;
  }

  async read(key: string, load: Load, options: ReadOptions = {}, innerLoad: Load = load): Promise<Version> {
    const near = this.#near.get(key);
    if (near !== undefined) return near;
    const found = await this.#get(key);
    if (found !== undefined) return found;
    if (this.#habit !== 'endless lock') return this.#load(key, load, options, innerLoad);
    const lock = this.#store.locks.get(key);
    if (lock !== undefined) {
      await lock;
      return this.read(key, load, options, innerLoad);
    }
    const unlocked = deferred();
    this.#store.locks.set(key, unlocked.promise);
    const value = await this.#load(key, load, options, innerLoad);
    this.#store.locks.delete(key);
    unlocked.resolve();
    return value;
  }

  async #load(key: string, load: Load, options: ReadOptions, innerLoad: Load): Promise<Version> {
    const { tags = [], lateTags = [], inner } = options;
    if (inner !== undefined) await this.read(inner.key, innerLoad, { tags: inner.tags });
    let value: Version;
    try {
      value = await this.#calmly(load);
    } catch (error) {
      const old = this.#old.get(key);
      if (this.#habit === 'stale on error' && old !== undefined) return old;
      throw error;
    }
    await this.#try('entries.fill', async () => {
      this.#store.values.set(key, value);
      for (const tag of [...tags, ...lateTags]) {
        this.#store.tagged.set(tag, new Set([...(this.#store.tagged.get(tag) ?? []), key]));
      }
    });
    return value;
  }

  async #calmly(load: Load): Promise<Version> {
    for (;;) {
      const before = this.#invalidations;
      const value = await load();
      if (this.#habit !== 'load until calm' || this.#invalidations === before || this.#closed) return value;
      await settled();
    }
  }

  async #get(key: string): Promise<Version | undefined> {
    const found = await this.#try('entries.read', async () => this.#store.values.get(key));
    if (found !== undefined && this.#habit === 'near copy') this.#near.set(key, found);
    return found;
  }

  peek(key: string): Promise<Version | undefined> {
    return this.#get(key);
  }

  async invalidate({ keys = [], tags = [], all = false }: Target): Promise<boolean> {
    this.#invalidations++;
    for (const key of keys) this.#near.delete(key);
    const done = await this.#try('entries.remove', async () => {
      const every = all ? [...this.#store.values.keys()] : [];
      const labelled = tags.flatMap((tag) => [...(this.#store.tagged.get(tag) ?? [])]);
      for (const key of [...keys, ...labelled, ...every]) this.#drop(key);
      return true;
    });
    return done ?? false;
  }

  #drop(key: string): void {
    const value = this.#store.values.get(key);
    if (value !== undefined) this.#old.set(key, value);
    this.#store.values.delete(key);
  }

  /** Returns undefined if the store is unavailable. */
  async #try<Reply>(verb: ChaosVerb, send: () => Promise<Reply>): Promise<Reply | undefined> {
    try {
      return await this.chaos.pass(verb, send);
    } catch {
      return undefined;
    }
  }

  async hold(verb: ChaosVerb, moment: ChaosMoment): Promise<HeldCall> {
    const { reached, release } = this.chaos.hold(verb, moment);
    return { reached, release: async () => release() };
  }

  repeat(verb: ChaosVerb): Promise<void> {
    return this.chaos.repeat(verb);
  }

  async setDown(down: boolean): Promise<void> {
    this.chaos.setDown(down);
  }

  async pending(): Promise<boolean> {
    return false;
  }

  async wake(key: string): Promise<void> {
    if (this.#habit === 'own echo') this.#drop(key);
  }

  close(): void {
    this.#closed = true;
  }
}

/** One naive cache, or two on one store. No time passes here: a promise that does not settle at once never settles. */
export function naively(nodes: 1 | 2, habit: Habit): Place {
  const store = new NaiveStore();
  const reader = new NaiveNode(store, habit);
  const writer = nodes === 1 ? reader : new NaiveNode(store, habit);
  const within = async <Value>(_ms: number, promise: Promise<Value>): Promise<Value> => {
    let done = false;
    const end = promise.finally(() => (done = true));
    end.catch(() => {});
    for (let i = 0; i < 50 && !done; i++) await settled();
    if (!done) throw new Error('Expected it to settle.');
    return end;
  };
  return {
    reader,
    writer,
    lease: 1_000,
    ttl: 60_000,
    within,
    until: async (what, _ms, condition) => {
      if (!(await condition())) throw new Error(`Expected: ${what}.`);
    },
    settle: settled,
    evict: async ({ keys = [], all = false }) => {
      if (all) store.values.clear();
      for (const key of keys) store.values.delete(key);
    },
    outlive: async () => async () => {},
    crash: writer === reader ? undefined : async () => reader.chaos.kill(),
    close: async () => {
      reader.close();
      writer.close();
    },
  };
}
