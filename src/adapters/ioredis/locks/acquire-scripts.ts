import type { Buffer } from 'node:buffer';
import { CLOCK, HOLDERS, QUEUE, REFUSALS } from './lua/lock-prelude.js';
import { script, toWholeMs, type Script, type ScriptArguments } from '../commands/script.js';

/** What one script was told: the locks of one slot, by their keys. */
export interface AcquireArguments {
  readonly keys: readonly string[];
  readonly owner: string;
  readonly leaseMs: number;
  readonly permits: number;
  readonly ticket: string | undefined;
  readonly ticketMs: number;
  /** No smaller fencing token may be given; undefined: none is wanted. */
  readonly least: bigint | undefined;
  /** Where releases are told of. */
  readonly channel: string;
}

export type AcquireReply =
  | { readonly granted: true; readonly token: bigint | undefined }
  /** As far as the server knows the locks are free in so many ms. */
  | { readonly granted: false; readonly forMs: number };

/** The counter lives so long after the last lease. One that is gone begins at the server's clock, in µs. */
export const FENCE_MS = 24 * 60 * 60 * 1_000;

const HEADER = `
-- KEYS for each lock: itself, its fence, the writer of a writer. With a ticket, of the one lock: queue, places
-- ARGV[1] owner, [2] lease in ms, [3] how long a writer or a place lives in ms (0: nobody waits), [4] least token or '', [5] ticket or '',
--      [6] channel, [7] permits or 0 for any number
-- Returns the token, or '' if none is requested; {ms} if it is held by others: then nothing is acquired
-- A repeated request of the same owner is granted again, with the same token.
local lease = tonumber(ARGV[2])
local ticket = ARGV[5]
local locks = ticket == '' and #KEYS / 3 or 1
local queue, places = KEYS[4], KEYS[5]
local patience = tonumber(ARGV[3])
local mark = patience > 0 and (ticket == '' and '+' or '#') or nil
`;

const acquireExclusive = script<[AcquireArguments], AcquireReply>({
  name: 'acquire',
  lua: `
${HEADER}
${CLOCK}
local function lock_of(owner, waited, queued)
  return 'L' .. owner .. (waited and '+' or '-') .. (queued and '#' or '-')
end

-- The common case: one exclusive lock, and it is free.
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
local mine = {}
local mine_all = true
local left
for i = 1, locks do
  local key, writer = KEYS[3 * i - 2], KEYS[3 * i]
  local kind, found = read_lock(key)
  -- guard: repeated-request-is-granted-again-lua
  if kind == 'exclusive' and is_held_by(found, ARGV[1]) then
    mine[i] = true
  elseif kind == nil or (kind == 'shared' and last_end(key) <= now()) then
    mine_all = false
  else
    left = math.max(left or 0, refused(key, kind, found, mark, lease))
    -- Keep new readers out until this writer tries again.
    if kind == 'shared' and mark == '+' and redis.call('PEXPIRE', writer, patience) == 0 then
      redis.pcall('SET', writer, '-', 'PX', patience)
    end
  end
end
if ticket ~= '' and not mine[1] then
  local ahead = enqueue(queue, places, ticket, patience)
  left = left or ahead
end
if left then return {left} end

local token
if ARGV[4] ~= '' then
  token = tonumber(ARGV[4])
  for i = 1, locks do
    local kept = redis.pcall('GET', KEYS[3 * i - 1])
    local number = type(kept) == 'string' and tonumber(kept) or 0
    token = math.max(token, mine[i] and number or number + 1)
  end
  if not mine_all or token == 0 then token = math.max(token, micros()) end
  token = string.format('%.0f', token)
end
for i = 1, locks do
  local key, fence, writer = KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i]
  if mine[i] then
    redis.call('PEXPIRE', key, lease)
  else
    -- Mark the lock, so that its release wakes waiting readers and queued callers.
    local pending_writer = redis.pcall('GET', writer)
    local queued = ticket ~= '' and redis.call('ZCARD', queue) > 1
    redis.call('SET', key, lock_of(ARGV[1], pending_writer == '+', queued), 'PX', lease)
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
local sort = permits == 0 and '=any' or '=' .. ARGV[7]
local mine = {}
local left
for i = 1, locks do
  local key, writer = KEYS[3 * i - 2], KEYS[3 * i]
  local kind, found = read_lock(key)
  local held
  if kind == 'shared' then
    redis.call('ZREMRANGEBYSCORE', key, '(0', now())
    local count = holders(key)
    if found == sort and redis.call('ZSCORE', key, ARGV[1]) then
      mine[i] = true
    elseif found ~= sort and count == 0 then
      redis.call('UNLINK', key)
    elseif found ~= sort then
      held = refused(key, kind, found, mark, lease)
    elseif permits > 0 and count >= permits then
      refused(key, kind, found, mark, lease)
      held = redis.call('ZRANGE', key, -count, -count, 'WITHSCORES')[2] - now()
    end
  elseif kind ~= nil then
    held = refused(key, kind, found, mark, lease)
  end
  local pending_writer = not mine[i] and redis.call('PTTL', writer) or -2
  -- guard: waiting-writer-keeps-readers-out-lua
  if pending_writer > 0 then
    if mark == '+' then redis.pcall('SETRANGE', writer, 0, '+') end
    held = math.max(held or 0, pending_writer)
  end
  if held then left = math.max(left or 0, held) end
end
if ticket ~= '' and not mine[1] then
  local ahead = enqueue(queue, places, ticket, patience)
  left = left or ahead
end
if left then return {left} end

for i = 1, locks do
  local key = KEYS[3 * i - 2]
  redis.call('ZADD', key, 0, sort, now() + lease, ARGV[1])
  if redis.call('PTTL', key) < lease then redis.call('PEXPIRE', key, lease) end
end
if ticket ~= '' then
  dequeue(queue, places, ticket)
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

/** The script for as many permits. */
export function acquireScript(permits: number): Script<[AcquireArguments], AcquireReply> {
  return permits === 1 ? acquireExclusive : acquireShared;
}

/** What belongs to a lock stands in its slot. */
export function fenceOf(key: string): string {
  return `${key}:fence`;
}

export function pendingWriterOf(key: string): string {
  return `${key}:writer`;
}

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
