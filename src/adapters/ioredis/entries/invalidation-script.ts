import { clearKey, entryKey, tagChangesKey, tagKey } from '../../../core/keys/store-keys.js';
import { WIRE_VERSION } from '../../../core/ports/entry-format.js';
import { TAG_CHANGE_BUCKETS } from '../../../core/ports/tag-changes.js';
import { changeChannel } from '../changes/change-message.js';
import { channelOf } from '../connection/redis-connection.js';
import { removeNoncesScript, removeScript } from './entry-scripts.js';

/** A Lua expression for a name that contains the namespace. */
function lua(nameOf: (namespace: string) => string): string {
  const namespace = '\0';
  return `'${nameOf(namespace).replaceAll(namespace, `' .. namespace .. '`)}'`.replaceAll(
    /'' \.\. | \.\. ''/g,
    '',
  );
}

/** The text of a script as a Lua function with KEYS and ARGV of its own. */
function luaFunction(name: string, text: string): string {
  return `local function ${name}(KEYS, ARGV)${text}end`;
}

function withoutMarksOfGuards(text: string): string {
  const lines = text.split('\n');
  return lines.filter((line) => !line.trimStart().startsWith('-- guard: ')).join('\n');
}

/** Marks of writers stay (core/ports/doubt-record.ts). */
const NO_MARK = "''";
const CHANNEL = lua(changeChannel);
// The Lua expressions are encoded like the arguments that they stand for.
const REMOVE = removeScript.encode([], NO_MARK, lua(channelOf), CHANNEL, 'message').values;
const REMOVE_NONCES = removeNoncesScript.encode([], '', [], 'fresh', NO_MARK, CHANNEL, 'message').values;

/**
 * The Lua script by which programs that do not use this library invalidate: what `caching.cache.invalidate` does in Redis, in
 * the text of its own scripts. `docs/invalidate.lua` is the same text, and docs/other-writers.md tells how to call it.
 *
 * @example
 * await writeFile('invalidate.lua', invalidationScript);
 */
export const invalidationScript: string = withoutMarksOfGuards(`\
-- Invalidates entries of cachement: by key, by tag, or all. For programs in any language, on Redis 6.0 or later.
-- Wire version ${WIRE_VERSION}. How to call it: docs/other-writers.md
--
-- KEYS     complete names in Redis, of one of these kinds:
--   entries  ${entryKey('<namespace>', '<key>')}, one or more; in a Cluster, all of one slot
--   tags     ${tagChangesKey('<namespace>')}, then ${tagKey('<namespace>', '<tag>')}, one or more
--   all      ${tagChangesKey('<namespace>')}, ${clearKey('<namespace>')}
-- ARGV[1]  the namespace
-- ARGV[2]  the keyPrefix of the ioredis client of the application, with which every name begins; it may be left out
--
-- Returns 1. After an error nothing is certain: call it again. It may be repeated.

${luaFunction('remove', removeScript.lua)}

${luaFunction('remove_nonces', removeNoncesScript.lua)}

-- The bucket of a tag: FNV-1a over the UTF-16 units of its name, folded to ${TAG_CHANGE_BUCKETS} buckets
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
  return bit.band(hash, ${TAG_CHANGE_BUCKETS - 1})
end

local namespace = ARGV[1] or ''
local prefix = ARGV[2] or ''
local entry_start = prefix .. ${lua((namespace) => entryKey(namespace, ''))}
local tag_start = prefix .. ${lua((namespace) => tagKey(namespace, ''))}
local clear = prefix .. ${lua(clearKey)}
local tag_changes = prefix .. ${lua(tagChangesKey)}

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
  return remove(KEYS, {${REMOVE.join(', ')}})
end

local nonces = {}
local buckets = {}
for i = 2, #KEYS do
  nonces[i - 1] = KEYS[i]
  if has_start(KEYS[i], tag_start) then
    -- guard: other-writers-mark-the-bucket-of-a-tag-lua
    buckets[#buckets + 1] = bucket_of(string.sub(KEYS[i], #tag_start + 1))
  elseif KEYS[i] ~= clear then
    return refuse(KEYS[i], tag_start .. '<tag> or ' .. clear .. ' as KEYS[' .. i .. ']')
  end
end
if #nonces == 0 then return refuse(nil, tag_start .. '<tag> or ' .. clear .. ' as KEYS[2]') end
local message = cjson.encode({'', unpack(nonces)})
-- The hash of the record differs from all that its buckets hold now.
local record = redis.pcall('GETRANGE', tag_changes, 0, -1)
-- guard: other-writers-mark-with-a-new-value-lua
local digest = redis.sha1hex(type(record) == 'string' and record or '')
local fresh = string.gsub(digest, '..', function(digits) return string.char(tonumber(digits, 16)) end)
return remove_nonces(KEYS, {${[...REMOVE_NONCES, 'unpack(buckets)'].join(', ')}})
`);
