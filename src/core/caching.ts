import { CacheEngine } from './cache/cache-engine.js';
import { Cache } from './cache/cache.js';
import { systemClock } from './shared/system-clock.js';
import { describe } from './shared/describe.js';
import { OptionsError } from './shared/errors.js';
import { channels } from './shared/events.js';
import { checkNamespace, kindOf } from './keys/store-keys.js';
import { limitOptions, type LimitOptions } from './limits/limit-options.js';
import { LimitEngine } from './limits/limit-engine.js';
import { Limits } from './limits/limits.js';
import { LockEngine } from './locks/lock-engine.js';
import { lockTimes, type LockTimes } from './locks/lock-options.js';
import { Locks } from './locks/locks.js';
import { flag, parseOptions, unchecked, type Option } from './shared/option-schema.js';
import { brand, shared } from './shared/registry.js';
import { cacheOptions, type CacheOptions } from './cache/cache-options.js';
import type { Adapter, Backend } from './ports/adapter.js';
import type { Clock } from './ports/clock.js';

export interface CachingOptions {
  /** Where entries live: `memory()` from 'cachement/memory', `ioredis(...)` from 'cachement/ioredis'. */
  readonly adapter: Adapter;
  /**
   * Prefix of every key and channel. Applications that share a Redis take different ones.
   * @default 'cachement'
   */
  readonly namespace?: string | undefined;
  /** For every cached call that does not say otherwise. */
  readonly defaults?: CacheOptions | undefined;
  /** For every rate limited call that does not say otherwise. */
  readonly limits?: LimitOptions | undefined;
  /** For every lock that does not say otherwise. */
  readonly locks?: LockTimes | undefined;
  /**
   * False: decorated methods run as if they were not decorated, and the verbs find nothing and store nothing.
   * @default true
   */
  readonly enabled?: boolean | undefined;
  /** For tests: see `fakeClock` in 'cachement/testing'. */
  readonly clock?: Clock | undefined;
}

/** The same as a schema: names, checks and defaults. */
export const cachingOptions = {
  adapter: unchecked<Adapter>('an adapter'),
  namespace: unchecked<string>('a namespace'),
  defaults: unchecked<CacheOptions>('an object of options'),
  limits: unchecked<LimitOptions>('an object of options'),
  locks: unchecked<LockTimes>('an object of options'),
  enabled: flag(true),
  clock: unchecked<Clock>('a clock'),
} satisfies Record<keyof CachingOptions, Option<unknown>>;

const BRAND: unique symbol = brand('caching') as typeof BRAND;
const defaults = shared<{ caching?: Caching | undefined }>('default', () => ({}));
/** The class `Caching` of every copy of this package: each is a token in DI containers. */
const tokens = shared<(typeof Caching)[]>('tokens', () => []);

/**
 * What decorated methods run on: one namespace on one adapter. The class is its own token in every container.
 *
 * @example
 * const caching = new Caching({ adapter: memory(), namespace: 'shop', defaults: { ttl: '5m' } });
 * const user = await caching.cache.getOrSet('user:42', () => db.user('42'));
 */
export class Caching {
  /** @internal */
  readonly [BRAND] = true;
  readonly namespace: string;
  readonly enabled: boolean;
  /** The plain verbs behind `@Cached` and `@Invalidates`. */
  readonly cache: Cache;
  /** The plain verbs behind `@RateLimited`. */
  readonly limits: Limits;
  /** The plain verbs behind `@Locked`. */
  readonly locks: Locks;
  /** @internal what the verbs and the decorators run on */
  readonly engines: {
    readonly cache: CacheEngine;
    readonly limits: LimitEngine;
    readonly locks: LockEngine;
  };
  readonly #backend: Backend;

  /** @throws OptionsError */
  constructor(options: CachingOptions) {
    const label = 'new Caching({ ... })';
    const { clock = systemClock, enabled = true } = parseOptions(cachingOptions, options, label);
    const { adapter, namespace = 'cachement' } = options;
    if (typeof adapter?.open !== 'function') {
      throw new OptionsError(
        "new Caching({ adapter }) takes an adapter: memory() from 'cachement/memory', or ioredis('redis://...') " +
          `from 'cachement/ioredis'. ${adapter === undefined ? 'None was given' : `It was given ${describe(adapter)}`}.`,
      );
    }
    // Everything is checked before anything is opened.
    const parsed = {
      cache: parseOptions(cacheOptions, options.defaults ?? {}, 'new Caching({ defaults })'),
      limits: parseOptions(limitOptions, options.limits ?? {}, 'new Caching({ limits })'),
      locks: parseOptions(lockTimes, options.locks ?? {}, 'new Caching({ locks })'),
    };
    this.namespace = checkNamespace(namespace);
    this.enabled = enabled;
    this.#backend = adapter.open({
      namespace,
      clock,
      wake: (storeKey) => this.#wake(storeKey),
      degraded: (error) => channels.degraded.publish({ namespace, method: undefined, error }),
      recovered: () => {
        channels.recovered.publish({ namespace, method: undefined });
        this.engines.cache.recover();
      },
    });
    const { entries, rates, locks: lockStore } = this.#backend;
    const common = { namespace, clock, enabled };
    const locks = new LockEngine({ ...common, store: lockStore, defaults: parsed.locks });
    this.engines = {
      cache: new CacheEngine({ ...common, store: entries, defaults: parsed.cache, loadLocks: locks }),
      limits: new LimitEngine({ ...common, store: rates, defaults: parsed.limits }),
      locks,
    };
    this.cache = new Cache(this.engines.cache);
    this.limits = new Limits(this.engines.limits);
    this.locks = new Locks(this.engines.locks);
  }

  /**
   * Resolves when the store can be used. Not needed before calls: those made earlier wait within their budget.
   * @throws StoreSetupError, soon, with what is wrong (address, password, rights) and how to mend it
   */
  async ready(): Promise<void> {
    await this.#backend.ready();
  }

  /** Gives back leases, locks and slots, sends what is queued once more, and ends every timer, socket and listener. */
  async close(): Promise<void> {
    await Promise.all([...Object.values(this.engines).map((engine) => engine.close())]);
    await this.#backend.close();
    if (defaults.caching === this) defaults.caching = undefined;
  }

  #wake(storeKey: string): void {
    const { cache, limits, locks } = this.engines;
    switch (kindOf(this.namespace, storeKey)) {
      case 'lock':
        return locks.wake(storeKey);
      case 'rate':
        return limits.wake(storeKey);
      default:
        return cache.wake(storeKey);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Sets the `Caching` of every decorated method that finds no nearer one. Undefined removes it. @throws OptionsError */
  static setDefault(caching: Caching | undefined): void {
    if (caching !== undefined && !Caching.is(caching)) {
      throw new OptionsError(
        `Caching.setDefault takes a Caching or undefined, and ${describe(caching)} was given.`,
      );
    }
    defaults.caching = caching;
  }

  static getDefault(): Caching | undefined {
    return defaults.caching;
  }

  /** True for a `Caching` of any copy of this package. */
  static is(value: unknown): value is Caching {
    return typeof value === 'object' && value !== null && (value as Partial<Caching>)[BRAND] === true;
  }

  /** A `Caching` of any copy of this package is an instance of `Caching`. */
  static [Symbol.hasInstance](value: unknown): boolean {
    if (this === Caching) return Caching.is(value);
    return Function.prototype[Symbol.hasInstance].call(this, value);
  }
}

tokens.push(Caching);

/** The tokens under which a container may have a `Caching`: that of this copy first. */
export function cachingTokens(): readonly (typeof Caching)[] {
  return [Caching, ...tokens.filter((token) => token !== Caching)];
}
