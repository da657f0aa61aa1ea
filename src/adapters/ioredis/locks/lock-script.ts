import type { Buffer } from 'node:buffer';
import { script, toWholeMs } from '../commands/script.js';
import { fenceOf, pendingWriterOf, queueOf } from './lock-keys.js';
import { ACQUIRE } from './lua/acquire.js';
import { CLOCK } from './lua/lock-prelude.js';
import { RELEASE } from './lua/release.js';

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

/** Of a release: how many locks the owner held. */
export type OperationReply = AcquireReply | number;

/**
 * Acquires exclusive locks and releases locks: any number of operations of one slot, in order, as if each had been sent
 * alone. An operation that fails changes nothing about the others.
 */
export const lockScript = script<
  [operations: readonly LockOperation[], channel: string],
  /** An Error is an error of this operation alone. */
  readonly (OperationReply | Error)[]
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
-- Returns the replies of \`acquire\` and \`release\`
${CLOCK}
local OWNER = 32
${ACQUIRE}
${RELEASE}
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
  decode: (replies, operations) =>
    (replies as readonly unknown[]).map((reply, i) => {
      if (reply instanceof Error) return reply;
      return operations[i]!.kind === 'acquire' ? decodeAcquire(reply) : (reply as number);
    }),
});

/** `lockScript` for one acquire of one lock, with a fencing token and without a ticket: the usual one. */
export const acquireOneScript = script<[operation: AcquireOperation], AcquireReply>({
  name: 'acquire',
  lua: `
-- KEYS[1] lock, [2] its fence, [3] its pending writer
-- ARGV[1] owner, [2] lease in ms, [3] ms for which a pending writer is valid without a retry (0: do not wait)
-- Returns the reply of \`acquire\`
${CLOCK}
${ACQUIRE}
return acquire(1, 1, ARGV[1], ARGV[2], tonumber(ARGV[3]), '0', '')
`,
  encode: ({ keys: [key], owner, leaseMs, ticketMs }) => ({
    keys: [key!, fenceOf(key!), pendingWriterOf(key!)],
    values: [owner, toWholeMs(leaseMs), Math.trunc(ticketMs)],
  }),
  decode: decodeAcquire,
});

/** `lockScript` for one release of one lock. */
export const releaseOneScript = script<[operation: ReleaseOperation, channel: string], number>({
  name: 'release',
  lua: `
-- KEYS[1] lock, [2] its queue, [3] its places
-- ARGV[1] owner, [2] channel
-- Returns the reply of \`release\`
${CLOCK}
${RELEASE}
return release(1, 1, ARGV[1], ARGV[2])
`,
  encode: ({ keys: [key], owner }, channel) => ({ keys: [key!, ...queueOf(key!)], values: [owner, channel] }),
  decode: (reply) => reply as number,
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
