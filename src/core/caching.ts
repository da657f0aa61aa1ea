import { Cache } from './cache.js';
import { Engine } from './engine.js';
import { systemClock } from './clock.js';
import { describe } from './describe.js';
import { OptionsError } from './errors.js';
import { channels } from './events.js';
import { checkNamespace } from './key.js';
import type { LimitOptions } from './limits/limit-options.js';
import { Limits } from './limits/limits.js';
import { checkLockTimes, type LockTimes } from './locks/lock-options.js';
import { Locks } from './locks/locks.js';
import { checkNames, policyNames, resolvePolicy, type PolicyOptions } from './options.js';
import type { Adapter, Backend, Clock } from './ports.js';

export interface CachingOptions {
  /** Where entries live: `memory()` from 'cachement/memory', `ioredis(...)` from 'cachement/ioredis'. */
  readonly adapter: Adapter;
  /**
   * Prefix of every key and channel. Applications that share a Redis take different ones.
   * @default 'cachement'
   */
  readonly namespace?: string | undefined;
  /** For every cached call that does not say otherwise. */
  readonly defaults?: PolicyOptions | undefined;
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

/** How two copies of this package know each other's `Caching`. */
const BRAND = Symbol.for('cachement.caching');
const DEFAULT = Symbol.for('cachement.default');

interface Global {
  [DEFAULT]?: Caching | undefined;
}

/**
 * What decorated methods run on: one namespace on one adapter. The class is its own token in every container.
 *
 * @example
 * const caching = new Caching({ adapter: memory(), namespace: 'shop', defaults: { ttl: '5m' } });
 * const user = await caching.cache.getOrSet('user:42', () => db.user('42'));
 */
export class Caching {
  readonly [BRAND] = true;
  readonly namespace: string;
  readonly enabled: boolean;
  /** The plain verbs behind `@Cached` and `@Invalidates`. */
  readonly cache: Cache;
  /** The plain verbs behind `@RateLimited`. */
  readonly limits: Limits;
  /** The plain verbs behind `@Locked`. */
  readonly locks: Locks;
  /** @internal what the decorators run on */
  readonly engine: Engine;
  readonly #backend: Backend;

  /** @throws OptionsError */
  constructor(options: CachingOptions) {
    checkNames(
      options,
      ['adapter', 'namespace', 'defaults', 'limits', 'locks', 'enabled', 'clock'],
      'new Caching({ ... })',
    );
    const { adapter, namespace = 'cachement', defaults = {}, clock = systemClock } = options;
    if (typeof adapter?.open !== 'function') {
      throw new OptionsError(
        "new Caching({ adapter }) takes an adapter: memory() from 'cachement/memory', or ioredis('redis://...') " +
          `from 'cachement/ioredis'. ${adapter === undefined ? 'None was given' : `It was given ${typeof adapter}`}.`,
      );
    }
    const where = 'new Caching({ defaults })';
    checkNames(defaults, policyNames, where);
    resolvePolicy({ ttl: 1, ...defaults }, {}, where);
    checkLockTimes(options.locks ?? {}, 'new Caching({ locks })');
    checkNamespace(namespace);
    this.namespace = namespace;
    this.enabled = options.enabled ?? true;
    this.#backend = adapter.open({
      namespace,
      clock,
      wake: (name) => {
        if (name.startsWith(`${namespace}:lock:`)) this.locks.wake(name);
        else if (name.startsWith(`${namespace}:rate:`)) this.limits.wake(name);
        else this.engine.wake(name);
      },
      degraded: (error) => channels.degraded.publish({ namespace, method: undefined, error }),
      recovered: () => {
        channels.recovered.publish({ namespace, method: undefined });
        this.engine.recover();
      },
    });
    const { enabled } = this;
    this.locks = new Locks({
      namespace,
      store: this.#backend.locks,
      clock,
      defaults: options.locks ?? {},
      enabled,
    });
    this.engine = new Engine({
      namespace,
      store: this.#backend.entries,
      clock,
      defaults,
      enabled,
      locks: this.locks,
    });
    this.cache = new Cache(this.engine);
    this.limits = new Limits({
      namespace,
      store: this.#backend.rates,
      clock,
      defaults: options.limits ?? {},
      enabled,
    });
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
    await Promise.all([this.engine.close(), this.limits.close(), this.locks.close()]);
    await this.#backend.close();
    const scope = globalThis as Global;
    if (scope[DEFAULT] === this) scope[DEFAULT] = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The `Caching` of every decorated method that finds no nearer one. Undefined takes it away. */
  static setDefault(caching: Caching | undefined): void {
    if (caching !== undefined && !Caching.is(caching)) {
      throw new OptionsError(
        `Caching.setDefault takes a Caching or undefined, and ${describe(caching)} was given.`,
      );
    }
    (globalThis as Global)[DEFAULT] = caching;
  }

  static getDefault(): Caching | undefined {
    return (globalThis as Global)[DEFAULT];
  }

  /** True for a `Caching` of any copy of this package. */
  static is(value: unknown): value is Caching {
    return typeof value === 'object' && value !== null && (value as Partial<Caching>)[BRAND] === true;
  }
}
