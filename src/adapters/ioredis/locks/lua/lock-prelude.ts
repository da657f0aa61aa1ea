/** Lua: `call`, and the server's clock in us and in ms. Read once, because it may move within one script. */
export const CLOCK = `
local call = redis.call
local time_read
local function micros()
  if not time_read then
    local time = call('TIME')
    time_read = time[1] * 1000000 + time[2]
  end
  return time_read
end

local function now()
  return math.floor(micros() / 1000)
end
`;

/**
 * Lua: the value at the key of a lock. An exclusive lock is a string: `L`, the owner, and two marks: `+` if a caller
 * was refused meanwhile, `#` if a caller is queued. A shared lock is a sorted set: the owners, scored by the end of
 * their lease in the server's ms, and with score 0 the number of permits (`=3`, `=any`) and the marks. Any other value
 * is foreign, and is never changed.
 */
export const HOLDERS = `
local OWNER = 32
local LENGTH = 1 + OWNER + 2

local function is_error(reply)
  return type(reply) == 'table' and reply.err ~= nil
end

-- Returns nil if the lock is free; 'exclusive' and the string; 'shared' and the member with the permits; or 'foreign'.
local function read_lock(key)
  local found = redis.pcall('GET', key)
  if not found then return nil end
  if type(found) == 'string' then
    -- guard: foreign-value-is-left-alone-lua
    if #found == LENGTH and string.sub(found, 1, 1) == 'L' then return 'exclusive', found end
    return 'foreign'
  end
  if string.sub(found.err, 1, 9) ~= 'WRONGTYPE' then return redis.call('GET', key) end
  local first = redis.pcall('ZRANGE', key, 0, 2)
  if is_error(first) then return 'foreign' end
  for _, member in ipairs(first) do
    if string.sub(member, 1, 1) == '=' then return 'shared', member end
  end
  return 'foreign'
end

local function is_held_by(found, owner)
  return string.sub(found, 2, 1 + OWNER) == owner
end

-- The latest end of the leases of a shared lock.
local function last_end(key)
  return tonumber(redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2] or 0)
end

-- The number of holders of a shared lock.
local function holders(key)
  return redis.call('ZCOUNT', key, '(0', '+inf')
end
`;

/** Lua: for scripts that may refuse a request. */
export const REFUSALS = `
-- Returns the ms until the end of all leases. Sets the mark, if one is given, so that the release wakes the refused
-- caller. A server without memory refuses the mark: then the caller is not woken, and retries later.
local function refuse(key, kind, found, mark, lease)
  local remaining = redis.call('PTTL', key)
  if kind == 'foreign' then return remaining < 0 and lease or remaining end
  if remaining < 0 then
    redis.call('PEXPIRE', key, lease)
    remaining = lease
  end
  if kind == 'shared' and mark then
    redis.pcall('ZADD', key, 0, mark)
  elseif mark then
    local position = LENGTH - (mark == '+' and 1 or 0)
    if string.sub(found, position, position) ~= mark then redis.pcall('SETRANGE', key, position - 1, mark) end
  end
  return remaining
end
`;

/**
 * Lua: the queue of a fair lock. It has two sorted sets of tickets: `queue` by arrival, and `places` by the time in ms
 * until which a ticket is valid without a retry.
 */
export const QUEUE = `
-- Returns the first valid ticket, and for how many ms it is valid. Removes the invalid ones before it.
local function head_of(queue, places)
  while true do
    local head = redis.call('ZRANGE', queue, 0, 0)[1]
    if not head then return nil end
    local valid_until = tonumber(redis.call('ZSCORE', places, head) or 0)
    if valid_until > now() then return head, valid_until - now() end
    redis.call('ZREM', queue, head)
    redis.call('ZREM', places, head)
  end
end

local function wake_head(channel, key, queue, places)
  local head = head_of(queue, places)
  if head then redis.pcall('PUBLISH', channel .. ':' .. key .. '#' .. head, '') end
end

local function dequeue(queue, places, ticket)
  redis.call('ZREM', queue, ticket)
  redis.call('ZREM', places, ticket)
end

local function keep_place(queue, places, ticket, ms)
  if not redis.call('ZSCORE', queue, ticket) then
    local last = tonumber(redis.call('ZRANGE', queue, -1, -1, 'WITHSCORES')[2] or 0)
    redis.call('ZADD', queue, string.format('%.0f', math.max(last + 1, micros())), ticket)
  end
  redis.call('ZADD', places, now() + ms, ticket)
  for _, key in ipairs({ queue, places }) do
    if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, ms) end
  end
end

-- Adds the ticket to the queue, or keeps its place; not if ms is 0. An invalid ticket goes to the end. Returns nil if
-- the ticket is first, else the ms for which the first ticket is valid.
local function enqueue(queue, places, ticket, ms)
  local valid_until = redis.call('ZSCORE', places, ticket)
  if valid_until and tonumber(valid_until) <= now() then dequeue(queue, places, ticket) end
  local head, head_ms = head_of(queue, places)
  if ms > 0 then keep_place(queue, places, ticket, ms) end
  -- guard: head-of-the-queue-first-lua
  if head ~= nil and head ~= ticket then return head_ms end
  return nil
end
`;
