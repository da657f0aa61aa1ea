import { fenceOf, FENCE_MS, queueOf, pendingWriterOf } from './acquire-scripts.js';
import { CLOCK, HOLDERS, QUEUE } from './lua/lock-prelude.js';
import { script, toWholeMs } from '../commands/script.js';

/** Moves the end of locks of one slot. False: one of them is not the owner's any more, and none is moved. */
export const extendScript = script<
  [keys: readonly string[], owner: string, leaseMs: number, fenced: boolean],
  boolean
>({
  name: 'extend',
  lua: `
-- KEYS for each lock: itself, its fence
-- ARGV[1] owner, [2] ms from now, [3] 1 if there are fences to be kept
-- Returns 1; 0 if one of them is another's, or gone
${CLOCK}
${HOLDERS}
local kinds = {}
for i = 1, #KEYS, 2 do
  local kind, found = read_lock(KEYS[i])
  -- guard: extend-by-owner-only-lua
  if kind == 'exclusive' and not is_held_by(found, ARGV[1]) then return 0 end
  -- guard: ended-reader-holds-nothing-lua
  if kind == 'shared' and tonumber(redis.call('ZSCORE', KEYS[i], ARGV[1]) or 0) <= now() then return 0 end
  if kind == nil or kind == 'foreign' then return 0 end
  kinds[i] = kind
end
for i = 1, #KEYS, 2 do
  if kinds[i] == 'exclusive' then
    redis.call('PEXPIRE', KEYS[i], ARGV[2])
    if ARGV[3] == '1' then redis.call('PEXPIRE', KEYS[i + 1], ARGV[2] + ${FENCE_MS}) end
  else
    redis.call('ZADD', KEYS[i], now() + ARGV[2], ARGV[1])
    redis.call('PEXPIRE', KEYS[i], last_end(KEYS[i]) - now())
  end
end
return 1
`,
  encode: (keys, owner, leaseMs, fenced) => ({
    keys: keys.flatMap((key) => [key, fenceOf(key)]),
    values: [owner, toWholeMs(leaseMs), fenced ? 1 : 0],
  }),
  decode: (reply) => reply === 1,
});

/** Gives locks of one slot back, and wakes who waits. How many were the owner's. */
export const releaseScript = script<[keys: readonly string[], owner: string, channel: string], number>({
  name: 'release',
  lua: `
-- KEYS for each lock: itself, its queue, its places
-- ARGV[1] owner, [2] channel
-- Returns how many of them were the owner's; the others are not touched
-- The common case: one exclusive lock, and nobody waits.
if #KEYS == 3 and redis.pcall('GET', KEYS[1]) == 'L' .. ARGV[1] .. '--' then return redis.call('UNLINK', KEYS[1]) end

${CLOCK}
${HOLDERS}
${QUEUE}
local count = 0
for i = 1, #KEYS, 3 do
  local key, queue, places = KEYS[i], KEYS[i + 1], KEYS[i + 2]
  local kind, found = read_lock(key)
  local waited, queued
  -- guard: release-by-owner-only-lua
  if kind == 'exclusive' and is_held_by(found, ARGV[1]) then
    count = count + 1
    redis.call('UNLINK', key)
    waited = string.sub(found, LENGTH - 1, LENGTH - 1) == '+'
    queued = string.sub(found, LENGTH, LENGTH) == '#'
  elseif kind == 'shared' and redis.call('ZREM', key, ARGV[1]) == 1 then
    count = count + 1
    redis.call('ZREMRANGEBYSCORE', key, '(0', now())
    local empty = holders(key) == 0
    -- A writer cannot get in while readers remain.
    if empty or found ~= '=any' then
      waited = redis.call('ZSCORE', key, '+')
      queued = redis.call('ZSCORE', key, '#')
      if waited then redis.call('ZREM', key, '+') end
    end
    if empty then
      redis.call('UNLINK', key)
    else
      redis.call('PEXPIRE', key, last_end(key) - now())
    end
  end
  if waited then redis.pcall('PUBLISH', ARGV[2], key) end
  if queued then wake_head(ARGV[2], key, queue, places) end
end
return count
`,
  encode: (keys, owner, channel) => ({
    keys: keys.flatMap((key) => [key, ...queueOf(key)]),
    values: [owner, channel],
  }),
  decode: (reply) => reply as number,
});

/** Gives up waiting: leaves the queue, or withdraws a pending writer. */
export const abandonScript = script<
  [keys: readonly string[], ticket: string | undefined, channel: string],
  void
>({
  name: 'abandon',
  lua: `
-- KEYS for each lock: itself, the writer of a writer, its queue, its places
-- ARGV[1] ticket, or '', [2] channel
${CLOCK}
${HOLDERS}
${QUEUE}
for i = 1, #KEYS, 4 do
  local key, writer, queue, places = KEYS[i], KEYS[i + 1], KEYS[i + 2], KEYS[i + 3]
  if ARGV[1] == '' then
    local pending_writer = redis.pcall('GET', writer)
    if pending_writer then redis.call('UNLINK', writer) end
    if pending_writer == '+' then redis.pcall('PUBLISH', ARGV[2], key) end
  else
    local head = redis.call('ZRANGE', queue, 0, 0)[1]
    dequeue(queue, places, ARGV[1])
    if head == ARGV[1] then wake_head(ARGV[2], key, queue, places) end
  end
end
return 1
`,
  encode: (keys, ticket, channel) => ({
    keys: keys.flatMap((key) => [key, pendingWriterOf(key), ...queueOf(key)]),
    values: [ticket ?? '', channel],
  }),
  decode: () => undefined,
});
