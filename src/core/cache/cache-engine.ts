import type { MethodLabel } from '../shared/event-publisher.js';
import {
  MISS,
  NOT_VALIDATED,
  replacedBy,
  type CacheCall,
  type CallKeys,
  type LookupResult,
  type Replaced,
  type StaleResult,
} from './cache-call.js';
import { callModeOf } from './call-mode.js';
import { CallWait } from './call-wait.js';
import {
  createCacheContext,
  sendInvalidation,
  type CacheContext,
  type CacheContextSetup,
} from './cache-context.js';
import { acceptLoaded, prepareEntry, writeEntry } from './entry-writer.js';
import type { RememberedKey } from '../keys/key-memo.js';
import {
  invalidationQueued,
  KeyError,
  notMarked,
  notPut,
  type StoreUnavailableError,
} from '../shared/errors.js';
import { explain } from './explain.js';
import { inspect, type Peeked } from './inspect.js';
import { InFlightLoad, type LoadResult } from './in-flight-loads.js';
import { LoadBulkhead, LoadTurn, reconsiderWaitingTurns } from './load-bulkhead.js';
import { currentLoadContext, enclosingLoadOf, runUncached, type LoadContext } from './load-context.js';
import { hasAllNonces, releaseAll, releaseLater, requestLease, type LoadLease } from './load-lease.js';
import { loadMissing } from './loader.js';
import { waitForLoad, type LoadOutcome, type LoadWaitLimits } from './load-wait.js';
import { tagNames } from '../ports/entry-format.js';
import { channels, type CachementEvents } from '../shared/events.js';
import { put } from './put.js';
import { lookup, peek, publishL1Hit, type ReadPolicy } from './lookup.js';
import type { L1Entry } from '../l1/l1-entry.js';
import {
  CACHE_DEFAULTS,
  checkIdleTtl,
  resolveCachePolicy,
  type CacheDefaults,
  type CallCacheOptions,
  type cacheOptions,
  type CachePolicy,
  type OnUnavailable,
} from './cache-options.js';
import { resolveOptions, type ParsedOptions } from '../shared/option-schema.js';
import type { InvalidationTarget } from './pending-invalidations.js';
import { quote } from '../shared/describe.js';
import { Serializers, type SerializerOptions } from '../values/serializer.js';
import type { TypeCodecs } from '../values/type-codec.js';
import { RepeatedInvalidations } from './repeated-invalidations.js';
import { zipTagVersions } from './tags.js';
import { Verification } from './verification.js';
import type { VerificationReport } from './verification-report.js';
import { currentTransaction, type InvalidationExtras, type TransactionScope } from './transaction-scope.js';
import type { ReplicaWait } from './wait-replicas.js';
import type { SentInvalidation } from './acknowledgement.js';
import type { Removal } from '../ports/entry-store.js';
import { newToken } from '../shared/token.js';
import { WriteMark } from './write-mark.js';

/** `set` replaces whatever is stored. */
const ANY_RECORD: Replaced = { token: '*', keeps: undefined, tags: [] };
/** What a refresh has instead of a lookup: its load replaces whatever is stored, which stays readable until then. */
const REFRESH: LookupResult = { status: 'miss', replaces: '*', keeps: true };

export interface CacheEngineSetup extends CacheContextSetup {
  readonly defaults: ParsedOptions<typeof cacheOptions>;
  readonly enabled: boolean;
  /** Undefined: instances of classes have no codecs. */
  readonly codecs: TypeCodecs | undefined;
}

/** A write that marks its entries before it runs. */
export interface SafeWrite<T> {
  /** What is known of the entries before the write. */
  readonly marked: InvalidationTarget;
  /** How long the mark stands if this process dies, in ms. */
  readonly safe: number;
  readonly work: () => Promise<T>;
  /** What is invalidated after the write, beside `marked`; undefined: nothing, the write has changed nothing. */
  readonly targetOf: (result: T) => InvalidationTarget | undefined;
  readonly onUnavailable: OnUnavailable;
  readonly extras?: InvalidationExtras | undefined;
  readonly method: MethodLabel | undefined;
}

/** The options of a call: those with defaults in the `Caching`, and those of its values. */
type CallOptions = CallCacheOptions & SerializerOptions;

/**
 * Implements `@Cached`, `@Invalidates` and `caching.cache`. `read` is the path of a cached call: look the entry up
 * (lookup.ts); join the load of this process (in-flight-loads.ts) or start one: acquire the lease (load-lease.ts), call
 * the loader (loader.ts), and write the entry if its lease and its tags are unchanged (entry-writer.ts).
 *
 * @see docs/coherence.md for the protocol and the guarantees G1 to G10
 */
export class CacheEngine {
  readonly enabled: boolean;
  readonly #context: CacheContext;
  readonly #defaults: CacheDefaults;
  readonly #serializers: Serializers;
  readonly #readPolicy: ReadPolicy;
  readonly #verification: Verification;
  readonly #repeats: RepeatedInvalidations;

  constructor(setup: CacheEngineSetup) {
    this.enabled = setup.enabled;
    this.#defaults = resolveOptions(setup.defaults, CACHE_DEFAULTS);
    checkIdleTtl(this.#defaults.idleTtl, this.#defaults.ttl, 'new Caching({ defaults })');
    this.#context = createCacheContext(setup);
    this.#verification = new Verification(this.#context);
    const { codec, maxValueBytes } = this.#defaults;
    this.#serializers = new Serializers(setup.codecs, codec);
    this.#repeats = new RepeatedInvalidations((target) => {
      const sent = this.invalidateNow(target, undefined);
      this.#context.events.background(sent);
      return sent;
    }, setup.clock);
    const { refreshAhead } = CACHE_DEFAULTS;
    this.#readPolicy = { grace: 0, refreshAhead, maxValueBytes, serializer: this.#serializers.base };
  }

  /**
   * Merges the options of a call with the defaults.
   * @param label names the call in errors: `getOrSet`, `@Cached on find`
   * @throws OptionsError if neither has a ttl
   */
  policy(options: CallOptions, label: string): CachePolicy {
    return resolveCachePolicy(options, this.#defaults, label, this.#serializers.of(options));
  }

  /** How a plain verb reads values. @param options undefined: those of the `Caching` */
  readPolicy(options: SerializerOptions | undefined): ReadPolicy {
    if (options === undefined) return this.#readPolicy;
    return { ...this.#readPolicy, serializer: this.#serializers.of(options) };
  }

  /** The bulkhead of a decorated method. @param limit undefined: only the bound of the `Caching` applies */
  bulkhead(limit: number | undefined): LoadBulkhead | undefined {
    return limit === undefined ? undefined : new LoadBulkhead(limit, this.#context.bulkhead);
  }

  /** Decides whether a call is verified if it is a hit. */
  samples({ verify }: CachePolicy): boolean {
    return verify !== false && this.#context.clock.random() < verify.share;
  }

  /** What the verification of hits has found since the `Caching` was made. */
  get verification(): VerificationReport {
    return this.#verification.report();
  }

  /**
   * Returns the stored value, or loads and stores it. The returned value was valid at some time after the call started: it
   * comes from this call's lookup, from a load started later, or from an earlier load that was validated since (lease and
   * tag nonces unchanged).
   *
   * @throws what the loader, `unless` and `resultTags` throw; ValueError; LoadShedError. Failures of the store are not thrown
   * @see G1, G4, G5, G10
   */
  read<T>(call: CacheCall<T>): Promise<T> {
    if (!this.enabled) return runUncached(call.load);
    const mode = callModeOf(this);
    const transaction = currentTransaction(this);
    if (transaction !== undefined && mode === undefined) return this.#readInTransaction(call, transaction);
    if (mode === undefined) return this.#read(call, undefined);
    return mode.refreshed === undefined ? runUncached(call.load) : this.refresh(call, mode.refreshed);
  }

  /**
   * Loads the value anew, and replaces what is stored. A load that was started earlier, in any process, is not stored any
   * more. Calls that refresh a key at the same time share a load, if its loader has not been called yet.
   *
   * @param refreshed the keys that need no other load, to which this one is added
   * @throws what `read` throws
   */
  refresh<T>(call: CacheCall<T>, refreshed = new Set<string>()): Promise<T> {
    if (!this.enabled) return runUncached(call.load);
    const transaction = currentTransaction(this);
    if (transaction !== undefined) {
      // guard: refresh-in-a-transaction-is-an-invalidation
      transaction.add({ keys: [call.key], tags: [], all: false });
      return runUncached(call.load);
    }
    // guard: refresh-loads-a-key-once
    if (refreshed.has(call.key)) return this.#read(call, undefined);
    // guard: refresh-ends-what-the-request-remembers
    this.#context.memo.invalidate({ keys: [call.key], tags: [], all: false });
    return this.#read(call, refreshed);
  }

  /** @param refreshed the keys of a refresh; undefined: what is stored may be returned */
  #read<T>(call: CacheCall<T>, refreshed: Set<string> | undefined): Promise<T> {
    const outer = currentLoadContext();
    // guard: verification-asks-the-source
    if (outer?.isVerification === true) return runUncached(call.load);
    // What a load reads may be stored for all requests, so it must not be older than the load.
    // guard: memo-is-not-used-within-a-load
    // guard: memo-does-not-share-what-a-signal-may-end
    const isRemembered = outer === undefined && call.policy.memo && call.signal === undefined;
    const values = isRemembered ? this.#context.memo.current() : undefined;
    if (values === undefined) return this.#readShared(call, outer, refreshed);
    return this.#context.memo.read(values, call, () => this.#readShared(call, outer, refreshed));
  }

  /**
   * Returns the stored value, unless the transaction has invalidated it. What the call loads may be uncommitted: it is not
   * stored, no other call joins the load, and nothing is loaded in the background.
   */
  async #readInTransaction<T>(call: CacheCall<T>, transaction: TransactionScope): Promise<T> {
    const context = this.#context;
    const outer = currentLoadContext();
    // Saves the lookup of an entry that is known to be invalidated.
    if (!transaction.covers(call.key, call.tags)) {
      const known = context.l1?.find(call.key, call.policy.l1, call.policy.serializer);
      const isCurrent = known !== undefined && context.l1?.mustConfirm === false && known.hasTags(call.tags);
      const found: LookupResult = isCurrent
        ? { status: 'hit', value: await known.read(), token: known.token, tags: known.tags, tier: 'l1' }
        : await lookup(context, call, this.#keysOf(call), known);
      // guard: transaction-reads-its-own-writes
      if (found.status === 'hit' && !transaction.covers(call.key, tagNames(found.tags))) {
        if (isCurrent) publishL1Hit(context, call);
        outer?.tracker?.add(found.tags);
        return found.value as T;
      }
    }
    // guard: uncommitted-value-is-not-stored
    return runUncached(call.load);
  }

  /** @param outer the load that makes the call */
  #readShared<T>(
    call: CacheCall<T>,
    outer: LoadContext | undefined,
    refreshed: Set<string> | undefined,
  ): Promise<T> {
    const context = this.#context;
    const sameKeyLoad = enclosingLoadOf(outer, context, call.key);
    // guard: load-does-not-wait-for-itself
    if (sameKeyLoad !== undefined) return this.#loadWithinItself(call, sameKeyLoad, outer);
    if (refreshed !== undefined) return this.#readStore(call, outer, undefined, refreshed);

    const known = context.l1?.find(call.key, call.policy.l1, call.policy.serializer);
    if (known === undefined || context.l1?.mustConfirm === true || !known.hasTags(call.tags)) {
      return this.#readStore(call, outer, known);
    }
    publishL1Hit(context, call);
    if (call.sample !== undefined) this.#verification.start(call, call.sample, known, 'l1');
    // guard: l1-hit-passes-its-tags-on
    outer?.tracker?.add(known.tags);
    return known.read() as Promise<T>;
  }

  /** @param known an entry in memory that the store must confirm */
  async #readStore<T>(
    call: CacheCall<T>,
    outer: LoadContext | undefined,
    known: L1Entry | undefined,
    refreshed?: Set<string>,
  ): Promise<T> {
    const context = this.#context;
    const { clock, inFlight } = context;
    const callStartedAt = ++context.sequence;
    const keys = this.#keysOf(call);
    let requestedAt = clock.now();
    let found = refreshed === undefined ? await lookup(context, call, keys, known) : REFRESH;
    let load: InFlightLoad | undefined;
    let startedLoad: InFlightLoad | undefined;
    let hung: InFlightLoad[] = [];
    // guard: load-timeout-is-for-this-process
    let loadTimeout = call.policy.loadTimeout;
    let wait: CallWait | undefined;
    for (;;) {
      if (found.status === 'hit') {
        if (found.refreshes !== undefined) this.#refresh(call, keys, found, requestedAt);
        if (call.sample !== undefined) this.#verification.start(call, call.sample, found, found.tier);
        // guard: hit-passes-its-tags-on
        outer?.tracker?.add(found.tags);
        return found.value as T;
      }
      if (found.status === 'stale' && found.isBackedOff)
        return this.#returnStale(call, found, outer, 'back-off');
      if (found.status === 'unavailable' && call.policy.outage > 0) {
        const kept = context.outage.find(call.key, call.tags, call.policy.serializer);
        // guard: outage-value-is-not-below-the-high-water-mark
        if (kept !== undefined && context.highWaterMarks.permits(call.key, kept.keptAt)) {
          publishL1Hit(context, call);
          // guard: outage-value-has-unknown-tags
          outer?.tracker?.add(undefined);
          return kept.read() as Promise<T>;
        }
      }
      wait ??= new CallWait(clock, call);
      load ??=
        this.#join(call.key, outer, refreshed) ??
        (startedLoad = this.#startLoad(call, keys, found, requestedAt, outer, refreshed));
      // guard: batch-does-not-wait-for-a-load-of-this-process
      if (load !== startedLoad) call.batch?.decided();
      const limits = {
        // guard: hung-load-is-left
        loadTimeout: load === startedLoad ? undefined : loadTimeout,
        deadline: wait.deadline(found),
        signal: call.signal,
      };
      let finished: LoadOutcome;
      try {
        finished = await this.#waitForLoad(load, hung, limits);
      } catch (error) {
        if (found.status === 'stale' && load.permitsStale && this.#mayReturnStale(call, found)) {
          return this.#returnStale(call, found, outer, load.isBackedOff ? 'back-off' : 'error');
        }
        // guard: call-without-a-stale-value-loads-in-the-back-off
        if (!load.isBackedOff || found.status === 'stale') throw error;
        load = undefined;
        continue;
      }
      if (finished.status === 'timeout') {
        // guard: own-invalidation-ends-a-stale-value-at-hand
        if (found.status === 'stale' && !load.isDetached && this.#mayReturnStale(call, found)) {
          // guard: load-behind-a-stale-value-goes-on
          load.isInBackground = true;
          load.leave();
          return this.#returnStale(call, found, outer, 'timeout');
        }
        if (wait.goesOn()) {
          load.leave();
          continue;
        }
        throw this.#leave(load, wait.error());
      }
      if (finished.status === 'hung') {
        // All calls that wait for a hung load leave it at the same time, so they start one new load together.
        // guard: hung-load-is-joined-no-more
        inFlight.remove(load);
        hung.push(load);
        load = undefined;
        // guard: patience-grows
        loadTimeout *= 2;
        requestedAt = clock.now();
        continue;
      }
      // Wait for the write, so that the value is stored when the call returns; at most for the store time that is left.
      const validFrom = await this.#validationWithin(
        finished.load.validated,
        call.policy.storeTimeout - finished.load.storeTimeSpent,
      );
      if (this.#mayReturn(call, finished.result, callStartedAt, validFrom)) {
        if (finished.load !== startedLoad) {
          context.events.publish('coalesced', call.method, { key: call.key, with: 'process' });
        }
        // guard: load-passes-its-tags-on
        outer?.tracker?.add(finished.result.tags);
        refreshed?.add(call.key);
        return finished.result.value as T;
      }
      // The load was not validated in time: later calls must not join it, and this one must not wait for it again.
      // guard: load-that-is-not-validated-is-left
      inFlight.remove(finished.load);
      if (finished.load !== load) {
        hung = hung.filter((one) => one !== finished.load);
        continue;
      }
      load = undefined;
      // If the store was unavailable, it is not asked again in this call (G10).
      // guard: second-load-has-its-own-store-time
      // guard: unavailable-store-is-asked-once
      if (found.status !== 'unavailable') {
        requestedAt = clock.now();
        if (refreshed === undefined) found = await lookup(context, call, keys);
      }
    }
  }

  /**
   * Looks a key up for the plain verbs.
   * @throws StoreUnavailableError
   */
  async peek(key: string, policy: ReadPolicy = this.#readPolicy): Promise<LookupResult> {
    if (!this.enabled) return MISS;
    const transaction = currentTransaction(this);
    const found = await this.#peek(key, policy);
    const isInvalidated = found.status === 'hit' && transaction?.covers(key, tagNames(found.tags)) === true;
    // guard: transaction-peeks-at-its-own-writes
    return isInvalidated ? MISS : found;
  }

  async #peek(key: string, policy: ReadPolicy): Promise<LookupResult> {
    const context = this.#context;
    const known = context.l1?.find(key, Infinity, policy.serializer);
    if (known === undefined || context.l1?.mustConfirm === true) return peek(context, key, policy, known);
    publishL1Hit(context, { key, method: undefined });
    return { status: 'hit', value: await known.read(), tags: known.tags, token: known.token, tier: 'l1' };
  }

  /**
   * What is stored for a call, for handles.
   * @throws StoreUnavailableError
   */
  async inspect<T>(call: CacheCall<T>): Promise<Peeked<T> | undefined> {
    if (!this.enabled) return undefined;
    const transaction = currentTransaction(this);
    const found = await inspect(this.#context, call);
    // guard: transaction-inspects-its-own-writes
    return found !== undefined && transaction?.covers(call.key, found.tags) === true ? undefined : found;
  }

  /** Says in words what a call would do now, for handles. */
  async explain<T>(call: CacheCall<T>): Promise<string> {
    const mode = callModeOf(this);
    if (!this.enabled) return 'uncached: the Caching is not enabled, so the method runs.';
    if (currentTransaction(this)?.covers(call.key, call.tags) === true) {
      return 'uncached: the transaction has invalidated the entry, so the method runs, and its result is not stored.';
    }
    if (mode === undefined || mode.refreshed?.has(call.key) === true) return explain(this.#context, call);
    return mode.refreshed === undefined
      ? 'uncached: the call is within caching.bypass(), so the method runs.'
      : 'miss: the call is within caching.refresh(), so it loads anew.';
  }

  /**
   * Returns the entry in memory that a call may return at once: the first step of `read`, for decorators, which then need
   * not prepare a call.
   *
   * @param policy of the call; `l1` is a maximum age in ms, 0 for none
   */
  findInMemory(
    key: string | RememberedKey,
    { l1: maxAge, serializer }: Pick<CachePolicy, 'l1' | 'serializer'>,
  ): L1Entry | undefined {
    const { l1, memo } = this.#context;
    // Within a load or a request with a memo, `read` has more to do.
    if (l1 === undefined || l1.mustConfirm || currentLoadContext() !== undefined) return undefined;
    // guard: mode-precedes-the-memory
    if (callModeOf(this) !== undefined) return undefined;
    // guard: transaction-precedes-the-memory
    if (currentTransaction(this) !== undefined) return undefined;
    // guard: memo-precedes-the-memory
    if (memo.current() !== undefined) return undefined;
    return typeof key === 'string'
      ? l1.find(key, maxAge, serializer)
      : l1.findRemembered(key, maxAge, serializer);
  }

  /**
   * Returns the value of an entry that `findInMemory` has found.
   * @param name names the method of `self` in events
   */
  hit(entry: L1Entry, self: unknown, name: { forEvents(self: unknown): string }): Promise<unknown> {
    if (channels.hit.hasSubscribers) {
      publishL1Hit(this.#context, { key: entry.key, method: () => name.forEvents(self) });
    }
    return entry.read();
  }

  /**
   * Stores a value under a lease, as a load does, so that it does not undo an invalidation that arrives meanwhile.
   *
   * @returns false if it was invalidated meanwhile or must not be stored
   * @throws StoreUnavailableError, ValueError
   * @see G1
   */
  async set<T>(call: CacheCall<T>, value: T): Promise<boolean> {
    const context = this.#context;
    const entry = prepareEntry(context, call, acceptLoaded(context, call, value));
    if (!this.enabled) return false;
    const transaction = currentTransaction(this);
    if (transaction !== undefined) {
      // guard: set-in-a-transaction-is-an-invalidation
      transaction.add({ keys: [call.key], tags: [], all: false });
      return false;
    }
    const { clock, inFlight, l1, memo, pending, store } = context;
    const keys = this.#keysOf(call);
    const { version } = pending;
    const askedAt = clock.now();
    const token = newToken();
    // guard: set-ends-older-values-in-memory
    l1?.supersede(call.key);
    const target = { keys: [call.key], tags: [], all: false };
    context.outage.invalidate(target);
    memo.invalidate(target);
    try {
      const [reply, tagState] = await requestLease(context, call, keys, token, ANY_RECORD);
      if (reply.status !== 'granted') return false;
      if (!hasAllNonces(tagState)) {
        await store.release(keys.entry, token);
        return false;
      }
      inFlight.detach([call.key], [], false);
      const lease: LoadLease = {
        token,
        tagState,
        grantedAt: reply.storeTime,
        requestedAt: askedAt,
        replaced: ANY_RECORD,
      };
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
    } finally {
      // guard: values-read-during-a-set-are-not-kept
      l1?.supersede(call.key);
      // guard: set-ends-what-the-request-remembers
      memo.invalidate(target);
    }
  }

  /**
   * Runs a write, and stores its result in place of the entry. If it cannot be stored, because another write of the key ran at
   * the same time, say, the entry is invalidated.
   *
   * @param safe how long the entry stays marked if this process dies during the write, in ms; undefined: it is not marked
   * @throws what the write throws
   * @throws InvalidationError, which has the result of the write, if the value cannot be stored because of an error in the
   * value or the options; and if the store does not confirm the invalidation under `onUnavailable: 'throw'`
   * @see G1, G11, G12
   */
  async put<T>(call: CacheCall<T>, onUnavailable: OnUnavailable, safe: number | undefined): Promise<T> {
    if (!this.enabled) return runUncached(call.load);
    const target = { keys: [call.key], tags: [], all: false };
    if (currentTransaction(this) !== undefined) {
      const work = (): Promise<T> => runUncached(call.load);
      if (safe !== undefined) {
        const { method } = call;
        const around = { marked: target, targetOf: () => target };
        // guard: safe-put-in-a-transaction-is-marked
        return this.invalidateAround({ ...around, safe, work, onUnavailable, method });
      }
      const written = await work();
      // guard: put-in-a-transaction-is-an-invalidation
      await this.invalidate(target, call.method);
      return written;
    }
    const context = this.#context;
    const { l1, memo, outage } = context;
    const mark = safe === undefined ? undefined : new WriteMark(context, target, safe);
    const { value, isStored, failure } = await put(context, call, this.#keysOf(call), mark, onUnavailable);
    if (isStored) {
      // guard: put-ends-older-values-in-memory
      l1?.supersede(call.key);
      // guard: put-ends-older-values-of-an-outage
      outage.invalidate(target);
      // guard: put-ends-what-the-request-remembers
      memo.invalidate(target);
      return value;
    }
    // guard: put-that-is-not-stored-ends-its-mark
    const sent = await this.invalidateNow(target, call.method, undefined, mark?.token);
    if (failure !== undefined) {
      throw notPut(call.method?.() ?? `The put of ${quote(call.key)}`, value, failure.cause);
    }
    if (sent.failure !== undefined && onUnavailable === 'throw')
      throw invalidationQueued(sent.failure, value);
    return value;
  }

  /**
   * Invalidates entries. If the store is unavailable, the invalidation is queued, and until a retry succeeds this process
   * does not read the entries it covers. Within a transaction it waits for the commit.
   *
   * @see G1, G3, G7
   */
  async invalidate(
    target: InvalidationTarget,
    method: MethodLabel | undefined,
    extras: InvalidationExtras = {},
  ): Promise<SentInvalidation> {
    const transaction = this.enabled ? currentTransaction(this) : undefined;
    if (transaction === undefined) return this.invalidateNow(target, method, extras);
    // guard: invalidation-waits-for-the-commit
    transaction.add(target, extras);
    return { failure: undefined, isDeferred: true, replicas: undefined };
  }

  /** `invalidate`, also within a transaction. @param mark the token of the mark that the write has at the entries (`safe`) */
  async invalidateNow(
    target: InvalidationTarget,
    method: MethodLabel | undefined,
    { repeatAfter, wait }: InvalidationExtras = {},
    mark?: string,
  ): Promise<SentInvalidation> {
    const { keys, tags, all } = target;
    if (!this.enabled) return { failure: undefined, isDeferred: false, replicas: undefined };
    const { inFlight, l1, memo, names, outage, pending, events, store } = this.#context;
    const { version } = pending;
    let storeError: StoreUnavailableError | undefined;
    // guard: loads-are-detached-before-an-invalidation
    inFlight.detach(keys, tags, all);
    // guard: memory-is-invalidated-before-the-store
    l1?.invalidate(target);
    // guard: outage-values-are-invalidated
    outage.invalidate(target);
    // guard: memo-is-invalidated-before-the-store
    memo.invalidate(target);
    try {
      await sendInvalidation(store, names, target, mark);
      // guard: acknowledged-invalidation-clears-its-keys
      for (const key of keys) pending.clearKey(key, version);
    } catch (error) {
      storeError = events.unavailable('invalidate', { key: keys[0], method }, error);
      // guard: failed-invalidation-is-queued
      pending.add(target);
    }
    // guard: loads-are-detached-after-an-invalidation
    inFlight.detach(keys, tags, all);
    // guard: memory-is-invalidated-after-the-store
    l1?.invalidate(target);
    outage.invalidate(target);
    // guard: memo-is-invalidated-after-the-store
    memo.invalidate(target);
    events.publish('invalidate', method, { keys, tags, all, acknowledged: storeError === undefined });
    if (repeatAfter !== undefined) this.#repeats.add(target, repeatAfter);
    if (wait === undefined) return { failure: storeError, isDeferred: false, replicas: undefined };
    const replicas = storeError === undefined ? await this.#replicated(target, wait, method) : 0;
    return { failure: storeError, isDeferred: false, replicas };
  }

  /**
   * Runs a write, and invalidates entries after it, also if this process dies before it has. Before the write, its entries are
   * marked: while it runs, reads load, and store nothing.
   *
   * @throws what the write and `targetOf` throw
   * @throws InvalidationError under `onUnavailable: 'throw'`: before the write, if the store does not confirm the mark, and
   * after it, with its result, if the store does not confirm the invalidation
   * @see G12
   */
  async invalidateAround<T>(write: SafeWrite<T>): Promise<T> {
    if (!this.enabled) return write.work();
    const { marked, onUnavailable, method } = write;
    const mark = new WriteMark(this.#context, marked, write.safe);
    const failure = await mark.set(method);
    if (failure !== undefined && onUnavailable === 'throw') {
      void mark.lift();
      throw notMarked(failure);
    }
    let result: T;
    let target: InvalidationTarget | undefined;
    let error: { readonly cause: unknown } | undefined;
    try {
      result = await write.work();
    } catch (cause) {
      // guard: failed-write-lifts-its-mark
      await mark.lift();
      throw cause;
    }
    try {
      target = write.targetOf(result);
    } catch (cause) {
      error = { cause };
    }
    if (error === undefined && target === undefined) {
      await mark.lift();
      return result;
    }
    const transaction = currentTransaction(this);
    if (transaction !== undefined && error === undefined) {
      transaction.add(union(marked, target), write.extras);
      // guard: mark-stands-until-the-commit
      transaction.hold(mark);
      return result;
    }
    mark.end();
    const all = union(marked, target);
    const sent = await this.invalidateNow(all, method, write.extras, mark.token);
    if (error !== undefined) throw error.cause;
    if (sent.failure !== undefined && onUnavailable === 'throw')
      throw invalidationQueued(sent.failure, result);
    return result;
  }

  /**
   * Sends an invalidation that the store has confirmed once more, and waits until its replicas have it.
   *
   * @returns how many have it; undefined if the store has no replicas
   */
  async #replicated(
    target: InvalidationTarget,
    { count, timeout }: ReplicaWait,
    method: MethodLabel | undefined,
  ): Promise<number | undefined> {
    const { names, store, events } = this.#context;
    const { keys, tags, all } = target;
    const storeKeys = [...keys.map((key) => names.entry(key)), ...names.tags(tags)];
    if (all) storeKeys.push(names.clear);
    if (storeKeys.length === 0) return undefined;
    let replicas: number | undefined;
    try {
      const removal: Removal = (own) => sendInvalidation(own, names, target);
      replicas = await store.replicated(removal, storeKeys, count, timeout);
    } catch (error) {
      events.unavailable('replicated', { key: keys[0], method }, error);
      replicas = 0;
    }
    // guard: too-few-replicas-are-told
    if (replicas !== undefined && replicas < count) {
      events.publish('underReplicated', method, { keys, tags, all, replicas, count });
    }
    return replicas;
  }

  /** Called by the adapter when the lease or the entry at this key has changed. */
  wake(entryKey: string): void {
    this.#context.wakeups.wake(entryKey);
  }

  /** Called by the adapter when the store answers again: sends the queued invalidations. */
  recover(): void {
    if (this.#context.pending.isPending) void this.#context.pending.retry();
  }

  /** True while invalidations are queued. */
  get pending(): boolean {
    return this.#context.pending.isPending;
  }

  /** Publishes an error that the caller does not see. For decorators. */
  report(operation: string, method: MethodLabel, error: unknown): void {
    this.#context.events.error(operation, { method }, error);
  }

  /** Sends the queued invalidations once more, and releases the leases of this process. Never rejects. */
  async close(): Promise<void> {
    const { l1, pending } = this.#context;
    pending.close();
    this.#verification.close();
    l1?.close();
    this.#context.outage.clear();
    // guard: close-releases-leases
    // guard: close-sends-repeated-invalidations
    await Promise.allSettled([pending.retry(), this.#repeats.flush(), releaseAll(this.#context)]);
    pending.close();
  }

  #keysOf<T>({ key, tags }: CacheCall<T>): CallKeys {
    const { names } = this.#context;
    return { entry: names.entry(key), nonces: names.nonces(tags) };
  }

  /**
   * The load of a key that is in progress, if the call may have its value.
   * @param outer the load that makes the call
   */
  #join(
    key: string,
    outer: LoadContext | undefined,
    refreshed: Set<string> | undefined,
  ): InFlightLoad | undefined {
    const load = this.#context.inFlight.get(key);
    // guard: refresh-joins-no-older-load
    if (refreshed !== undefined && load?.mayRefresh(refreshed) !== true) {
      // guard: refresh-detaches-older-loads
      this.#context.inFlight.detach([key], [], false);
      return undefined;
    }
    if (load === undefined || outer === undefined) return load;
    load.addCaller(outer);
    // guard: joined-load-does-not-wait-for-its-caller
    reconsiderWaitingTurns();
    return load;
  }

  /** Waits for a load, and leaves it if the caller's signal aborts. */
  async #waitForLoad(
    load: InFlightLoad,
    hung: readonly InFlightLoad[],
    limits: LoadWaitLimits,
  ): Promise<LoadOutcome> {
    load.join();
    try {
      const outcome = await waitForLoad(this.#context.clock, load, hung, limits);
      if (outcome.status !== 'timeout') load.leave();
      return outcome;
    } catch (error) {
      const { signal } = limits;
      if (signal?.aborted === true && error === signal.reason) this.#leave(load, error);
      else load.leave();
      throw error;
    }
  }

  /** The call does not wait for the load any more. If no other one does, its loader is told to stop. */
  #leave<E>(load: InFlightLoad, cause: E): E {
    // guard: aborted-load-is-not-joined
    if (load.leave({ cause })) this.#context.inFlight.remove(load);
    return cause;
  }

  /** Loads a valid value again before its ttl ends. Nobody waits for it. */
  #refresh<T>(call: CacheCall<T>, keys: CallKeys, found: LookupResult, requestedAt: number): void {
    if (this.#context.inFlight.get(call.key) !== undefined) return;
    const load = this.#startLoad(call, keys, found, requestedAt, undefined);
    load.isInBackground = true;
  }

  /** True if a stale value may still be returned after a wait. */
  #mayReturnStale<T>({ key }: CacheCall<T>, { until, loadedAt }: StaleResult): boolean {
    const { clock, highWaterMarks } = this.#context;
    // guard: stale-value-ends-while-a-call-waits
    // guard: stale-value-is-not-below-the-high-water-mark
    return clock.now() < until && highWaterMarks.permits(key, loadedAt);
  }

  #returnStale<T>(
    { key, method }: CacheCall<T>,
    { value, tags }: StaleResult,
    outer: LoadContext | undefined,
    stale: NonNullable<CachementEvents['hit']['stale']>,
  ): T {
    this.#context.events.publish('hit', method, { key, tier: 'l2', stale });
    outer?.tracker?.add(tags);
    return value as T;
  }

  #startLoad<T>(
    call: CacheCall<T>,
    keys: CallKeys,
    found: LookupResult,
    requestedAt: number,
    outer: LoadContext | undefined,
    refreshed?: Set<string>,
  ): InFlightLoad {
    // guard: inherited-tags-are-unknown-during-the-load
    const dependsOnResult = call.resultTags !== undefined || call.policy.inheritTags;
    const load = new InFlightLoad(
      call.key,
      dependsOnResult ? undefined : call.tags,
      staleOf(found),
      call.resultTags !== undefined,
    );
    load.refreshed = refreshed;
    load.isInDoubt = found.status === 'in-doubt';
    if (outer !== undefined) load.addCaller(outer);
    // guard: loads-of-a-batch-are-not-bounded
    const bulkhead = call.batch === undefined ? (call.bulkhead ?? this.#context.bulkhead) : undefined;
    if (bulkhead !== undefined) {
      const { clock, events } = this.#context;
      const timeout = call.policy.loadQueueTimeout;
      load.turn = new LoadTurn({ bulkhead, load, subject: call, timeout, clock, events });
    }
    this.#context.inFlight.add(load);
    void loadMissing(this.#context, load, call, keys, replacedBy(found), requestedAt);
    return load;
  }

  /**
   * Runs a call that the load of the same key has made: an override that calls the method it overrides, or a mistake.
   * The load waits for this call, so the call must not wait for the load: it runs uncached.
   */
  async #loadWithinItself<T>(
    call: CacheCall<T>,
    sameKeyLoad: LoadContext,
    outer: LoadContext | undefined,
  ): Promise<T> {
    const { site, key, method } = call;
    const isOverride =
      site !== undefined && site !== sameKeyLoad.site && site.name === sameKeyLoad.site?.name;
    if (!isOverride && sameKeyLoad.isWrite !== true) {
      const error = new KeyError(
        `The load of ${quote(key)} asks for its own key${method === undefined ? '' : ` (${method()})`}. It would wait for ` +
          'itself, so this call runs uncached. Give one of the two another key, or call the method that it decorates.',
      );
      this.#context.events.error('load', call, error);
    }
    outer?.tracker?.add(undefined);
    return call.load();
  }

  /** Resolves with the sequence number of the validation, or with NOT_VALIDATED after `ms`. */
  async #validationWithin(validated: Promise<number>, ms: number): Promise<number> {
    return new Promise((resolve) => {
      const timer = this.#context.clock.after(Math.max(0, ms), () => resolve(NOT_VALIDATED));
      void validated.then((validFrom) => {
        timer.cancel();
        resolve(validFrom);
      });
    });
  }

  /**
   * True if the call may return the result: its load started after the call; or it was validated after the call started,
   * its tags include all tags of the call, and it is not older than a value that this process has returned.
   */
  #mayReturn<T>(call: CacheCall<T>, result: LoadResult, callStartedAt: number, validFrom: number): boolean {
    // guard: load-from-after-the-call-needs-no-validation
    if (result.validFrom >= callStartedAt) return true;
    // guard: load-from-before-the-call-needs-validation
    // guard: validation-is-from-after-the-call
    if (validFrom < callStartedAt) return false;
    // guard: shared-load-has-the-tags-of-the-call
    const isCovered = call.tags.every((tag) => result.tags?.some((one) => one.tag === tag));
    // guard: validated-load-is-shared
    // guard: shared-load-is-not-below-the-high-water-mark
    return isCovered && this.#context.highWaterMarks.permits(call.key, result.loadedAt);
  }
}

function union(one: InvalidationTarget, other: InvalidationTarget | undefined): InvalidationTarget {
  if (other === undefined) return one;
  return {
    keys: [...new Set([...one.keys, ...other.keys])],
    tags: [...new Set([...one.tags, ...other.tags])],
    all: one.all || other.all,
  };
}

/** The value that a load is to replace, if it has only expired, or is refreshed before it does. */
function staleOf(found: LookupResult): { readonly value: unknown } | undefined {
  const isKept = found.status === 'stale' || (found.status === 'hit' && found.refreshes !== undefined);
  return isKept ? { value: found.value } : undefined;
}
