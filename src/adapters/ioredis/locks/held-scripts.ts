import { fenceOf, FENCE_MS, queueOf, wishOf } from './acquire-scripts.js';
import { CLOCK, HOLDERS, QUEUE } from './lock-lua.js';
import { script, whole } from '../scripts.js';

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
  local kind, found = standing(KEYS[i])
  if kind == 'one' and not is_held_by(found, ARGV[1]) then return 0 end
  if kind == 'some' and tonumber(redis.call('ZSCORE', KEYS[i], ARGV[1]) or 0) <= now() then return 0 end
  if kind == nil or kind == 'foreign' then return 0 end
  kinds[i] = kind
end
for i = 1, #KEYS, 2 do
  if kinds[i] == 'one' then
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
    values: [owner, whole(leaseMs), fenced ? 1 : 0],
  }),
  decode: (reply) => reply === 1,
});

/** Gives locks of one slot back, and wakes who waits. How many were the owner's. */
export const releaseScript = script<[keys: readonly string[], owner: string, channel: string], number>({
  name: 'release',
  lua: `
-- KEYS for each lock: itself, its queue, its places
-- ARGV[1] owner, [2] channel
-- Returns how many of them were the owner's: all others are left as they are
-- Most locks are one alone, and nobody waits.
if #KEYS == 3 and redis.pcall('GET', KEYS[1]) == 'L' .. ARGV[1] .. '--' then return redis.call('UNLINK', KEYS[1]) end

${CLOCK}
${HOLDERS}
${QUEUE}
local count = 0
for i = 1, #KEYS, 3 do
  local key, queue, places = KEYS[i], KEYS[i + 1], KEYS[i + 2]
  local kind, found = standing(key)
  local waited, queued
  if kind == 'one' and is_held_by(found, ARGV[1]) then
    count = count + 1
    redis.call('UNLINK', key)
    waited = string.sub(found, LENGTH - 1, LENGTH - 1) == '+'
    queued = string.sub(found, LENGTH, LENGTH) == '#'
  elseif kind == 'some' and redis.call('ZREM', key, ARGV[1]) == 1 then
    count = count + 1
    redis.call('ZREMRANGEBYSCORE', key, '(0', now())
    local empty = holders(key) == 0
    -- One reader less changes nothing for a writer.
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

/** Gives up waiting: leaves the queue, or takes back a writer's wish. */
export const abandonScript = script<
  [keys: readonly string[], ticket: string | undefined, channel: string],
  void
>({
  name: 'abandon',
  lua: `
-- KEYS for each lock: itself, the wish of a writer, its queue, its places
-- ARGV[1] ticket, or '', [2] channel
${CLOCK}
${HOLDERS}
${QUEUE}
for i = 1, #KEYS, 4 do
  local key, wish, queue, places = KEYS[i], KEYS[i + 1], KEYS[i + 2], KEYS[i + 3]
  if ARGV[1] == '' then
    local wished = redis.pcall('GET', wish)
    if wished then redis.call('UNLINK', wish) end
    if wished == '+' then redis.pcall('PUBLISH', ARGV[2], key) end
  else
    local head = redis.call('ZRANGE', queue, 0, 0)[1]
    step_out(queue, places, ARGV[1])
    if head == ARGV[1] then wake_head(ARGV[2], key, queue, places) end
  end
end
return 1
`,
  encode: (keys, ticket, channel) => ({
    keys: keys.flatMap((key) => [key, wishOf(key), ...queueOf(key)]),
    values: [ticket ?? '', channel],
  }),
  decode: () => undefined,
});
