/** The guards of the L1: values in memory in front of the store. See cache.js for the format. */
const FLOW = 'test/l1/l1.test.ts';
const UNIT = 'test/l1/l1-cache.test.ts';
const OUTAGE = 'test/cache/outage-cache.test.ts';
const REDIS = 'test/adapters/ioredis/changes.test.ts';

export const l1Mutations = [
  // --- what may be returned from memory -----------------------------------------------------------------------------
  {
    guard: 'l1-entry-ends-with-its-ttl',
    test: FLOW,
    title: 'bus*: E-CM2 a value that is read shortly before its end ends with the entry',
  },
  {
    guard: 'l1-entry-ends-with-the-entry',
    replace: 'entry.freshUntil',
    by: 'Infinity',
    test: FLOW,
    title: 'bus*: E-CM2*',
  },
  {
    guard: 'l1-is-not-trusted-without-heartbeats',
    test: UNIT,
    title: 'entries are returned while no heartbeat is missing',
  },
  {
    guard: 'first-confirmation-ends-the-wait-for-the-l1',
    test: REDIS,
    title: 'ready() resolves when the L1 is confirmed, and not only at its timeout',
  },
  {
    guard: 'remembered-key-keeps-no-removed-entry',
    test: UNIT,
    title: 'a remembered key does not lead to an entry that has left the memory, and keeps none',
  },
  {
    guard: 'remembered-entry-is-of-this-memory',
    replace: 'entry.owner === this && ',
    test: UNIT,
    title: 'a remembered key of two memories finds the entry of each',
  },
  {
    guard: 'l1-entry-has-the-current-clear-nonce',
    test: UNIT,
    title: 'an entry is not returned while the nonce of the namespace may have changed',
  },
  {
    guard: 'l1-entry-has-the-current-tag-nonces',
    test: UNIT,
    title: 'a newer nonce ends the entries with the older one',
  },
  {
    guard: 'l1-entry-has-the-tags-of-the-call',
    test: FLOW,
    title: 'bus*: a call that needs a tag that the entry in memory does not have loads again',
  },
  {
    guard: 'call-with-its-own-l1-ttl',
    test: FLOW,
    title: 'an option of a call: false leaves the memory out*',
  },
  {
    guard: 'memo-that-does-not-pay-ends',
    test: 'test/keys/key-memo.test.ts',
    title: 'a memo whose keys are not asked for again ends',
  },
  {
    guard: 'l1-hit-passes-its-tags-on',
    test: FLOW,
    title: 'bus*: a load with inheritTags has the tags of a value in memory',
  },
  // --- what may be kept in memory -----------------------------------------------------------------------------------
  {
    guard: 'older-reply-is-not-kept-after-a-newer-one',
    test: UNIT,
    title: 'G4 monotonic reads: a reply that was requested earlier is not kept after a newer one*',
  },
  {
    guard: 'record-that-is-not-kept-ends-older-ones',
    test: UNIT,
    title: 'G4 monotonic reads: a record that may not be kept ends another one of its key',
  },
  {
    guard: 'outage-value-is-not-below-the-high-water-mark',
    replace: ' && context.highWaterMarks.permits(call.key, kept.keptAt)',
    test: OUTAGE,
    title: 'G4 monotonic reads: a load that started earlier and ends later is not returned after a newer one',
  },
  {
    guard: 'changed-since-it-was-requested-is-not-kept',
    replace: ' || !this.#changes.isUnchanged(since, key, tags)',
    test: FLOW,
    title: 'bus*: I6, E-B12 a reply that an invalidation by *key* has overtaken is not kept',
  },
  {
    guard: 'only-a-validated-load-is-kept',
    replace: ' && storedFrom !== NOT_VALIDATED',
    test: FLOW,
    title: 'bus*: a load that the store has not validated is not kept',
  },
  {
    guard: 'of-two-nonces-none-is-current',
    replace: ' || state.learnedAt <= since',
    by: ' || true',
    test: UNIT,
    title: 'of two nonces of a tag, each of which may be the newer one, none counts',
  },
  {
    guard: 'load-below-a-mark-is-not-kept',
    replace: 'previousMark === undefined && ',
    test: FLOW,
    title: 'bus*: G4 a load that ends after a later one is not kept',
  },
  // --- older values end ---------------------------------------------------------------------------------------------
  {
    guard: 'value-that-the-l1-does-not-keep-ends-older-ones',
    replace: 'context.l1?.observe(request.key, entry.token);',
    test: FLOW,
    title: 'bus*: G4 a call past the memory that gets a newer value ends the older one',
  },
  {
    guard: 'uncached-load-ends-older-values-in-memory',
    test: FLOW,
    title: 'bus*: G4 after a load without a lease, the older value in memory is not returned',
  },
  {
    guard: 'load-ends-older-values-in-memory',
    test: FLOW,
    title: 'bus*: a load that is not stored ends the older value in memory',
  },
  {
    guard: 'set-ends-older-values-in-memory',
    test: FLOW,
    title: 'bus*: during a set, and after one that has failed, nothing older comes from memory',
  },
  {
    guard: 'values-read-during-a-set-are-not-kept',
    test: FLOW,
    title: 'bus*: a value that is read during a set is not kept',
  },
  {
    guard: 'memory-is-invalidated-before-the-store',
    test: FLOW,
    title: 'bus*: during an invalidation by key nothing comes from memory',
  },
  {
    guard: 'memory-is-invalidated-after-the-store',
    test: FLOW,
    title:
      'bus*: I8 a value that is read again during an invalidation by key, and whose message is late, is not kept',
  },
  // --- the store must confirm an entry ------------------------------------------------------------------------------
  {
    guard: 'confirmed-entry-has-the-clear-nonce',
    replace: 'nonces[0] === known.clearNonce &&',
    test: FLOW,
    title: 'validate*: after an invalidation by *clear* neither process returns the old value (E-RX3)',
  },
  {
    guard: 'confirmed-entry-has-the-tags-of-the-call',
    replace: 'tags.length === known.tags.length &&',
    test: FLOW,
    title: 'validate*: a call that needs a tag that the entry in memory does not have loads again',
  },
  {
    guard: 'confirmed-entry-has-the-tag-nonces',
    replace: 'nonces[tags.indexOf(tag) + 1] === nonce',
    by: 'true',
    test: FLOW,
    title: 'validate*: after an invalidation by *tag* neither process returns the old value (E-RX3)',
  },
  {
    guard: 'record-with-the-known-token-is-unchanged-memory',
    test: FLOW,
    title: 'validate: a hit sends the token, and the store does not send the record',
  },
  {
    guard: 'record-with-the-known-token-is-unchanged-lua',
    replace: 'token_of(head) == ARGV[i]',
    by: 'true',
    test: REDIS,
    title: 'validate*: what another process invalidates ends in memory*one Redis*6)',
  },
  // --- changes of others --------------------------------------------------------------------------------------------
  { guard: 'replaced-value-is-reported-memory', test: FLOW, title: 'bus*: E-CB8*' },
  { guard: 'removal-is-reported-memory', test: FLOW, title: 'bus*: after an invalidation by *key* neither*' },
  {
    guard: 'removed-nonces-are-reported-memory',
    test: FLOW,
    title: 'bus*: after an invalidation by *tag* neither*',
  },
  {
    guard: 'replaced-value-is-published-lua',
    test: REDIS,
    title: 'bus*: what another process invalidates ends in memory*one Redis*6)',
  },
  {
    guard: 'removal-is-published-lua',
    test: REDIS,
    title: 'bus*: what another process invalidates ends in memory*one Redis*6)',
  },
  {
    guard: 'removed-nonces-are-published-lua',
    test: REDIS,
    title: 'bus*: what another process invalidates ends in memory*a Cluster*6)',
  },
  {
    guard: 'unreadable-message-may-be-about-everything',
    test: REDIS,
    title: 'the bus: messages that nobody can read end everything in memory',
  },
  {
    guard: 'all-masters-confirm',
    replace: 'Math.min',
    by: 'Math.max',
    test: REDIS,
    title: 'bus*: while one master of a Cluster does not answer, nothing comes from memory',
  },
  {
    guard: 'own-messages-change-nothing',
    test: REDIS,
    title: 'a message of this process, and one of a process with another prefix, name no key of it',
  },
  {
    guard: 'flush-is-about-everything',
    test: REDIS,
    title: 'tracking: writes of other programs, and FLUSHALL, end what is in memory',
  },
  {
    guard: 'new-subscription-begins-with-nothing',
    replace: 'lose',
    by: '() => {}',
    test: REDIS,
    title: 'a new subscription ends what was read before it',
  },
  // --- while the store is away --------------------------------------------------------------------------------------
  {
    guard: 'outage-value-ends',
    replace: 'this.#clock.now() < entry.expiresAt && ',
    test: OUTAGE,
    title:
      'while the store is away, a loaded value is returned for the time of the option, and then loaded again',
  },
  {
    guard: 'invalidated-outage-value-ends',
    replace: ' && this.#changes.isUnchanged(entry.since, key, entry.tags)',
    test: OUTAGE,
    title: 'G3 read your writes: an invalidation by *key* ends a value at once, though the store is away',
  },
  {
    guard: 'outage-values-are-invalidated',
    test: OUTAGE,
    title: 'a value is ended before the invalidation is sent',
  },
  {
    guard: 'outage-value-has-unknown-tags',
    test: OUTAGE,
    title: 'a load that asks for a value of an outage has unknown tags',
  },
];
