import type { Cache } from '../../src/core/cache/cache.js';
import { Caching } from '../../src/core/caching.js';
import { entryKey } from '../../src/core/keys/store-keys.js';
import type { Adapter } from '../../src/core/ports/adapter.js';
import type { Clock } from '../../src/core/ports/clock.js';
import type { HeldCall, Load, Node, ReadOptions, Target, Version } from './place.js';
import { chaosAdapter, type ChaosAdapter, type ChaosMoment } from '../../src/testing/chaos-adapter.js';
import type { ChaosVerb } from '../../src/testing/chaos-calls.js';

export interface LocalNodeSetup {
  readonly adapter: Adapter;
  readonly namespace: string;
  readonly lease: number;
  readonly ttl: number;
  readonly clock?: Clock;
}

/** A node with a `Caching` of this process. */
export class LocalNode implements Node {
  readonly caching: Caching;
  readonly chaos: ChaosAdapter;
  readonly #cache: Cache;

  constructor({ adapter, namespace, lease, ttl, clock }: LocalNodeSetup) {
    this.chaos = chaosAdapter(adapter);
    this.caching = new Caching({
      adapter: this.chaos,
      namespace,
      clock,
      defaults: { ttl, lease, jitter: 0 },
    });
    this.#cache = this.caching.cache;
  }

  async read(key: string, load: Load, options: ReadOptions = {}, innerLoad: Load = load): Promise<Version> {
    const { tags, lateTags, inner } = options;
    const loader = async (): Promise<Version> => {
      if (inner !== undefined) await this.#cache.getOrSet(inner.key, innerLoad, { tags: inner.tags });
      return load();
    };
    return this.#cache.getOrSet(key, loader, {
      tags: lateTags === undefined ? tags : () => lateTags,
      inheritTags: inner !== undefined,
    });
  }

  peek(key: string): Promise<Version | undefined> {
    return this.#cache.get<Version>(key);
  }

  async invalidate(target: Target): Promise<boolean> {
    return (await this.#cache.invalidate(target)).acknowledged;
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
    return this.#cache.pending;
  }

  async wake(key: string): Promise<void> {
    this.caching.engines.cache.wake(entryKey(this.caching.namespace, key));
  }
}
