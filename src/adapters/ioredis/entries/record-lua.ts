import {
  FRESH_UNTIL_AT,
  HAS_WAITERS,
  KEY_AT,
  LEASE,
  LEASE_LENGTH,
  MAGIC,
  REFRESH_LEASE_AT,
  REFRESH_TOKEN_AT,
  REFRESHABLE,
  REFRESHABLE_HEAD,
  TOKEN_AT,
  VALUE,
  WIRE_VERSION,
} from '../../../core/ports/entry-format.js';

/** Lua: `now()`, the server's clock in ms since the epoch. */
export const CLOCK = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`;

/** The bytes that tell what a record is: those before the key of a refreshable value. A lease has fewer. */
export const HEAD_END = REFRESHABLE_HEAD - 1;

/** Lua: what a record is, by its head (core/ports/entry-format.ts). */
export const RECORDS = `
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
