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
    title: 'I1: a load that an invalidation overtakes is not stored*(two on one store)',
  },
  {
    guard: 'fill-needs-lease-lua',
    replace: 'return 0',
    by: "redis.call('SET', KEYS[1], ARGV[2], 'PX', 1000) return 1",
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'refuses a fill where nothing stands: absence means refuse',
  },
  {
    guard: 'fill-needs-own-lease-memory',
    replace: ' && tokenOf(record) === token',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'refuses a fill under another lease, which stays',
  },
  {
    guard: 'fill-needs-own-lease-lua',
    replace: ' or token_of(found) ~= ARGV[1]',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'refuses a fill under another lease, which stays',
  },
  {
    guard: 'value-is-no-lease-memory',
    replace: ' && isLease(record)',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'says yes to a fill that comes again, and leaves the value as it is',
  },
  {
    guard: 'repeated-fill-changes-nothing-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'says yes to a fill that comes again, and leaves the value as it is',
  },
  {
    guard: 'late-fill-is-not-stored-memory',
    replace: 'Math.floor(until) - Math.floor(this.#clock.now())',
    by: 'Math.max(1, Math.floor(until) - Math.floor(this.#clock.now()))',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'stores nothing whose end has passed, and removes its lease',
  },
  {
    guard: 'late-fill-is-not-stored-lua',
    replace: 'ARGV[3] - now()',
    by: 'math.max(1000, ARGV[3] - now())',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'stores nothing whose end has passed, and removes its lease',
  },
  {
    guard: 'ttl-from-load-start',
    replace: 'lease.grantedAt',
    by: 'clock.now()',
    test: 'test/core/cache.test.ts',
    title: 'an entry ends its ttl after its load was begun, however long the load took',
  },
  {
    guard: 'release-by-holder-only-memory',
    replace: 'return false',
    by: 'return this.#records.delete(key)',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: "gives back neither another's lease nor a value",
  },
  {
    guard: 'release-by-holder-only-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: "gives back neither another's lease nor a value",
  },
  {
    guard: 'extend-by-holder-only-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'extends nothing but the lease of this token',
  },
  {
    guard: 'removal-removes-leases-memory',
    replace: 'record === undefined',
    by: 'record === undefined || isLease(record)',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'refuses a fill after the removal, and after the release',
  },
  {
    guard: 'removal-removes-leases-lua',
    replace: "if type(found) == 'string' then\n    redis.call",
    by: "if type(found) == 'string' and kind_of(found) ~= 'lease' then\n    redis.call",
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'refuses a fill after the removal, and after the release',
  },
  {
    guard: 'one-lease-for-a-key-memory',
    replace: " && replaces !== '*'",
    by: " && replaces !== '*' && !isLease(record)",
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'grants one of many leases at once',
  },
  {
    guard: 'one-lease-for-a-key-lua',
    replace: "token_of(found) ~= ARGV[1] and ARGV[3] ~= '*'",
    by: 'false',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'grants one of many leases at once',
  },
  {
    guard: 'lease-replaces-named-value-only-memory',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'shows a value instead of granting a lease',
  },
  {
    guard: 'lease-replaces-named-value-only-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'shows a value instead of granting a lease',
  },
  // --- invalidations that come during a load ---------------------------------------------------------------------------
  {
    guard: 'invalidated-load-is-not-stored',
    replace: 'load.isDetached || ',
    test: 'test/core/cache.test.ts',
    title:
      'nothing is stored of a load that an invalidation overtakes, while it is under way or when it has failed',
  },
  {
    guard: 'queued-invalidation-keeps-a-load-out',
    replace: ' || pending.matches(call.key, [...call.tags, ...resultTags])',
    test: 'test/core/cache.test.ts',
    title:
      'nothing is stored of a load that had waited for its lease and that a failed invalidation overtakes',
  },
  {
    guard: 'earlier-invalidations-do-not-concern-a-load',
    test: 'test/core/cache.test.ts',
    title: 'a load that waited for its lease while an invalidation came is stored: it began after it',
  },
  {
    guard: 'result-tags-are-unchanged',
    replace: 'unchangedBuckets(lease.tagState.tagChanges, now.tagChanges, tags)',
    by: 'true',
    test: 'test/coherence/interleavings.test.ts',
    title:
      'I2: a load that the invalidation of a tag overtakes which its value tells is not stored*(two on one store)',
  },
  {
    guard: 'tag-changes-have-one-identity',
    test: 'test/core/cache.test.ts',
    title:
      'a tag that is invalidated during the load keeps the value out, with the tag changes evicted before or after',
  },
  {
    guard: 'invalidated-tag-marks-its-bucket-memory',
    test: 'test/coherence/interleavings.test.ts',
    title:
      'I2: a load that the invalidation of a tag overtakes which its value tells is not stored*(two on one store)',
  },
  {
    guard: 'invalidated-tag-marks-its-bucket-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'marks the given buckets of the tag changes, and only those',
  },
  {
    guard: 'nonces-are-kept-memory',
    replace: 'standing ?? ',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'does for the tag changes what it does for nonces: they begin as an identity and zeros',
  },
  {
    guard: 'nonces-are-kept-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'mints for the absent and keeps what stands',
  },
  {
    guard: 'nonces-live-no-shorter-memory',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'never shortens the life of a nonce',
  },
  {
    guard: 'nonces-live-no-shorter-lua',
    replace: "redis.call('PTTL', key) < tonumber(ARGV[2])",
    by: 'true',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'never shortens the life of a nonce',
  },
  {
    guard: 'tag-with-two-nonces-proves-nothing',
    replace: 'else if (known !== nonce) this.isComplete = false;',
    test: 'test/core/cache.test.ts',
    title: 'a load is not stored if it met a tag after its invalidation, and then as it was before it',
  },
  {
    guard: 'result-tags-have-no-nonce-yet',
    replace: 'resultTags.length === 0 ? argumentTags : undefined',
    by: 'argumentTags',
    test: 'test/core/cache.test.ts',
    title: 'a load is not stored if one of its calls had a tag told by its value: its nonce is not known yet',
  },
  {
    guard: 'hit-passes-its-tags-on',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'an entry takes over the tags of the cached calls that its load made',
  },
  {
    guard: 'load-passes-its-tags-on',
    test: 'test/coherence/interleavings.test.ts',
    title: 'I24: a load that made a cached call is not returned once a tag of that call is invalidated*',
  },
  {
    guard: 'uncached-call-has-unknown-tags',
    test: 'test/decorators/cached-options.test.ts',
    title:
      'an entry takes over the tags of the cached calls of its load; if one of them ran uncached, it is not stored',
  },
  // --- which entry may be returned -------------------------------------------------------------------------------------
  {
    guard: 'clear-nonce-is-unchanged',
    test: 'test/coherence/interleavings.test.ts',
    title: 'I4: a load that a clear overtakes is not stored*(two on one store)',
  },
  {
    guard: 'tag-nonces-are-unchanged',
    replace: 'entry.tags.every(({ tag, nonce }) => current.get(tag) === nonce)',
    by: 'true',
    test: 'test/coherence/interleavings.test.ts',
    title: 'I2: a load that the invalidation of its tag overtakes is not stored*(two on one store)',
  },
  {
    guard: 'entry-has-the-tags-of-the-call',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'an entry without a tag that the call asks for is loaded anew',
  },
  {
    guard: 'no-lookup-under-a-queued-invalidation',
    test: 'test/core/cache.test.ts',
    title: 'after an invalidation that the store did not take, by *, a call reads past the entry',
  },
  {
    guard: 'no-entry-with-a-queued-tag',
    test: 'test/core/cache.test.ts',
    title: 'an entry under a mark is read past, whoever told its tags',
  },
  {
    guard: 'no-plain-get-under-a-queued-invalidation',
    test: 'test/core/cache.test.ts',
    title: 'the plain verbs find nothing under an invalidation that is not acknowledged',
  },
  {
    guard: 'entry-is-not-below-the-high-water-mark',
    test: 'test/core/cache.test.ts',
    title:
      'after a load without the store, no older entry is returned, even if the store never told its time',
  },
  {
    guard: 'unknown-load-start-is-below-every-mark',
    replace: 'startedAt !== undefined && startedAt >= mark.startedAt',
    by: 'startedAt === undefined || startedAt >= mark.startedAt',
    test: 'test/core/cache.test.ts',
    title:
      'after a load without the store, no older entry is returned, even if the store never told its time',
  },
  {
    guard: 'uncached-load-raises-the-mark',
    test: 'test/core/cache.test.ts',
    title:
      'after a load without the store, no older entry is returned, even if the store never told its time',
  },
  {
    guard: 'load-raises-the-mark-before-it-is-stored',
    replace: 'highWaterMarks.record(call.key, loadedAt)',
    by: 'undefined',
    test: 'test/core/cache.test.ts',
    title: 'after a load whose lease was lost, no entry of an earlier load is returned',
  },
  {
    guard: 'stored-value-lowers-the-mark',
    test: 'test/core/cache.test.ts',
    title: 'a stored value is returned by the process that loaded it, however slow its lease was',
  },
  {
    guard: 'refused-value-keeps-the-mark',
    replace: "if (reply !== 'refused') ",
    test: 'test/core/cache.test.ts',
    title: 'after a load whose lease was lost, no entry of an earlier load is returned',
  },
  {
    guard: 'record-is-of-this-key',
    replace: " || record.toString('utf8', KEY_AT, keyEnd) !== key",
    test: 'test/core/entry.test.ts',
    title: 'Property: a record of another key is no entry',
  },
  {
    guard: 'record-has-its-length',
    test: 'test/core/entry.test.ts',
    title: 'Property: a record that was cut short or appended to is no entry',
  },
  {
    guard: 'bytes-have-their-checksum',
    test: 'test/core/values.test.ts',
    title: 'Bytes that are longer, shorter or other than what was written are undecodable',
  },
  // --- queued invalidations --------------------------------------------------------------------------------------------
  {
    guard: 'failed-invalidation-is-queued',
    test: 'test/coherence/interleavings.test.ts',
    title:
      'I19: an invalidation that the store cannot take counts in its own process at once, for others later*(two on one store)',
  },
  {
    guard: 'acknowledged-invalidation-clears-its-keys',
    test: 'test/core/cache.test.ts',
    title: 'an acknowledged invalidation settles an earlier one of the same key that was not',
  },
  {
    guard: 'set-clears-nothing-newer',
    replace: ' && version <= upTo',
    test: 'test/core/cache.test.ts',
    title: 'a set settles an earlier invalidation of its key, and not one that came while it was under way',
  },
  {
    guard: 'set-clears-what-came-before-it',
    replace: 'version',
    by: 'pending.version',
    test: 'test/core/cache.test.ts',
    title: 'a set settles an earlier invalidation of its key, and not one that came while it was under way',
  },
  {
    guard: 'retry-clears-no-newer-key',
    replace: 'if (version <= upTo) ',
    test: 'test/core/pending-invalidations.test.ts',
    title: 'a mark that comes while a retry is under way stays, on the same names too',
  },
  {
    guard: 'retry-clears-no-newer-clear',
    replace: 'if (this.#all <= upTo) ',
    test: 'test/core/pending-invalidations.test.ts',
    title: 'a mark on everything that comes while a retry is under way stays',
  },
  {
    guard: 'too-many-invalidations-are-a-clear',
    replace: 'this.#all = version;',
    test: 'test/core/pending-invalidations.test.ts',
    title: 'past its bound everything is marked, and the retry clears it',
  },
  // --- who may share a load --------------------------------------------------------------------------------------------
  {
    guard: 'load-from-before-the-call-needs-validation',
    test: 'test/coherence/interleavings.test.ts',
    title:
      'I5: a call that starts after an invalidation does not join a load that began before it*(two on one store)',
  },
  {
    guard: 'validation-is-from-after-the-call',
    replace: 'validFrom < startedAt',
    by: 'validFrom === NOT_VALIDATED',
    test: 'test/core/cache.test.ts',
    title:
      'a call that joins while the store takes the value is not given what was vouched for before it began',
  },
  {
    guard: 'load-from-after-the-call-needs-no-validation',
    test: 'test/core/cache.test.ts',
    title: 'while the store is away calls that came before the load began share it',
  },
  {
    guard: 'validated-load-is-shared',
    test: 'test/core/cache.test.ts',
    title: 'calls share a load that began before them, once the store has vouched for it',
  },
  {
    guard: 'shared-load-has-the-tags-of-the-call',
    replace: 'call.tags.every((tag) => result.tags?.some((one) => one.tag === tag))',
    by: 'true',
    test: 'test/core/cache.test.ts',
    title: 'a call shares no load that carries none of its tags, if that tag was invalidated before the call',
  },
  {
    guard: 'shared-load-is-not-below-the-high-water-mark',
    replace: ' && this.#context.highWaterMarks.permits(call.key, result.loadedAt)',
    test: 'test/core/cache.test.ts',
    title: 'a call joins no load that began before one whose value this process has returned',
  },
  {
    guard: 'validated-by-the-lease',
    replace: "reply !== 'refused' && ",
    test: 'test/core/cache.test.ts',
    title: 'a call shares no load that was invalidated by * before the call, by another process',
  },
  {
    guard: 'validated-by-the-clear-nonce',
    replace: 'nonces[0] === lease.tagState.nonces[0] && ',
    test: 'test/core/cache.test.ts',
    title: 'a call shares no load that was invalidated by * before the call, by another process',
  },
  {
    guard: 'validated-by-the-tag-nonces',
    replace: ' && tags.every(({ nonce }, i) => nonces[i + 1] === nonce)',
    test: 'test/core/cache.test.ts',
    title: 'a call shares no load that was invalidated by * before the call, by another process',
  },
  {
    guard: 'result-tags-are-read-for-validation-too',
    replace: ': await readResultTags',
    by: ': entry === undefined ? [] : await readResultTags',
    test: 'test/core/cache.test.ts',
    title: 'a call shares no unstored value of which a tag told by the value was invalidated before the call',
  },
  {
    guard: 'unknown-tags-are-not-validated',
    replace: 'return NOT_VALIDATED;',
    by: 'return context.sequence;',
    test: 'test/core/cache.test.ts',
    title:
      'a call shares no load of which an inherited tag was invalidated before the call, by another process',
  },
  {
    guard: 'load-that-is-not-validated-is-left',
    test: 'test/core/cache.test.ts',
    title: 'a store that never answers a fill costs those who joined the load their budget, and no more',
  },
  {
    guard: 'second-load-has-its-own-store-time',
    replace: 'requestedAt = clock.now();',
    test: 'test/core/cache.test.ts',
    title: 'the load after one that an invalidation overtook is under a lease, however long that one took',
  },
  {
    guard: 'unavailable-store-is-asked-once',
    replace: "found.status !== 'unavailable'",
    by: 'requestedAt > 0',
    test: 'test/core/cache.test.ts',
    title: 'a store that was away for a call is not asked again by that call',
  },
  {
    guard: 'loads-are-detached-before-an-invalidation',
    test: 'test/core/cache.test.ts',
    title: 'a call that starts while an invalidation is under way does not wait for a load from before it',
  },
  {
    guard: 'loads-are-detached-after-an-invalidation',
    test: 'test/core/cache.test.ts',
    title:
      'a call that starts after an unacknowledged invalidation waits for nothing that began while it was under way',
  },
  {
    guard: 'inherited-tags-are-unknown-during-the-load',
    replace: ' || call.policy.inheritTags',
    test: 'test/core/cache.test.ts',
    title:
      'a call shares no load of which an inherited tag was invalidated before the call, acknowledged or not',
  },
  {
    guard: 'load-removes-itself-only',
    replace: 'if (this.#loads.get(load.key) === load) ',
    test: 'test/core/cache.test.ts',
    title: 'a load that was detached does not take away the one in its place: no third runs beside it',
  },
  // --- loads that hang, and loads that ask for themselves --------------------------------------------------------------
  {
    guard: 'hung-load-is-left',
    replace: 'load === own ? undefined : patience',
    by: 'undefined',
    test: 'test/core/self-waiting.test.ts',
    title: 'a load that hangs does not hold its key: all who wait for it begin one new load together',
  },
  {
    guard: 'hung-load-is-joined-no-more',
    test: 'test/core/self-waiting.test.ts',
    title: 'a load that hangs does not hold its key: all who wait for it begin one new load together',
  },
  {
    guard: 'load-removes-itself-only',
    replace: 'if (this.#loads.get(load.key) === load) ',
    test: 'test/core/self-waiting.test.ts',
    title: 'a load that hangs does not hold its key: all who wait for it begin one new load together',
  },
  {
    guard: 'patience-grows',
    test: 'test/core/self-waiting.test.ts',
    title: 'callers of a load that outlasts loadTimeout and is not stored (*) are served within two loads',
  },
  {
    guard: 'slow-load-still-counts',
    test: 'test/core/self-waiting.test.ts',
    title: 'callers of a load that outlasts loadTimeout and is not stored (*) are served within two loads',
  },
  {
    guard: 'load-timeout-is-for-this-process',
    replace: 'loadTimeout',
    by: 'lockTimeout',
    test: 'test/core/load-timeout.test.ts',
    title: 'loadTimeout ends the wait for a load of this process, whatever lockTimeout is',
  },
  {
    guard: 'lock-timeout-is-for-other-processes',
    replace: 'lockTimeout',
    by: 'loadTimeout',
    test: 'test/core/self-waiting.test.ts',
    title: 'lockTimeout 0 does not wait for other processes, and still loads once in this one',
  },
  {
    guard: 'load-does-not-wait-for-itself',
    test: 'test/core/self-waiting.test.ts',
    title: 'a load that asks for its own key after an await does not wait for itself, however deep',
  },
  {
    guard: 'enclosing-load-at-any-depth',
    replace: 'at = at.outer',
    by: 'at = undefined',
    test: 'test/core/self-waiting.test.ts',
    title: 'two loads that ask for each other do not wait for each other',
  },
  {
    guard: 'ended-load-encloses-nothing',
    replace: ' && at.isActive',
    test: 'test/core/load-context.test.ts',
    title: 'work that a load leaves running is not part of it when the load has ended',
  },
  {
    guard: 'enclosing-load-is-of-this-caching',
    replace: ' && at.engine === engine',
    test: 'test/core/load-context.test.ts',
    title: 'a load is found from within itself, however deep, by its key and its engine',
  },
  // --- leases that end, and waits that end -----------------------------------------------------------------------------
  {
    guard: 'value-that-does-not-count-is-named',
    replace: 'replaces = found.replaces',
    by: 'return NONE',
    test: 'test/core/cache.test.ts',
    title: 'a dead value that came while a call was on its way is replaced',
  },
  {
    guard: 'value-that-does-not-count-is-named-at-once',
    replace: 'found.replaces',
    by: 'undefined',
    test: 'test/core/cache.test.ts',
    title: 'a dead value is replaced in the round trip of the lease',
  },
  {
    guard: 'each-round-names-another-value',
    test: 'test/core/load-lease.test.ts',
    title: 'a store that shows an invalidated record and does not replace it is asked for the lease once',
  },
  {
    guard: 'damaged-lease-is-named',
    replace: 'isLease(record)',
    by: 'record.length === 20',
    test: 'test/core/cache.test.ts',
    title: "a record of a lease's length that is * is replaced",
  },
  {
    guard: 'damaged-value-is-named',
    replace: 'entry.token',
    by: 'undefined',
    test: 'test/faults/damaged-records.test.ts',
    title:
      'Whatever bytes of the header of a record are changed, the first call replaces it and the others hit',
  },
  {
    guard: 'failed-load-releases-its-lease',
    test: 'test/coherence/interleavings.test.ts',
    title:
      'I11: a loader that throws gives its lease back at once, and its error is not stored*(two on one store)',
  },
  {
    guard: 'lease-whose-grant-is-lost-is-released',
    test: 'test/core/cache.test.ts',
    title: 'a lease whose grant got lost is given back',
  },
  {
    guard: 'failed-set-releases-its-lease',
    test: 'test/core/cache.test.ts',
    title: 'a set that the store fails leaves no lease behind',
  },
  {
    guard: 'close-releases-leases',
    replace: ', releaseAll(this.#context)',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'close gives back the leases of loads that are under way',
  },
  {
    guard: 'lost-release-is-retried',
    test: 'test/core/release-retries.test.ts',
    title: 'a load lease that the store grants after its caller gave up is released within a moment',
  },
  {
    guard: 'retries-end-with-the-lease',
    replace: 'one.until > now',
    by: 'true',
    test: 'test/core/release-retries.test.ts',
    title: 'a release that fails is tried again until it succeeds, or what it releases has ended',
  },
  {
    guard: 'early-wake-is-not-lost',
    test: 'test/core/cache.test.ts',
    title: 'a wake that comes before the answer of the store is not lost',
  },
  {
    guard: 'fill-wakes-the-waiters-memory',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'wakes for a fill, a release and a removal of a lease that others wait for',
  },
  {
    guard: 'fill-wakes-the-waiters-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'wakes for a fill, a release and a removal of a lease that others wait for',
  },
  {
    guard: 'waiters-wait-for-the-next-lease-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'still knows that somebody waits after the lease is replaced',
  },
  {
    guard: 'running-load-extends-its-lease',
    replace: 'if (left-- <= 0) ',
    test: 'test/core/cache.test.ts',
    title: 'a loader that lives keeps its lease, for twenty times its length and no longer',
  },
  {
    guard: 'extensions-end',
    test: 'test/core/cache.test.ts',
    title: 'a loader that lives keeps its lease, for twenty times its length and no longer',
  },
  {
    guard: 'wait-for-another-process-ends',
    test: 'test/core/cache.test.ts',
    title: 'a call waits for the load of another process, and loads itself when that takes too long',
  },
  {
    guard: 'long-timer-does-not-end-at-once',
    replace: 'left > MAX_TIMER_MS',
    by: 'left > Infinity',
    test: 'test/core/clock.test.ts',
    title: 'a timer longer than Node.js can have does not run at once',
  },
  // --- one library, whichever copy; one name, one method ---------------------------------------------------------------
  {
    guard: 'kept-bytes-are-of-their-own',
    replace: 'new Uint8Array(bytes)',
    by: 'bytes',
    test: 'test/adapters/memory-bytes.test.ts',
    title: 'what memory() keeps takes the bytes that it counts, and no slab of Node.js beside them',
  },
  {
    guard: 'copies-share-their-state',
    test: 'test/decorators/two-copies.test.ts',
    title: 'the default of one is the default of the other',
  },
  {
    guard: 'other-code-of-one-name-is-refused',
    replace: 'String(first.method) !== String(this.#joinPoint.method)',
    by: 'false',
    test: 'test/decorators/names.test.ts',
    title:
      'the second of two different methods of one name is refused: it never gets the values of the first',
  },
  {
    guard: 'one-method-with-two-decorators-is-one',
    test: 'test/decorators/names.test.ts',
    title: 'several decorators on one method are no two methods: nothing warns',
  },
];
