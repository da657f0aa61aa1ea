import { fenceOf, FENCE_MS, queueOf, pendingWriterOf } from './acquire-scripts.js';
import { CLOCK, HOLDERS, QUEUE } from './lua/lock-prelude.js';
import { script, toWholeMs } from '../commands/script.js';

/**
 * Extends the leases of locks of one slot. Replies false, and extends none, if the owner has lost at least one of them.
 */
export const extendScript = script<
  [keys: readonly string[], owner: string, leaseMs: number, fenced: boolean],
  boolean
>({
  name: 'extend',
  lua: `
-- KEYS for each lock: the lock, its fence
-- ARGV[1] owner, [2] new lease in ms, from now, [3] 1 if the fences are to be extended, too
-- Returns 1; 0 if a lock is held by another owner, or does not exist
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

/** Releases locks of one slot, and wakes the waiters. Replies how many the owner held. */
export const releaseScript = script<[keys: readonly string[], owner: string, channel: string], number>({
  name: 'release',
  lua: `
-- KEYS for each lock: the lock, its queue, its places
-- ARGV[1] owner, [2] channel
-- Returns how many of them the owner held. Those of other owners are not changed
-- The common case: one exclusive lock without waiters.
if #KEYS == 3 and redis.pcall('GET', KEYS[1]) == 'L' .. ARGV[1] .. '--' then return redis.call('UNLINK', KEYS[1]) end

${CLOCK}
${HOLDERS}
${QUEUE}
local count = 0
for i = 1, #KEYS, 3 do
  local key, queue, places = KEYS[i], KEYS[i + 1], KEYS[i + 2]
  local kind, found = read_lock(key)
  local is_awaited, is_queued
  -- guard: release-by-owner-only-lua
  if kind == 'exclusive' and is_held_by(found, ARGV[1]) then
    count = count + 1
    redis.call('UNLINK', key)
    is_awaited = string.sub(found, LENGTH - 1, LENGTH - 1) == '+'
    is_queued = string.sub(found, LENGTH, LENGTH) == '#'
  elseif kind == 'shared' and redis.call('ZREM', key, ARGV[1]) == 1 then
    count = count + 1
    redis.call('ZREMRANGEBYSCORE', key, '(0', now())
    local is_free = holders(key) == 0
    -- The release of one reader lets nobody in while other readers hold the lock.
    if is_free or found ~= '=any' then
      is_awaited = redis.call('ZSCORE', key, '+')
      is_queued = redis.call('ZSCORE', key, '#')
      if is_awaited then redis.call('ZREM', key, '+') end
    end
    if is_free then
      redis.call('UNLINK', key)
    else
      redis.call('PEXPIRE', key, last_end(key) - now())
    end
  end
  if is_awaited then redis.pcall('PUBLISH', ARGV[2], key) end
  if is_queued then wake_head(ARGV[2], key, queue, places) end
end
return count
`,
  encode: (keys, owner, channel) => ({
    keys: keys.flatMap((key) => [key, ...queueOf(key)]),
    values: [owner, channel],
  }),
  decode: (reply) => reply as number,
});

/** Stops waiting: removes the ticket from the queue, or the pending writer. Wakes the callers that it held back. */
export const abandonScript = script<
  [keys: readonly string[], ticket: string | undefined, channel: string],
  void
>({
  name: 'abandon',
  lua: `
-- KEYS for each lock: the lock, its pending writer, its queue, its places
-- ARGV[1] ticket, or '' for a pending writer, [2] channel
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
