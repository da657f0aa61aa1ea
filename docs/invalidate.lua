-- Invalidates entries of cachement: by key, by tag, or all. For programs in any language, on Redis 6.0 or later.
-- Wire version 2. How to call it: docs/other-writers.md
--
-- KEYS     complete names in Redis, of one of these kinds:
--   entries  <namespace>:cache:<key>, one or more; in a Cluster, all of one slot
--   tags     <namespace>:tag-changes:{<namespace>}, then <namespace>:tag:{<namespace>}:<tag>, one or more
--   all      <namespace>:tag-changes:{<namespace>}, <namespace>:clear:{<namespace>}
-- ARGV[1]  the namespace
-- ARGV[2]  the keyPrefix of the ioredis client of the application, with which every name begins; it may be left out
--
-- Returns 1. After an error nothing is certain: call it again. It may be repeated.

local function remove(KEYS, ARGV)
-- KEYS entries
-- ARGV[1] token of a mark that is removed too, or ''
-- ARGV[2] channel of the waiters, [3] channel and [4] message about the change
-- Keys of another type are not removed. Uses only commands that a server without memory accepts.

local function kind_of(bytes)
  if #bytes < 20 or string.sub(bytes, 1, 2) ~= string.char(206, 2) then return nil end
  local flags = string.byte(bytes, 3)
  if flags % 2 >= 1 then return 'value' end
  if #bytes == 20 and flags % 4 >= 2 then return 'lease' end
  return nil
end

local function token_of(bytes)
  return string.sub(bytes, 5, 20)
end

local function is_refreshable(bytes)
  return #bytes >= 108 and kind_of(bytes) == 'value'
    and string.byte(bytes, 3) % 16 >= 8
end

-- True if the record is the lease of this token, or has it beside its value
local function has_lease(bytes, token)
  if is_refreshable(bytes) then
    return string.sub(bytes, 93, 108) == token
  end
  return kind_of(bytes) == 'lease' and token_of(bytes) == token
end

local function is_awaited(bytes)
  return kind_of(bytes) ~= nil and string.byte(bytes, 3) % 8 >= 4
end

-- A server without memory refuses the mark. Then the waiters are not woken, and retry later.
local function mark_awaited(key, bytes)
  if not is_awaited(bytes) then
    redis.pcall('SETRANGE', key, 2, string.char(string.byte(bytes, 3) + 4))
  end
end

-- The record lives as long as the lease at least
local function set_refresh_lease(key, token, ms, now)
  local set = redis.pcall('SETRANGE', key, 84, struct.pack('>d', now + ms) .. token)
  if type(set) == 'table' then return set end
  if redis.call('PTTL', key) < tonumber(ms) then redis.call('PEXPIRE', key, ms) end
end

-- Gives a value the part that a refreshable one has. It is not refreshed, and ends with its ttl.
-- Returns the record, or an error
local function make_refreshable(key, bytes, ms)
  local fresh_until = string.sub(bytes, 29, 36)
  local record = string.sub(bytes, 1, 2) .. string.char(string.byte(bytes, 3) + 8)
    .. string.sub(bytes, 4, 60) .. fresh_until
    .. string.rep(string.char(0), 40) .. string.sub(bytes, 61)
  local remaining = redis.call('PTTL', key)
  if remaining < 0 then remaining = ms end
  local set = redis.pcall('SET', key, record, 'PX', remaining)
  if set.err then return set end
  return record
end

local function is_of_another_type(reply)
  return type(reply) == 'table' and string.sub(reply.err or '', 1, 9) == 'WRONGTYPE'
end


local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end


local function is_in_doubt(bytes)
  return #bytes >= 4 and string.sub(bytes, 1, 3) == string.char(206, 2, 16)
end

-- Returns the marks, when what stood before ends (0: it does not stand again), and its bytes
local function read_doubt(bytes)
  local marks, next = {}, 5
  for i = 1, string.byte(bytes, 4) do
    marks[i] = { ends = struct.unpack('>d', bytes, next), token = string.sub(bytes, next + 8, next + 23) }
    next = next + 24
  end
  return marks, struct.unpack('>d', bytes, next), string.sub(bytes, next + 8)
end

-- Returns the marks of others that are live, those that have ended, and whether one of all has ended
local function other_marks(marks, token, at)
  local live, ended, has_ended = {}, {}, false
  for _, mark in ipairs(marks) do
    if mark.ends <= at then has_ended = true end
    if mark.token ~= token then table.insert(mark.ends > at and live or ended, mark) end
  end
  return live, ended, has_ended
end

-- Returns an error if the server refuses it
local function set_doubt(key, marks, base_ends, base, at, outlives)
  while #marks > 255 do
    table.remove(marks, 1)
    base_ends = 0
  end
  if base_ends == 0 then base = '' end
  local parts, last = { string.char(206, 2, 16, #marks) }, 0
  for _, mark in ipairs(marks) do
    table.insert(parts, struct.pack('>d', mark.ends) .. mark.token)
    last = math.max(last, mark.ends)
  end
  local record = table.concat(parts) .. struct.pack('>d', base_ends) .. base
  local set = redis.pcall('SET', key, record, 'PX', last - at + outlives)
  if set.err then return set end
end

-- Removes what stands, and the mark of this token; the marks of others stay
local function remove_under_marks(key, head, token, at, outlives)
  if is_in_doubt(head) then
    local live = other_marks(read_doubt(redis.call('GET', key)), token, at)
    -- A server without memory refuses to write the marks of the others. Then they end.
    if #live > 0 and not set_doubt(key, live, 0, '', at, outlives) then return end
  end
  redis.call('UNLINK', key)
end

for _, key in ipairs(KEYS) do
  local found = redis.pcall('GETRANGE', key, 0, 20)
  if type(found) == 'string' then
    if is_in_doubt(found) then remove_under_marks(key, found, ARGV[1], now(), 0)
    else redis.call('UNLINK', key) end
    if is_awaited(found) then redis.pcall('PUBLISH', ARGV[2] .. ':' .. key, '') end
  elseif not is_of_another_type(found) then
    return found
  end
end
-- Also if there was no record: other processes may have it in memory.
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
end

local function remove_nonces(KEYS, ARGV)
-- KEYS[1] tag changes, then nonces
-- ARGV[1] fresh nonce, [2] token of a mark that is removed too, or '', [3] channel and [4] message about the change, then buckets
-- A server without memory refuses SETRANGE. Then the record of tag changes is removed, which invalidates every tag for
-- the loads that have read it.

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end


local function is_in_doubt(bytes)
  return #bytes >= 4 and string.sub(bytes, 1, 3) == string.char(206, 2, 16)
end

-- Returns the marks, when what stood before ends (0: it does not stand again), and its bytes
local function read_doubt(bytes)
  local marks, next = {}, 5
  for i = 1, string.byte(bytes, 4) do
    marks[i] = { ends = struct.unpack('>d', bytes, next), token = string.sub(bytes, next + 8, next + 23) }
    next = next + 24
  end
  return marks, struct.unpack('>d', bytes, next), string.sub(bytes, next + 8)
end

-- Returns the marks of others that are live, those that have ended, and whether one of all has ended
local function other_marks(marks, token, at)
  local live, ended, has_ended = {}, {}, false
  for _, mark in ipairs(marks) do
    if mark.ends <= at then has_ended = true end
    if mark.token ~= token then table.insert(mark.ends > at and live or ended, mark) end
  end
  return live, ended, has_ended
end

-- Returns an error if the server refuses it
local function set_doubt(key, marks, base_ends, base, at, outlives)
  while #marks > 255 do
    table.remove(marks, 1)
    base_ends = 0
  end
  if base_ends == 0 then base = '' end
  local parts, last = { string.char(206, 2, 16, #marks) }, 0
  for _, mark in ipairs(marks) do
    table.insert(parts, struct.pack('>d', mark.ends) .. mark.token)
    last = math.max(last, mark.ends)
  end
  local record = table.concat(parts) .. struct.pack('>d', base_ends) .. base
  local set = redis.pcall('SET', key, record, 'PX', last - at + outlives)
  if set.err then return set end
end

-- Removes what stands, and the mark of this token; the marks of others stay
local function remove_under_marks(key, head, token, at, outlives)
  if is_in_doubt(head) then
    local live = other_marks(read_doubt(redis.call('GET', key)), token, at)
    -- A server without memory refuses to write the marks of the others. Then they end.
    if #live > 0 and not set_doubt(key, live, 0, '', at, outlives) then return end
  end
  redis.call('UNLINK', key)
end

for i = 2, #KEYS do
  local head = redis.pcall('GETRANGE', KEYS[i], 0, 3)
  if type(head) == 'string' and is_in_doubt(head) then
    remove_under_marks(KEYS[i], head, ARGV[2], now(), 86400000)
  else
    redis.call('UNLINK', KEYS[i])
  end
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
local length = redis.pcall('STRLEN', KEYS[1])
if length == 0 then return 1 end
local is_marked = length == 2064
local change = string.sub(ARGV[1], 1, 8)
for i = 5, #ARGV do
  local offset = 16 + 8 * ARGV[i]
  is_marked = is_marked and type(redis.pcall('SETRANGE', KEYS[1], offset, change)) ~= 'table'
end
if not is_marked then redis.call('UNLINK', KEYS[1]) end
return 1
end

-- The bucket of a tag: FNV-1a over the UTF-16 units of its name, folded to 256 buckets
local function bucket_of(tag)
  local hash = bit.tobit(0x811c9dc5)
  local function add(unit)
    hash = bit.bxor(hash, unit)
    -- Times 0x01000193, in numbers that a double holds exactly
    hash = bit.tobit(hash * 0x193 + bit.lshift(hash, 24))
  end
  local i = 1
  while i <= #tag do
    local byte = string.byte(tag, i)
    local more = byte < 0x80 and 0 or byte < 0xe0 and 1 or byte < 0xf0 and 2 or 3
    local point = more == 0 and byte or byte % 2 ^ (6 - more)
    for j = i + 1, i + more do point = point * 64 + (string.byte(tag, j) or 0) % 64 end
    if point >= 0x10000 then
      add(0xd800 + math.floor((point - 0x10000) / 1024))
      point = 0xdc00 + point % 1024
    end
    add(point)
    i = i + 1 + more
  end
  hash = bit.bxor(hash, bit.rshift(hash, 8), bit.rshift(hash, 16), bit.rshift(hash, 24))
  return bit.band(hash, 255)
end

local namespace = ARGV[1] or ''
local prefix = ARGV[2] or ''
local entry_start = prefix .. namespace .. ':cache:'
local tag_start = prefix .. namespace .. ':tag:{' .. namespace .. '}:'
local clear = prefix .. namespace .. ':clear:{' .. namespace .. '}'
local tag_changes = prefix .. namespace .. ':tag-changes:{' .. namespace .. '}'

local function has_start(name, start)
  return #name > #start and string.sub(name, 1, #start) == start
end

local function refuse(name, expected)
  return redis.error_reply('ERR cachement: expected ' .. expected .. ', and got ' .. (name or 'none'))
end

if namespace == '' then return refuse(nil, 'the namespace as ARGV[1]') end
if KEYS[1] ~= tag_changes then
  if #KEYS == 0 then return refuse(nil, entry_start .. '<key> or ' .. tag_changes .. ' as KEYS[1]') end
  for i, name in ipairs(KEYS) do
    if not has_start(name, entry_start) then
      return refuse(name, entry_start .. '<key>' .. (i == 1 and ' or ' .. tag_changes or '') .. ' as KEYS[' .. i .. ']')
    end
  end
  local message = cjson.encode({'', unpack(KEYS)})
  return remove(KEYS, {'', namespace .. ':wake', namespace .. ':changes', message})
end

local nonces = {}
local buckets = {}
for i = 2, #KEYS do
  nonces[i - 1] = KEYS[i]
  if has_start(KEYS[i], tag_start) then
    buckets[#buckets + 1] = bucket_of(string.sub(KEYS[i], #tag_start + 1))
  elseif KEYS[i] ~= clear then
    return refuse(KEYS[i], tag_start .. '<tag> or ' .. clear .. ' as KEYS[' .. i .. ']')
  end
end
if #nonces == 0 then return refuse(nil, tag_start .. '<tag> or ' .. clear .. ' as KEYS[2]') end
local message = cjson.encode({'', unpack(nonces)})
-- The hash of the record differs from all that its buckets hold now.
local record = redis.pcall('GETRANGE', tag_changes, 0, -1)
local digest = redis.sha1hex(type(record) == 'string' and record or '')
local fresh = string.gsub(digest, '..', function(digits) return string.char(tonumber(digits, 16)) end)
return remove_nonces(KEYS, {fresh, '', namespace .. ':changes', message, unpack(buckets)})
