import { Buffer } from 'node:buffer';
import {
  LEASE,
  LEASE_LENGTH,
  MAGIC,
  TOKEN_AT,
  VALUE,
  WAITED,
  WIRE_VERSION,
} from '../../../core/ports/entry-format.js';
import type { FillReply, LeaseReply, TagState } from '../../../core/ports/entry-store.js';
import {
  NO_TAG_CHANGES,
  TAG_CHANGE_BUCKETS,
  TAG_CHANGE_BYTES,
  TAG_CHANGES_IDENTITY,
  TAG_CHANGES_LENGTH,
} from '../../../core/ports/tag-changes.js';
import { script, toWholeMs } from '../commands/script.js';

/** The server's clock, in ms since the epoch. */
const CLOCK = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`;

/** What is at a key, by its first 21 bytes (entry.ts): one more than a lease has. */
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

local function is_waited_for(lease)
  return string.byte(lease, 3) % ${2 * WAITED} >= ${WAITED}
end

local function is_of_another_type(reply)
  return type(reply) == 'table' and string.sub(reply.err or '', 1, 9) == 'WRONGTYPE'
end
`;

export const leaseScript = script<
  [key: string, token: string, leaseMs: number, replaces: string | undefined],
  LeaseReply
>({
  name: 'lease',
  lua: `
-- KEYS[1] entry
-- ARGV[1] token, [2] length of the lease in ms, [3] token of the value it may replace, or * for any record, or ''
-- Returns {0, now} granted; {1, now, ms left} another's lease; {2, value} a value; {3} another type
${RECORDS}
${CLOCK}
local found = redis.pcall('GET', KEYS[1])
if is_of_another_type(found) then return {3} end
if type(found) == 'table' then return found end

local flags = ${LEASE}
if found then
  local kind = kind_of(found)
  -- guard: lease-replaces-named-value-only-lua
  if kind == 'value' and ARGV[3] ~= '*' and token_of(found) ~= ARGV[3] then return {2, found} end
  if kind == 'lease' then
    -- guard: one-lease-for-a-key-lua
    if token_of(found) ~= ARGV[1] and ARGV[3] ~= '*' then
      -- Without memory for it nobody will be woken, and whoever waits looks again later.
      if not is_waited_for(found) then
        redis.pcall('SETRANGE', KEYS[1], 2, string.char(string.byte(found, 3) + ${WAITED}))
      end
      local left = redis.call('PTTL', KEYS[1])
      if left < 0 then
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
        left = tonumber(ARGV[2])
      end
      return {1, now(), left}
    end
    -- Who waits for the lease that was there waits for this one now.
    -- guard: waiters-wait-for-the-next-lease-lua
    if is_waited_for(found) then flags = flags + ${WAITED} end
  end
end
local at = now()
redis.call('SET', KEYS[1], string.char(${MAGIC}, ${WIRE_VERSION}, flags, 0) .. ARGV[1], 'PX', ARGV[2])
return {0, at}
`,
  encode: (key, token, leaseMs, replaces) => ({
    keys: [key],
    values: [token, toWholeMs(leaseMs), replaces === undefined ? '' : tokenBytes(replaces)],
  }),
  decode: (reply) => {
    const [status, first, forMs] = reply as [number, number | Buffer, number];
    if (status === 0) return { status: 'granted', at: first as number };
    if (status === 1) return { status: 'held', forMs, at: first as number };
    if (status === 2) return { status: 'present', record: first as Buffer };
    return { status: 'foreign' };
  },
});

export const extendScript = script<[key: string, token: string, leaseMs: number], boolean>({
  name: 'extend',
  lua: `
-- KEYS[1] entry
-- ARGV[1] token, [2] ms from now
-- Returns 1; 0 if the lease is not there
${RECORDS}
local found = redis.pcall('GETRANGE', KEYS[1], 0, ${LEASE_LENGTH})
if is_of_another_type(found) then return 0 end
if type(found) == 'table' then return found end
-- guard: extend-by-holder-only-lua
if kind_of(found) ~= 'lease' or token_of(found) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`,
  encode: (key, token, leaseMs) => ({ keys: [key], values: [token, toWholeMs(leaseMs)] }),
  decode: isOne,
});

export const fillScript = script<
  [key: string, token: string, record: Uint8Array, until: number, channel: string],
  FillReply
>({
  name: 'fill',
  lua: `
-- KEYS[1] entry
-- ARGV[1] token, [2] record, [3] its end in ms since the epoch, [4] channel
-- Returns 1, also if this very value is there already; 0 if the lease is not there; 2 if the end has passed
${RECORDS}
${CLOCK}
local found = redis.pcall('GETRANGE', KEYS[1], 0, ${LEASE_LENGTH})
if is_of_another_type(found) then return 0 end
if type(found) == 'table' then return found end
local kind = kind_of(found)
-- guard: fill-needs-lease-lua
-- guard: fill-needs-own-lease-lua
if kind == nil or token_of(found) ~= ARGV[1] then return 0 end
-- guard: repeated-fill-changes-nothing-lua
if kind == 'value' then return 1 end
-- From an end to a lifetime here and not at the caller: this script may run long after it was sent.
-- guard: late-fill-is-not-stored-lua
local left = ARGV[3] - now()
if left > 0 then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', left)
else
  redis.call('UNLINK', KEYS[1])
end
-- guard: fill-wakes-the-waiters-lua
if is_waited_for(found) then redis.pcall('PUBLISH', ARGV[4], KEYS[1]) end
return left > 0 and 1 or 2
`,
  encode: (key, token, record, until, channel) => ({
    keys: [key],
    values: [token, asBuffer(record), Math.floor(until), channel],
  }),
  decode: (reply) => (reply === 1 ? 'stored' : reply === 2 ? 'expired' : 'refused'),
});

export const releaseScript = script<[key: string, token: string, channel: string], boolean>({
  name: 'release',
  lua: `
-- KEYS[1] entry
-- ARGV[1] token, [2] channel
-- Returns 1; 0 if the lease is not there
${RECORDS}
local found = redis.pcall('GETRANGE', KEYS[1], 0, ${LEASE_LENGTH})
if is_of_another_type(found) then return 0 end
if type(found) == 'table' then return found end
-- guard: release-by-holder-only-lua
if kind_of(found) ~= 'lease' or token_of(found) ~= ARGV[1] then return 0 end
redis.call('UNLINK', KEYS[1])
if is_waited_for(found) then redis.pcall('PUBLISH', ARGV[2], KEYS[1]) end
return 1
`,
  encode: (key, token, channel) => ({ keys: [key], values: [token, channel] }),
  decode: isOne,
});

export const removeScript = script<[keys: readonly string[], channel: string], void>({
  name: 'remove',
  lua: `
-- KEYS entries
-- ARGV[1] channel
-- Leaves keys of another type alone. Writes nothing that a server without memory would refuse.
${RECORDS}
for _, key in ipairs(KEYS) do
  local found = redis.pcall('GETRANGE', key, 0, ${LEASE_LENGTH})
  -- guard: removal-removes-leases-lua
  if type(found) == 'string' then
    redis.call('UNLINK', key)
    if kind_of(found) == 'lease' and is_waited_for(found) then redis.pcall('PUBLISH', ARGV[1], key) end
  elseif not is_of_another_type(found) then
    return found
  end
end
return 1
`,
  encode: (keys, channel) => ({ keys, values: [channel] }),
  decode: () => undefined,
});

export const getOrCreateNoncesScript = script<
  [nonceKeys: readonly string[], tagChangesKey: string | undefined, fresh: string, ttlMs: number],
  TagState
>({
  name: 'getOrCreateNonces',
  lua: `
-- KEYS nonces, then the tag changes if they are asked for
-- ARGV[1] fresh nonce, [2] ttl in ms, [3] 1 if the last key is that of the tag changes
-- Returns the values of the keys. A value that is no nonce, or no record of tag changes, is replaced.
local function keep(key, length, fresh)
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

local kept = {}
local nonces = #KEYS - ARGV[3]
for i = 1, nonces do kept[i] = keep(KEYS[i], #ARGV[1], ARGV[1]) end
if nonces < #KEYS then
  local zeros = string.rep(string.char(0), ${TAG_CHANGE_BUCKETS * TAG_CHANGE_BYTES})
  kept[#KEYS] = keep(KEYS[#KEYS], ${TAG_CHANGES_LENGTH}, ARGV[1] .. zeros)
end
return kept
`,
  encode: (nonceKeys, tagChangesKey, fresh, ttlMs) => ({
    keys: tagChangesKey === undefined ? nonceKeys : [...nonceKeys, tagChangesKey],
    values: [fresh, toWholeMs(ttlMs), tagChangesKey === undefined ? 0 : 1],
  }),
  decode: (reply, nonceKeys) => {
    const kept = reply as readonly Buffer[];
    return {
      nonces: nonceKeys.map((_, i) => kept[i]!.toString('latin1')),
      tagChanges: kept[nonceKeys.length] ?? NO_TAG_CHANGES,
    };
  },
});

export const removeNoncesScript = script<
  [nonceKeys: readonly string[], tagChangesKey: string, buckets: readonly number[], fresh: string],
  void
>({
  name: 'removeNonces',
  lua: `
-- KEYS[1] tag changes, then nonces
-- ARGV[1] fresh nonce, then buckets
-- Writes nothing that a server without memory would refuse: a record that cannot be marked is removed, and to its
-- readers every tag is invalidated then.
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
local length = redis.pcall('STRLEN', KEYS[1])
if length == 0 then return 1 end
local marked = length == ${TAG_CHANGES_LENGTH}
-- guard: invalidated-tag-marks-its-bucket-lua
for i = 2, #ARGV do
  local at = ${TAG_CHANGES_IDENTITY} + ${TAG_CHANGE_BYTES} * ARGV[i]
  marked = marked and type(redis.pcall('SETRANGE', KEYS[1], at, string.sub(ARGV[1], 1, ${TAG_CHANGE_BYTES}))) ~= 'table'
end
if not marked then redis.call('UNLINK', KEYS[1]) end
return 1
`,
  encode: (nonceKeys, tagChangesKey, buckets, fresh) => ({
    keys: [tagChangesKey, ...nonceKeys],
    values: [fresh, ...buckets],
  }),
  decode: () => undefined,
});

/** A token that was read from a record, which may hold any bytes: as text it would arrive in UTF-8. */
function tokenBytes(token: string): string | Buffer {
  return /^[\x20-\x7e]*$/.test(token) ? token : Buffer.from(token, 'latin1');
}

function isOne(reply: unknown): boolean {
  return reply === 1;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
