import { fenceOf, FENCE_MS, queueOf, pendingWriterOf } from './lock-keys.js';
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
    if ARGV[3] == '1' then redis.call('PEXPIRE', KEYS[i + 1], '${FENCE_MS}') end
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
    if pending_writer == '+' then redis.pcall('PUBLISH', ARGV[2] .. ':' .. key, '') end
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
