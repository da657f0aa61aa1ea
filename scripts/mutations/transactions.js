const TRANSACTIONS = 'test/cache/transactions.test.ts';
const REPLICATED = 'test/adapters/ioredis/entries/replicated-removals.test.ts';

/** The guards of transactions, of repeated invalidations and of those that wait for replicas. See cache.js. */
export const transactionMutations = [
  {
    guard: 'too-few-replicas-are-told',
    test: 'test/adapters/ioredis/entries/replicated-removals.test.ts',
    title: '@Invalidates and transactions wait for replicas*',
  },
  {
    guard: 'commit-waits-for-what-its-invalidations-ask',
    test: 'test/adapters/ioredis/entries/replicated-removals.test.ts',
    title: '@Invalidates and transactions wait for replicas*',
  },
  {
    guard: 'mark-stands-until-the-commit',
    test: TRANSACTIONS,
    title:
      'safe: the mark stands until the commit, is lifted by a rollback, and ends by itself if the process dies',
  },
  {
    guard: 'rolled-back-transaction-lifts-its-marks',
    test: TRANSACTIONS,
    title:
      'safe: the mark stands until the commit, is lifted by a rollback, and ends by itself if the process dies',
  },
  // --- what is held back -----------------------------------------------------------------------------------------------
  {
    guard: 'invalidation-waits-for-the-commit',
    replace: 'transaction.add(target, extras);',
    by: 'return this.invalidateNow(target, method, extras);',
    test: TRANSACTIONS,
    title: 'I25: a load between the invalidation and the commit leaves no old value',
  },
  {
    guard: 'rolled-back-transaction-invalidates-nothing',
    replace: 'deferred.rollback();',
    by: 'await deferred.commit();',
    test: TRANSACTIONS,
    title: 'I25: a rollback sends nothing',
  },
  {
    guard: 'savepoint-waits-for-its-transaction',
    replace: 'parent?.isOpen === true',
    by: 'parent === scope',
    test: TRANSACTIONS,
    title:
      'a savepoint that is rolled back drops its invalidations; one that is released waits for the commit',
  },
  {
    guard: 'savepoint-waits-for-its-transaction',
    replace: 'parent?.isOpen === true',
    by: 'parent !== undefined',
    test: TRANSACTIONS,
    title: 'a savepoint that ends after its transaction sends its invalidations itself',
  },
  {
    guard: 'independent-transaction-does-not-wait-for-the-outer-one',
    replace: 'independent ? undefined : ',
    test: TRANSACTIONS,
    title:
      'a transaction that is rolled back drops those of its savepoints, and not those of an independent one',
  },
  {
    guard: 'transaction-is-of-this-caching',
    replace: 'entered.scope.engine === engine && ',
    test: TRANSACTIONS,
    title: 'a transaction is of one Caching; those of two may be nested',
  },
  {
    guard: 'ended-transaction-defers-nothing',
    replace: ' && entered.scope.isOpen',
    test: TRANSACTIONS,
    title: 'work that goes on after the end of a transaction is outside: it invalidates at once, and stores',
  },
  {
    guard: 'set-in-a-transaction-is-an-invalidation',
    test: TRANSACTIONS,
    title: 'set, put and refresh in a transaction store nothing: the key is invalidated after the commit',
  },
  {
    guard: 'refresh-in-a-transaction-is-an-invalidation',
    test: TRANSACTIONS,
    title: 'set, put and refresh in a transaction store nothing: the key is invalidated after the commit',
  },
  {
    guard: 'put-in-a-transaction-is-an-invalidation',
    test: TRANSACTIONS,
    title: 'set, put and refresh in a transaction store nothing: the key is invalidated after the commit',
  },
  // --- what is read ----------------------------------------------------------------------------------------------------
  {
    guard: 'transaction-reads-its-own-writes',
    replace: ' && !transaction.covers(call.key, tagNames(found.tags))',
    test: TRANSACTIONS,
    title: 'calls in a transaction return no value that it has invalidated: by key, by tag, or all',
  },
  {
    guard: 'savepoint-sees-what-its-transaction-has-invalidated',
    replace: 'this.parent?.covers(key, tags) === true',
    by: 'false',
    test: TRANSACTIONS,
    title:
      'a savepoint that is rolled back drops its invalidations; one that is released waits for the commit',
  },
  {
    guard: 'uncommitted-value-is-not-stored',
    replace: 'runUncached(call.load)',
    by: 'this.#readShared(call, outer, undefined)',
    test: TRANSACTIONS,
    title: 'what a transaction loads is not stored, and no other call waits for it',
  },
  {
    guard: 'transaction-precedes-the-memory',
    test: TRANSACTIONS,
    title: 'an invalidation of a tag ends values in memory for the transaction',
  },
  {
    guard: 'transaction-peeks-at-its-own-writes',
    replace: 'isInvalidated ? MISS : found',
    by: 'found',
    test: TRANSACTIONS,
    title: 'the plain verbs and handles find nothing that the transaction has invalidated',
  },
  {
    guard: 'transaction-inspects-its-own-writes',
    replace: 'found !== undefined && transaction?.covers(call.key, found.tags) === true ? undefined : found',
    by: 'found',
    test: TRANSACTIONS,
    title: 'the plain verbs and handles find nothing that the transaction has invalidated',
  },
  // --- replicas --------------------------------------------------------------------------------------------------------
  {
    guard: 'close-sends-repeated-invalidations',
    replace: 'this.#repeats.flush(), ',
    test: TRANSACTIONS,
    title: 'repeatAfter: close sends what still waits',
  },
  {
    guard: 'replicas-are-of-the-master-that-removed',
    test: REPLICATED,
    title: 'a removal whose connection has changed meanwhile is not counted',
  },
  {
    guard: 'least-number-of-replicas-counts',
    replace: 'Math.min',
    by: 'Math.max',
    test: REPLICATED,
    title: 'in a Cluster the master with the fewest replicas counts',
  },
];
