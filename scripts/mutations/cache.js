const BATCH = 'test/cache/batch-load.test.ts';
const CURRENT_LOAD = 'test/cache/current-load.test.ts';
const MEMO = 'test/cache/request-memo.test.ts';
const MODE = 'test/cache/call-mode.test.ts';
const HANDLES = 'test/decorators/handles.test.ts';
const ENTRIES = 'test/decorators/entries.test.ts';
const DEFAULTS = 'test/decorators/caching-defaults.test.ts';

/**
 * The guards of cached calls and of the entry stores. Without its guard the test of this title must fail. A mutation
 * removes the statement that the guard marks, or replaces the text `replace` in it by `by` (by nothing, if there is no
 * `by`). `on` is the adapter that a contract suite names before the title; a `*` in a title matches any text.
 */
export const cacheMutations = [
  // --- which value may be stored ---------------------------------------------------------------------------------------
  {
    guard: 'fill-needs-lease-memory',
    replace: 'const present =',
    by: 'this.#records.set(key, ownBytes(record), { ttl: 1_000 });\n      const present =',
    test: 'test/coherence/interleavings.test.ts',
    title:
      'G1 no resurrection: I1: a load that is invalidated while it runs is not stored*(two on one store)',
  },
  {
    guard: 'fill-needs-lease-lua',
    replace: 'return 0',
    by: "redis.call('SET', KEYS[1], ARGV[2], 'PX', 1000) return 1",
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'G1 no resurrection: refuses a fill without a lease: absence means refuse',
  },
  {
    guard: 'fill-needs-own-lease-memory',
    replace: ' && tokenOf(record) === token',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'G1 no resurrection: refuses a fill over another lease, which stays',
  },
  {
    guard: 'fill-needs-own-lease-lua',
    replace: 'not has_lease(found, ARGV[1])',
    by: 'kind_of(found) == nil',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'G1 no resurrection: refuses a fill over another lease, which stays',
  },
  {
    guard: 'value-is-no-lease-memory',
    replace: 'isLease(record) && ',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'accepts a repeated fill and leaves the value as it is',
  },
  {
    guard: 'repeated-fill-changes-nothing-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'accepts a repeated fill and leaves the value as it is',
  },
  {
    guard: 'late-fill-is-not-stored-memory',
    replace: 'Math.floor(until) - Math.floor(this.#clock.now())',
    by: 'Math.max(1, Math.floor(until) - Math.floor(this.#clock.now()))',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'G6 age: a fill after its end stores nothing and removes the lease',
  },
  {
    guard: 'late-fill-is-not-stored-lua',
    replace: 'ARGV[3] - now()',
    by: 'math.max(1000, ARGV[3] - now())',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'G6 age: a fill after its end stores nothing and removes the lease',
  },
  {
    guard: 'ttl-from-load-start',
    replace: 'lease.grantedAt',
    by: 'clock.now()',
    test: 'test/cache/entry-writer.test.ts',
    title: 'G6 age: the ttl of an entry counts from the start of its load',
  },
  {
    guard: 'release-by-holder-only-memory',
    replace: 'return false',
    by: 'return this.#records.delete(key)',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'releases neither the lease of another token nor a value',
  },
  {
    guard: 'release-by-holder-only-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'releases neither the lease of another token nor a value',
  },
  {
    guard: 'extend-by-holder-only-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'extends only the lease of its token',
  },
  {
    guard: 'removal-removes-leases-memory',
    replace: 'record === undefined',
    by: 'record === undefined || isLease(record)',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'G1 no resurrection: refuses a fill after a removal or a release',
  },
  {
    guard: 'removal-removes-leases-lua',
    replace: "if type(found) == 'string' then",
    by: "if type(found) == 'string' and kind_of(found) ~= 'lease' then",
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'G1 no resurrection: refuses a fill after a removal or a release',
  },
  {
    guard: 'one-lease-for-a-key-memory',
    replace: " && replaces !== '*'",
    by: " && replaces !== '*' && !isLease(record)",
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'G5 single flight: grants one of many concurrent leases',
  },
  {
    guard: 'one-lease-for-a-key-lua',
    replace: "token_of(found) ~= ARGV[1] and ARGV[3] ~= '*'",
    by: 'false',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'G5 single flight: grants one of many concurrent leases',
  },
  {
    guard: 'lease-replaces-named-value-only-memory',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'returns a value instead of granting a lease',
  },
  {
    guard: 'lease-replaces-named-value-only-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'returns a value instead of granting a lease',
  },
  // --- invalidations that come during a load ---------------------------------------------------------------------------
  {
    guard: 'invalidated-load-is-not-stored',
    replace: 'load.isDetached || ',
    test: 'test/cache/loader.test.ts',
    title:
      'G1 no resurrection: a load is not stored if an invalidation starts during it, whether that is pending or has failed',
  },
  {
    guard: 'queued-invalidation-keeps-a-load-out',
    replace: ' || pending.matches(call.key, [...call.tags, ...resultTags])',
    test: 'test/cache/loader.test.ts',
    title:
      'G1 no resurrection: a load that waited for its lease is not stored if an invalidation fails during it',
  },
  {
    guard: 'earlier-invalidations-do-not-concern-a-load',
    test: 'test/cache/loader.test.ts',
    title: 'a load that waits for its lease during an invalidation is stored, because it starts after it',
  },
  {
    guard: 'result-tags-are-unchanged',
    replace: 'unchangedBuckets(lease.tagState.tagChanges, now.tagChanges, tags)',
    by: 'true',
    test: 'test/coherence/interleavings.test.ts',
    title:
      'G7 tags: I2: a load whose result tag is invalidated while it runs is not stored*(two on one store)',
  },
  {
    guard: 'tag-changes-have-one-identity',
    test: 'test/cache/loader.test.ts',
    title:
      'G7 tags: a load is not stored if one of its result tags is invalidated during it, even if the tag changes are evicted',
  },
  {
    guard: 'invalidated-tag-marks-its-bucket-memory',
    test: 'test/coherence/interleavings.test.ts',
    title:
      'G7 tags: I2: a load whose result tag is invalidated while it runs is not stored*(two on one store)',
  },
  {
    guard: 'invalidated-tag-marks-its-bucket-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'G7 tags: removeNonces marks the given buckets of the tag changes, and only those',
  },
  {
    guard: 'nonces-are-kept-memory',
    replace: 'existing ?? ',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'getOrCreateNonces creates the tag changes as an identity and zeros, and keeps existing ones',
  },
  {
    guard: 'nonces-are-kept-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'getOrCreateNonces creates missing nonces and keeps existing ones',
  },
  {
    guard: 'nonces-live-no-shorter-memory',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'getOrCreateNonces never shortens the ttl of a nonce',
  },
  {
    guard: 'nonces-live-no-shorter-lua',
    replace: "redis.call('PTTL', key) < tonumber(ARGV[2])",
    by: 'true',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'getOrCreateNonces never shortens the ttl of a nonce',
  },
  {
    guard: 'tag-with-two-nonces-proves-nothing',
    replace: 'else if (known !== nonce) this.isComplete = false;',
    test: 'test/cache/loader.test.ts',
    title: 'G7 tags: a load with inheritTags is not stored if it saw two nonces of one tag',
  },
  {
    guard: 'result-tags-have-no-nonce-yet',
    replace: 'resultTags.length === 0 ? argumentTagVersions : undefined',
    by: 'argumentTagVersions',
    test: 'test/cache/loader.test.ts',
    title:
      'G7 tags: a load with inheritTags is not stored if a cached call of it has a result tag without a nonce yet',
  },
  {
    guard: 'hit-passes-its-tags-on',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'G7 tags: with inheritTags an entry has the tags of the cached calls of its load',
  },
  {
    guard: 'load-passes-its-tags-on',
    test: 'test/coherence/interleavings.test.ts',
    title:
      'G7 tags: I24: with inheritTags a load is not returned once a tag of its cached call is invalidated*',
  },
  {
    guard: 'uncached-call-has-unknown-tags',
    test: 'test/decorators/cached.test.ts',
    title:
      'G7 tags: inheritTags: an entry has the tags of the cached calls of its load; if one ran uncached, it is not stored',
  },
  {
    guard: 'uncached-call-has-no-current-load',
    replace: 'loads.contexts.run(context, work)',
    by: 'work()',
    test: 'test/cache/current-load.test.ts',
    title: 'a call that is not cached has no current load, also within the load of another one',
  },
  // --- which entry may be returned -------------------------------------------------------------------------------------
  {
    guard: 'clear-nonce-is-unchanged',
    test: 'test/coherence/interleavings.test.ts',
    title:
      'G1 no resurrection: I4: a load is not stored if the cache is cleared while it runs*(two on one store)',
  },
  {
    guard: 'tag-nonces-are-unchanged',
    replace: 'entry.tags.every(({ tag, nonce }) => current.get(tag) === nonce)',
    by: 'true',
    test: 'test/coherence/interleavings.test.ts',
    title:
      'G7 tags: I2: a load whose argument tag is invalidated while it runs is not stored*(two on one store)',
  },
  {
    guard: 'entry-has-the-tags-of-the-call',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'G7 tags: an entry without a tag of the call is loaded again',
  },
  {
    guard: 'no-lookup-under-a-queued-invalidation',
    test: 'test/cache/lookup.test.ts',
    title: 'G3 read your writes: after an unacknowledged invalidation by *, a call does not return the entry',
  },
  {
    guard: 'no-entry-with-a-queued-tag',
    test: 'test/cache/lookup.test.ts',
    title:
      'G3 read your writes: an entry whose tags only its record names is not returned under a pending invalidation of such a tag',
  },
  {
    guard: 'no-plain-get-under-a-queued-invalidation',
    test: 'test/cache/lookup.test.ts',
    title: 'G3 read your writes: get, has and getMany find nothing under an unacknowledged invalidation',
  },
  {
    guard: 'entry-is-not-below-the-high-water-mark',
    test: 'test/cache/lookup.test.ts',
    title:
      'G4 monotonic reads: after a load without the store, no older entry is returned, even if the time of the store is unknown',
  },
  {
    guard: 'unknown-load-start-is-below-every-mark',
    replace: 'startedAt !== undefined && startedAt >= mark.startedAt',
    by: 'startedAt === undefined || startedAt >= mark.startedAt',
    test: 'test/cache/lookup.test.ts',
    title:
      'G4 monotonic reads: after a load without the store, no older entry is returned, even if the time of the store is unknown',
  },
  {
    guard: 'uncached-load-raises-the-mark',
    test: 'test/cache/lookup.test.ts',
    title:
      'G4 monotonic reads: after a load without the store, no older entry is returned, even if the time of the store is unknown',
  },
  {
    guard: 'load-raises-the-mark-before-it-is-stored',
    replace: 'highWaterMarks.record(call.key, loadedAt)',
    by: 'undefined',
    test: 'test/cache/lookup.test.ts',
    title: 'G4 monotonic reads: after a load that lost its lease, no entry of an earlier load is returned',
  },
  {
    guard: 'stored-value-lowers-the-mark',
    test: 'test/cache/lookup.test.ts',
    title:
      'G4 monotonic reads: a process returns the value that it loaded and stored, however slow its lease was',
  },
  {
    guard: 'refused-value-keeps-the-mark',
    replace: "if (reply !== 'refused') ",
    test: 'test/cache/lookup.test.ts',
    title: 'G4 monotonic reads: after a load that lost its lease, no entry of an earlier load is returned',
  },
  {
    guard: 'nonces-live-until-the-value-decides',
    replace: '(policy.lease / 2) * MAX_EXTENSIONS',
    by: '0',
    test: 'test/cache/result-ttl.test.ts',
    title: 'a load of a minute and a half keeps its nonces until its value decides',
  },
  {
    guard: 'nonces-live-as-long-as-a-decided-ttl',
    test: 'test/cache/result-ttl.test.ts',
    title: 'an entry whose value has decided its ttl is invalidated by its tags for all of that time',
  },
  {
    guard: 'record-is-of-this-key',
    replace: " || record.toString('utf8', keyAt, keyEnd) !== key",
    test: 'test/ports/entry-format.test.ts',
    title: 'Property: a record of another key does not decode',
  },
  {
    guard: 'record-has-its-length',
    test: 'test/ports/entry-format.test.ts',
    title: 'Property: a truncated or extended record does not decode',
  },
  {
    guard: 'bytes-have-their-checksum',
    test: 'test/values/value-codec.test.ts',
    title: 'bytes that were truncated, extended or changed do not decode',
  },
  {
    guard: 'codec-bytes-have-their-checksum',
    test: 'test/values/payload-codec.test.ts',
    title: 'bytes of a codec that were truncated, extended or changed do not decode',
  },
  {
    guard: 'msgpackr-returns-what-it-stores',
    test: 'test/adapters/msgpackr/msgpackr.test.ts',
    title: 'bytes that describe anything else do not decode',
  },
  {
    guard: 'expansion-has-a-bound',
    test: 'test/values/compression.test.ts',
    title: 'a payload that says it expands beyond the maximum size does not decode',
  },
  {
    guard: 'expansion-is-not-longer-than-it-says',
    replace: '{ maxOutputLength: length }',
    by: '{}',
    test: 'test/values/compression.test.ts',
    title: 'a payload that expands to more or less than it says does not decode',
  },
  {
    guard: 'encrypted-bytes-are-authentic',
    test: 'test/seal/sealers.test.ts',
    title: 'Property: * opens what it has sealed, and nothing that was changed, cut or extended',
  },
  {
    guard: 'signed-bytes-are-authentic',
    test: 'test/seal/sealers.test.ts',
    title: 'Property: * opens what it has sealed, and nothing that was changed, cut or extended',
  },
  {
    guard: 'weak-key-is-refused',
    replace: ' || bytes.every(isPrintable)',
    test: 'test/seal/seal-options.test.ts',
    title: '*: an OptionsError without any part of the key',
  },
  {
    guard: 'sealing-key-is-of-one-namespace',
    replace: ' ${namespace}',
    test: 'test/seal/sealed-entries.test.ts',
    title: '*: a record of another key, namespace, mode or secret is refused',
  },
  {
    guard: 'head-is-sealed-too',
    replace: 'record.length - payloadLength',
    by: '0',
    test: 'test/seal/sealed-entries.test.ts',
    title: '*: the sealed part of one record is refused under another tag, nonce, token or end',
  },
  {
    guard: 'waiters-break-no-seal',
    test: 'test/seal/sealed-entries.test.ts',
    title: '*: every changed bit of a * record that no script changes is refused',
  },
  {
    guard: 'refresh-breaks-no-seal',
    test: 'test/cache/sealed.test.ts',
    title: '*: what the scripts change in a record leaves its seal intact',
  },
  {
    guard: 'sealed-entry-ends-by-itself',
    replace: ' || format.isSealed',
    test: 'test/cache/sealed.test.ts',
    title: '*: an entry ends with its ttl, also if the store keeps its record for longer',
  },
  {
    guard: 'value-that-cannot-be-restored-is-not-kept',
    test: 'test/cache/instances.test.ts',
    title: 'a revive that throws, or returns a promise, is a miss and an error event',
  },
  {
    guard: 'value-in-memory-is-of-this-serializer',
    test: 'test/cache/instances.test.ts',
    title: 'a call with another revive does not get the value of the memory',
  },
  {
    guard: 'outage-value-is-of-this-serializer',
    replace: ' && entry.serializer === serializer',
    test: 'test/cache/instances.test.ts',
    title: 'a value of an outage is an instance, for calls with the same revive',
  },
  {
    guard: 'memory-counts-values-as-they-are-decoded',
    replace: 'expandedLength(codec, payload)',
    by: 'payload.length',
    test: 'test/values/compression.test.ts',
    title: 'compressed values are the same from memory and from the store, and count as what they expand to',
  },
  // --- queued invalidations --------------------------------------------------------------------------------------------
  {
    guard: 'failed-invalidation-is-queued',
    test: 'test/coherence/interleavings.test.ts',
    title:
      'G3 read your writes: I19: an invalidation while the store is unavailable applies in its own process at once, in others later*(two on one store)',
  },
  {
    guard: 'acknowledged-invalidation-clears-its-keys',
    test: 'test/cache/pending-invalidations.test.ts',
    title: 'an acknowledged invalidation clears an earlier pending one of the same key',
  },
  {
    guard: 'set-clears-nothing-newer',
    replace: ' && version <= upTo',
    test: 'test/cache/pending-invalidations.test.ts',
    title: 'set clears an earlier pending invalidation of its key, but not one made during the set',
  },
  {
    guard: 'set-clears-what-came-before-it',
    replace: 'version',
    by: 'pending.version',
    test: 'test/cache/pending-invalidations.test.ts',
    title: 'set clears an earlier pending invalidation of its key, but not one made during the set',
  },
  {
    guard: 'retry-clears-no-newer-key',
    replace: 'if (version <= upTo) ',
    test: 'test/cache/pending-invalidations.test.ts',
    title: 'an invalidation added during a retry stays pending, even of the same key or tag',
  },
  {
    guard: 'retry-clears-no-newer-clear',
    replace: 'if (this.#all <= upTo) ',
    test: 'test/cache/pending-invalidations.test.ts',
    title: 'a clear added during a retry stays pending',
  },
  {
    guard: 'too-many-invalidations-are-a-clear',
    replace: 'this.#all = version;',
    test: 'test/cache/pending-invalidations.test.ts',
    title: 'beyond the maximum, everything counts as invalidated until a retry is acknowledged',
  },
  // --- who may share a load --------------------------------------------------------------------------------------------
  {
    guard: 'load-from-before-the-call-needs-validation',
    test: 'test/coherence/interleavings.test.ts',
    title:
      'G3 read your writes: I5: a call that starts after an invalidation does not join a load that started before it*(two on one store)',
  },
  {
    guard: 'validation-is-from-after-the-call',
    replace: 'validFrom < callStartedAt',
    by: 'validFrom === NOT_VALIDATED',
    test: 'test/cache/cache-engine.test.ts',
    title:
      'G1 no resurrection: a call that joins during the fill does not get a value that was validated before the call started',
  },
  {
    guard: 'load-from-after-the-call-needs-no-validation',
    test: 'test/cache/cache-engine.test.ts',
    title:
      'G5 single flight: while the store is unavailable, calls that came before the load started join it',
  },
  {
    guard: 'validated-load-is-shared',
    test: 'test/cache/cache-engine.test.ts',
    title: 'G5 single flight: calls join a load that started before them once the store has validated it',
  },
  {
    guard: 'shared-load-has-the-tags-of-the-call',
    replace: 'call.tags.every((tag) => result.tags?.some((one) => one.tag === tag))',
    by: 'true',
    test: 'test/cache/cache-engine.test.ts',
    title: 'G7 tags: a call does not join a load without its tag if that tag was invalidated before the call',
  },
  {
    guard: 'shared-load-is-not-below-the-high-water-mark',
    replace: ' && this.#context.highWaterMarks.permits(call.key, result.loadedAt)',
    test: 'test/cache/cache-engine.test.ts',
    title:
      'G4 monotonic reads: a call does not join a load that started before one whose value this process has returned',
  },
  {
    guard: 'validated-by-the-lease',
    replace: "reply !== 'refused' && ",
    test: 'test/cache/cache-engine.test.ts',
    title:
      'G1 no resurrection: a call does not join a load that another process invalidated by * before the call',
  },
  {
    guard: 'validated-by-the-clear-nonce',
    replace: 'nonces[0] === lease.tagState.nonces[0] && ',
    test: 'test/cache/cache-engine.test.ts',
    title:
      'G1 no resurrection: a call does not join a load that another process invalidated by * before the call',
  },
  {
    guard: 'validated-by-the-tag-nonces',
    replace: ' && tags.every(({ nonce }, i) => nonces[i + 1] === nonce)',
    test: 'test/cache/cache-engine.test.ts',
    title:
      'G1 no resurrection: a call does not join a load that another process invalidated by * before the call',
  },
  {
    guard: 'result-tags-are-read-for-validation-too',
    replace: ': await readResultTags',
    by: ': entry === undefined ? [] : await readResultTags',
    test: 'test/cache/cache-engine.test.ts',
    title: 'G7 tags: a call does not get an unstored value whose result tag was invalidated before the call',
  },
  {
    guard: 'unknown-tags-are-not-validated',
    replace: 'return NOT_VALIDATED;',
    by: 'return context.sequence;',
    test: 'test/cache/cache-engine.test.ts',
    title:
      'G7 tags: a call does not join a load whose inherited tag another process invalidated before the call',
  },
  {
    guard: 'load-that-is-not-validated-is-left',
    test: 'test/cache/cache-engine.test.ts',
    title:
      'G10 bounded delay: a store that never answers a fill costs joined calls at most their storeTimeout',
  },
  {
    guard: 'second-load-has-its-own-store-time',
    replace: 'requestedAt = clock.now();',
    test: 'test/cache/cache-engine.test.ts',
    title: 'the load after one that was invalidated has a lease, however long the first one took',
  },
  {
    guard: 'unavailable-store-is-asked-once',
    replace: "found.status !== 'unavailable'",
    by: 'requestedAt > 0',
    test: 'test/cache/cache-engine.test.ts',
    title: 'G10 bounded delay: a call does not ask a store again that was unavailable to it',
  },
  {
    guard: 'loads-are-detached-before-an-invalidation',
    test: 'test/cache/cache-engine.test.ts',
    title:
      'G3 read your writes: a call that starts during an invalidation does not wait for a load from before it',
  },
  {
    guard: 'loads-are-detached-after-an-invalidation',
    test: 'test/cache/cache-engine.test.ts',
    title:
      'G3 read your writes: a call after an unacknowledged invalidation does not wait for a load that started during it',
  },
  {
    guard: 'inherited-tags-are-unknown-during-the-load',
    replace: ' || call.policy.inheritTags',
    test: 'test/cache/cache-engine.test.ts',
    title:
      'G7 tags: a call does not join a load whose inherited tag was invalidated before the call, even without acknowledgement',
  },
  {
    guard: 'load-removes-itself-only',
    replace: 'if (this.#loads.get(load.key) === load) ',
    test: 'test/cache/cache-engine.test.ts',
    title: 'G5 single flight: when a detached load ends, calls still join the load that replaced it',
  },
  // --- loads that hang, and loads that ask for themselves --------------------------------------------------------------
  {
    guard: 'hung-load-is-left',
    replace: 'load === startedLoad ? undefined : loadTimeout',
    by: 'undefined',
    test: 'test/cache/cache-engine.test.ts',
    title:
      'G5 single flight: a load that hangs does not block its key: its callers start one new load together after loadTimeout',
  },
  {
    guard: 'hung-load-is-joined-no-more',
    test: 'test/cache/cache-engine.test.ts',
    title:
      'G5 single flight: a load that hangs does not block its key: its callers start one new load together after loadTimeout',
  },
  {
    guard: 'load-removes-itself-only',
    replace: 'if (this.#loads.get(load.key) === load) ',
    test: 'test/cache/cache-engine.test.ts',
    title:
      'G5 single flight: a load that hangs does not block its key: its callers start one new load together after loadTimeout',
  },
  {
    guard: 'patience-grows',
    test: 'test/cache/cache-engine.test.ts',
    title:
      'G5 single flight: callers of a load that outlasts loadTimeout and is not stored (*) are served within two loads',
  },
  {
    guard: 'slow-load-still-counts',
    test: 'test/cache/cache-engine.test.ts',
    title:
      'G5 single flight: callers of a load that outlasts loadTimeout and is not stored (*) are served within two loads',
  },
  {
    guard: 'load-timeout-is-for-this-process',
    replace: 'policy.loadTimeout',
    by: 'policy.lockTimeout',
    test: 'test/cache/cache-engine.test.ts',
    title: 'loadTimeout ends the wait for a load of this process, whatever lockTimeout is',
  },
  {
    guard: 'lock-timeout-is-for-other-processes',
    replace: 'lockTimeout',
    by: 'loadTimeout',
    test: 'test/cache/cache-engine.test.ts',
    title:
      'G5 single flight: lockTimeout 0 does not wait for other processes, and still loads once in this one',
  },
  {
    guard: 'load-does-not-wait-for-itself',
    test: 'test/cache/load-context.test.ts',
    title: 'a load that calls its own key after an await does not wait for itself, however deeply nested',
  },
  {
    guard: 'enclosing-load-at-any-depth',
    replace: 'enclosing = enclosing.outer',
    by: 'enclosing = undefined',
    test: 'test/cache/load-context.test.ts',
    title: 'two loads that call each other do not deadlock',
  },
  {
    guard: 'ended-load-encloses-nothing',
    replace: ' && enclosing.isActive',
    test: 'test/cache/load-context.test.ts',
    title: 'work that outlives its load is not part of it any more',
  },
  {
    guard: 'enclosing-load-is-of-this-caching',
    replace: ' && enclosing.engine === engine',
    test: 'test/cache/load-context.test.ts',
    title: 'a load finds itself by its key and its engine, however deeply nested',
  },
  // --- leases that end, and waits that end -----------------------------------------------------------------------------
  {
    guard: 'value-that-does-not-count-is-named',
    replace: 'replaced = next',
    by: 'return NONE',
    test: 'test/cache/load-lease.test.ts',
    title: 'an invalidated value that was stored during the lookup is replaced',
  },
  {
    guard: 'value-that-does-not-count-is-named-at-once',
    replace: ' replaced,',
    by: ' { token: undefined, keeps: undefined, tags: [] },',
    test: 'test/cache/load-lease.test.ts',
    title: 'an invalidated value is replaced in the round trip of the lease',
  },
  {
    guard: 'each-round-names-another-value',
    test: 'test/cache/load-lease.test.ts',
    title: 'a store that shows an invalidated record and does not replace it is asked for the lease once',
  },
  {
    guard: 'damaged-lease-is-named',
    replace: 'isLease(record)',
    by: 'record.length === 20',
    test: 'test/cache/load-lease.test.ts',
    title: 'a record with the length of a lease that is * is replaced',
  },
  {
    guard: 'damaged-value-is-named',
    replace: 'entry.token',
    by: 'undefined',
    test: 'test/faults/damaged-records.test.ts',
    title: 'with any changed header bytes of a record, the first call replaces it and the others hit',
  },
  {
    guard: 'failed-load-releases-its-lease',
    test: 'test/coherence/interleavings.test.ts',
    title:
      'G5 single flight: I11: a failed load releases its lease at once, and its error is not stored*(two on one store)',
  },
  {
    guard: 'lease-whose-grant-is-lost-is-released',
    test: 'test/cache/load-lease.test.ts',
    title: 'a lease whose reply was lost is released',
  },
  {
    guard: 'failed-set-releases-its-lease',
    test: 'test/cache/entry-writer.test.ts',
    title: 'a set that fails releases its lease',
  },
  {
    guard: 'close-releases-leases',
    replace: ', releaseAll(this.#context)',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'close releases the leases of loads in progress',
  },
  {
    guard: 'lost-release-is-retried',
    test: 'test/shared/release-retries.test.ts',
    title: 'a load lease granted after its caller gave up is released soon',
  },
  {
    guard: 'retries-end-with-the-lease',
    replace: 'one.endsAt > now',
    by: 'true',
    test: 'test/shared/release-retries.test.ts',
    title: 'a failed release is retried until it succeeds or the lease has ended',
  },
  {
    guard: 'early-wake-is-not-lost',
    test: 'test/cache/load-lease.test.ts',
    title: 'a wakeup that arrives before the reply of the store is not lost',
  },
  {
    guard: 'new-subscription-wakes',
    test: 'test/adapters/ioredis/connection/wakeup-channels.test.ts',
    title:
      'what ended before the subscription is made up for: the name is woken as soon as its messages are received',
  },
  {
    guard: 'subscription-ends-after-the-last-wait',
    test: 'test/adapters/ioredis/connection/wakeup-channels.test.ts',
    title: 'the subscription lasts as long as a call waits, and a second longer',
  },
  {
    guard: 'fill-wakes-the-waiters-memory',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'a fill, a release and a removal of a lease wake its waiters',
  },
  {
    guard: 'fill-wakes-the-waiters-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'a fill, a release and a removal of a lease wake its waiters',
  },
  {
    guard: 'waiters-wait-for-the-next-lease-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'a replaced lease keeps its waiters',
  },
  {
    guard: 'running-load-extends-its-lease',
    replace: 'if (extensionsLeft-- <= 0) ',
    test: 'test/cache/load-lease.test.ts',
    title: 'G5 single flight: a running load extends its lease, for at most twenty times its length',
  },
  {
    guard: 'extensions-end',
    test: 'test/cache/load-lease.test.ts',
    title: 'G5 single flight: a running load extends its lease, for at most twenty times its length',
  },
  {
    guard: 'wait-for-another-process-ends',
    test: 'test/cache/load-lease.test.ts',
    title:
      'G5 single flight: a call waits for the load of another process, and loads itself after lockTimeout',
  },
  {
    guard: 'long-timer-does-not-end-at-once',
    replace: 'remainingMs > MAX_TIMER_MS',
    by: 'remainingMs > Infinity',
    test: 'test/shared/system-clock.test.ts',
    title: 'a timer longer than the maximum of Node.js does not fire at once',
  },
  // --- how many loads run --------------------------------------------------------------------------------------------
  {
    guard: 'loads-are-bounded',
    replace: 'mayWait && !missing.every(({ hasRoom }) => hasRoom)',
    by: 'false',
    test: 'test/cache/load-bulkhead.test.ts',
    title: 'loads beyond maxConcurrentLoads wait for their turn',
  },
  {
    guard: 'load-with-a-turn-does-not-wait',
    replace: 'mayWait && ',
    test: 'test/cache/load-bulkhead.test.ts',
    title: 'a load that a load of another bounded method makes does not wait, and counts in its own method',
  },
  {
    guard: 'nested-load-runs-in-the-turn-of-its-caller',
    replace: 'path.filter((one) => !held.has(one))',
    by: 'path',
    test: 'test/cache/load-bulkhead.test.ts',
    title: 'a load that a load of the same bulkhead makes runs in the turn of that one, and takes none',
  },
  {
    guard: 'nested-loads-go-first',
    test: 'test/cache/load-bulkhead.test.ts',
    title:
      'a load that a load with the turn of the Caching alone makes waits for its method, before all others',
  },
  {
    guard: 'oldest-load-of-all-methods-is-next',
    replace: 'first.order < longest.order',
    by: 'true',
    test: 'test/cache/load-bulkhead.test.ts',
    title: 'a turn of the Caching goes to the load that has waited longest, of whichever method',
  },
  {
    guard: 'waits-of-a-load-are-one',
    replace: ' - this.#waitedMs',
    test: 'test/cache/load-bulkhead.test.ts',
    title: 'a load that waits again has only the rest of its time',
  },
  {
    guard: 'hung-loader-gives-its-turn-back',
    test: 'test/cache/load-bulkhead.test.ts',
    title: 'a load that hangs gives its turn back after loadTimeout',
  },
  {
    guard: 'ended-load-lends-no-turn',
    replace: ' || !isActive',
    test: 'test/cache/load-bulkhead.test.ts',
    title: 'work that a load has left running when it ended has no turn of it',
  },
  {
    guard: 'joined-load-does-not-wait-for-its-caller',
    test: 'test/cache/load-bulkhead.test.ts',
    title: 'no deadlock: a load joins one that waits for its turn',
  },
  {
    guard: 'load-of-another-process-takes-no-turn',
    test: 'test/cache/load-bulkhead.test.ts',
    title: 'while another process loads the key, the load has no turn',
  },
  {
    guard: 'holder-of-a-load-lock-keeps-its-turn',
    replace: "if (call.policy.stampede === 'lease') ",
    test: 'test/cache/load-bulkhead.test.ts',
    title: "under stampede: 'lock', too, a load keeps its turn while it waits for a lease",
  },
  {
    guard: 'turns-are-lent-through-other-loads',
    test: 'test/cache/load-bulkhead.test.ts',
    title: 'a waiting load starts when a load with its turn joins the load that has called it',
  },
  {
    guard: 'shed-load-leaves-the-queue',
    test: 'test/cache/load-bulkhead.test.ts',
    title: 'a load that has waited too long leaves the queue, and takes no turn later',
  },
  {
    guard: 'load-without-a-turn-keeps-no-lease',
    test: 'test/cache/load-bulkhead.test.ts',
    title: 'a load that gets its lease without a turn gives the lease back, and waits for both',
  },
  {
    guard: 'store-time-begins-after-the-queue',
    replace: ' + (turn?.waitedMs ?? 0)',
    test: 'test/cache/load-bulkhead.test.ts',
    title: 'time in the queue is not store time: the load has its lease, and is stored',
  },
  {
    guard: 'loaded-value-gives-its-turn-back',
    test: 'test/cache/load-bulkhead.test.ts',
    title: 'a load has no turn while its value is stored',
  },
  {
    guard: 'load-of-another-process-ends-the-turn',
    test: 'test/cache/load-bulkhead.test.ts',
    title: 'a load that another process has done while it waited takes no turn for longer than it asks',
  },
  // --- one library, whichever copy; one name, one method ---------------------------------------------------------------
  {
    guard: 'kept-bytes-are-of-their-own',
    replace: 'new Uint8Array(bytes)',
    by: 'bytes',
    test: 'test/adapters/memory/memory-entry-store.test.ts',
    title: 'memory() uses the bytes that it counts, without Node.js buffer slabs',
  },
  {
    guard: 'copies-share-their-state',
    test: 'test/decorators/shared/two-copies.test.ts',
    title: 'the default of one is the default of the other',
  },
  {
    guard: 'other-code-of-one-name-is-refused',
    replace: 'String(first.method) !== String(this.#joinPoint.method)',
    by: 'false',
    test: 'test/decorators/shared/method-name.test.ts',
    title: 'the second of two different methods with one name is refused: it never gets values of the first',
  },
  {
    guard: 'one-method-with-two-decorators-is-one',
    test: 'test/decorators/shared/method-name.test.ts',
    title: 'several decorators on one method do not warn',
  },

  // --- the bounded map of L1 --------------------------------------------------------------------------------------------
  {
    guard: 'too-heavy-entries-evict-nothing',
    test: 'test/l1/bounded-map.test.ts',
    title: 'an entry heavier than the map is refused, evicts no other, and leaves nothing of its key',
  },
  {
    guard: 'no-entry-is-pinned',
    replace: 'frequency >= UPSET_FREQUENCY && this.#isUpset()',
    by: 'false',
    test: 'test/l1/bounded-map.test.ts',
    title: 'keys that share all counters with an entry do not pin it',
  },
  {
    guard: 'hand-leaves-with-no-entry',
    test: 'test/l1/bounded-map.test.ts',
    title: 'a deleted entry is no victim: the hand leaves it',
  },
  {
    guard: 'one-set-passes-few-entries',
    replace: ' && passed < MAX_PASSED',
    test: 'test/l1/bounded-map.test.ts',
    title: 'one set passes a bounded number of entries, however many were used',
  },
  {
    guard: 'heavy-entries-pass-the-window',
    replace: 'entry.weight > this.#maxWeight * MAX_PART_IN_WINDOW',
    by: 'false',
    test: 'test/l1/bounded-map.test.ts',
    title:
      'a heavy entry evicts as many as it takes once it is asked for often, and none that are asked for more often',
  },
  {
    guard: 'full-counter-stays-full',
    replace: 'if (((word >>> shift) & MAX_COUNT) < MAX_COUNT) ',
    test: 'test/l1/frequency-sketch.test.ts',
    title: 'a key is counted up to 15, and other keys are not',
  },
  {
    guard: 'halving-keeps-counters-apart',
    replace: ' & 0x77777777',
    test: 'test/l1/frequency-sketch.test.ts',
    title: 'halving a counter leaves its neighbours at what they are',
  },
  {
    guard: 'growing-keeps-counts',
    test: 'test/l1/frequency-sketch.test.ts',
    title: 'the sketch grows without losing counts',
  },
  // --- connections --------------------------------------------------------------------------------------------------
  {
    guard: 'ended-connections-are-closed',
    test: 'test/adapters/ioredis/connection/watch-client.test.ts',
    title: 'an ended connection is waited for until its socket is closed',
  },
  {
    guard: 'new-primary-ends-the-connection',
    test: 'test/adapters/ioredis/connection/sentinel.test.ts',
    title: 'after SENTINEL FAILOVER commands and wakeups use the new primary*',
  },
  {
    guard: 'wakeups-follow-the-master',
    replace: 'again && ',
    by: 'false && ',
    test: 'test/adapters/ioredis/connection/sentinel.test.ts',
    title: 'after SENTINEL FAILOVER commands and wakeups use the new primary*',
  },
  {
    guard: 'old-cluster-is-read-slot-by-slot',
    test: 'test/adapters/ioredis/connection/cluster.test.ts',
    title:
      'a Cluster older than Redis 7 is asked once whether it reads keys of many slots, and then slot by slot',
  },
  {
    guard: 'moved-slot-is-read-where-it-is',
    test: 'test/adapters/ioredis/connection/cluster.test.ts',
    title: 'reads and scripts follow a slot that has moved (MOVED, ASK)*',
  },
  // --- the context in keys ------------------------------------------------------------------------------------------
  {
    guard: 'remembered-key-has-no-context',
    replace: 'parts === undefined ? keyOf?.recall?.(args) : undefined',
    by: 'keyOf?.recall?.(args)',
    test: 'test/decorators/context.test.ts',
    title: 'a remembered key leads no tenant to the entry in memory that all share',
  },
  {
    guard: 'missing-context-part-is-refused',
    test: 'test/decorators/context.test.ts',
    title: 'a call without its tenant rejects, and the method does not run, whatever onKeyError says (*',
  },
  {
    guard: 'context-value-is-one-part',
    replace: "escapeSeparator(part, ',')",
    by: 'part',
    test: 'test/keys/context.test.ts',
    title: 'a value has the same text as in a template',
  },
  {
    guard: 'tags-have-the-context',
    replace: 'this.#ofTags + tag',
    by: 'tag',
    test: 'test/decorators/context.test.ts',
    title: 'a tag of one tenant is not that of another: from templates, from results, and of the verbs',
  },
  {
    guard: 'context-is-read-before-the-method',
    replace: 'contextOf(caching).context?.read(() => name.forErrors(self))',
    by: 'undefined',
    test: 'test/decorators/context.test.ts',
    title:
      'without its tenant a method with @Invalidates does not run: its write could not be followed by an invalidation',
  },
  // --- what a request remembers -------------------------------------------------------------------------------------
  {
    guard: 'memo-is-not-used-within-a-load',
    replace: 'outer === undefined && ',
    test: MEMO,
    title: 'a load does not read what its request remembers: its value is stored for all requests',
  },
  {
    guard: 'memo-does-not-share-what-a-signal-may-end',
    replace: ' && call.signal === undefined',
    test: MEMO,
    title: 'a call with a signal is not shared: its abort ends no other call',
  },
  {
    guard: 'memo-precedes-the-memory',
    test: MEMO,
    title: 'a method with @Cached reads the snapshot of its request, and not the memory of the process',
  },
  {
    guard: 'memo-is-invalidated-before-the-store',
    test: MEMO,
    title: 'a read during an invalidation by * is not answered from before it (*',
  },
  {
    guard: 'memo-is-invalidated-after-the-store',
    test: MEMO,
    title: 'a read during an invalidation by * is not remembered after it (*',
  },
  {
    guard: 'list-of-a-batch-has-a-value-for-each-id',
    test: BATCH,
    title: 'a list of another length, and what is no collection, reject with an OptionsError',
  },
  {
    guard: 'result-of-a-batch-has-its-form',
    test: BATCH,
    title: '@CachedMany: a method that returns another form than it says rejects with the mend',
  },
  {
    guard: 'batch-does-not-wait-for-a-load-of-this-process',
    test: BATCH,
    title: 'a batch shares a load with getOrSet of the same key, in both directions',
  },
  {
    guard: 'batch-does-not-wait-for-a-load-of-another-process',
    test: BATCH,
    title: 'an id whose load another process holds does not hold the others up',
  },
  {
    guard: 'loads-of-a-batch-are-not-bounded',
    replace: 'call.batch === undefined ?',
    by: 'true ?',
    test: BATCH,
    title: 'loads of a batch are not bounded by maxConcurrentLoads',
  },
  {
    guard: 'batch-runs-within-its-loads',
    replace: 'inner === undefined ? work() : loads.contexts.run(inner, work)',
    by: 'work()',
    test: BATCH,
    title: 'a loader that asks for its own ids does not wait for itself',
  },
  {
    guard: 'decided-ttl-is-at-most-that-of-the-call',
    replace: 'Math.min(ttlOf(call, value), decidedTtl ?? Infinity)',
    by: '(decidedTtl ?? ttlOf(call, value))',
    test: CURRENT_LOAD,
    title: 'a load sets its ttl, up to that of the call',
  },
  {
    guard: 'tags-of-a-load-need-the-record-of-tag-changes',
    test: CURRENT_LOAD,
    title: 'tags without a function tags, and a ttl that is no duration, throw an OptionsError in the loader',
  },
  {
    guard: 'set-ends-what-the-request-remembers',
    test: MEMO,
    title: 'a read during a set in the request is not remembered after it',
  },
  {
    guard: 'memo-ends-with-every-tag',
    test: MEMO,
    title: 'an invalidation by * in the request ends what it remembers (*',
  },
  {
    guard: 'memo-forgets-errors',
    test: MEMO,
    title: 'an error is not remembered; calls at the same time share it',
  },
  {
    guard: 'memo-keeps-no-value-beyond-its-ttl',
    replace: ' && now < known.expiresAt',
    test: MEMO,
    title: 'a value is remembered for its ttl at most',
  },
  {
    guard: 'memo-ends-with-its-request',
    replace: 'memo.isActive = false',
    by: 'memo.isActive = true',
    test: MEMO,
    title: 'the memo ends with the promise of the work: what goes on after it reads the cache',
  },
  // --- handles, bypass and refresh, class defaults -----------------------------------------------------------------------
  {
    guard: 'mode-is-of-this-caching',
    test: MODE,
    title: 'a mode is of one Caching, and the innermost one counts',
  },
  {
    guard: 'mode-precedes-the-memory',
    test: HANDLES,
    title: 'bypass and refresh reach decorated methods, also those whose value is in memory',
  },
  {
    guard: 'refresh-loads-a-key-once',
    test: MODE,
    title: 'refresh: a key is loaded once, and later calls read it as always',
  },
  {
    guard: 'refresh-ends-what-the-request-remembers',
    test: MODE,
    title: 'refresh: a request with a memo remembers the new value',
  },
  {
    guard: 'refresh-joins-no-older-load',
    replace: 'load?.mayRefresh(refreshed) !== true',
    by: 'load === undefined',
    test: MODE,
    title:
      'G1 no resurrection: a load that was started before a refresh is not stored, in this process and in others',
  },
  {
    guard: 'refresh-joins-no-load-that-runs',
    replace: ' || this.loaderStartedAt === undefined',
    by: ' || true',
    test: MODE,
    title:
      'G5 one load: refreshes share a load that has not called its loader, and start another one after that',
  },
  {
    guard: 'refresh-joins-no-load-that-runs',
    replace: ' || this.loaderStartedAt === undefined',
    test: MODE,
    title:
      'G5 one load: refreshes share a load that has not called its loader, and start another one after that',
  },
  {
    guard: 'refresh-detaches-older-loads',
    test: MODE,
    title:
      'G4 monotonic: after a refresh, an older load that fails returns no stale value, also if the store is away',
  },
  {
    guard: 'no-inspection-under-a-queued-invalidation',
    test: HANDLES,
    title: 'G3 own writes: nothing is peeked under an invalidation that has not reached the store',
  },
  {
    guard: 'handle-is-on-the-caching-of-its-method',
    test: HANDLES,
    title: 'a handle is on the Caching that the method uses',
  },
  {
    guard: 'handle-has-the-form-of-its-method',
    test: 'test/decorators/many-handles.test.ts',
    title: 'of and ofMany refuse the methods of each other, and methods without a decorator',
  },
  {
    guard: 'original-call-has-unknown-tags',
    replace: 'runUncached(() => method.run(self, [...args]))',
    by: 'method.run(self, [...args])',
    test: HANDLES,
    title: 'original: runs the method, and neither reads nor stores',
  },
  {
    guard: 'class-tags-add-up',
    replace: 'joinTags(inherited.tags ?? [], normaliseTags(own.tags, label))',
    by: 'own.tags',
    test: DEFAULTS,
    title: 'tags of the class are added to those of the method and of the classes that it extends',
  },
  {
    guard: 'defaults-are-of-the-class-of-the-call',
    replace: 'owner === latest && ',
    test: DEFAULTS,
    title: 'subclasses inherit the options one by one, and override them',
  },
  {
    guard: 'defaults-are-of-the-class-of-the-call',
    replace: ' && merged === state.merged',
    test: DEFAULTS,
    title: 'defaults that a class gets after a call apply from the next call on',
  },
  {
    guard: 'class-name-is-not-inherited',
    replace: 'state.own.get(owner)?.name',
    by: '(state.own.get(owner) ?? state.own.get(Object.getPrototypeOf(owner)))?.name',
    test: DEFAULTS,
    title: 'a name replaces that of the class in default keys, events and errors; subclasses have their own',
  },
  {
    guard: 'tags-are-checked-for-each-class',
    replace: 'known.checkedBy === plan',
    by: 'known.checkedBy !== undefined',
    test: DEFAULTS,
    title:
      'a value in memory that has not the tags of the class is no hit for it, also if the method is the same',
  },
  {
    guard: 'bulkhead-is-of-all-classes',
    replace: 'perCaching(',
    by: '((compute: any) => compute)(',
    test: DEFAULTS,
    title: 'maxConcurrentLoads bounds a method over all classes that inherit it, whatever their defaults',
  },
  // --- references to entries --------------------------------------------------------------------------------------------
  {
    guard: 'reference-is-to-the-caching-that-is-invalidated',
    test: ENTRIES,
    title: 'a reference to a method of another Caching is refused',
  },
  {
    guard: 'key-that-needs-the-instance-is-refused',
    test: ENTRIES,
    title: 'a key that reads fields of this needs the instance; one that calls methods of the class does not',
  },
];
