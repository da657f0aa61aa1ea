import { CacheEngine } from './cache/cache-engine.js';
import { Cache } from './cache/cache.js';
import { handleOn, manyHandleOn, type CachedHandle, type CachedManyHandle } from './cache/cached-handle.js';
import type { AsyncMethodName, BatchMethods, MethodArguments, MethodResult } from './cache/method-types.js';
import { runInMode } from './cache/call-mode.js';
import type { VerificationReport } from './cache/verification-report.js';

import {
  DeferredInvalidations,
  runTransaction,
  type TransactionOptions,
} from './cache/deferred-invalidations.js';
import { systemClock } from './shared/system-clock.js';
import { describe } from './shared/describe.js';
import { OptionsError } from './shared/errors.js';
import { channels } from './shared/events.js';
import { contextNames, contextOption, KeyContext } from './keys/context.js';
import { checkNamespace, kindOf, StoreKeys } from './keys/store-keys.js';
import { L1Cache } from './l1/l1-cache.js';
import { l1Options, type L1Options, type L1Settings } from './l1/l1-options.js';
import { limitOptions, type LimitOptions } from './limits/limit-options.js';
import { LimitEngine } from './limits/limit-engine.js';
import { Limits } from './limits/limits.js';
import { LockEngine } from './locks/lock-engine.js';
import { lockTimes, type LockTimes } from './locks/lock-options.js';
import { Locks } from './locks/locks.js';
import {
  defaultsOf,
  flag,
  integer,
  list,
  parseOptions,
  resolveOptions,
  unchecked,
  type Option,
} from './shared/option-schema.js';
import { brand, shared } from './shared/registry.js';
import { cacheOptions, type CacheOptions } from './cache/cache-options.js';
import type { Adapter, Backend } from './ports/adapter.js';
import type { ChangeSubscription } from './ports/change-feed.js';
import type { Clock } from './ports/clock.js';
import { plainEntries } from './ports/entry-format.js';
import { readSealOptions, type SealOptions } from './seal/seal-options.js';
import { SealedEntries } from './seal/sealed-entries.js';
import { TypeCodecs, type TypeCodec } from './values/type-codec.js';

/** The options of `new Caching`. */
export interface CachingOptions {
  /** The store: `memory()` from 'cachement/memory', or `ioredis(...)` from 'cachement/ioredis'. */
  readonly adapter: Adapter;
  /**
   * The prefix of every key and channel: 1 to 64 characters out of A-Z a-z 0-9 _ . : / -. Applications that share a Redis
   * must use different ones.
   * @default 'cachement'
   */
  readonly namespace?: string | undefined;
  /** The defaults of all cached calls. Options of a call take precedence. @default those of each option */
  readonly defaults?: CacheOptions | undefined;
  /**
   * Values in the memory of this process, in front of the store: true for the defaults, or an object of options.
   * @default false
   */
  readonly l1?: boolean | L1Options | undefined;
  /** The defaults of all rate limits. Options of a call take precedence. @default those of each option */
  readonly limits?: LimitOptions | undefined;
  /** The defaults of all locks. Options of a call take precedence. @default those of each option */
  readonly locks?: LockTimes | undefined;
  /**
   * Parts that every key and tag has, such as the tenant: names of values that `withContext` sets. A call without one of
   * them rejects with a MissingContextError (docs/context.md).
   * @default none
   */
  readonly context?: readonly string[] | undefined;
  /**
   * How instances of classes are stored, wherever they occur in a value: one codec for each class, made by `defineCodec`
   * (docs/values.md).
   * @default none: instances are refused
   */
  readonly codecs?: readonly TypeCodec[] | undefined;
  /**
   * Encrypts or signs what is stored, and takes for a miss what is not: an object of options with keys (docs/encryption.md).
   * @default none: whoever can read the store can read the values, and whoever can write to it can forge them
   */
  readonly seal?: SealOptions | undefined;
  /**
   * How many loads of this `Caching` may run at the same time in this process, 1 or more. Loads beyond that wait for
   * `loadQueueTimeout` (docs/outage.md).
   * @default not bounded
   */
  readonly maxConcurrentLoads?: number | undefined;
  /**
   * False: decorated methods run as if they were not decorated, and the verbs neither read nor store anything.
   * @default true
   */
  readonly enabled?: boolean | undefined;
  /** The source of time and randomness, for tests: `fakeClock` in 'cachement/testing'. @default the system clock */
  readonly clock?: Clock | undefined;
}

/** The schema of `CachingOptions`. */
export const cachingOptions = {
  adapter: unchecked<Adapter>('an adapter'),
  namespace: unchecked<string>('a namespace'),
  defaults: unchecked<CacheOptions>('an object of options'),
  l1: unchecked<boolean | L1Options>('true, false or an object of options'),
  limits: unchecked<LimitOptions>('an object of options'),
  locks: unchecked<LockTimes>('an object of options'),
  context: contextNames,
  codecs: list<TypeCodec>('a list of codecs'),
  seal: unchecked<SealOptions>('an object of options'),
  maxConcurrentLoads: integer({ min: 1 }),
  enabled: flag(true),
  clock: unchecked<Clock>('a clock'),
} satisfies Record<keyof CachingOptions, Option<unknown>>;

/** The options of `caching.verbs`. */
export interface VerbsOptions {
  /**
   * Parts of the context that the keys have beside those of the `Caching`, or false: keys and tags have none, and are those
   * of all contexts (docs/context.md).
   * @default those of the `Caching`
   */
  readonly context?: readonly string[] | false | undefined;
}

/** The schema of `VerbsOptions`. */
export const verbsOptions = { context: contextOption } satisfies Record<keyof VerbsOptions, Option<unknown>>;

/** The plain verbs of a `Caching`. */
export interface Verbs {
  readonly cache: Cache;
  readonly limits: Limits;
  readonly locks: Locks;
}

const BRAND: unique symbol = brand('caching') as typeof BRAND;
const defaults = shared<{ caching?: Caching | undefined }>('default', () => ({}));
/** The class `Caching` of every copy of this package. Each may be used as a token in DI containers. */
const tokens = shared<(typeof Caching)[]>('tokens', () => []);

/**
 * A namespace in a store, with its cache, rate limits and locks. Decorated methods and the plain verbs run on it. The class
 * is its own token in DI containers.
 *
 * @example
 * const caching = new Caching({ adapter: memory(), namespace: 'shop', defaults: { ttl: '5m' } });
 * const user = await caching.cache.getOrSet('user:42', () => db.user('42'));
 */
export class Caching {
  /** @internal */
  readonly [BRAND] = true;
  /** The prefix of every key and channel. */
  readonly namespace: string;
  /** False if decorated methods run as if they were not decorated. */
  readonly enabled: boolean;
  /** The plain verbs behind `@Cached` and `@Invalidates`. */
  readonly cache: Cache;
  /** The plain verbs behind `@RateLimited`. */
  readonly limits: Limits;
  /** The plain verbs behind `@Locked`. */
  readonly locks: Locks;
  /** @internal used by the verbs and the decorators */
  readonly engines: {
    readonly cache: CacheEngine;
    readonly limits: LimitEngine;
    readonly locks: LockEngine;
  };
  /** @internal the parts of the context in all keys */
  readonly context: KeyContext | undefined;
  /** @internal the stores, for the subpaths that use them directly */
  readonly backend: Backend;
  /** @internal */
  readonly clock: Clock;
  /** What ends before the engines do. */
  readonly #closing = new Set<() => Promise<void>>();

  /**
   * Opens the adapter. Connections are made in the background.
   *
   * @throws OptionsError for invalid options
   */
  constructor(options: CachingOptions) {
    const label = 'new Caching({ ... })';
    const {
      clock = systemClock,
      enabled = true,
      maxConcurrentLoads,
      context = [],
      codecs = [],
    } = parseOptions(cachingOptions, options, label);
    const { adapter, namespace = 'cachement' } = options;
    if (typeof adapter?.open !== 'function') {
      throw new OptionsError(
        "adapter of new Caching({ ... }) is memory() from 'cachement/memory' or ioredis('redis://...') from " +
          `'cachement/ioredis', and ${describe(adapter)} was given.`,
      );
    }
    // Check all options before the adapter is opened.
    const parsed = {
      cache: parseOptions(cacheOptions, options.defaults ?? {}, 'new Caching({ defaults })'),
      limits: parseOptions(limitOptions, options.limits ?? {}, 'new Caching({ limits })'),
      locks: parseOptions(lockTimes, options.locks ?? {}, 'new Caching({ locks })'),
      l1: l1SettingsOf(options.l1),
      codecs: codecs.length === 0 ? undefined : new TypeCodecs(codecs, label),
      seal: options.seal === undefined ? undefined : readSealOptions(options.seal, label),
    };
    this.namespace = checkNamespace(namespace);
    this.enabled = enabled;
    const names = new StoreKeys(namespace);
    const l1 = parsed.l1 === undefined || !enabled ? undefined : new L1Cache(parsed.l1, names, clock);
    const format = parsed.seal === undefined ? plainEntries : new SealedEntries(parsed.seal, namespace);
    this.clock = clock;
    this.backend = adapter.open({
      namespace,
      clock,
      changes: changesFor(l1),
      needsStoreTime: l1 !== undefined || format.isSealed,
      wake: (storeKey) => this.#wake(storeKey),
      degraded: (error) => channels.degraded.publish({ namespace, method: undefined, error }),
      recovered: () => {
        channels.recovered.publish({ namespace, method: undefined });
        this.engines.cache.recover();
      },
    });
    const { entries, rates, locks: lockStore } = this.backend;
    const common = { namespace, clock, enabled, listen: this.backend.listen?.bind(this.backend) };
    const locks = new LockEngine({ ...common, store: lockStore, defaults: parsed.locks });
    this.engines = {
      cache: new CacheEngine({
        ...common,
        store: entries,
        format,
        defaults: parsed.cache,
        loadLocks: locks,
        names,
        l1,
        maxConcurrentLoads,
        codecs: parsed.codecs,
      }),
      limits: new LimitEngine({ ...common, store: rates, defaults: parsed.limits }),
      locks,
    };
    this.context = enabled ? KeyContext.of(context) : undefined;
    const { cache, limits, locks: lockVerbs } = this.#verbsIn(this.context);
    this.cache = cache;
    this.limits = limits;
    this.locks = lockVerbs;
  }

  /**
   * The plain verbs with other parts of the context in their keys.
   *
   * @throws OptionsError for invalid options
   * @example
   * const { cache } = caching.verbs({ context: false });
   * await cache.invalidate({ tags: ['prices'] });
   */
  verbs(options: VerbsOptions): Verbs {
    const { context } = parseOptions(verbsOptions, options, 'verbs');
    return this.#verbsIn(this.enabled ? KeyContext.for(this.context, context) : undefined);
  }

  /**
   * A handle on a method with `@Cached`: its key, what is stored for a call, and how to load or invalidate that. The handle
   * works on this `Caching`.
   *
   * @param service the instance, or the class for a static method
   * @param method the name of a method that returns a promise
   * @throws OptionsError if the method has no `@Cached`, or if its calls use another `Caching`
   * @example
   * const found = await caching.of(service, 'find').peek('42');
   */
  of<S extends object, N extends AsyncMethodName<S>>(
    service: S,
    method: N,
  ): CachedHandle<MethodArguments<S, N>, MethodResult<S, N>> {
    return handleOn(this, service, method);
  }

  /**
   * A handle on a method with `@CachedMany`: the keys of its ids, what is stored for them, and how to load or invalidate them.
   * The handle works on this `Caching`.
   *
   * @param service the instance, or the class for a static method
   * @param method the name of a method that takes a list of ids and returns a promise
   * @throws OptionsError if the method has no `@CachedMany`, or if its calls use another `Caching`
   * @example
   * await caching.ofMany(service, 'findMany').refresh(['42', '43']);
   */
  ofMany<S extends object, N extends keyof BatchMethods<S>>(
    service: S,
    method: N,
  ): CachedManyHandle<MethodArguments<BatchMethods<S>, N>, MethodResult<BatchMethods<S>, N>> {
    return manyHandleOn(this, service, method);
  }

  /**
   * Runs `work`. Cached calls of this `Caching` in it (`@Cached` and `@CachedMany` methods, `getOrSet`, `getOrSetMany`),
   * also after an await, run their methods, and read and store nothing. Everything else is as always: `@Invalidates` invalidates.
   *
   * @returns what `work` returns
   * @throws OptionsError if `work` is not a function; and what `work` throws
   * @example
   * const user = await caching.bypass(() => service.find('42'));
   */
  bypass<T>(work: () => T): T {
    return runInMode(this.engines.cache, undefined, work, 'bypass');
  }

  /**
   * Runs `work`. Cached calls of this `Caching` in it (as for `bypass`), also after an await, load anew and replace what is
   * stored. Each key is loaded once in `work`; later calls of it read as always.
   *
   * @returns what `work` returns
   * @throws OptionsError if `work` is not a function; and what `work` throws
   * @example
   * await caching.refresh(() => warm('42'));
   */
  refresh<T>(work: () => T): T {
    return runInMode(this.engines.cache, new Set(), work, 'refresh');
  }

  /**
   * What `verify` has found since this `Caching` was made: which methods have returned entries that nobody has invalidated.
   * Of this process.
   *
   * @example
   * console.log(String(caching.verification()));
   */
  verification(): VerificationReport {
    return this.engines.cache.verification;
  }

  /**
   * Runs a database transaction. Invalidations of this `Caching` in it, by `@Invalidates` and by the plain verbs, are held
   * back, also after an await. When the promise of `work` resolves, which is after the commit, they are sent together. When it
   * rejects, which is after the rollback, they are dropped.
   *
   * Cached calls in it return no value that the transaction has invalidated, and what they load is not stored
   * (docs/transactions.md). A transaction within another one is a part of it, such as a savepoint.
   *
   * @param work runs the whole transaction, the commit included
   * @returns what `work` returns, after the store has confirmed the invalidations
   * @throws OptionsError for invalid options; and what `work` throws
   * @throws InvalidationError if the store is unavailable and `onUnavailable` is `'throw'`; its `result` is that of `work`
   * @example
   * await caching.transaction(() => db.transaction(() => service.save(user)));
   */
  transaction<T>(work: () => Promise<T> | T, options: TransactionOptions = {}): Promise<T> {
    return runTransaction(this.engines.cache, work, options);
  }

  /**
   * Holds invalidations back for a transaction that the caller begins and ends by itself. Call `run` for the work in it, and
   * `commit` or `rollback` after the database has done so.
   *
   * @throws OptionsError for invalid options
   * @example
   * const deferred = caching.deferInvalidations();
   * try {
   *   await deferred.run(() => service.save(user));
   *   await deferred.commit(); // After that of the database.
   * } finally {
   *   deferred.rollback(); // Does nothing after a commit.
   * }
   */
  deferInvalidations(options: TransactionOptions = {}): DeferredInvalidations {
    return new DeferredInvalidations(this.engines.cache, options, 'deferInvalidations');
  }

  #verbsIn(context: KeyContext | undefined): Verbs {
    const { limits, locks } = this.engines;
    return {
      cache: new Cache(this, context),
      limits: new Limits(limits, context),
      locks: new Locks(locks, context),
    };
  }

  /**
   * Resolves when the store can be used. Optional: calls made earlier wait for the connection within their timeouts.
   *
   * @throws StoreSetupError with the cause (address, password, permissions) and the fix, as soon as it is known
   * @example
   * await caching.ready();
   */
  async ready(): Promise<void> {
    await this.backend.ready();
  }

  /**
   * Releases leases, locks and slots, sends queued invalidations once more, and ends all timers, sockets and listeners.
   * Calls after that behave as while the store is unavailable. Never rejects.
   *
   * @example
   * await caching.close();
   */
  async close(): Promise<void> {
    // guard: handlers-of-messages-end-before-the-engines
    await Promise.all([...this.#closing].map((task) => task()));
    await Promise.all([...Object.values(this.engines).map((engine) => engine.close())]);
    await this.backend.close();
    if (defaults.caching === this) defaults.caching = undefined;
  }

  /** @internal Runs a task at the beginning of `close()`, which waits for it. It must not reject. */
  onClose(task: () => Promise<void>): void {
    this.#closing.add(task);
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

  /**
   * Sets the `Caching` of decorated methods that find no other one (docs/dependency-injection.md). Undefined removes it.
   *
   * @throws OptionsError for anything but a `Caching` or undefined
   * @example
   * Caching.setDefault(new Caching({ adapter: memory() }));
   */
  static setDefault(caching: Caching | undefined): void {
    if (caching !== undefined && !Caching.is(caching)) {
      throw new OptionsError(
        `Caching.setDefault takes a Caching or undefined, and ${describe(caching)} was given.`,
      );
    }
    defaults.caching = caching;
  }

  /** Returns the `Caching` that `setDefault` has set. */
  static getDefault(): Caching | undefined {
    return defaults.caching;
  }

  /** True for a `Caching`, also of another copy of this package. */
  static is(value: unknown): value is Caching {
    return typeof value === 'object' && value !== null && (value as Partial<Caching>)[BRAND] === true;
  }

  /** `instanceof` is also true for a `Caching` of another copy of this package. */
  static [Symbol.hasInstance](value: unknown): boolean {
    if (this === Caching) return Caching.is(value);
    return Function.prototype[Symbol.hasInstance].call(this, value);
  }
}

/** @returns undefined without an L1 */
function l1SettingsOf(option: boolean | L1Options | undefined): L1Settings | undefined {
  if (option === undefined || option === false) return undefined;
  const options = option === true ? {} : option;
  return resolveOptions(parseOptions(l1Options, options, 'new Caching({ l1 })'), defaultsOf(l1Options));
}

function changesFor(l1: L1Cache | undefined): ChangeSubscription | undefined {
  if (l1 === undefined || l1.settings.coherence === 'validate') return undefined;
  return { source: l1.settings.coherence, listener: l1 };
}

tokens.push(Caching);

/** The DI tokens under which a container may provide a `Caching`, that of this copy first. */
export function cachingTokens(): readonly (typeof Caching)[] {
  return [Caching, ...tokens.filter((token) => token !== Caching)];
}
