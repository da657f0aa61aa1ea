import { Buffer } from 'node:buffer';
import {
  FRESH_UNTIL_AT,
  KEY_AT,
  LEASE,
  LEASE_LENGTH,
  MAGIC,
  REFRESH_LEASE_AT,
  REFRESH_TOKEN_AT,
  REFRESHABLE,
  REFRESHABLE_HEAD,
  RETRY_AT,
  TOKEN_AT,
  VALUE,
  HAS_WAITERS,
  WIRE_VERSION,
} from '../../../core/ports/entry-format.js';
import type { FillReply, Keeps, LeaseReply, TagState } from '../../../core/ports/entry-store.js';
import {
  NO_TAG_CHANGES,
  TAG_CHANGE_BUCKETS,
  TAG_CHANGE_BYTES,
  TAG_CHANGES_IDENTITY,
  TAG_CHANGES_LENGTH,
} from '../../../core/ports/tag-changes.js';
import { script, toWholeMs } from '../commands/script.js';

/** Lua: `now()`, the server's clock in ms since the epoch. */
const CLOCK = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`;

/** The bytes that tell what a record is: those before the key of a refreshable value. A lease has fewer. */
const HEAD_END = REFRESHABLE_HEAD - 1;

/** Lua: what a record is, by its head (core/ports/entry-format.ts). */
const RECORDS = `
local function kind_of(bytes)
  if #bytes < ${LEASE_LENGTH} or string.sub(bytes, 1, 2) ~= string.char(${MAGIC}, ${WIRE_VERSION}) then return nil end
  local flags = string.byte(bytes, 3)
  if flags % ${2 * VALUE} >= ${VALUE} then return 'value' end
  if #bytes == ${LEASE_LENGTH} and flags % ${2 * LEASE} >= ${LEASE} then return 'lease' end
  return nil
end

local function token_of(bytes)
  return string.sub(bytes, ${TOKEN_AT + 1}, ${LEASE_LENGTH})
end

local function is_refreshable(bytes)
  return #bytes >= ${REFRESHABLE_HEAD} and kind_of(bytes) == 'value'
    and string.byte(bytes, 3) % ${2 * REFRESHABLE} >= ${REFRESHABLE}
end

-- True if the record is the lease of this token, or has it beside its value
local function has_lease(bytes, token)
  if is_refreshable(bytes) then
    return string.sub(bytes, ${REFRESH_TOKEN_AT + 1}, ${REFRESHABLE_HEAD}) == token
  end
  return kind_of(bytes) == 'lease' and token_of(bytes) == token
end

local function is_awaited(bytes)
  return kind_of(bytes) ~= nil and string.byte(bytes, 3) % ${2 * HAS_WAITERS} >= ${HAS_WAITERS}
end

-- A server without memory refuses the mark. Then the waiters are not woken, and retry later.
local function mark_awaited(key, bytes)
  if not is_awaited(bytes) then
    redis.pcall('SETRANGE', key, 2, string.char(string.byte(bytes, 3) + ${HAS_WAITERS}))
  end
end

-- The record lives as long as the lease at least
local function set_refresh_lease(key, token, ms, now)
  local set = redis.pcall('SETRANGE', key, ${REFRESH_LEASE_AT}, struct.pack('>d', now + ms) .. token)
  if type(set) == 'table' then return set end
  -- guard: value-lives-as-long-as-its-refresh-lua
  if redis.call('PTTL', key) < tonumber(ms) then redis.call('PEXPIRE', key, ms) end
end

-- Gives a value the part that a refreshable one has. It is not refreshed, and ends with its ttl.
-- Returns the record, or an error
local function make_refreshable(key, bytes, ms)
  local fresh_until = string.sub(bytes, ${FRESH_UNTIL_AT + 1}, ${FRESH_UNTIL_AT + 8})
  local record = string.sub(bytes, 1, 2) .. string.char(string.byte(bytes, 3) + ${REFRESHABLE})
    .. string.sub(bytes, 4, ${KEY_AT}) .. fresh_until
    .. string.rep(string.char(0), ${REFRESHABLE_HEAD - KEY_AT - 8}) .. string.sub(bytes, ${KEY_AT + 1})
  local remaining = redis.call('PTTL', key)
  if remaining < 0 then remaining = ms end
  local set = redis.pcall('SET', key, record, 'PX', remaining)
  if set.err then return set end
  return record
end

local function is_of_another_type(reply)
  return type(reply) == 'table' and string.sub(reply.err or '', 1, 9) == 'WRONGTYPE'
end
`;

export const leaseScript = script<
  [
    key: string,
    token: string,
    leaseMs: number,
    replaces: string | undefined,
    changeChannel: string,
    changeMessage: string,
    keeps: Keeps,
  ],
  LeaseReply
>({
  name: 'lease',
  lua: `
-- KEYS[1] entry
-- ARGV[1] token, [2] duration of the lease in ms, [3] token of the value it may replace, or * for any record, or ''
-- ARGV[4] channel and [5] message about the change; '' for none
-- ARGV[6] value or back-off: a refreshable value is not replaced but gets the lease, and with * any value; back-off: not
-- before its time
-- Returns {0, now} if it is granted; {1, now, remaining ms} for a lease of another owner; {2, value} for a value; {3}
-- for a key of another type
${RECORDS}
${CLOCK}
local found = redis.pcall('GET', KEYS[1])
if is_of_another_type(found) then return {3} end
if type(found) == 'table' then return found end

local flags = ${LEASE}
if found then
  local kind = kind_of(found)
  -- guard: lease-replaces-named-value-only-lua
  if kind == 'value' and ARGV[3] == '*' and ARGV[6] ~= '' then
    -- guard: put-keeps-the-value-lua
    if not is_refreshable(found) then found = make_refreshable(KEYS[1], found, ARGV[2]) end
    if type(found) == 'table' then return found end
    local granted_at = now()
    local failed = set_refresh_lease(KEYS[1], ARGV[1], ARGV[2], granted_at)
    if failed then return failed end
    redis.call('PUBLISH', ARGV[4], ARGV[5])
    return {0, granted_at}
  end
  if kind == 'value' and ARGV[3] ~= '*' then
    if token_of(found) ~= ARGV[3] then return {2, found} end
    if ARGV[6] ~= '' and is_refreshable(found) then
      local granted_at = now()
      -- guard: refresh-waits-for-the-back-off-lua
      if ARGV[6] == 'back-off' and struct.unpack('>d', found, ${RETRY_AT + 1}) > granted_at then return {2, found} end
      local remaining = struct.unpack('>d', found, ${REFRESH_LEASE_AT + 1}) - granted_at
      -- guard: one-refresh-at-a-time-lua
      if remaining > 0 and not has_lease(found, ARGV[1]) then
        mark_awaited(KEYS[1], found)
        return {1, granted_at, math.ceil(remaining)}
      end
      return set_refresh_lease(KEYS[1], ARGV[1], ARGV[2], granted_at) or {0, granted_at}
    end
  end
  if kind == 'lease' then
    -- guard: one-lease-for-a-key-lua
    if token_of(found) ~= ARGV[1] and ARGV[3] ~= '*' then
      mark_awaited(KEYS[1], found)
      local remaining = redis.call('PTTL', KEYS[1])
      if remaining < 0 then
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
        remaining = tonumber(ARGV[2])
      end
      return {1, now(), remaining}
    end
  end
  -- The waiters of the replaced lease wait for this one now.
  -- guard: waiters-wait-for-the-next-lease-lua
  if is_awaited(found) then flags = flags + ${HAS_WAITERS} end
end
local granted_at = now()
redis.call('SET', KEYS[1], string.char(${MAGIC}, ${WIRE_VERSION}, flags, 0) .. ARGV[1], 'PX', ARGV[2])
-- guard: replaced-value-is-published-lua
if ARGV[5] ~= '' then redis.call('PUBLISH', ARGV[4], ARGV[5]) end
return {0, granted_at}
`,
  encode: (key, token, leaseMs, replaces, channel, message, keeps) => ({
    keys: [key],
    values: [
      token,
      toWholeMs(leaseMs),
      replaces === undefined ? '' : tokenBytes(replaces),
      channel,
      message,
      keeps ?? '',
    ],
  }),
  decode: (reply) => {
    const [status, first, forMs] = reply as [number, number | Buffer, number];
    if (status === 0) return { status: 'granted', storeTime: first as number };
    if (status === 1) return { status: 'held', forMs, storeTime: first as number };
    if (status === 2) return { status: 'present', record: first as Buffer };
    return { status: 'foreign' };
  },
});

export const extendScript = script<[key: string, token: string, leaseMs: number], boolean>({
  name: 'extend',
  lua: `
-- KEYS[1] entry
-- ARGV[1] token, [2] new duration in ms, from now
-- Returns 1; 0 if the lease does not exist
${RECORDS}
${CLOCK}
local found = redis.pcall('GETRANGE', KEYS[1], 0, ${HEAD_END})
if is_of_another_type(found) then return 0 end
if type(found) == 'table' then return found end
-- guard: extend-by-holder-only-lua
if not has_lease(found, ARGV[1]) then return 0 end
if is_refreshable(found) then return set_refresh_lease(KEYS[1], ARGV[1], ARGV[2], now()) or 1 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`,
  encode: (key, token, leaseMs) => ({ keys: [key], values: [token, toWholeMs(leaseMs)] }),
  decode: isOne,
});

export const fillScript = script<
  [
    key: string,
    token: string,
    record: Uint8Array,
    until: number,
    channel: string,
    changeChannel: string,
    changeMessage: string,
  ],
  FillReply
>({
  name: 'fill',
  lua: `
-- KEYS[1] entry
-- ARGV[1] token, [2] record, [3] its end in ms since the epoch, [4] channel
-- ARGV[5] channel and [6] message about the change; '' for none
-- Returns 1, also if this value is stored already; 0 if the lease does not exist; 2 if the end has passed
${RECORDS}
${CLOCK}
local found = redis.pcall('GETRANGE', KEYS[1], 0, ${HEAD_END})
if is_of_another_type(found) then return 0 end
if type(found) == 'table' then return found end
-- guard: repeated-fill-changes-nothing-lua
if kind_of(found) == 'value' and token_of(found) == ARGV[1] then return 1 end
-- guard: fill-needs-lease-lua
-- guard: fill-needs-own-lease-lua
if not has_lease(found, ARGV[1]) then return 0 end
-- The caller sends the end and not the ttl, because this script may run long after it was sent.
-- guard: late-fill-is-not-stored-lua
local remaining = ARGV[3] - now()
if remaining > 0 then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', remaining)
else
  redis.call('UNLINK', KEYS[1])
end
-- guard: fill-wakes-the-waiters-lua
if is_awaited(found) then redis.pcall('PUBLISH', ARGV[4], KEYS[1]) end
-- guard: put-value-is-published-lua
if ARGV[6] ~= '' then redis.call('PUBLISH', ARGV[5], ARGV[6]) end
return remaining > 0 and 1 or 2
`,
  encode: (key, token, record, until, ...channels) => ({
    keys: [key],
    values: [token, asBuffer(record), Math.floor(until), ...channels],
  }),
  decode: (reply) => (reply === 1 ? 'stored' : reply === 2 ? 'expired' : 'refused'),
});

export const releaseScript = script<
  [key: string, token: string, channel: string, retryAfterMs: number],
  boolean
>({
  name: 'release',
  lua: `
-- KEYS[1] entry
-- ARGV[1] token, [2] channel, [3] how long a value should not be loaded again in ms, 0: not written
-- Returns 1; 0 if the lease does not exist. A value that has the lease stays.
${RECORDS}
${CLOCK}
local found = redis.pcall('GETRANGE', KEYS[1], 0, ${HEAD_END})
if is_of_another_type(found) then return 0 end
if type(found) == 'table' then return found end
-- guard: release-by-holder-only-lua
if not has_lease(found, ARGV[1]) then return 0 end
-- guard: release-keeps-the-value-lua
if is_refreshable(found) then
  local no_lease = string.rep(string.char(0), ${REFRESHABLE_HEAD - REFRESH_LEASE_AT})
  -- A server without memory refuses this. Then the lease ends by itself.
  if ARGV[3] == '0' then redis.pcall('SETRANGE', KEYS[1], ${REFRESH_LEASE_AT}, no_lease)
  else redis.pcall('SETRANGE', KEYS[1], ${RETRY_AT}, struct.pack('>d', now() + ARGV[3]) .. no_lease) end
  if is_awaited(found) then
    redis.pcall('SETRANGE', KEYS[1], 2, string.char(string.byte(found, 3) - ${HAS_WAITERS}))
  end
else
  redis.call('UNLINK', KEYS[1])
end
if is_awaited(found) then redis.pcall('PUBLISH', ARGV[2], KEYS[1]) end
return 1
`,
  encode: (key, token, channel, retryAfterMs) => ({
    keys: [key],
    values: [token, channel, Math.ceil(retryAfterMs)],
  }),
  decode: isOne,
});

export const removeScript = script<
  [keys: readonly string[], wakeChannel: string, changeChannel: string, changeMessage: string],
  void
>({
  name: 'remove',
  lua: `
-- KEYS entries
-- ARGV[1] channel of the waiters, [2] channel and [3] message about the change
-- Keys of another type are not removed. Uses only commands that a server without memory accepts.
${RECORDS}
for _, key in ipairs(KEYS) do
  local found = redis.pcall('GETRANGE', key, 0, ${LEASE_LENGTH})
  -- guard: removal-removes-leases-lua
  if type(found) == 'string' then
    redis.call('UNLINK', key)
    if is_awaited(found) then redis.pcall('PUBLISH', ARGV[1], key) end
  elseif not is_of_another_type(found) then
    return found
  end
end
-- Also if there was no record: other processes may have it in memory.
-- guard: removal-is-published-lua
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
`,
  encode: (keys, ...values) => ({ keys, values }),
  decode: () => undefined,
});

export const getOrCreateNoncesScript = script<
  [nonceKeys: readonly string[], tagChangesKey: string | undefined, fresh: string, ttlMs: number],
  TagState
>({
  name: 'getOrCreateNonces',
  lua: `
-- KEYS nonces, then the tag changes if they are requested
-- ARGV[1] fresh nonce, [2] minimum ttl in ms, [3] 1 if the last key is that of the tag changes
-- Returns the values of the keys. A value that is not a nonce, or not a record of tag changes, is replaced.
local function get_or_create(key, length, fresh)
  local found = redis.pcall('GET', key)
  -- guard: nonces-are-kept-lua
  if type(found) == 'string' and #found == length then
    -- guard: nonces-live-no-shorter-lua
    if redis.call('PTTL', key) < tonumber(ARGV[2]) then redis.call('PEXPIRE', key, ARGV[2]) end
    return found
  end
  redis.call('SET', key, fresh, 'PX', ARGV[2])
  return fresh
end

local values = {}
local nonces = #KEYS - ARGV[3]
for i = 1, nonces do values[i] = get_or_create(KEYS[i], #ARGV[1], ARGV[1]) end
if nonces < #KEYS then
  local zeros = string.rep(string.char(0), ${TAG_CHANGE_BUCKETS * TAG_CHANGE_BYTES})
  values[#KEYS] = get_or_create(KEYS[#KEYS], ${TAG_CHANGES_LENGTH}, ARGV[1] .. zeros)
end
return values
`,
  encode: (nonceKeys, tagChangesKey, fresh, ttlMs) => ({
    keys: tagChangesKey === undefined ? nonceKeys : [...nonceKeys, tagChangesKey],
    values: [fresh, toWholeMs(ttlMs), tagChangesKey === undefined ? 0 : 1],
  }),
  decode: (reply, nonceKeys) => {
    const values = reply as readonly Buffer[];
    return {
      nonces: nonceKeys.map((_, i) => values[i]!.toString('latin1')),
      tagChanges: values[nonceKeys.length] ?? NO_TAG_CHANGES,
    };
  },
});

export const removeNoncesScript = script<
  [
    nonceKeys: readonly string[],
    tagChangesKey: string,
    buckets: readonly number[],
    fresh: string,
    changeChannel: string,
    changeMessage: string,
  ],
  void
>({
  name: 'removeNonces',
  lua: `
-- KEYS[1] tag changes, then nonces
-- ARGV[1] fresh nonce, [2] channel and [3] message about the change, then buckets
-- A server without memory refuses SETRANGE. Then the record of tag changes is removed, which invalidates every tag for
-- the loads that have read it.
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
-- guard: removed-nonces-are-published-lua
redis.call('PUBLISH', ARGV[2], ARGV[3])
local length = redis.pcall('STRLEN', KEYS[1])
if length == 0 then return 1 end
local is_marked = length == ${TAG_CHANGES_LENGTH}
local mark = string.sub(ARGV[1], 1, ${TAG_CHANGE_BYTES})
-- guard: invalidated-tag-marks-its-bucket-lua
for i = 4, #ARGV do
  local offset = ${TAG_CHANGES_IDENTITY} + ${TAG_CHANGE_BYTES} * ARGV[i]
  is_marked = is_marked and type(redis.pcall('SETRANGE', KEYS[1], offset, mark)) ~= 'table'
end
if not is_marked then redis.call('UNLINK', KEYS[1]) end
return 1
`,
  encode: (nonceKeys, tagChangesKey, buckets, fresh, channel, message) => ({
    keys: [tagChangesKey, ...nonceKeys],
    values: [fresh, channel, message, ...buckets],
  }),
  decode: () => undefined,
});

export const checkScript = script<
  [keys: readonly string[], tokens: readonly string[]],
  readonly ('unchanged' | Buffer | null)[]
>({
  name: 'check',
  lua: `
-- KEYS entries
-- ARGV for each the token of the value that the caller knows
-- Returns for each 1 if the key has that value; otherwise what it has; false for none and for a key of another type
${RECORDS}
local found = {}
for i, key in ipairs(KEYS) do
  local head = redis.pcall('GETRANGE', key, 0, ${LEASE_LENGTH})
  if type(head) ~= 'string' then
    if not is_of_another_type(head) then return head end
    found[i] = false
  -- guard: record-with-the-known-token-is-unchanged-lua
  elseif kind_of(head) == 'value' and token_of(head) == ARGV[i] then
    found[i] = 1
  else
    found[i] = redis.call('GET', key)
  end
end
return found
`,
  encode: (keys, tokens) => ({ keys, values: tokens.map(tokenBytes) }),
  decode: (reply) =>
    (reply as (number | Buffer | null)[]).map((one) => (one === 1 ? 'unchanged' : (one as Buffer))),
});

/** Encodes a token that was read from a record. It may have any bytes, and a string would be sent as UTF-8. */
function tokenBytes(token: string): string | Buffer {
  return /^[\x20-\x7e]*$/.test(token) ? token : Buffer.from(token, 'latin1');
}

function isOne(reply: unknown): boolean {
  return reply === 1;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
