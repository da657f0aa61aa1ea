import { Buffer } from 'node:buffer';
import { ENDED_MARK_MS, MARKS_AT } from '../../../core/ports/doubt-record.js';
import {
  FRESH_UNTIL_AT,
  HAS_WAITERS,
  IDLE,
  IDLE_LENGTH,
  KEY_AT,
  LEASE,
  LEASE_LENGTH,
  MAGIC,
  REFRESH_LEASE_AT,
  REFRESHABLE_HEAD,
  RETRY_AT,
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
import { DOUBT } from './doubt-scripts.js';
import { CLOCK, HEAD_END, RECORDS } from './record-lua.js';

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
-- for a key of another type; {4} for a key in doubt
${RECORDS}
${CLOCK}
${DOUBT}
local found = redis.pcall('GET', KEYS[1])
if is_of_another_type(found) then return {3} end
if type(found) == 'table' then return found end
if found and is_in_doubt(found) then
  -- guard: replaced-value-does-not-stand-again-lua
  if ARGV[3] == '*' then return set_doubt(KEYS[1], read_doubt(found), 0, '', now(), 0) or {4} end
  return {4}
end

local flags = ${LEASE}
if found then
  local kind = kind_of(found)
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
    -- guard: lease-replaces-named-value-only-lua
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
    if (status === 4) return { status: 'in-doubt' };
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
${DOUBT}
local found = redis.pcall('GETRANGE', KEYS[1], 0, ${HEAD_END})
if is_of_another_type(found) then return 0 end
if type(found) == 'table' then return found end
if is_in_doubt(found) then
  local marks, _, base = read_doubt(redis.call('GET', KEYS[1]))
  -- guard: fill-under-the-mark-of-another-is-refused-lua
  if #marks > 1 or marks[1].token ~= ARGV[1] then return 0 end
  found = base
end
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
if is_awaited(found) then redis.pcall('PUBLISH', ARGV[4] .. ':' .. KEYS[1], '') end
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

export const touchScript = script<[key: string, token: string], void>({
  name: 'touch',
  lua: `
-- KEYS[1] entry
-- ARGV[1] token of the value that was read
-- Returns 1; 0 if the key has no idle value of this token
${RECORDS}
${CLOCK}
local found = redis.pcall('GETRANGE', KEYS[1], 0, ${HEAD_END + IDLE_LENGTH})
if is_of_another_type(found) then return 0 end
if type(found) == 'table' then return found end
-- guard: touch-is-of-one-value-lua
if kind_of(found) ~= 'value' or token_of(found) ~= ARGV[1] then return 0 end
if string.byte(found, 3) % ${2 * IDLE} < ${IDLE} then return 0 end
local idle_at, end_at = ${KEY_AT + 1}, ${FRESH_UNTIL_AT + 1}
if is_refreshable(found) then idle_at, end_at = ${REFRESHABLE_HEAD + 1}, ${KEY_AT + 1} end
if #found < idle_at + ${IDLE_LENGTH - 1} then return 0 end
-- guard: touch-ends-with-the-ttl-lua
local remaining = math.min(struct.unpack('>d', found, idle_at), math.floor(struct.unpack('>d', found, end_at)) - now())
-- guard: touch-shortens-no-life-lua
if remaining > redis.call('PTTL', KEYS[1]) then redis.call('PEXPIRE', KEYS[1], math.floor(remaining)) end
return 1
`,
  encode: (key, token) => ({ keys: [key], values: [tokenBytes(token)] }),
  decode: () => undefined,
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
if is_awaited(found) then redis.pcall('PUBLISH', ARGV[2] .. ':' .. KEYS[1], '') end
return 1
`,
  encode: (key, token, channel, retryAfterMs) => ({
    keys: [key],
    values: [token, channel, Math.ceil(retryAfterMs)],
  }),
  decode: isOne,
});

export const removeScript = script<
  [keys: readonly string[], mark: string, wakeChannel: string, changeChannel: string, changeMessage: string],
  void
>({
  name: 'remove',
  lua: `
-- KEYS entries
-- ARGV[1] token of a mark that is removed too, or ''
-- ARGV[2] channel of the waiters, [3] channel and [4] message about the change
-- Keys of another type are not removed. Uses only commands that a server without memory accepts.
${RECORDS}
${CLOCK}
${DOUBT}
for _, key in ipairs(KEYS) do
  local found = redis.pcall('GETRANGE', key, 0, ${LEASE_LENGTH})
  -- guard: removal-removes-leases-lua
  if type(found) == 'string' then
    if is_in_doubt(found) then remove_under_marks(key, found, ARGV[1], now(), 0)
    else redis.call('UNLINK', key) end
    if is_awaited(found) then redis.pcall('PUBLISH', ARGV[2] .. ':' .. key, '') end
  elseif not is_of_another_type(found) then
    return found
  end
end
-- Also if there was no record: other processes may have it in memory.
-- guard: removal-is-published-lua
redis.call('PUBLISH', ARGV[3], ARGV[4])
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
-- Returns the values of the keys: 0 for a nonce in doubt, 1 for one whose last mark has ended. A value that is not a nonce, or
-- not a record of tag changes, is replaced.
${CLOCK}
${DOUBT}
local function get_or_create(key, length, fresh)
  local found = redis.pcall('GET', key)
  -- guard: nonce-in-doubt-is-not-replaced-lua
  if type(found) == 'string' and is_in_doubt(found) then
    local live = other_marks(read_doubt(found), nil, now())
    -- guard: ended-mark-is-told-lua
    return #live == 0 and 1 or 0
  end
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
    const values = reply as readonly (Buffer | number)[];
    return {
      nonces: nonceKeys.map((_, i) => (typeof values[i] === 'number' ? null : values[i]!.toString('latin1'))),
      ended: nonceKeys.filter((_, i) => values[i] === 1),
      tagChanges: (values[nonceKeys.length] as Buffer | undefined) ?? NO_TAG_CHANGES,
    };
  },
});

export const removeNoncesScript = script<
  [
    nonceKeys: readonly string[],
    tagChangesKey: string,
    buckets: readonly number[],
    fresh: string,
    mark: string,
    changeChannel: string,
    changeMessage: string,
  ],
  void
>({
  name: 'removeNonces',
  lua: `
-- KEYS[1] tag changes, then nonces
-- ARGV[1] fresh nonce, [2] token of a mark that is removed too, or '', [3] channel and [4] message about the change, then buckets
-- A server without memory refuses SETRANGE. Then the record of tag changes is removed, which invalidates every tag for
-- the loads that have read it.
${CLOCK}
${DOUBT}
for i = 2, #KEYS do
  local head = redis.pcall('GETRANGE', KEYS[i], 0, ${MARKS_AT - 1})
  if type(head) == 'string' and is_in_doubt(head) then
    remove_under_marks(KEYS[i], head, ARGV[2], now(), ${ENDED_MARK_MS})
  else
    redis.call('UNLINK', KEYS[i])
  end
end
-- guard: removed-nonces-are-published-lua
redis.call('PUBLISH', ARGV[3], ARGV[4])
local length = redis.pcall('STRLEN', KEYS[1])
if length == 0 then return 1 end
local is_marked = length == ${TAG_CHANGES_LENGTH}
local change = string.sub(ARGV[1], 1, ${TAG_CHANGE_BYTES})
-- guard: invalidated-tag-marks-its-bucket-lua
for i = 5, #ARGV do
  local offset = ${TAG_CHANGES_IDENTITY} + ${TAG_CHANGE_BYTES} * ARGV[i]
  is_marked = is_marked and type(redis.pcall('SETRANGE', KEYS[1], offset, change)) ~= 'table'
end
if not is_marked then redis.call('UNLINK', KEYS[1]) end
return 1
`,
  encode: (nonceKeys, tagChangesKey, buckets, fresh, mark, channel, message) => ({
    keys: [tagChangesKey, ...nonceKeys],
    values: [fresh, mark, channel, message, ...buckets],
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
