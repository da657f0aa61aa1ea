import type { MethodLabel } from '../shared/event-publisher.js';
import { MISS, NOT_VALIDATED, type CacheCall, type CallKeys, type LookupResult } from './cache-call.js';
import {
  createCacheContext,
  sendInvalidation,
  type CacheContext,
  type CacheContextSetup,
} from './cache-context.js';
import { prepareEntry, writeEntry } from './entry-writer.js';
import { KeyError, type StoreUnavailableError } from '../shared/errors.js';
import { InFlightLoad, type LoadResult } from './in-flight-loads.js';
import { currentLoadContext, enclosingLoadOf, type LoadContext } from './load-context.js';
import { releaseAll, releaseLater, requestLease, type LoadLease } from './load-lease.js';
import { loadMissing } from './loader.js';
import { lookup, peek } from './lookup.js';
import {
  CACHE_DEFAULTS,
  resolveCachePolicy,
  type CacheDefaults,
  type cacheOptions,
  type CachePolicy,
} from './cache-options.js';
import { resolveOptions, type Given } from '../shared/option-schema.js';
import type { InvalidationTarget } from './pending-invalidations.js';
import { quote } from '../shared/describe.js';
import { zipTagVersions } from './tags.js';
import { newToken } from '../shared/token.js';

export interface CacheEngineSetup extends CacheContextSetup {
  readonly defaults: Given<typeof cacheOptions>;
  readonly enabled: boolean;
}

/**
 * What runs under `@Cached`, `@Invalidates` and `caching.cache`. `read` is the path of a cached call: look the entry up
 * (lookup.ts); join the load of this process (in-flight-loads.ts) or begin one: acquire the lease (load-lease.ts), call
 * the loader (loader.ts), and write the entry if its lease and its tags are unchanged (entry-writer.ts). The protocol
 * and its guarantees: docs/coherence.md.
 */
export class CacheEngine {
  readonly enabled: boolean;
  readonly #context: CacheContext;
  readonly #defaults: CacheDefaults;

  constructor(setup: CacheEngineSetup) {
    this.enabled = setup.enabled;
    this.#defaults = resolveOptions(setup.defaults, CACHE_DEFAULTS);
    this.#context = createCacheContext(setup);
  }

  /**
   * What was given over the defaults.
   * @param where names the place in errors: `getOrSet`, `@Cached on find`
   * @throws OptionsError if there is no ttl
   */
  policy(given: Given<typeof cacheOptions>, where: string): CachePolicy {
    return resolveCachePolicy(given, this.#defaults, where);
  }

  /**
   * One cached call. The returned value was valid at some time after the call started: it comes from this call's lookup,
   * from a load started later, or from an earlier load that was validated since (lease and tag nonces unchanged).
   */
  async read<T>(call: CacheCall<T>): Promise<T> {
    if (!this.enabled) return call.load();
    const context = this.#context;
    const { clock, inFlight } = context;
    const outer = currentLoadContext();
    const itself = enclosingLoadOf(outer, context, call.key);
    // guard: load-does-not-wait-for-itself
    if (itself !== undefined) return this.#loadWithinItself(call, itself, outer);

    const startedAt = ++context.sequence;
    const keys = this.#keysOf(call);
    let requestedAt = clock.now();
    let found = await lookup(context, call, keys);
    let load: InFlightLoad | undefined;
    let own: InFlightLoad | undefined;
    let hung: InFlightLoad[] = [];
    // guard: load-timeout-is-for-this-process
    let patience = call.policy.loadTimeout;
    for (;;) {
      if (found.status === 'hit') {
        // guard: hit-passes-its-tags-on
        outer?.tracker?.add(found.tags);
        return found.value as T;
      }
      load ??= inFlight.get(call.key) ?? (own = this.#beginLoad(call, keys, found, requestedAt));
      // guard: hung-load-is-left
      const first = await this.#firstResult(load, hung, load === own ? undefined : patience);
      if (first === undefined) {
        // All calls that wait for a load that hangs leave it at the same time, and begin one new load together.
        // guard: hung-load-is-joined-no-more
        inFlight.remove(load);
        hung.push(load);
        load = undefined;
        // guard: patience-grows
        patience *= 2;
        requestedAt = clock.now();
        continue;
      }
      // Wait for the write, so that the value is stored when the call returns; at most for the store time that is left.
      const validFrom = await this.#within(
        first.load.validated,
        call.policy.storeTimeout - first.load.storeTimeSpent,
      );
      if (this.#mayReturn(call, first.result, startedAt, validFrom)) {
        if (first.load !== own) {
          context.events.publish('coalesced', call.method, { key: call.key, with: 'process' });
        }
        // guard: load-passes-its-tags-on
        outer?.tracker?.add(first.result.tags);
        return first.result.value as T;
      }
      // The load ended without being validated in time: no later call joins it, and this one does not wait for it again.
      // guard: load-that-is-not-validated-is-left
      inFlight.remove(first.load);
      if (first.load !== load) {
        hung = hung.filter((one) => one !== first.load);
        continue;
      }
      load = undefined;
      // If the store was unavailable, do not ask it again in this call.
      // guard: second-load-has-its-own-store-time
      // guard: unavailable-store-is-asked-once
      if (found.status !== 'unavailable') {
        requestedAt = clock.now();
        found = await lookup(context, call, keys);
      }
    }
  }

  /**
   * The value at a key, for the plain verbs.
   * @throws StoreUnavailableError
   */
  async peek(key: string): Promise<LookupResult> {
    return this.enabled ? peek(this.#context, key) : MISS;
  }

  /**
   * Stores a value in the place of whatever is there, under a lease like a load, so that an invalidation that comes
   * meanwhile is not undone.
   *
   * @returns false: it was invalidated meanwhile, or is not to be stored
   * @throws StoreUnavailableError, ValueError
   */
  async set<T>(call: CacheCall<T>, value: T): Promise<boolean> {
    const context = this.#context;
    const entry = prepareEntry(context, call, value);
    if (!this.enabled) return false;
    const { clock, inFlight, pending, store } = context;
    const keys = this.#keysOf(call);
    const { version } = pending;
    const askedAt = clock.now();
    const token = newToken();
    try {
      const [reply, tagState] = await requestLease(context, call, keys, token, '*');
      if (reply.status !== 'granted') return false;
      inFlight.detach([call.key], [], false);
      const lease: LoadLease = { token, tagState, grantedAt: reply.at, askedAt };
      const tags = zipTagVersions(call.tags, tagState.nonces, 1);
      if (tags === undefined) {
        await store.release(keys.entry, token);
        return false;
      }
      const isStored = (await writeEntry(context, call, keys, lease, tags, entry)) === 'stored';
      // guard: set-clears-what-came-before-it
      if (isStored) pending.clearKey(call.key, version);
      return isStored;
    } catch (error) {
      // guard: failed-set-releases-its-lease
      releaseLater(context, keys.entry, token, call.policy.lease);
      throw error;
    }
  }

  /**
   * Invalidates entries.
   * @returns why the store could not take it; then it is queued, and this process reads past what it covers
   */
  async invalidate(
    target: InvalidationTarget,
    method: MethodLabel | undefined,
  ): Promise<StoreUnavailableError | undefined> {
    const { keys, tags, all } = target;
    if (!this.enabled) return undefined;
    const { inFlight, names, pending, events, store } = this.#context;
    const { version } = pending;
    let failure: StoreUnavailableError | undefined;
    // guard: loads-are-detached-before-an-invalidation
    inFlight.detach(keys, tags, all);
    try {
      await sendInvalidation(store, names, target);
      // guard: acknowledged-invalidation-clears-its-keys
      for (const key of keys) pending.clearKey(key, version);
    } catch (error) {
      failure = events.unavailable('invalidate', { key: keys[0], method }, error);
      // guard: failed-invalidation-is-queued
      pending.add(target);
    }
    // guard: loads-are-detached-after-an-invalidation
    inFlight.detach(keys, tags, all);
    events.publish('invalidate', method, { keys, tags, all, acknowledged: failure === undefined });
    return failure;
  }

  /** A call that is not cached: an enclosing load with `inheritTags` cannot know its tags, and must not be stored. */
  bypass(): void {
    // guard: uncached-call-has-unknown-tags
    currentLoadContext()?.tracker?.add(undefined);
  }

  /** For the adapter: another process has released its lease of the entry at this key. */
  wake(entryKey: string): void {
    this.#context.wakeups.wake(entryKey);
  }

  /** For the adapter: the store answers again, so queued invalidations can be sent. */
  recover(): void {
    if (this.#context.pending.isPending) void this.#context.pending.retry();
  }

  /** There are invalidations that are not acknowledged yet. */
  get pending(): boolean {
    return this.#context.pending.isPending;
  }

  /** For decorators: an error that the caller does not see. */
  report(operation: string, method: MethodLabel, error: unknown): void {
    this.#context.events.error(operation, { method }, error);
  }

  /** Releases the leases held, and sends queued invalidations once more. */
  async close(): Promise<void> {
    const { pending } = this.#context;
    pending.close();
    // guard: close-releases-leases
    await Promise.allSettled([pending.retry(), releaseAll(this.#context)]);
    pending.close();
  }

  #keysOf<T>({ key, tags }: CacheCall<T>): CallKeys {
    const { names } = this.#context;
    return { entry: names.entry(key), nonces: names.nonces(tags) };
  }

  #beginLoad<T>(call: CacheCall<T>, keys: CallKeys, found: LookupResult, requestedAt: number): InFlightLoad {
    // guard: inherited-tags-are-unknown-during-the-load
    const dependsOnResult = call.resultTags !== undefined || call.policy.inheritTags;
    const load = new InFlightLoad(call.key, dependsOnResult ? undefined : call.tags);
    this.#context.inFlight.add(load);
    void loadMissing(this.#context, load, call, keys, found, requestedAt);
    return load;
  }

  /**
   * The call is made by the load of its own key: by an override for the method it overrides, or by mistake. It must not
   * wait for that load, which waits for it.
   */
  async #loadWithinItself<T>(
    call: CacheCall<T>,
    itself: LoadContext,
    outer: LoadContext | undefined,
  ): Promise<T> {
    const { site, key, method } = call;
    const isOverride = site !== undefined && site !== itself.site && site.name === itself.site?.name;
    if (!isOverride) {
      const error = new KeyError(
        `The load of ${quote(key)} asks for its own key${method === undefined ? '' : ` (${method()})`}. It would wait for ` +
          'itself, so this call runs uncached. Give one of the two another key, or call the method that it decorates.',
      );
      this.#context.events.error('load', call, error);
    }
    outer?.tracker?.add(undefined);
    return call.load();
  }

  /**
   * The result of the load that ends first: the one the call waits for, or one that it has left because it hangs.
   *
   * @param timeout how long the loader of `load` may run before the call leaves it, in ms; undefined: as long as it takes
   * @returns undefined: the time is over
   * @throws what the loader of `load` throws
   */
  async #firstResult(
    load: InFlightLoad,
    hung: readonly InFlightLoad[],
    timeout: number | undefined,
  ): Promise<{ readonly load: InFlightLoad; readonly result: LoadResult } | undefined> {
    if (hung.length === 0 && timeout === undefined) return { load, result: await load.result };
    const { clock } = this.#context;
    return new Promise((resolve, reject) => {
      const leaveWhenHung = (): void => {
        const left = (load.loaderStartedAt ?? clock.now()) + timeout! - clock.now();
        if (left > 0) timer = clock.after(left, leaveWhenHung);
        else resolve(undefined);
      };
      let timer = timeout === undefined ? undefined : clock.after(timeout, leaveWhenHung);
      const end = (one: InFlightLoad) => (result: LoadResult) => {
        timer?.cancel();
        resolve({ load: one, result });
      };
      load.result.then(end(load), (error: unknown) => {
        timer?.cancel();
        reject(error as Error);
      });
      // An error of a load that hung is not this call's: it waits for a newer one.
      // guard: slow-load-still-counts
      for (const one of hung) one.result.then(end(one), () => {});
    });
  }

  /** What the promise settles with, or NOT_VALIDATED after `ms`. */
  async #within(validated: Promise<number>, ms: number): Promise<number> {
    return new Promise((resolve) => {
      const timer = this.#context.clock.after(Math.max(0, ms), () => resolve(NOT_VALIDATED));
      void validated.then((validFrom) => {
        timer.cancel();
        resolve(validFrom);
      });
    });
  }

  /**
   * A load that began after the call is valid for it. An earlier one is if it was validated since the call began, its
   * tags include all tags of the call, and it is not older than a value that was returned before.
   */
  #mayReturn<T>(call: CacheCall<T>, result: LoadResult, startedAt: number, validFrom: number): boolean {
    // guard: load-from-after-the-call-needs-no-validation
    if (result.validFrom >= startedAt) return true;
    // guard: load-from-before-the-call-needs-validation
    // guard: validation-is-from-after-the-call
    if (validFrom < startedAt) return false;
    // guard: shared-load-has-the-tags-of-the-call
    const isCovered = call.tags.every((tag) => result.tags?.some((one) => one.tag === tag));
    // guard: validated-load-is-shared
    // guard: shared-load-is-not-below-the-high-water-mark
    return isCovered && this.#context.highWaterMarks.permits(call.key, result.loadedAt);
  }
}
