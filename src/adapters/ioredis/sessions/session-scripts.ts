/**
 * A session is a hash:
 *
 *     p   proof: the digest of its secret
 *     u   user, e: epoch; both '' without a user
 *     c   created at, m: ends at the latest ('' if not bounded), in ms since the epoch of the server's clock
 *     v   version
 *     k   meta
 *     d   payload
 *
 * Beside it, in the same slot, `<key>:removed` blocks `save` for a time.
 */
import type { Buffer } from 'node:buffer';
import type {
  SaveReply,
  SessionChange,
  SessionDraft,
  SessionInfo,
  SessionMatch,
  SessionRenewal,
  StoredSession,
} from '../../../core/ports/session-store.js';
import { script, toWholeMs } from '../commands/script.js';

/** The key that blocks `save`. The braces of the session's key keep it in the same slot. */
function removedKey(key: string): string {
  return `${key}:removed`;
}

const PRELUDE = `
local key = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function get(field) return redis.call('HMGET', key, field)[1] end

-- True if the session exists and its field has the value.
local function matches(field, value)
  -- guard: session-matches-lua
  return get(field) == value
end

-- Lets the session end after ttl ms, or at its latest end. An end that has passed removes it.
local function expire(ttl)
  local latest = get('m')
  -- guard: session-ends-at-the-latest-lua
  if latest ~= '' then ttl = math.min(ttl, latest - now) end
  redis.call('PEXPIRE', key, ttl)
end

local function create(proof, user, epoch, ttl, max_age, meta, payload)
  local latest = max_age > 0 and now + max_age or ''
  redis.call('HSET', key, 'v', 1, 'p', proof, 'u', user, 'e', epoch, 'c', now, 'm', latest, 'k', meta, 'd', payload)
  expire(ttl)
end

-- The session without its payload; false if it has ended.
local function info()
  local found = redis.call('HMGET', key, 'v', 'u', 'e', 'c', 'k')
  if not found[1] then return false end
  return { found[1], found[2], found[3], now - found[4], redis.call('PTTL', key), found[5] }
end

local function whole()
  local found = info()
  if found then found[7] = get('d') end
  return found
end
`;

const readLua = (reply: 'info' | 'whole'): string => `
-- KEYS[1] session
-- ARGV[1] field that must have the value [2]; [3] new ttl in ms or 0; [4] 1 if [5] is the new meta
-- Returns version, user, epoch, age, time to its end, meta${reply === 'whole' ? ', payload' : ''}; false if there is none
${PRELUDE}
if not matches(ARGV[1], ARGV[2]) then return false end
if ARGV[4] == '1' then redis.call('HSET', key, 'k', ARGV[5]) end
if ARGV[3] ~= '0' then expire(tonumber(ARGV[3])) end
return ${reply}()
`;

type ReadArguments = [key: string, match: SessionMatch, renewal: SessionRenewal | undefined];

const encodeRead = (...[key, match, renewal]: ReadArguments) => ({
  keys: [key],
  values: [
    ...fieldOf(match),
    renewal === undefined ? 0 : toWholeMs(renewal.ttlMs),
    renewal?.meta === undefined ? 0 : 1,
    renewal?.meta ?? '',
  ],
});

export const readScript = script<ReadArguments, StoredSession | undefined>({
  name: 'read of a session',
  lua: readLua('whole'),
  encode: encodeRead,
  decode: (reply) => storedOf(reply),
});

export const touchScript = script<ReadArguments, SessionInfo | undefined>({
  name: 'touch of a session',
  lua: readLua('info'),
  encode: encodeRead,
  decode: (reply) => (reply === null ? undefined : infoOf(reply as Fields)),
});

/** ARGV of a draft, in the order of create() in Lua. */
function draftValues({ proof, user, epoch, ttlMs, maxAgeMs, meta, payload }: SessionDraft) {
  return [
    proof,
    user,
    epoch,
    toWholeMs(ttlMs),
    maxAgeMs === undefined ? 0 : toWholeMs(maxAgeMs),
    meta,
    payload,
  ];
}

export const createScript = script<[key: string, draft: SessionDraft], boolean>({
  name: 'create of a session',
  lua: `
-- KEYS[1] session
-- ARGV[1] proof, [2] user, [3] epoch, [4] ttl in ms, [5] latest end in ms from now or 0, [6] meta, [7] payload
-- Returns 1; 0 if there is one
${PRELUDE}
-- guard: session-is-not-overwritten-lua
if get('v') then return 0 end
create(ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7])
return 1
`,
  encode: (key, draft) => ({ keys: [key], values: draftValues(draft) }),
  decode: (reply) => reply === 1,
});

export const saveScript = script<
  [key: string, draft: SessionDraft, boundEpoch: string | undefined],
  SaveReply
>({
  name: 'save of a session',
  lua: `
-- KEYS[1] session, [2] blocks it
-- ARGV[1] to [7] as for create, [8] the epoch of another user that it may be bound to, or ''
-- Returns 1; 0 if it is blocked; user and epoch if it is bound to another user
${PRELUDE}
-- guard: removed-session-is-not-saved-lua
if redis.call('GET', KEYS[2]) then return 0 end
local found = redis.call('HMGET', key, 'u', 'e', 'v')
if not found[1] then
  create(ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7])
  return 1
end
if found[1] ~= ARGV[2] then
  -- guard: revoked-session-is-not-bound-again-lua
  if found[1] ~= '' and found[2] ~= ARGV[8] then return found end
  redis.call('HSET', key, 'u', ARGV[2], 'e', ARGV[3])
end
redis.call('HSET', key, 'k', ARGV[6], 'd', ARGV[7], 'v', found[3] + 1)
expire(tonumber(ARGV[4]))
return 1
`,
  encode: (key, draft, boundEpoch) => ({
    keys: [key, removedKey(key)],
    values: [...draftValues(draft), boundEpoch ?? ''],
  }),
  decode: (reply) => {
    if (typeof reply === 'number') return { status: reply === 1 ? 'saved' : 'removed' };
    const [user, epoch] = reply as Buffer[];
    return { status: 'bound', owner: { user: user!.toString(), epoch: epoch!.toString() } };
  },
});

export const updateScript = script<
  [key: string, match: SessionMatch, change: SessionChange],
  StoredSession | 'conflict' | undefined
>({
  name: 'update of a session',
  lua: `
-- KEYS[1] session
-- ARGV[1] field that must have the value [2]; [3] version that it must have, or 0; [4] new ttl in ms, or 0
-- [5] latest end in ms from now, or 0, for a login; the rest are the fields to change, and their values
-- Returns as read; 0 if it has another version
${PRELUDE}
if not matches(ARGV[1], ARGV[2]) then return false end
-- guard: session-has-the-version-lua
if ARGV[3] ~= '0' and get('v') ~= ARGV[3] then return 0 end
for i = 6, #ARGV, 2 do
  redis.call('HSET', key, ARGV[i], ARGV[i + 1])
  if ARGV[i] == 'u' then
    local max_age = tonumber(ARGV[5])
    redis.call('HSET', key, 'c', now, 'm', max_age > 0 and now + max_age or '')
  end
end
redis.call('HSET', key, 'v', get('v') + 1)
if ARGV[4] ~= '0' then expire(tonumber(ARGV[4])) end
return whole()
`,
  encode: (key, match, { version, proof, login, payload, ttlMs }) => {
    const fields: (string | Buffer)[] = [];
    if (proof !== undefined) fields.push('p', proof);
    if (login !== undefined) fields.push('u', login.user, 'e', login.epoch);
    if (payload !== undefined) fields.push('d', payload);
    const maxAgeMs = login?.maxAgeMs;
    return {
      keys: [key],
      values: [
        ...fieldOf(match),
        version ?? 0,
        ttlMs === undefined ? 0 : toWholeMs(ttlMs),
        maxAgeMs === undefined ? 0 : toWholeMs(maxAgeMs),
        ...fields,
      ],
    };
  },
  decode: (reply) => (reply === 0 ? 'conflict' : storedOf(reply)),
});

export const removeScript = script<
  [key: string, match: SessionMatch | undefined, blockedMs: number],
  boolean
>({
  name: 'remove of a session',
  lua: `
-- KEYS[1] session, [2] blocks it
-- ARGV[1] field that must have the value [2], or ''; [3] for how long save is blocked in ms, or 0
-- Returns 1; 0 if there was none that matches
${PRELUDE}
if ARGV[1] ~= '' and not matches(ARGV[1], ARGV[2]) then return 0 end
if ARGV[3] ~= '0' then redis.call('SET', KEYS[2], '', 'PX', ARGV[3]) end
return redis.call('UNLINK', key)
`,
  encode: (key, match, blockedMs) => ({
    keys: [key, removedKey(key)],
    values: [...(match === undefined ? ['', ''] : fieldOf(match)), Math.trunc(blockedMs)],
  }),
  decode: (reply) => reply === 1,
});

function fieldOf(match: SessionMatch): [field: string, value: string] {
  return 'proof' in match ? ['p', match.proof] : ['u', match.user];
}

type Fields = [Buffer, Buffer, Buffer, number, number, Buffer, Buffer];

function infoOf([version, user, epoch, ageMs, expiresInMs, meta]: Fields): SessionInfo {
  return {
    version: Number(version),
    user: user.toString(),
    epoch: epoch.toString(),
    ageMs,
    expiresInMs,
    meta: meta.toString(),
  };
}

function storedOf(reply: unknown): StoredSession | undefined {
  return reply === null ? undefined : { ...infoOf(reply as Fields), payload: (reply as Fields)[6] };
}
