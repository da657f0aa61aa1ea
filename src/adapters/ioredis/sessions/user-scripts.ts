/**
 * A user key is a string: the epoch, and, after a revocation that kept a session, also its handle and its epoch, separated by
 * spaces. Beside it, in the same slot, `<key>:sessions` is a sorted set of handles by the time at which they expire.
 */
import type { Buffer } from 'node:buffer';
import type { KeptSession } from '../../../core/ports/session-store.js';
import { script, toWholeMs } from '../commands/script.js';

function userKeys(userKey: string): readonly string[] {
  return [userKey, `${userKey}:sessions`];
}

const PRELUDE = `
local user, sessions = KEYS[1], KEYS[2]
local found = redis.call('GET', user)

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- True for a session that no revocation has ended. Without a user key none is valid.
local function is_current(handle, epoch)
  -- guard: lost-user-key-revokes-lua
  if not found then return false end
  local current, kept, kept_epoch = string.match(found, '^(%S+) ?(%S*) ?(%S*)$')
  -- guard: revoked-session-is-refused-lua
  return epoch == current or (handle == kept and epoch == kept_epoch)
end

-- Adds the session to the list, and lets both keys live for as long as it at least.
local function add(handle, ttl)
  redis.call('ZADD', sessions, now() + ttl, handle)
  for _, key in ipairs(KEYS) do
    -- guard: user-key-outlives-sessions-lua
    if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, ttl) end
  end
end
`;

export const bindScript = script<[userKey: string, handle: string, epoch: string, ttlMs: number], string>({
  name: 'bind of a session',
  lua: `
-- KEYS[1] user, [2] its sessions
-- ARGV[1] handle, [2] epoch if it has none, [3] ttl in ms
-- Returns the epoch
${PRELUDE}
if not found then
  found = ARGV[2]
  redis.call('SET', user, found, 'PX', ARGV[3])
end
redis.call('ZREMRANGEBYSCORE', sessions, '-inf', now())
add(ARGV[1], tonumber(ARGV[3]))
return string.match(found, '^%S+')
`,
  encode: (userKey, handle, epoch, ttlMs) => ({
    keys: userKeys(userKey),
    values: [handle, epoch, toWholeMs(ttlMs)],
  }),
  decode: (reply) => String(reply),
});

export const isCurrentScript = script<
  [userKey: string, handle: string, epoch: string, ttlMs: number | undefined],
  boolean
>({
  name: 'check of a session',
  lua: `
-- KEYS[1] user, [2] its sessions
-- ARGV[1] handle, [2] epoch, [3] new ttl in ms, or 0
-- Returns 1; 0 if the session is revoked
${PRELUDE}
if not is_current(ARGV[1], ARGV[2]) then return 0 end
if ARGV[3] ~= '0' then add(ARGV[1], tonumber(ARGV[3])) end
return 1
`,
  encode: (userKey, handle, epoch, ttlMs) => ({
    keys: userKeys(userKey),
    values: [handle, epoch, ttlMs === undefined ? 0 : toWholeMs(ttlMs)],
  }),
  decode: (reply) => reply === 1,
});

export const revokeScript = script<[userKey: string, epoch: string, kept: KeptSession | undefined], void>({
  name: 'revocation of sessions',
  lua: `
-- KEYS[1] user, [2] its sessions
-- ARGV[1] new epoch, [2] handle of the session to keep or '', [3] its epoch
${PRELUDE}
if not found then return 1 end
local text = ARGV[1]
local expires = false
-- guard: revoked-session-is-not-kept-lua
if ARGV[2] ~= '' and is_current(ARGV[2], ARGV[3]) then
  text = text .. ' ' .. ARGV[2] .. ' ' .. ARGV[3]
  expires = redis.call('ZSCORE', sessions, ARGV[2])
end
redis.call('SET', user, text, 'KEEPTTL')
redis.call('UNLINK', sessions)
if expires then
  redis.call('ZADD', sessions, expires, ARGV[2])
  redis.call('PEXPIRE', sessions, redis.call('PTTL', user))
end
return 1
`,
  encode: (userKey, epoch, kept) => ({
    keys: userKeys(userKey),
    values: [epoch, kept?.handle ?? '', kept?.epoch ?? ''],
  }),
  decode: () => undefined,
});

export const handlesScript = script<[userKey: string], readonly string[]>({
  name: 'list of sessions',
  lua: `
-- KEYS[1] user, [2] its sessions
${PRELUDE}
redis.call('ZREMRANGEBYSCORE', sessions, '-inf', now())
return redis.call('ZRANGE', sessions, 0, -1)
`,
  encode: (userKey) => ({ keys: userKeys(userKey), values: [] }),
  decode: (reply) => (reply as Buffer[]).map(String),
});
