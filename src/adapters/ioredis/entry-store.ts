import { Buffer } from 'node:buffer';
import { LEASE, LEASE_LENGTH, MAGIC, TOKEN_AT, VALUE, WAITED, WIRE_VERSION } from '../../core/entry.js';
import type { EntryStore, FillReply, LeaseReply, Minted, Snapshot } from '../../core/ports.js';
import { EPOCH_BUCKETS, EPOCH_BYTES, EPOCHS_IDENTITY, EPOCHS_LENGTH } from '../../core/tags.js';
import type { Reads } from './reads.js';
import { script, whole, type Scripts } from './scripts.js';
import type { Servers } from './servers.js';

/** Keys in one script: Redis does nothing else while it runs. */
const LARGEST = 256;

/**
 * Records and nonces in Redis. Reads are plain MGETs; everything else is a script, because whether a write may be
 * done depends on what stands there. Each script may be repeated without harm, and each is here, above its caller.
 */
export class RedisEntryStore implements EntryStore {
  readonly #reads: Reads;
  readonly #scripts: Scripts;
  readonly #servers: Servers;
  readonly #channel: string;

  /** @param channel where ended leases are told of */
  constructor(reads: Reads, scripts: Scripts, servers: Servers, channel: string) {
    this.#reads = reads;
    this.#scripts = scripts;
    this.#servers = servers;
    this.#channel = channel;
  }

  read(key: string, nonceKeys: readonly string[], budget?: number): Promise<Snapshot> {
    return this.#reads.read(key, nonceKeys, budget);
  }

  async nonces(nonceKeys: readonly string[], budget?: number): Promise<readonly (string | null)[]> {
    return (await this.#reads.read(undefined, nonceKeys, budget)).nonces;
  }

  lease(
    key: string,
    token: string,
    leaseMs: number,
    replaces: string | undefined,
    budget?: number,
  ): Promise<LeaseReply> {
    return this.#scripts.run(leaseScript, [key, token, leaseMs, replaces], budget);
  }

  extend(key: string, token: string, leaseMs: number): Promise<boolean> {
    return this.#scripts.run(extendScript, [key, token, leaseMs]);
  }

  fill(key: string, token: string, record: Uint8Array, until: number): Promise<FillReply> {
    return this.#scripts.run(fillScript, [key, token, record, until, this.#channel]);
  }

  release(key: string, token: string): Promise<boolean> {
    return this.#scripts.run(releaseScript, [key, token, this.#channel]);
  }

  async remove(keys: readonly string[]): Promise<void> {
    await Promise.all(
      this.#portions(keys).map((portion) => this.#scripts.run(removeScript, [portion, this.#channel])),
    );
  }

  async mint(
    nonceKeys: readonly string[],
    epochsKey: string | undefined,
    fresh: string,
    ttlMs: number,
    budget?: number,
  ): Promise<Minted> {
    if (nonceKeys.length === 0 && epochsKey === undefined) return { nonces: [], epochs: NO_EPOCHS };
    return this.#scripts.run(mintScript, [nonceKeys, epochsKey, fresh, ttlMs], budget);
  }

  removeNonces(
    nonceKeys: readonly string[],
    epochsKey: string,
    buckets: readonly number[],
    fresh: string,
  ): Promise<void> {
    return this.#scripts.run(removeNoncesScript, [nonceKeys, epochsKey, buckets, fresh]);
  }

  /** Of one slot each, and not too large. */
  #portions(keys: readonly string[]): string[][] {
    const { slotOf } = this.#servers;
    const slots = new Map<number, string[]>();
    const portions: string[][] = [];
    for (const key of keys) {
      const slot = slotOf === undefined ? 0 : slotOf(this.#scripts.name(key));
      let portion = slots.get(slot);
      if (portion === undefined || portion.length >= LARGEST) {
        portions.push((portion = []));
        slots.set(slot, portion);
      }
      portion.push(key);
    }
    return portions;
  }
}

const NO_EPOCHS = new Uint8Array(0);

/** The server's clock, in ms since the epoch. */
const CLOCK = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`;

/** What is at a key, by its first 21 bytes (entry.ts): one more than a lease has. */
const RECORDS = `
local function kind_of(bytes)
  if #bytes < ${LEASE_LENGTH} or string.sub(bytes, 1, 2) ~= string.char(${MAGIC}, ${WIRE_VERSION}) then return nil end
  local flags = string.byte(bytes, 3)
  if flags % ${2 * VALUE} >= ${VALUE} then return 'value' end
  if #bytes == ${LEASE_LENGTH} and flags % ${2 * LEASE} >= ${LEASE} then return 'lease' end
  return nil
end

local function token_of(bytes)
  return string.sub(bytes, ${TOKEN_AT + 1}, ${LEASE_LENGTH})
end

local function is_waited_for(lease)
  return string.byte(lease, 3) % ${2 * WAITED} >= ${WAITED}
end

local function is_of_another_type(reply)
  return type(reply) == 'table' and string.sub(reply.err or '', 1, 9) == 'WRONGTYPE'
end
`;

const leaseScript = script<
  [key: string, token: string, leaseMs: number, replaces: string | undefined],
  LeaseReply
>({
  name: 'lease',
  lua: `
-- KEYS[1] entry
-- ARGV[1] token, [2] length of the lease in ms, [3] token of the value it may replace, or * for any record, or ''
-- Returns {0, now} granted; {1, now, ms left} another's lease; {2, value} a value; {3} another type
${RECORDS}
${CLOCK}
local found = redis.pcall('GET', KEYS[1])
if is_of_another_type(found) then return {3} end
if type(found) == 'table' then return found end

local flags = ${LEASE}
if found then
  local kind = kind_of(found)
  if kind == 'value' and ARGV[3] ~= '*' and token_of(found) ~= ARGV[3] then return {2, found} end
  if kind == 'lease' then
    if token_of(found) ~= ARGV[1] and ARGV[3] ~= '*' then
      -- Without memory for it nobody will be woken, and whoever waits looks again later.
      if not is_waited_for(found) then
        redis.pcall('SETRANGE', KEYS[1], 2, string.char(string.byte(found, 3) + ${WAITED}))
      end
      local left = redis.call('PTTL', KEYS[1])
      if left < 0 then
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
        left = tonumber(ARGV[2])
      end
      return {1, now(), left}
    end
    -- Who waits for the lease that was there waits for this one now.
    if is_waited_for(found) then flags = flags + ${WAITED} end
  end
end
local at = now()
redis.call('SET', KEYS[1], string.char(${MAGIC}, ${WIRE_VERSION}, flags, 0) .. ARGV[1], 'PX', ARGV[2])
return {0, at}
`,
  encode: (key, token, leaseMs, replaces) => ({
    keys: [key],
    values: [token, whole(leaseMs), replaces === undefined ? '' : tokenBytes(replaces)],
  }),
  decode: (reply) => {
    const [status, first, forMs] = reply as [number, number | Buffer, number];
    if (status === 0) return { status: 'granted', at: first as number };
    if (status === 1) return { status: 'held', forMs, at: first as number };
    if (status === 2) return { status: 'present', record: first as Buffer };
    return { status: 'foreign' };
  },
});

const extendScript = script<[key: string, token: string, leaseMs: number], boolean>({
  name: 'extend',
  lua: `
-- KEYS[1] entry
-- ARGV[1] token, [2] ms from now
-- Returns 1; 0 if the lease is not there
${RECORDS}
local found = redis.pcall('GETRANGE', KEYS[1], 0, ${LEASE_LENGTH})
if is_of_another_type(found) then return 0 end
if type(found) == 'table' then return found end
if kind_of(found) ~= 'lease' or token_of(found) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`,
  encode: (key, token, leaseMs) => ({ keys: [key], values: [token, whole(leaseMs)] }),
  decode: isOne,
});

const fillScript = script<
  [key: string, token: string, record: Uint8Array, until: number, channel: string],
  FillReply
>({
  name: 'fill',
  lua: `
-- KEYS[1] entry
-- ARGV[1] token, [2] record, [3] its end in ms since the epoch, [4] channel
-- Returns 1, also if this very value is there already; 0 if the lease is not there; 2 if the end has passed
${RECORDS}
${CLOCK}
local found = redis.pcall('GETRANGE', KEYS[1], 0, ${LEASE_LENGTH})
if is_of_another_type(found) then return 0 end
if type(found) == 'table' then return found end
local kind = kind_of(found)
if kind == nil or token_of(found) ~= ARGV[1] then return 0 end
if kind == 'value' then return 1 end
-- From an end to a lifetime here and not at the caller: this script may run long after it was sent.
local left = ARGV[3] - now()
if left > 0 then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', left)
else
  redis.call('UNLINK', KEYS[1])
end
if is_waited_for(found) then redis.pcall('PUBLISH', ARGV[4], KEYS[1]) end
return left > 0 and 1 or 2
`,
  encode: (key, token, record, until, channel) => ({
    keys: [key],
    values: [token, asBuffer(record), Math.floor(until), channel],
  }),
  decode: (reply) => (reply === 1 ? 'stored' : reply === 2 ? 'expired' : 'refused'),
});

const releaseScript = script<[key: string, token: string, channel: string], boolean>({
  name: 'release',
  lua: `
-- KEYS[1] entry
-- ARGV[1] token, [2] channel
-- Returns 1; 0 if the lease is not there
${RECORDS}
local found = redis.pcall('GETRANGE', KEYS[1], 0, ${LEASE_LENGTH})
if is_of_another_type(found) then return 0 end
if type(found) == 'table' then return found end
if kind_of(found) ~= 'lease' or token_of(found) ~= ARGV[1] then return 0 end
redis.call('UNLINK', KEYS[1])
if is_waited_for(found) then redis.pcall('PUBLISH', ARGV[2], KEYS[1]) end
return 1
`,
  encode: (key, token, channel) => ({ keys: [key], values: [token, channel] }),
  decode: isOne,
});

const removeScript = script<[keys: readonly string[], channel: string], void>({
  name: 'remove',
  lua: `
-- KEYS entries
-- ARGV[1] channel
-- Leaves keys of another type alone. Writes nothing that a server without memory would refuse.
${RECORDS}
for _, key in ipairs(KEYS) do
  local found = redis.pcall('GETRANGE', key, 0, ${LEASE_LENGTH})
  if type(found) == 'string' then
    redis.call('UNLINK', key)
    if kind_of(found) == 'lease' and is_waited_for(found) then redis.pcall('PUBLISH', ARGV[1], key) end
  elseif not is_of_another_type(found) then
    return found
  end
end
return 1
`,
  encode: (keys, channel) => ({ keys, values: [channel] }),
  decode: () => undefined,
});

const mintScript = script<
  [nonceKeys: readonly string[], epochsKey: string | undefined, fresh: string, ttlMs: number],
  Minted
>({
  name: 'mint',
  lua: `
-- KEYS nonces, then the epochs if they are asked for
-- ARGV[1] fresh nonce, [2] ttl in ms, [3] 1 if the last key is that of the epochs
-- Returns what stands at the keys now. What is no nonce, or are no epochs, is replaced.
local function keep(key, length, fresh)
  local found = redis.pcall('GET', key)
  if type(found) == 'string' and #found == length then
    if redis.call('PTTL', key) < tonumber(ARGV[2]) then redis.call('PEXPIRE', key, ARGV[2]) end
    return found
  end
  redis.call('SET', key, fresh, 'PX', ARGV[2])
  return fresh
end

local kept = {}
local nonces = #KEYS - ARGV[3]
for i = 1, nonces do kept[i] = keep(KEYS[i], #ARGV[1], ARGV[1]) end
if nonces < #KEYS then
  local zeros = string.rep(string.char(0), ${EPOCH_BUCKETS * EPOCH_BYTES})
  kept[#KEYS] = keep(KEYS[#KEYS], ${EPOCHS_LENGTH}, ARGV[1] .. zeros)
end
return kept
`,
  encode: (nonceKeys, epochsKey, fresh, ttlMs) => ({
    keys: epochsKey === undefined ? nonceKeys : [...nonceKeys, epochsKey],
    values: [fresh, whole(ttlMs), epochsKey === undefined ? 0 : 1],
  }),
  decode: (reply, nonceKeys) => {
    const kept = reply as readonly Buffer[];
    return {
      nonces: nonceKeys.map((_, i) => kept[i]!.toString('latin1')),
      epochs: kept[nonceKeys.length] ?? NO_EPOCHS,
    };
  },
});

const removeNoncesScript = script<
  [nonceKeys: readonly string[], epochsKey: string, buckets: readonly number[], fresh: string],
  void
>({
  name: 'removeNonces',
  lua: `
-- KEYS[1] epochs, then nonces
-- ARGV[1] fresh nonce, then buckets
-- Writes nothing that a server without memory would refuse: epochs that cannot be marked are removed, and
-- whoever reads them then takes every tag for invalidated.
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
local length = redis.pcall('STRLEN', KEYS[1])
if length == 0 then return 1 end
local marked = length == ${EPOCHS_LENGTH}
for i = 2, #ARGV do
  local at = ${EPOCHS_IDENTITY} + ${EPOCH_BYTES} * ARGV[i]
  marked = marked and type(redis.pcall('SETRANGE', KEYS[1], at, string.sub(ARGV[1], 1, ${EPOCH_BYTES}))) ~= 'table'
end
if not marked then redis.call('UNLINK', KEYS[1]) end
return 1
`,
  encode: (nonceKeys, epochsKey, buckets, fresh) => ({
    keys: [epochsKey, ...nonceKeys],
    values: [fresh, ...buckets],
  }),
  decode: () => undefined,
});

/** A token that was read from a record, which may hold any bytes: as text it would arrive in UTF-8. */
function tokenBytes(token: string): string | Buffer {
  return /^[\x20-\x7e]*$/.test(token) ? token : Buffer.from(token, 'latin1');
}

function isOne(reply: unknown): boolean {
  return reply === 1;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
