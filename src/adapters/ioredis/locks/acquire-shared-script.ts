import type { Buffer } from 'node:buffer';
import { CLOCK, HOLDERS, QUEUE, REFUSALS } from './lua/lock-prelude.js';
import { script, toWholeMs, type Script, type ScriptArguments } from '../commands/script.js';

/** The arguments of one script: the locks of one slot. */
export interface AcquireArguments {
  readonly keys: readonly string[];
  readonly owner: string;
  readonly leaseMs: number;
  readonly permits: number;
  readonly ticket: string | undefined;
  readonly ticketMs: number;
  /** The minimum of the fencing token; undefined: no fencing token is needed. */
  readonly least: bigint | undefined;
  /** The channel on which releases are published. */
  readonly channel: string;
}

export type AcquireReply =
  | { readonly granted: true; readonly token: bigint | undefined }
  /** Others hold the locks, for at most `forMs` unless they extend their leases. */
  | { readonly granted: false; readonly forMs: number };

/**
 * How long the counter of fencing tokens is kept after the last lease. A new counter starts at the server's time in us.
 */
export const FENCE_MS = 24 * 60 * 60 * 1_000;

const HEADER = `
-- KEYS for each lock: the lock, its fence, its pending writer. With a ticket there is one lock, followed by queue and
-- places
-- ARGV[1] owner, [2] lease in ms, [3] ms for which a pending writer or a ticket is valid without a retry (0: do not
-- wait),
--      [4] minimum of the fencing token or '', [5] ticket or '', [6] channel, [7] permits, or 0 for any number
-- Returns the fencing token, or '' if none is requested; {ms} if others hold a lock: then nothing is acquired
-- A repeated request of the same owner is granted again, with the same token.
local lease = tonumber(ARGV[2])
local ticket = ARGV[5]
local locks = ticket == '' and #KEYS / 3 or 1
local queue, places = KEYS[4], KEYS[5]
local ticket_ms = tonumber(ARGV[3])
local mark = ticket_ms > 0 and (ticket == '' and '+' or '#') or nil
`;

const acquireExclusive = script<[AcquireArguments], AcquireReply>({
  name: 'acquire',
  lua: `
${HEADER}
${CLOCK}
local function lock_of(owner, is_awaited, is_queued)
  return 'L' .. owner .. (is_awaited and '+' or '-') .. (is_queued and '#' or '-')
end

-- The common case: one exclusive lock that is free.
if locks == 1 and ticket == '' then
  local kept = redis.call('MGET', KEYS[2], KEYS[3])
  local pending_writer = kept[2]
  if redis.call('SET', KEYS[1], lock_of(ARGV[1], pending_writer == '+', false), 'PX', lease, 'NX') then
    if pending_writer then redis.call('UNLINK', KEYS[3]) end
    if ARGV[4] == '' then return '' end
    -- guard: fence-is-not-behind-the-clock-lua
    -- guard: fence-is-larger-than-the-last-lua
    local token = math.max(tonumber(ARGV[4]), (tonumber(kept[1] or 0) or 0) + 1, micros())
    token = string.format('%.0f', token)
    redis.call('SET', KEYS[2], token, 'PX', lease + ${FENCE_MS})
    return token
  end
end

${HOLDERS}
${REFUSALS}
${QUEUE}
local owned = {}
local all_owned = true
local held_ms
for i = 1, locks do
  local key, writer = KEYS[3 * i - 2], KEYS[3 * i]
  local kind, found = read_lock(key)
  -- guard: repeated-request-is-granted-again-lua
  if kind == 'exclusive' and is_held_by(found, ARGV[1]) then
    owned[i] = true
  elseif kind == nil or (kind == 'shared' and last_end(key) <= now()) then
    all_owned = false
  else
    held_ms = math.max(held_ms or 0, refuse(key, kind, found, mark, lease))
    -- Keep new readers out until this writer tries again.
    if kind == 'shared' and mark == '+' and redis.call('PEXPIRE', writer, ticket_ms) == 0 then
      redis.pcall('SET', writer, '-', 'PX', ticket_ms)
    end
  end
end
if ticket ~= '' and not owned[1] then
  local turn_in = enqueue(queue, places, ticket, ticket_ms)
  held_ms = held_ms or turn_in
end
if held_ms then return {held_ms} end

-- A new token is larger than all earlier ones of these locks. Locks that are already owned keep theirs.
local token
if ARGV[4] ~= '' then
  token = tonumber(ARGV[4])
  for i = 1, locks do
    local kept = redis.pcall('GET', KEYS[3 * i - 1])
    local number = type(kept) == 'string' and tonumber(kept) or 0
    token = math.max(token, owned[i] and number or number + 1)
  end
  if not all_owned or token == 0 then token = math.max(token, micros()) end
  token = string.format('%.0f', token)
end
for i = 1, locks do
  local key, fence, writer = KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i]
  if owned[i] then
    redis.call('PEXPIRE', key, lease)
  else
    -- Mark the lock, so that its release wakes waiting readers and queued callers.
    local pending_writer = redis.pcall('GET', writer)
    local is_queued = ticket ~= '' and redis.call('ZCARD', queue) > 1
    redis.call('SET', key, lock_of(ARGV[1], pending_writer == '+', is_queued), 'PX', lease)
    if pending_writer then redis.call('UNLINK', writer) end
  end
  if token then redis.call('SET', fence, token, 'PX', lease + ${FENCE_MS}) end
end
if ticket ~= '' then dequeue(queue, places, ticket) end
return token or ''
`,
  encode: encodeAcquire,
  decode: decodeAcquire,
});

const acquireShared = script<[AcquireArguments], AcquireReply>({
  name: 'acquire',
  lua: `
${HEADER}
${CLOCK}
${HOLDERS}
${REFUSALS}
${QUEUE}
local permits = tonumber(ARGV[7])
local capacity = permits == 0 and '=any' or '=' .. ARGV[7]
local owned = {}
local held_ms
for i = 1, locks do
  local key, writer = KEYS[3 * i - 2], KEYS[3 * i]
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
  local key = KEYS[3 * i - 2]
  redis.call('ZADD', key, 0, capacity, now() + lease, ARGV[1])
  if redis.call('PTTL', key) < lease then redis.call('PEXPIRE', key, lease) end
end
if ticket ~= '' then
  dequeue(queue, places, ticket)
  -- If a permit is left, wake the next ticket now; in any case when this owner releases the lock.
  if head_of(queue, places) then
    redis.call('ZADD', KEYS[1], 0, '#')
    if permits == 0 or holders(KEYS[1]) < permits then wake_head(ARGV[6], KEYS[1], queue, places) end
  end
end
return ''
`,
  encode: encodeAcquire,
  decode: decodeAcquire,
});

/** Returns the script for a number of permits: 1 is exclusive, all others are shared. */
export function acquireScript(permits: number): Script<[AcquireArguments], AcquireReply> {
  return permits === 1 ? acquireExclusive : acquireShared;
}

/** The counter of fencing tokens. All keys of a lock are in one slot, because its name is a hash tag. */
export function fenceOf(key: string): string {
  return `${key}:fence`;
}

/** The mark of a writer that waits for readers: `+` if a reader was refused because of it, else `-`. */
export function pendingWriterOf(key: string): string {
  return `${key}:writer`;
}

/** The queue of a fair lock: tickets by arrival, and tickets by the end of their validity. */
export function queueOf(key: string): readonly [queue: string, places: string] {
  return [`${key}:queue`, `${key}:places`];
}

function encodeAcquire(args: AcquireArguments): ScriptArguments {
  const { owner, leaseMs, permits, ticket, ticketMs, least, channel } = args;
  const keys = args.keys.flatMap((key) => [key, fenceOf(key), pendingWriterOf(key)]);
  if (ticket !== undefined) keys.push(...queueOf(args.keys[0]!));
  return {
    keys,
    values: [
      owner,
      toWholeMs(leaseMs),
      Math.trunc(ticketMs),
      least === undefined ? '' : String(least),
      ticket ?? '',
      channel,
      Number.isFinite(permits) ? permits : 0,
    ],
  };
}

function decodeAcquire(reply: unknown): AcquireReply {
  if (Array.isArray(reply)) return { granted: false, forMs: reply[0] as number };
  const token = (reply as Buffer).toString('latin1');
  return { granted: true, token: token === '' ? undefined : BigInt(token) };
}
