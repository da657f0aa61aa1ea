/**
 * Which guards of the cache the search over all orders of events needs (test/coherence/exhaustive). `npm run mutate -- --exhaustive`
 * takes each one out, and runs the set-up that finds that it is missing.
 */
const PROTOCOL =
  /^src\/(core\/(cache\/(cache-engine|entry-writer|in-flight-loads|load-lease|load-wait|loader|lookup|pending-invalidations|put|write-mark)|l1\/l1-(cache|entry)|ports\/tag-changes|shared\/(high-water-marks|wakeups))|adapters\/memory\/memory-entry-store)\.ts$/;

/** True for the files whose guards are all in one of the lists below. */
export function isOfProtocol(file) {
  return PROTOCOL.test(file);
}

/** A `*` in the name of a set-up stands for what set-ups.ts computes. */
export const EXHAUSTIVE = {
  test: 'test/coherence/exhaustive/exhaustive.test.ts',
  title: 'G1 to G7, G11, G12: in every order the promises hold: *',
};

const bySetUp = {
  'L1 with validate: 2 reads and 1 writer in 2 processes': [
    'one-lease-for-a-key-memory',
    'lease-replaces-named-value-only-memory',
    'fill-wakes-the-waiters-memory',
  ],
  'refresh ahead: 2 readers in 2 processes': ['one-refresh-at-a-time-memory'],
  'put: 2 puts in 2 processes': ['fill-needs-lease-memory', 'removal-removes-leases-memory'],
  'expiry: 2 reads in 1 process, time passes': ['late-fill-is-not-stored-memory', 'ttl-from-load-start'],
  'L1 by bus, put: 1 put, 1 reader in 2 processes': [
    'put-value-is-reported-memory',
    'changed-since-it-was-requested-is-not-kept',
  ],
  'L1 by bus: 2 reads and 1 writer in 2 processes': ['removal-is-reported-memory'],
  'safe: 1 writer, 2 loads in 2 other processes': ['marked-lease-wakes-its-waiters-memory'],
  'safe, with an L1: 1 writer that may die, 1 read in another process': ['mark-is-reported-memory'],
  'safe: 2 writers of which one may die or fail, in 2 processes': [
    'marked-lease-does-not-stand-again-memory',
    'failed-write-lifts-its-mark',
  ],
  'safe: 1 writer that may die, 1 writer without a mark that reads after it in another process': [
    'marks-of-others-stay-memory',
  ],
  'L1 by bus, by tag: 2 reads and 1 writer in 2 processes': [
    'removed-nonces-are-reported-memory',
    'l1-entry-has-the-current-tag-nonces',
  ],
  'by *tag of the result*: 2 readers in 1 process and 1 writer in another': [
    'invalidated-tag-marks-its-bucket-memory',
    'unknown-tags-are-not-validated',
  ],
  'by key, a load that fails: 2 readers and 1 writer in 2 processes': [
    'fill-needs-own-lease-memory',
    'failed-load-releases-its-lease',
  ],
  'safe: 1 writer that may fail, 1 refresh in another process': [
    'marked-refresh-lease-does-not-stand-again-memory',
  ],
  'set, 1 fault: 1 set and 1 write in 1 process': [
    'set-clears-what-came-before-it',
    'failed-set-releases-its-lease',
    'set-clears-nothing-newer',
  ],
  'L1 by bus, put: a put and a read after it in 1 process': ['put-ends-older-values-in-memory'],
  'by key, a fault of *remove*: 1 reader and a writer that reads after it in 2 processes': [
    'failed-invalidation-is-queued',
    'no-lookup-under-a-queued-invalidation',
  ],
  'L1 by bus: requests overtake each other, 2 reads and 1 writer in 1 process': [
    'memory-is-invalidated-after-the-store',
  ],
  'refresh: 1 refresh, 1 load in its process, 1 writer in another': ['refresh-joins-no-older-load'],
  'grace, a load that takes long: 2 reads, 1 writer in 2 processes': [
    'load-from-before-the-call-needs-validation',
    'validated-by-the-lease',
  ],
  'by tag of the result, 1 eviction: 1 reader and 1 writer in 2 processes': [
    'result-tags-are-unchanged',
    'tag-changes-have-one-identity',
  ],
  'by *all*: 2 readers in 1 process and 1 writer in another': ['validated-by-the-clear-nonce'],
  'by *tag*: 2 readers in 1 process and 1 writer in another': ['validated-by-the-tag-nonces'],
  'refresh: 2 refreshes in 1 process, 1 writer in another': ['refresh-joins-no-load-that-runs'],
  'safe by tag: 1 writer that may fail, 1 load in another process': ['load-under-a-mark-keeps-no-lease'],
  'by key, a fault of *lease*: 1 reader and 1 writer in 1 process': ['lease-whose-grant-is-lost-is-released'],
  'monotonic, a fault of read: 2 reads in 1 process that *does not know* the clock of the store': [
    'uncached-load-raises-the-mark',
    'entry-is-not-below-the-high-water-mark',
    'unknown-load-start-is-below-every-mark',
  ],
  'L1 by bus, monotonic, a fault of lease or fill: 1 refresh and a read after it in 1 process': [
    'uncached-load-ends-older-values-in-memory',
    'load-ends-older-values-in-memory',
  ],
  'monotonic, a fault of fill: 1 refresh and a read after it in 1 process': [
    'load-raises-the-mark-before-it-is-stored',
  ],
  'monotonic: 2 reads and 1 reader in 1 process': ['stored-value-lowers-the-mark'],
  'L1 by bus, by tag: a load and a read after it, 1 writer in another process': [
    'only-a-validated-load-is-kept',
  ],
  'by key, a fault of remove: a writer that gets after it in 1 process': [
    'no-plain-get-under-a-queued-invalidation',
  ],
  'by all: 1 reader and a writer that reads after it in 2 processes': ['clear-nonce-is-unchanged'],
  'by tag of the result, a fault of the invalidation: a writer that reads after it in 1 process': [
    'no-entry-with-a-queued-tag',
  ],
  'grace, a load that fails: 1 reader, 1 writer in 1 process': ['stale-value-is-no-hit'],
  'expiry with an L1: 2 reads in 1 process, time passes': [
    'l1-entry-ends-with-the-entry',
    'l1-entry-ends-with-its-ttl',
  ],
  'L1 with validate, by all: 2 reads and 1 writer in 2 processes': ['confirmed-entry-has-the-clear-nonce'],
  'L1 with validate, by tag: 2 reads and 1 writer in 2 processes': ['confirmed-entry-has-the-tag-nonces'],
  'put by tag: 1 put and 1 write by tag in 2 processes': ['tag-nonces-are-unchanged'],
  'put, a write that fails: 1 put and 1 reader in 2 processes': ['failed-write-releases-its-lease'],
  'L1 by bus, by all: 2 reads and 1 writer in 2 processes': ['l1-entry-has-the-current-clear-nonce'],
  'by key: 2 writers, each reads after it, in 2 processes': ['early-wake-is-not-lost'],
};

export const foundByOrders = Object.entries(bySetUp).flatMap(([setUp, guards]) =>
  guards.map((guard) => ({ guard, setUp })),
);

/** Guards whose absence no set-up shows, by the reason. Each has its own test in the other lists. */
export const notFoundByOrders = [
  {
    reason:
      'The set-ups have no transactions, modes, memos, verification, bulkheads, handles, outage cache, signals, replicas or closing.',
    guards: [
      'refresh-in-a-transaction-is-an-invalidation',
      'safe-put-in-a-transaction-is-marked',
      'transaction-reads-its-own-writes',
      'uncommitted-value-is-not-stored',
      'transaction-peeks-at-its-own-writes',
      'transaction-inspects-its-own-writes',
      'transaction-precedes-the-memory',
      'set-in-a-transaction-is-an-invalidation',
      'put-in-a-transaction-is-an-invalidation',
      'invalidation-waits-for-the-commit',
      'mark-stands-until-the-commit',
      'mode-precedes-the-memory',
      'verification-asks-the-source',
      'memo-is-not-used-within-a-load',
      'memo-does-not-share-what-a-signal-may-end',
      'memo-precedes-the-memory',
      'memo-is-invalidated-before-the-store',
      'memo-is-invalidated-after-the-store',
      'refresh-ends-what-the-request-remembers',
      'set-ends-what-the-request-remembers',
      'put-ends-what-the-request-remembers',
      'refresh-loads-a-key-once',
      'load-does-not-wait-for-itself',
      'write-does-not-wait-for-itself',
      'joined-load-does-not-wait-for-its-caller',
      'batch-does-not-wait-for-a-load-of-this-process',
      'batch-does-not-wait-for-a-load-of-another-process',
      'loads-of-a-batch-are-not-bounded',
      'load-of-another-process-takes-no-turn',
      'holder-of-a-load-lock-keeps-its-turn',
      'shed-load-permits-stale-values',
      'load-of-another-process-ends-the-turn',
      'load-without-a-turn-keeps-no-lease',
      'loaded-value-gives-its-turn-back',
      'store-time-begins-after-the-queue',
      'outage-value-is-not-below-the-high-water-mark',
      'outage-value-has-unknown-tags',
      'outage-values-are-invalidated',
      'put-ends-older-values-of-an-outage',
      'value-in-doubt-is-not-kept-for-an-outage',
      'load-with-callers-is-not-aborted',
      'aborted-load-is-not-joined',
      'too-few-replicas-are-told',
      'close-releases-leases',
      'close-sends-repeated-invalidations',
      'remembered-entry-is-of-this-memory',
      'remembered-key-keeps-no-removed-entry',
    ],
  },
  {
    reason:
      'All calls of a key have the same tags, ttl, grace and codec. No tag is inherited, and no value decides about its entry.',
    guards: [
      'shared-load-has-the-tags-of-the-call',
      'entry-has-the-tags-of-the-call',
      'confirmed-entry-has-the-tags-of-the-call',
      'l1-entry-has-the-tags-of-the-call',
      'result-tags-have-no-nonce-yet',
      'result-tags-are-read-for-validation-too',
      'record-that-is-not-kept-ends-older-ones',
      'hit-passes-its-tags-on',
      'l1-hit-passes-its-tags-on',
      'load-passes-its-tags-on',
      'inherited-tags-are-unknown-during-the-load',
      'refresh-without-a-value-ends-the-kept-one',
      'decided-ttl-is-at-most-that-of-the-call',
      'nonces-live-as-long-as-a-decided-ttl',
      'nonces-live-until-the-value-decides',
      'nonces-live-no-shorter-memory',
      'call-with-its-own-l1-ttl',
      'value-that-the-l1-does-not-keep-ends-older-ones',
      'stale-value-has-a-bound',
      'value-in-memory-is-of-this-serializer',
      'value-that-cannot-be-restored-is-not-kept',
      'memory-counts-values-as-they-are-decoded',
      'sealed-value-has-room-for-a-lease',
      'sealed-entry-ends-by-itself',
      'damaged-lease-is-named',
      'damaged-value-is-named',
      'kept-bytes-are-of-their-own',
      'too-many-invalidations-are-a-clear',
    ],
  },
  {
    reason: 'No call has an `idleTtl`, and no put has `safe`.',
    guards: [
      'fill-under-the-mark-of-another-is-refused-memory',
      'lifted-mark-takes-its-lease-memory',
      'put-that-is-not-stored-ends-its-mark',
      'put-ends-renewals-of-its-mark',
      'failed-put-lifts-its-mark',
      'touch-is-of-one-value-memory',
      'touch-ends-with-the-ttl-memory',
      'touch-shortens-no-life-memory',
      'stored-value-ends-if-it-is-not-read',
      'loaded-value-leaves-the-l1-to-be-touched',
      'looking-is-not-reading',
      'read-value-leaves-the-l1-to-be-touched',
      'stale-value-that-is-read-is-touched',
    ],
  },
  {
    reason: 'How long something may take: the search has orders, and no durations.',
    guards: [
      'load-timeout-is-for-this-process',
      'lock-timeout-is-for-other-processes',
      'hung-load-is-left',
      'hung-load-is-joined-no-more',
      'patience-grows',
      'slow-load-still-counts',
      'second-load-has-its-own-store-time',
      'unavailable-store-is-asked-once',
      'wait-for-another-process-ends',
      'running-load-extends-its-lease',
      'extensions-end',
      'running-write-renews-its-mark',
      'l1-is-not-trusted-without-heartbeats',
      'value-lives-as-long-as-its-refresh-memory',
      'unmarked-value-has-its-end-memory',
    ],
  },
  {
    reason: 'Saves loads, lookups or errors. No promise needs it.',
    guards: [
      'record-with-the-known-token-is-unchanged-memory',
      'put-keeps-the-value-memory',
      'refresh-waits-for-the-back-off-memory',
      'release-keeps-the-value-memory',
      'ended-mark-is-told-memory',
      'ended-mark-is-an-invalidation',
      'nonces-are-kept-memory',
      'validated-load-is-shared',
      'load-that-is-not-validated-is-left',
      'load-removes-itself-only',
      'load-behind-a-stale-value-goes-on',
      'call-without-a-stale-value-loads-in-the-back-off',
      'uncached-load-that-fails-permits-stale-values',
      'acknowledged-invalidation-clears-its-keys',
      'earlier-invalidations-do-not-concern-a-load',
      'refresh-without-a-lease-does-not-load',
      'each-round-names-another-value',
      'value-that-does-not-count-is-named',
      'value-that-does-not-count-is-named-at-once',
      'entry-under-a-marked-nonce-is-kept',
      'l1-entry-ends-before-its-refresh',
    ],
  },
  {
    reason:
      'Concerns calls that began before an invalidation was acknowledged: the promises permit either value.',
    guards: [
      'own-invalidation-ends-a-stale-value-at-hand',
      'own-invalidation-ends-stale-values',
      'stale-value-stands-after-a-failure',
      'stale-value-has-its-nonces-after-a-failure',
      'stale-value-ends-while-a-call-waits',
      'loads-are-detached-before-an-invalidation',
      'memory-is-invalidated-before-the-store',
      'memory-has-nothing-under-a-mark',
    ],
  },
  {
    reason:
      'In a set-up of this size another guard has the same effect: the store, the lease or a queued invalidation keeps the value out.',
    guards: [
      'invalidated-load-is-not-stored',
      'queued-invalidation-keeps-a-load-out',
      'loads-are-detached-after-an-invalidation',
      'refresh-detaches-older-loads',
      'put-ends-other-leases',
      'release-by-holder-only-memory',
      'value-is-no-lease-memory',
      'key-in-doubt-is-not-read',
      'nonce-in-doubt-is-not-replaced-memory',
    ],
  },
  {
    reason: 'A `set` writes no row: what it replaces is not out of date.',
    guards: [
      'set-ends-older-values-in-memory',
      'values-read-during-a-set-are-not-kept',
      'replaced-value-is-reported-memory',
      'replaced-value-does-not-stand-again-memory',
    ],
  },
  {
    reason:
      '"1 refresh and a read after it, 1 refresh in another process" finds it after 199 orders. It has too many to be searched to the end.',
    guards: ['refused-value-keeps-the-mark'],
  },
  {
    reason:
      '"requests overtake each other, 2 readers in 1 process and 1 writer in another" finds it after 11,094 orders. It has too many to be searched to the end.',
    guards: ['validation-is-from-after-the-call'],
  },
  {
    reason: 'Needs more calls and faults at a time than a set-up can have.',
    guards: [
      'retry-clears-no-newer-clear',
      'retry-clears-no-newer-key',
      'mark-that-has-ended-ends-what-stood-before-memory',
      'mark-that-has-ended-ends-what-stands-again-memory',
      'ended-mark-of-a-nonce-stays-memory',
      'shared-load-is-not-below-the-high-water-mark',
      'stale-value-is-not-below-the-high-water-mark',
      'stale-value-ends-older-ones-in-memory',
      'load-below-a-mark-is-not-kept',
      'older-reply-is-not-kept-after-a-newer-one',
      'of-two-nonces-none-is-current',
    ],
  },
  {
    reason: 'Without it a call loads for ever, and so does the search.',
    guards: ['load-from-after-the-call-needs-no-validation'],
  },
];
