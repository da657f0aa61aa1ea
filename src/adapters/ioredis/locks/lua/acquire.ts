import { FENCE_MS } from '../lock-keys.js';
import { HOLDERS, QUEUE, REFUSALS } from './lock-prelude.js';

/**
 * Lua: the function `acquire`, which acquires exclusive locks. Needs `CLOCK` before it.
 *
 * KEYS from `first`, for each lock: the lock, its fence, its pending writer. With a ticket there is one lock, followed by queue
 * and places. Returns the fencing token, or '' if `least` is ''; {ms} if others hold a lock: then nothing is acquired. A repeated
 * request of the same owner is granted again, with the same token.
 */
export const ACQUIRE = `
-- What follows is created on demand: for locks that are held.
local acquire_held
local function create_acquire()
${HOLDERS}
${REFUSALS}
${QUEUE}
  local function lock_of(owner, is_awaited, is_queued)
    return 'L' .. owner .. (is_awaited and '+' or '-') .. (is_queued and '#' or '-')
  end

  acquire_held = function(first, locks, owner, lease, ticket_ms, least, ticket)
    local queue, places = KEYS[first + 3], KEYS[first + 4]
    local mark = ticket_ms > 0 and (ticket == '' and '+' or '#') or nil
    local owned = {}
    local all_owned = true
    local held_ms
    for i = 1, locks do
      local key, writer = KEYS[first + 3 * i - 3], KEYS[first + 3 * i - 1]
      local kind, found = read_lock(key)
      -- guard: repeated-request-is-granted-again-lua
      if kind == 'exclusive' and is_held_by(found, owner) then
        owned[i] = true
      elseif kind == nil or (kind == 'shared' and last_end(key) <= now()) then
        all_owned = false
      else
        held_ms = math.max(held_ms or 0, refuse(key, kind, found, mark, lease))
        -- Keep new readers out until this writer tries again.
        if kind == 'shared' and mark == '+' and call('PEXPIRE', writer, ticket_ms) == 0 then
          redis.pcall('SET', writer, '-', 'PX', ticket_ms)
        end
      end
    end
    if ticket ~= '' and not owned[1] then
      local turn_in = enqueue(queue, places, ticket, ticket_ms)
      held_ms = held_ms or turn_in
    end
    if held_ms then return {held_ms} end

    -- A new token is larger than all earlier ones of these locks. Locks that are already owned keep theirs.
    local token
    if least ~= '' then
      token = tonumber(least)
      for i = 1, locks do
        local kept = redis.pcall('GET', KEYS[first + 3 * i - 2])
        local number = type(kept) == 'string' and tonumber(kept) or 0
        token = math.max(token, owned[i] and number or number + 1)
      end
      if not all_owned or token == 0 then token = math.max(token, micros()) end
      token = string.format('%d', token)
    end
    for i = 1, locks do
      local key, fence, writer = KEYS[first + 3 * i - 3], KEYS[first + 3 * i - 2], KEYS[first + 3 * i - 1]
      if owned[i] then
        call('PEXPIRE', key, lease)
      else
        -- Mark the lock, so that its release wakes waiting readers and queued callers.
        local pending_writer = redis.pcall('GET', writer)
        local is_queued = ticket ~= '' and call('ZCARD', queue) > 1
        call('SET', key, lock_of(owner, pending_writer == '+', is_queued), 'PX', lease)
        if pending_writer then call('UNLINK', writer) end
      end
      if token then call('SET', fence, token, 'PX', '${FENCE_MS}') end
    end
    if ticket ~= '' then dequeue(queue, places, ticket) end
    return token or ''
  end
end

local function acquire(first, locks, owner, lease, ticket_ms, least, ticket)
  -- The common case: one exclusive lock that is free.
  if locks == 1 and ticket == '' then
    local fence, writer = KEYS[first + 1], KEYS[first + 2]
    local kept = call('MGET', fence, writer)
    local pending_writer = kept[2]
    local value = 'L' .. owner .. (pending_writer == '+' and '+-' or '--')
    if call('SET', KEYS[first], value, 'PX', lease, 'NX') then
      if pending_writer then call('UNLINK', writer) end
      if least == '' then return '' end
      -- guard: fence-is-not-behind-the-clock-lua
      -- guard: fence-is-larger-than-the-last-lua
      local token = math.max(tonumber(least), (tonumber(kept[1] or 0) or 0) + 1, micros())
      token = string.format('%d', token)
      call('SET', fence, token, 'PX', '${FENCE_MS}')
      return token
    end
  end
  if not acquire_held then create_acquire() end
  return acquire_held(first, locks, owner, tonumber(lease), ticket_ms, least, ticket)
end
`;
