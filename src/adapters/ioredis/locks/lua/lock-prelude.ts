/** The server's clock, read once: within one script it may move. */
export const CLOCK = `
local read
local function micros()
  if not read then
    local time = redis.call('TIME')
    read = time[1] * 1000000 + time[2]
  end
  return read
end

local function now()
  return math.floor(micros() / 1000)
end
`;

/**
 * What stands at a lock's key, for the scripts of locks. Held alone, it is the string `L`, owner, and two marks: `+`
 * somebody was refused meanwhile, `#` somebody queues. Held by several, it is a sorted set of owners by the end of
 * their lease in the server's ms, and before them, at score 0, how many may hold it (`=3`, `=any`) and the marks.
 * Anything else is foreign, and is left alone.
 */
export const HOLDERS = `
local OWNER = 32
local LENGTH = 1 + OWNER + 2

local function is_error(reply)
  return type(reply) == 'table' and reply.err ~= nil
end

-- Returns nil if it is free; 'exclusive' and the string; 'shared' and how many may hold it; or 'foreign'.
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

-- The end of the last of several holders.
local function last_end(key)
  return tonumber(redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2] or 0)
end

local function holders(key)
  return redis.call('ZCOUNT', key, '(0', '+inf')
end
`;

/** For those that may be refused. */
export const REFUSALS = `
-- Returns the ms until the end of all leases, and leaves the mark, if there is one, so that the release tells of
-- itself. Without memory for it nobody is woken, and whoever waits looks again later.
local function refused(key, kind, found, mark, lease)
  local left = redis.call('PTTL', key)
  if kind == 'foreign' then return left < 0 and lease or left end
  if left < 0 then
    redis.call('PEXPIRE', key, lease)
    left = lease
  end
  if kind == 'shared' and mark then
    redis.pcall('ZADD', key, 0, mark)
  elseif mark then
    local place = LENGTH - (mark == '+' and 1 or 0)
    if string.sub(found, place, place) ~= mark then redis.pcall('SETRANGE', key, place - 1, mark) end
  end
  return left
end
`;

/** The queue of a fair lock: tickets by arrival, and until when each keeps its place without asking again. */
export const QUEUE = `
local function head_of(queue, places)
  while true do
    local head = redis.call('ZRANGE', queue, 0, 0)[1]
    if not head then return nil end
    local keeps = tonumber(redis.call('ZSCORE', places, head) or 0)
    if keeps > now() then return head, keeps - now() end
    redis.call('ZREM', queue, head)
    redis.call('ZREM', places, head)
  end
end

local function wake_head(channel, key, queue, places)
  local head = head_of(queue, places)
  if head then redis.pcall('PUBLISH', channel, key .. '#' .. head) end
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

-- Takes a place, or keeps it, unless it is for no time. Returns nothing if it is this ticket's turn, else the ms for
-- which the head keeps its place.
local function enqueue(queue, places, ticket, ms)
  local keeps = redis.call('ZSCORE', places, ticket)
  if keeps and tonumber(keeps) <= now() then dequeue(queue, places, ticket) end
  local head, left = head_of(queue, places)
  if ms > 0 then keep_place(queue, places, ticket, ms) end
  -- guard: head-of-the-queue-first-lua
  if head ~= nil and head ~= ticket then return left end
  return nil
end
`;
