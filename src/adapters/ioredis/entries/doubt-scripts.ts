import {
  HAS_WAITERS,
  MAGIC,
  REFRESH_LEASE_AT,
  REFRESHABLE_HEAD,
  WIRE_VERSION,
} from '../../../core/ports/entry-format.js';
import type { MarkedKind } from '../../../core/ports/entry-store.js';
import { ENDED_MARK_MS, IN_DOUBT, MARK_LENGTH, MARKS_AT } from '../../../core/ports/doubt-record.js';
import { script, toWholeMs } from '../commands/script.js';
import { CLOCK, RECORDS } from './record-lua.js';

/** How long a record outlives its marks, in ms. */
const OUTLIVES: Readonly<Record<MarkedKind, number>> = { entries: 0, nonces: ENDED_MARK_MS };

/** Lua: records in doubt (core/ports/doubt-record.ts). `at` is `now()`. */
export const DOUBT = `
local function is_in_doubt(bytes)
  return #bytes >= ${MARKS_AT} and string.sub(bytes, 1, 3) == string.char(${MAGIC}, ${WIRE_VERSION}, ${IN_DOUBT})
end

-- Returns the marks, when what stood before ends (0: it does not stand again), and its bytes
local function read_doubt(bytes)
  local marks, next = {}, ${MARKS_AT + 1}
  for i = 1, string.byte(bytes, ${MARKS_AT}) do
    marks[i] = { ends = struct.unpack('>d', bytes, next), token = string.sub(bytes, next + 8, next + ${MARK_LENGTH - 1}) }
    next = next + ${MARK_LENGTH}
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
  local parts, last = { string.char(${MAGIC}, ${WIRE_VERSION}, ${IN_DOUBT}, #marks) }, 0
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
    -- guard: marks-of-others-stay-lua
    if #live > 0 and not set_doubt(key, live, 0, '', at, outlives) then return end
  end
  redis.call('UNLINK', key)
end
`;

/** Lua: what stands beneath a mark, without its lease, and when that ends: 0 for nothing. */
const WITHOUT_LEASE = `
local function without_lease(bytes, ends)
  if kind_of(bytes) == 'lease' then return '', 0 end
  if not is_refreshable(bytes) then return bytes, ends end
  local flags = string.byte(bytes, 3)
  if is_awaited(bytes) then flags = flags - ${HAS_WAITERS} end
  -- guard: marked-refresh-lease-does-not-stand-again-lua
  local none = string.rep(string.char(0), ${REFRESHABLE_HEAD - REFRESH_LEASE_AT})
  return string.sub(bytes, 1, 2) .. string.char(flags) .. string.sub(bytes, 4, ${REFRESH_LEASE_AT})
    .. none .. string.sub(bytes, ${REFRESHABLE_HEAD + 1}), ends
end
`;

export const markScript = script<
  [
    kind: MarkedKind,
    keys: readonly string[],
    token: string,
    ms: number,
    wakeChannel: string,
    changeChannel: string,
    changeMessage: string,
  ],
  void
>({
  name: 'mark',
  lua: `
-- KEYS entries, or nonces
-- ARGV[1] token, [2] duration of the mark in ms, [3] how long the record outlives its marks in ms
-- ARGV[4] channel of the waiters, [5] channel and [6] message about the change
${RECORDS}
${CLOCK}
${DOUBT}
${WITHOUT_LEASE}
local at = now()
for _, key in ipairs(KEYS) do
  local found = redis.pcall('GET', key)
  if type(found) == 'table' then
    if not is_of_another_type(found) then return found end
  else
    local marks, base_ends, base = {}, 0, ''
    if found and is_in_doubt(found) then
      marks, base_ends, base = read_doubt(found)
    elseif found then
      base = found
      base_ends = at + math.max(0, redis.call('PTTL', key))
      -- A lease of another token is lost: its load cannot end it under the mark.
      -- guard: marked-lease-does-not-stand-again-lua
      if not has_lease(base, ARGV[1]) then base, base_ends = without_lease(base, base_ends) end
    end
    local live, ended, has_ended = other_marks(marks, ARGV[1], at)
    -- guard: mark-that-has-ended-ends-what-stood-before-lua
    if has_ended then base_ends = 0 end
    if ARGV[3] == '0' then ended = {} end
    for _, mark in ipairs(live) do table.insert(ended, mark) end
    table.insert(ended, { ends = at + ARGV[2], token = ARGV[1] })
    local failed = set_doubt(key, ended, base_ends, base, at, tonumber(ARGV[3]))
    if failed then return failed end
    -- guard: marked-lease-wakes-its-waiters-lua
    if found and is_awaited(found) then redis.pcall('PUBLISH', ARGV[4] .. ':' .. key, '') end
  end
end
-- guard: mark-is-published-lua
redis.call('PUBLISH', ARGV[5], ARGV[6])
return 1
`,
  encode: (kind, keys, token, ms, ...channels) => ({
    keys,
    values: [token, toWholeMs(ms), OUTLIVES[kind], ...channels],
  }),
  decode: () => undefined,
});

export const unmarkScript = script<[kind: MarkedKind, keys: readonly string[], token: string], void>({
  name: 'unmark',
  lua: `
-- KEYS entries, or nonces
-- ARGV[1] token, [2] how long the record outlives its marks in ms
${RECORDS}
${CLOCK}
${DOUBT}
${WITHOUT_LEASE}
local at = now()
for _, key in ipairs(KEYS) do
  local found = redis.pcall('GET', key)
  if type(found) == 'string' and is_in_doubt(found) then
    local marks, base_ends, base = read_doubt(found)
    local live, ended, has_ended = other_marks(marks, ARGV[1], at)
    -- guard: mark-that-has-ended-ends-what-stands-again-lua
    if has_ended then base_ends = 0 end
    -- guard: ended-mark-of-a-nonce-stays-lua
    if ARGV[2] == '0' then ended = {} end
    for _, mark in ipairs(live) do table.insert(ended, mark) end
    local failed
    -- A put that has failed cannot give its lease back under the marks of others.
    -- guard: lifted-mark-takes-its-lease-lua
    if #ended > 0 and has_lease(base, ARGV[1]) then base, base_ends = without_lease(base, base_ends) end
    if #ended > 0 then failed = set_doubt(key, ended, base_ends, base, at, tonumber(ARGV[2]))
    elseif base_ends > at then failed = redis.pcall('SET', key, base, 'PX', base_ends - at).err and {} or nil
    else redis.call('UNLINK', key) end
    -- Without memory, what stood before does not stand again.
    if failed then redis.call('UNLINK', key) end
  end
end
return 1
`,
  encode: (kind, keys, token) => ({ keys, values: [token, OUTLIVES[kind]] }),
  decode: () => undefined,
});
