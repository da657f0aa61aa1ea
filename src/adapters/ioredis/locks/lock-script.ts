import type { Buffer } from 'node:buffer';
import { script, toWholeMs } from '../commands/script.js';
import { fenceOf, FENCE_MS, pendingWriterOf, queueOf } from './lock-keys.js';
import { CLOCK, HOLDERS, QUEUE, REFUSALS } from './lua/lock-prelude.js';

/** A request for exclusive locks of one slot. */
export interface AcquireOperation {
  readonly kind: 'acquire';
  readonly keys: readonly string[];
  /** 32 characters. */
  readonly owner: string;
  readonly leaseMs: number;
  /** Only with one key. */
  readonly ticket: string | undefined;
  readonly ticketMs: number;
  /** The minimum of the fencing token; undefined: no fencing token is needed. */
  readonly least: bigint | undefined;
}

/** The release of locks of one slot, exclusive or shared. */
export interface ReleaseOperation {
  readonly kind: 'release';
  readonly keys: readonly string[];
  /** 32 characters. */
  readonly owner: string;
}

export type LockOperation = AcquireOperation | ReleaseOperation;

export type AcquireReply =
  | { readonly granted: true; readonly token: bigint | undefined }
  /** Others hold the locks, for at most `forMs` unless they extend their leases. */
  | { readonly granted: false; readonly forMs: number };

/** In the script, strings are buffers. An Error is an error of this operation alone. */
export type OperationReply = Buffer | number | readonly number[] | Error;

/**
 * Acquires exclusive locks and releases locks: any number of operations of one slot, in order, as if each had been sent
 * alone. An operation that fails changes nothing about the others.
 */
export const lockScript = script<
  [operations: readonly LockOperation[], channel: string],
  readonly OperationReply[]
>({
  name: 'acquire',
  lua: `
-- KEYS of an acquire, for each lock: the lock, its fence, its pending writer. With a ticket there is one lock, followed
-- by queue and places
-- KEYS of a release, for each lock: the lock, its queue, its places
-- ARGV for each run of operations that differ in keys and owners only: the number of locks of each, for releases
-- negative; the owners. Of releases also: the channel. Of acquires: lease in ms, ms for which a pending writer or a ticket
-- is valid without a retry (0: do not wait), minimum of the fencing token or '' for none, ticket or ''. The last run may
-- omit a minimum of 0 and no ticket
-- Returns for each acquire: the fencing token, or '' if none is requested; {ms} if others hold a lock: then nothing is
-- acquired. For each release: how many locks the owner held; those of other owners are not changed
-- A repeated request of the same owner is granted again, with the same token.
${CLOCK}
local call = redis.call
local OWNER = 32

-- What follows is created on demand: for locks that are held, or have waiters.
local acquire_held, release_awaited
local function create()
${HOLDERS}
${REFUSALS}
${QUEUE}
  local function lock_of(owner, is_awaited, is_queued)
    return 'L' .. owner .. (is_awaited and '+' or '-') .. (is_queued and '#' or '-')
  end

  acquire_held = function(first, locks, owner, lease, ticket_ms, least, ticket)
    local queue, places = KEYS[first + 3], KEYS[first + 4]
    local mark = ticket_ms > 0 and (ticket == '' and '+' or '#') or nil
    local owned = {}
    local all_owned = true
    local held_ms
    for i = 1, locks do
      local key, writer = KEYS[first + 3 * i - 3], KEYS[first + 3 * i - 1]
      local kind, found = read_lock(key)
      -- guard: repeated-request-is-granted-again-lua
      if kind == 'exclusive' and is_held_by(found, owner) then
        owned[i] = true
      elseif kind == nil or (kind == 'shared' and last_end(key) <= now()) then
        all_owned = false
      else
        held_ms = math.max(held_ms or 0, refuse(key, kind, found, mark, lease))
        -- Keep new readers out until this writer tries again.
        if kind == 'shared' and mark == '+' and call('PEXPIRE', writer, ticket_ms) == 0 then
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
    if least ~= '' then
      token = tonumber(least)
      for i = 1, locks do
        local kept = redis.pcall('GET', KEYS[first + 3 * i - 2])
        local number = type(kept) == 'string' and tonumber(kept) or 0
        token = math.max(token, owned[i] and number or number + 1)
      end
      if not all_owned or token == 0 then token = math.max(token, micros()) end
      token = string.format('%d', token)
    end
    for i = 1, locks do
      local key, fence, writer = KEYS[first + 3 * i - 3], KEYS[first + 3 * i - 2], KEYS[first + 3 * i - 1]
      if owned[i] then
        call('PEXPIRE', key, lease)
      else
        -- Mark the lock, so that its release wakes waiting readers and queued callers.
        local pending_writer = redis.pcall('GET', writer)
        local is_queued = ticket ~= '' and call('ZCARD', queue) > 1
        call('SET', key, lock_of(owner, pending_writer == '+', is_queued), 'PX', lease)
        if pending_writer then call('UNLINK', writer) end
      end
      if token then call('SET', fence, token, 'PX', '${FENCE_MS}') end
    end
    if ticket ~= '' then dequeue(queue, places, ticket) end
    return token or ''
  end

  release_awaited = function(first, locks, owner, channel)
    local count = 0
    for i = first, first + 3 * locks - 1, 3 do
      local key, queue, places = KEYS[i], KEYS[i + 1], KEYS[i + 2]
      local kind, found = read_lock(key)
      local is_awaited, is_queued
      -- guard: release-by-owner-only-lua
      if kind == 'exclusive' and is_held_by(found, owner) then
        count = count + 1
        call('UNLINK', key)
        is_awaited = string.sub(found, LENGTH - 1, LENGTH - 1) == '+'
        is_queued = string.sub(found, LENGTH, LENGTH) == '#'
      elseif kind == 'shared' and call('ZREM', key, owner) == 1 then
        count = count + 1
        call('ZREMRANGEBYSCORE', key, '(0', now())
        local is_free = holders(key) == 0
        -- The release of one reader lets nobody in while other readers hold the lock.
        if is_free or found ~= '=any' then
          is_awaited = call('ZSCORE', key, '+')
          is_queued = call('ZSCORE', key, '#')
          if is_awaited then call('ZREM', key, '+') end
        end
        if is_free then
          call('UNLINK', key)
        else
          call('PEXPIRE', key, last_end(key) - now())
        end
      end
      if is_awaited then redis.pcall('PUBLISH', channel .. ':' .. key, '') end
      if is_queued then wake_head(channel, key, queue, places) end
    end
    return count
  end
end

local function acquire(first, locks, owner, lease, ticket_ms, least, ticket)
  -- The common case: one exclusive lock that is free.
  if locks == 1 and ticket == '' then
    local fence, writer = KEYS[first + 1], KEYS[first + 2]
    local kept = call('MGET', fence, writer)
    local pending_writer = kept[2]
    local value = 'L' .. owner .. (pending_writer == '+' and '+-' or '--')
    if call('SET', KEYS[first], value, 'PX', lease, 'NX') then
      if pending_writer then call('UNLINK', writer) end
      if least == '' then return '' end
      -- guard: fence-is-not-behind-the-clock-lua
      -- guard: fence-is-larger-than-the-last-lua
      local token = math.max(tonumber(least), (tonumber(kept[1] or 0) or 0) + 1, micros())
      token = string.format('%d', token)
      call('SET', fence, token, 'PX', '${FENCE_MS}')
      return token
    end
  end
  if not acquire_held then create() end
  return acquire_held(first, locks, owner, tonumber(lease), ticket_ms, least, ticket)
end

local function release(first, locks, owner, channel)
  -- The common case: one exclusive lock without waiters.
  if locks == 1 and redis.pcall('GET', KEYS[first]) == 'L' .. owner .. '--' then return call('UNLINK', KEYS[first]) end
  if not release_awaited then create() end
  return release_awaited(first, locks, owner, channel)
end

local replies = {}
local key_index, arg_index = 1, 1
while arg_index <= #ARGV do
  local locks, owners = tonumber(ARGV[arg_index]), ARGV[arg_index + 1]
  local operation, lease_or_channel = acquire, ARGV[arg_index + 2]
  local keys = 3 * locks
  local ticket_ms, least, ticket
  if locks < 0 then
    operation, locks, keys = release, -locks, -keys
    arg_index = arg_index + 3
  else
    ticket_ms, least, ticket = tonumber(ARGV[arg_index + 3]), ARGV[arg_index + 4] or '0', ARGV[arg_index + 5] or ''
    if ticket ~= '' then keys = keys + 2 end
    arg_index = arg_index + 6
  end
  for at = 1, #owners, OWNER do
    local owner = string.sub(owners, at, at + OWNER - 1)
    -- guard: operation-that-fails-alone-lua
    local is_done, reply = pcall(operation, key_index, locks, owner, lease_or_channel, ticket_ms, least, ticket)
    if not is_done then
      -- What a command raises is a table or a text, in Redis 6 with the line before it. Anything else is an error in Lua.
      local text = type(reply) == 'table' and reply.err or tostring(reply)
      if not string.find(text, '^%u+ ') then
        text = string.match(text, '^@user_script.-: %-?(%u+ .*)$') or 'ERR Error running script: ' .. text
      end
      reply = {err = text}
      -- A replica has written nothing: it refuses all, and the client looks for the master.
      -- guard: replica-refuses-the-whole-script-lua
      if string.sub(text, 1, 9) == 'READONLY ' then return reply end
    end
    replies[#replies + 1] = reply
    key_index = key_index + keys
  end
end
return replies
`,
  encode: (operations, channel) => {
    const keys: string[] = [];
    const values: (string | number)[] = [];
    let first: LockOperation | undefined;
    let ownersIndex = 0;
    for (const operation of operations) {
      const { owner } = operation;
      if (first !== undefined && isSameRun(first, operation)) {
        values[ownersIndex] += owner;
      } else {
        first = operation;
        ownersIndex = values.length + 1;
        const locks = operation.keys.length;
        if (operation.kind === 'acquire') {
          const { leaseMs, ticketMs, least, ticket } = operation;
          values.push(locks, owner, toWholeMs(leaseMs), Math.trunc(ticketMs));
          values.push(least === undefined ? '' : String(least), ticket ?? '');
        } else {
          values.push(-locks, owner, channel);
        }
      }
      for (const key of operation.keys) {
        if (operation.kind === 'acquire') keys.push(key, fenceOf(key), pendingWriterOf(key));
        else keys.push(key, ...queueOf(key));
      }
      if (operation.kind === 'acquire' && operation.ticket !== undefined) {
        keys.push(...queueOf(operation.keys[0]!));
      }
    }
    if (first?.kind === 'acquire' && first.ticket === undefined) {
      values.pop();
      if (first.least === 0n) values.pop();
    }
    return { keys, values };
  },
  decode: (reply) => reply as readonly OperationReply[],
});

/** True if the operations differ in keys and owners only. */
function isSameRun(one: LockOperation, other: LockOperation): boolean {
  if (one.keys.length !== other.keys.length) return false;
  if (one.kind === 'release' || other.kind === 'release') return one.kind === other.kind;
  return (
    one.leaseMs === other.leaseMs &&
    one.ticketMs === other.ticketMs &&
    one.least === other.least &&
    one.ticket === other.ticket
  );
}

/** Decodes the reply to an acquire of either script. */
export function decodeAcquire(reply: unknown): AcquireReply {
  if (Array.isArray(reply)) return { granted: false, forMs: reply[0] as number };
  const token = (reply as Buffer).toString('latin1');
  return { granted: true, token: token === '' ? undefined : BigInt(token) };
}
