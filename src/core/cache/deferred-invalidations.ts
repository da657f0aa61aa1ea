import { describe } from '../shared/describe.js';
import { invalidationQueued, OptionsError } from '../shared/errors.js';
import { duration, flag, oneOf, parseOptions, unchecked, type Option } from '../shared/option-schema.js';
import type { Duration } from '../shared/duration.js';
import { acknowledgementOf, type Acknowledgement } from './acknowledgement.js';
import type { CacheEngine } from './cache-engine.js';
import type { OnUnavailable } from './cache-options.js';
import { currentTransaction, TransactionScope, type InvalidationExtras } from './transaction-scope.js';
import { replicaWaitOf, type WaitReplicasOptions } from './wait-replicas.js';

/** The options of `caching.transaction` and `caching.deferInvalidations`. */
export interface TransactionOptions {
  /**
   * What happens if the store does not confirm the invalidations after the commit. `queue`: they are retried in the
   * background. `throw`: the same, and the call rejects with an InvalidationError that has the result; the transaction is
   * committed all the same. It replaces `onUnavailable` of the invalidations in the transaction.
   * @default 'queue'
   */
  readonly onUnavailable?: OnUnavailable | undefined;
  /**
   * Sends the invalidations a second time after this delay: for loads that read a replica of the database which lags behind
   * (docs/transactions.md).
   * @default the longest one of the invalidations in the transaction
   */
  readonly repeatAfter?: Duration | undefined;
  /**
   * After the commit, waits until replicas of Redis have the invalidations. If fewer have them, an `underReplicated` event is
   * published; `deferred.commit()` also returns the number (docs/transactions.md).
   * @default the most replicas, and the longest timeout, of the invalidations in the transaction
   */
  readonly waitReplicas?: WaitReplicasOptions | undefined;
  /**
   * True: within another transaction this one is a transaction of its own, on another connection, and its invalidations are
   * sent at its own commit. False: it is a part of the outer one, such as a savepoint, and they are sent when that commits.
   * @default false
   */
  readonly independent?: boolean | undefined;
}

/** The schema of `TransactionOptions`. */
export const transactionOptions = {
  onUnavailable: oneOf(['queue', 'throw'], 'queue'),
  repeatAfter: duration({ min: 1 }),
  waitReplicas: unchecked<WaitReplicasOptions>('an object of options'),
  independent: flag(false),
} satisfies Record<keyof TransactionOptions, Option<unknown>>;

/**
 * The invalidations of one database transaction, held back until it ends. For code that begins and ends transactions by
 * itself; `caching.transaction` does the same for a function. Made by `caching.deferInvalidations`.
 *
 * @example
 * const deferred = caching.deferInvalidations();
 * await deferred.run(() => caching.cache.invalidate({ keys: ['user:42'] })); // Not sent yet.
 * await deferred.commit();
 */
export class DeferredInvalidations {
  readonly #engine: CacheEngine;
  readonly #scope: TransactionScope;
  readonly #onUnavailable: OnUnavailable;
  readonly #extras: InvalidationExtras;
  #outcome: 'committed' | 'rolled back' | undefined;

  /** @internal made by `caching.deferInvalidations` */
  constructor(engine: CacheEngine, options: TransactionOptions, label: string) {
    const {
      onUnavailable = 'queue',
      repeatAfter,
      waitReplicas,
      independent = false,
    } = parseOptions(transactionOptions, options, label);
    this.#engine = engine;
    this.#onUnavailable = onUnavailable;
    this.#extras = { repeatAfter, wait: replicaWaitOf(waitReplicas, label) };
    // guard: independent-transaction-does-not-wait-for-the-outer-one
    this.#scope = new TransactionScope(engine, independent ? undefined : currentTransaction(engine));
  }

  /**
   * Runs a part of the transaction, also after an await. Invalidations in it are held back. Cached calls in it return no
   * value that the transaction has invalidated, and what they load is not stored. It may be called any number of times.
   *
   * @returns what `work` returns
   * @throws OptionsError if `work` is not a function; and what `work` throws
   */
  run<T>(work: () => T): T {
    if (typeof work !== 'function') {
      throw new OptionsError(`deferred.run takes a function to run, and ${describe(work)} was given.`);
    }
    return this.#scope.run(work);
  }

  /**
   * Call it after the database has committed: sends the invalidations together, each once. Those of a savepoint are passed
   * on to the transaction around it: `deferred` is true then. A second call does nothing.
   *
   * @returns as `caching.cache.invalidate`
   * @throws InvalidationError if the store is unavailable and `onUnavailable` is `'throw'`
   * @throws OptionsError after `rollback`
   * @see G1, G3 in docs/coherence.md
   */
  async commit(): Promise<Acknowledgement> {
    return this.commitWith(undefined);
  }

  /** @internal @param result what the InvalidationError has */
  async commitWith(result: unknown): Promise<Acknowledgement> {
    if (this.#outcome === 'committed') return { acknowledged: true };
    if (this.#outcome === 'rolled back') {
      throw new OptionsError(
        'deferred.commit() was called after deferred.rollback(), which has dropped the invalidations. If the database may have ' +
          'committed, call commit() alone: an invalidation too many costs a load.',
      );
    }
    this.#outcome = 'committed';
    const scope = this.#scope;
    const { target, isEmpty, marks, parent } = scope;
    const repeatAfter = this.#extras.repeatAfter ?? scope.extras.repeatAfter;
    const wait = this.#extras.wait ?? scope.extras.wait;
    scope.close();
    if (isEmpty) return { acknowledged: true };
    // guard: savepoint-waits-for-its-transaction
    if (parent?.isOpen === true) {
      parent.add(target, { repeatAfter, wait });
      for (const mark of marks) parent.hold(mark);
      return { acknowledged: false, deferred: true };
    }
    const sent = await this.#engine.invalidateNow(target, undefined, { repeatAfter, wait });
    await Promise.all(marks.map((mark) => mark.settle()));
    if (sent.failure !== undefined && this.#onUnavailable === 'throw')
      throw invalidationQueued(sent.failure, result);
    return acknowledgementOf(sent);
  }

  /** Call it after the database has rolled back: drops the invalidations. After `commit` it does nothing. */
  rollback(): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = 'rolled back';
    this.#scope.close();
    // guard: rolled-back-transaction-lifts-its-marks
    for (const mark of this.#scope.marks) void mark.lift();
  }
}

/** Runs a whole transaction: see `caching.transaction`. */
export async function runTransaction<T>(
  engine: CacheEngine,
  work: () => Promise<T> | T,
  options: TransactionOptions,
): Promise<T> {
  const label = 'caching.transaction';
  if (typeof work !== 'function') {
    throw new OptionsError(
      `${label} takes a function that runs the transaction, and ${describe(work)} was given.`,
    );
  }
  const deferred = new DeferredInvalidations(engine, options, `the options of ${label}`);
  let result: T;
  try {
    result = await deferred.run(work);
  } catch (error) {
    // guard: rolled-back-transaction-invalidates-nothing
    deferred.rollback();
    throw error;
  }
  await deferred.commitWith(result);
  return result;
}
