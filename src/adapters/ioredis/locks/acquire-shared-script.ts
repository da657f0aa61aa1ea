import { script, toWholeMs } from '../commands/script.js';
import { pendingWriterOf, queueOf } from './lock-keys.js';
import { decodeAcquire, type AcquireReply } from './lock-script.js';
import { CLOCK, HOLDERS, QUEUE, REFUSALS } from './lua/lock-prelude.js';

/** The arguments of one script: the locks of one slot. */
export interface AcquireSharedArguments {
  readonly keys: readonly string[];
  readonly owner: string;
  readonly leaseMs: number;
  /** The maximum number of holders, 2 or more. Infinity: there is no maximum. */
  readonly permits: number;
  readonly ticket: string | undefined;
  readonly ticketMs: number;
  /** The channel on which releases are published. */
  readonly channel: string;
}

/** Acquires locks with any number of permits but 1, which is exclusive. */
export const acquireSharedScript = script<[AcquireSharedArguments], AcquireReply>({
  name: 'acquire',
  lua: `
-- KEYS for each lock: the lock, its pending writer. With a ticket there is one lock, followed by queue and places
-- ARGV[1] owner, [2] lease in ms, [3] ms for which a ticket is valid without a retry (0: do not wait), [4] ticket or '',
--      [5] channel, [6] permits, or 0 for any number
-- Returns ''; {ms} if others hold a lock: then nothing is acquired
-- A repeated request of the same owner is granted again.
local lease, ticket, ticket_ms = tonumber(ARGV[2]), ARGV[4], tonumber(ARGV[3])
local locks = ticket == '' and #KEYS / 2 or 1
local queue, places = KEYS[3], KEYS[4]
local mark = ticket_ms > 0 and (ticket == '' and '+' or '#') or nil
${CLOCK}
${HOLDERS}
${REFUSALS}
${QUEUE}
local permits = tonumber(ARGV[6])
local capacity = permits == 0 and '=any' or '=' .. ARGV[6]
local owned = {}
local held_ms
for i = 1, locks do
  local key, writer = KEYS[2 * i - 1], KEYS[2 * i]
  local kind, found = read_lock(key)
  local held
  -- The expired holders are removed first. Holders with another number of permits exclude this one.
  if kind == 'shared' then
    redis.call('ZREMRANGEBYSCORE', key, '(0', now())
    local count = holders(key)
    if found == capacity and redis.call('ZSCORE', key, ARGV[1]) then
      owned[i] = true
    elseif found ~= capacity and count == 0 then
      redis.call('UNLINK', key)
    elseif found ~= capacity then
      held = refuse(key, kind, found, mark, lease)
    elseif permits > 0 and count >= permits then
      refuse(key, kind, found, mark, lease)
      held = redis.call('ZRANGE', key, -count, -count, 'WITHSCORES')[2] - now()
    end
  elseif kind ~= nil then
    held = refuse(key, kind, found, mark, lease)
  end
  -- A pending writer goes before new readers.
  local pending_writer = not owned[i] and redis.call('PTTL', writer) or -2
  -- guard: waiting-writer-keeps-readers-out-lua
  if pending_writer > 0 then
    if mark == '+' then redis.pcall('SETRANGE', writer, 0, '+') end
    held = math.max(held or 0, pending_writer)
  end
  if held then held_ms = math.max(held_ms or 0, held) end
end
if ticket ~= '' and not owned[1] then
  local turn_in = enqueue(queue, places, ticket, ticket_ms)
  held_ms = held_ms or turn_in
end
if held_ms then return {held_ms} end

for i = 1, locks do
  local key = KEYS[2 * i - 1]
  redis.call('ZADD', key, 0, capacity, now() + lease, ARGV[1])
  if redis.call('PTTL', key) < lease then redis.call('PEXPIRE', key, lease) end
end
if ticket ~= '' then
  dequeue(queue, places, ticket)
  -- If a permit is left, wake the next ticket now; in any case when this owner releases the lock.
  if head_of(queue, places) then
    redis.call('ZADD', KEYS[1], 0, '#')
    if permits == 0 or holders(KEYS[1]) < permits then wake_head(ARGV[5], KEYS[1], queue, places) end
  end
end
return ''
`,
  encode: ({ keys: locks, owner, leaseMs, permits, ticket, ticketMs, channel }) => {
    const keys = locks.flatMap((key) => [key, pendingWriterOf(key)]);
    if (ticket !== undefined) keys.push(...queueOf(locks[0]!));
    return {
      keys,
      values: [
        owner,
        toWholeMs(leaseMs),
        Math.trunc(ticketMs),
        ticket ?? '',
        channel,
        Number.isFinite(permits) ? permits : 0,
      ],
    };
  },
  decode: decodeAcquire,
});
