/** The guards of sessions, in the shape of cache.js. */
const CONTRACT = { memory: 'test/contract/memory.test.ts', lua: 'test/contract/ioredis.test.ts' };

/** The same guard in both stores. */
function inBoth(guard, title, memory, lua) {
  return [
    { guard: `${guard}-memory`, ...memory, test: CONTRACT.memory, title: `*: sessions: *${title}` },
    { guard: `${guard}-lua`, ...lua, test: CONTRACT.lua, title: `*: sessions: *${title}` },
  ];
}

export const sessionsMutations = [
  // --- one session -----------------------------------------------------------------------------------------------------
  ...inBoth(
    'session-matches',
    'only the right proof, or the right user, finds a session',
    { replace: "'proof' in match ? match.proof === session.proof : match.user === session.user", by: 'true' },
    { replace: 'return get(field) == value', by: "return get('v') ~= false" },
  ),
  ...inBoth('session-is-not-overwritten', 'an existing session is not created again', {}, {}),
  ...inBoth(
    'session-ends-at-the-latest',
    'nothing extends a session beyond its latest end',
    { replace: 'Math.min(this.#clock.now() + ttlMs, session.latestEnd)', by: 'this.#clock.now() + ttlMs' },
    {},
  ),
  ...inBoth('session-has-the-version', 'an update for another version changes nothing', {}, {}),
  ...inBoth('removed-session-is-not-saved', 'a session that was removed is not saved for a time', {}, {}),
  ...inBoth(
    'revoked-session-is-not-bound-again',
    'save keeps the epoch of the same user, and names another user',
    {},
    {},
  ),
  // --- the sessions of a user ------------------------------------------------------------------------------------------
  ...inBoth(
    'revoked-session-is-refused',
    'a revocation ends all sessions of a user, and those bound before it',
    { replace: 'epoch === current', by: 'true' },
    { replace: 'epoch == current', by: 'true' },
  ),
  ...inBoth(
    'revoked-session-is-not-kept',
    'a revocation does not keep a session that is revoked',
    { replace: ' && isCurrent(user, kept.handle, kept.epoch)' },
    { replace: ' and is_current(ARGV[2], ARGV[3])' },
  ),
  ...inBoth(
    'user-key-outlives-sessions',
    'what is known of a user lives as long as its longest session',
    { replace: 'Math.max(user.expiresAt, expiresAt)', by: 'expiresAt' },
    { replace: "redis.call('PTTL', key) < ttl", by: 'true' },
  ),
  {
    guard: 'lost-user-key-revokes-lua',
    replace: 'return false',
    by: 'return true',
    test: CONTRACT.lua,
    title: '*: sessions: *a user key that is lost revokes the sessions of the user',
  },
  {
    guard: 'every-slot-has-its-master',
    replace: 'name === undefined || client === undefined',
    by: 'name === undefined || client === undefined) continue;\nif (false',
    test: 'test/adapters/ioredis/sessions/session-store.test.ts',
    title: 'in a Cluster keys asks every master, and rejects while one of them is away',
  },
  // --- what comes from outside -----------------------------------------------------------------------------------------
  {
    guard: 'bad-session-id-is-not-found',
    replace: "typeof id !== 'string' || !/^[\\w-]{64}$/.test(id)",
    by: "typeof id !== 'string'",
    test: 'test/sessions/sessions.test.ts',
    title: 'a bad id is not found, and the store is not asked: *',
  },
  {
    guard: 'user-is-a-text',
    test: 'test/sessions/sessions.test.ts',
    title: 'anything but a user is an error, not a revocation of nobody',
  },
  {
    guard: 'bad-framework-id-is-not-found',
    test: 'test/adapters/session-store/session-stores.test.ts',
    title: '*: an id that no generator makes is not found without a question to the store',
  },
  {
    guard: 'session-can-be-read-again',
    test: 'test/adapters/session-store/session-stores.test.ts',
    title: '*: a session that cannot be stored is an error, and the stored one stays',
  },
  {
    guard: 'callback-is-called-once',
    replace: 'setImmediate(callback, null, value)',
    by: 'callback(null, value)',
    test: 'test/adapters/session-store/session-stores.test.ts',
    title: '*: what the callback throws does not call it again',
  },
];
