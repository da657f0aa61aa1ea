import { Buffer } from 'node:buffer';

/**
 * The wire format of the record at an entry's key: either a lease or a value.
 *
 *     0      magic 0xCE
 *     1      wire version
 *     2      flags: 1 value, 2 lease, 4 has waiters, 8 refreshable, 32 idle (16: doubt-record.ts)
 *     3      codec of the payload (values/value-codec.ts, seal/sealed-entries.ts)
 *     4      token, 16 ASCII bytes: of the holder of the lease, or of the load that stored the value
 *     --- a lease ends here ---
 *     20     load start, float64 BE, ms since the epoch by the store's clock
 *     28     fresh until, float64 BE, ms since the epoch by the store's clock
 *     36     clear nonce, 16 ASCII bytes
 *     52     length of the key, u16 BE
 *     54     number of tags, u16 BE
 *     56     length of the payload, u32 BE: detects a record that was truncated or appended to
 *     --- only in a refreshable value
 *     60     stale until, float64 BE, ms since the epoch by the store's clock
 *     68     how long the load took, float64 BE, ms
 *     76     no refresh before, float64 BE, ms since the epoch by the store's clock; 0: at any time
 *     84     end of the lease of a refresh, float64 BE, ms since the epoch by the store's clock; 0: there is none
 *     92     token of the lease of a refresh, 16 ASCII bytes
 *     --- only in an idle value, which ends when it is not read
 *     60 or 108  how long it is kept after it was read, float64 BE, ms
 *     ---
 *     then   key, UTF-8; then for each tag: u16 BE length, UTF-8, nonce (16 ASCII bytes)
 *     ...    payload, to the end
 *
 * A refreshable value stays readable while it is loaded again: the lease of that load is in the record, so that whatever
 * removes the record also removes the lease.
 *
 * When an idle value was last read is not in the record: it decides how long the store keeps the record (`touch`).
 *
 * The version is in the record and not in the key, so that two versions of this library that share a Redis can invalidate
 * each other's entries. Each treats the other's records as a miss.
 *
 * Version 1 had no length of the payload, and no checksum in the payload of bytes.
 */
export const MAGIC = 0xce;
export const WIRE_VERSION = 2;
export const VALUE = 1;
export const LEASE = 2;
export const HAS_WAITERS = 4;
export const REFRESHABLE = 8;
export const IDLE = 32;
export const TOKEN_AT = 4;
const TOKEN_LENGTH = 16;
export const LEASE_LENGTH = TOKEN_AT + TOKEN_LENGTH;
export const FRESH_UNTIL_AT = 28;
export const KEY_AT = 60;
export const RETRY_AT = 76;
export const REFRESH_LEASE_AT = 84;
export const REFRESH_TOKEN_AT = 92;
/** The part of a refreshable value before its key. */
export const REFRESHABLE_HEAD = REFRESH_TOKEN_AT + TOKEN_LENGTH;
/** What an idle value has before its key, beside what others have. */
export const IDLE_LENGTH = 8;

/** A tag and its nonce: an entry is valid while each of its tags has the same nonce in the store. */
export interface TagVersion {
  readonly tag: string;
  readonly nonce: string;
}

export function tagNames(versions: readonly TagVersion[]): readonly string[] {
  return versions.map(({ tag }) => tag);
}

/** A decoded value record. */
export interface Entry {
  readonly token: string;
  readonly codec: number;
  /** When the load started: ms since the epoch, by the store's clock. */
  readonly loadStart: number;
  /** The end of the ttl: ms since the epoch, by the store's clock. */
  readonly freshUntil: number;
  readonly clearNonce: string;
  readonly tags: readonly TagVersion[];
  readonly payload: Buffer;
  /** Undefined if the value ends with its ttl and is not refreshed before. */
  readonly refreshable?: Refreshable | undefined;
  /** How long the store keeps the value after it was read, in ms; undefined: until its end. */
  readonly idleTtl?: number | undefined;
}

/** What a record has that may be returned after its ttl, or is refreshed before the end of it. */
export interface Refreshable {
  /** The end of the grace period: ms since the epoch, by the store's clock. The end of the ttl or later. */
  readonly staleUntil: number;
  /** How long the load took, in ms. */
  readonly loadMs: number;
  /** No load before this time, because one has failed: ms since the epoch, by the store's clock. 0: at any time. */
  readonly retryAt: number;
  /** Until when a load that replaces it has a lease: ms since the epoch, by the store's clock. 0: none has. */
  readonly refreshingUntil: number;
}

export function encodeLease(token: string): Buffer {
  const record = Buffer.allocUnsafe(LEASE_LENGTH);
  record[0] = MAGIC;
  record[1] = WIRE_VERSION;
  record[2] = LEASE;
  record[3] = 0;
  record.write(token, TOKEN_AT, 'latin1');
  return record;
}

/** @param key the logical key, stored in the record: a record that was copied to another key is not decoded */
export function encodeEntry(key: string, entry: Entry): Buffer {
  const keyLength = Buffer.byteLength(key);
  const { refreshable, idleTtl } = entry;
  const idleAt = refreshable === undefined ? KEY_AT : REFRESHABLE_HEAD;
  const keyAt = idleTtl === undefined ? idleAt : idleAt + IDLE_LENGTH;
  let size = keyAt + keyLength + entry.payload.length;
  for (const { tag } of entry.tags) size += 2 + Buffer.byteLength(tag) + TOKEN_LENGTH;
  const record = Buffer.allocUnsafe(size);
  record[0] = MAGIC;
  record[1] = WIRE_VERSION;
  record[2] = VALUE;
  if (refreshable !== undefined) {
    record[2] |= REFRESHABLE;
    record.fill(0, KEY_AT, REFRESHABLE_HEAD);
    record.writeDoubleBE(refreshable.staleUntil, KEY_AT);
    record.writeDoubleBE(refreshable.loadMs, 68);
    record.writeDoubleBE(refreshable.retryAt, RETRY_AT);
    record.writeDoubleBE(refreshable.refreshingUntil, REFRESH_LEASE_AT);
  }
  if (idleTtl !== undefined) {
    record[2] |= IDLE;
    record.writeDoubleBE(idleTtl, idleAt);
  }
  record[3] = entry.codec;
  record.write(entry.token, TOKEN_AT, 'latin1');
  record.writeDoubleBE(entry.loadStart, 20);
  record.writeDoubleBE(entry.freshUntil, FRESH_UNTIL_AT);
  record.write(entry.clearNonce, 36, 'latin1');
  record.writeUInt16BE(keyLength, 52);
  record.writeUInt16BE(entry.tags.length, 54);
  record.writeUInt32BE(entry.payload.length, 56);
  let offset = keyAt + record.write(key, keyAt);
  for (const { tag, nonce } of entry.tags) {
    const length = record.write(tag, offset + 2);
    record.writeUInt16BE(length, offset);
    offset += 2 + length;
    offset += record.write(nonce, offset, 'latin1');
  }
  entry.payload.copy(record, offset);
  return record;
}

const NO_TAGS: readonly TagVersion[] = [];

/** Decodes a value record. Returns undefined for a lease, another wire version, another key, and damaged bytes. */
export function decodeEntry(key: string, bytes: Uint8Array): Entry | undefined {
  if (bytes.length < KEY_AT || bytes[0] !== MAGIC || bytes[1] !== WIRE_VERSION) return undefined;
  if ((bytes[2]! & VALUE) === 0) return undefined;
  const record = asBuffer(bytes);
  const isRefreshable = (bytes[2]! & REFRESHABLE) !== 0;
  const isIdle = (bytes[2]! & IDLE) !== 0;
  const idleAt = isRefreshable ? REFRESHABLE_HEAD : KEY_AT;
  const keyAt = isIdle ? idleAt + IDLE_LENGTH : idleAt;
  const keyEnd = keyAt + record.readUInt16BE(52);
  // guard: record-is-of-this-key
  if (keyEnd > record.length || record.toString('utf8', keyAt, keyEnd) !== key) return undefined;
  let offset = keyEnd;
  let tags = NO_TAGS;
  const count = record.readUInt16BE(54);
  if (count > 0) {
    const found: TagVersion[] = [];
    for (let i = 0; i < count; i++) {
      if (offset + 2 > record.length) return undefined;
      const tagEnd = offset + 2 + record.readUInt16BE(offset);
      const next = tagEnd + TOKEN_LENGTH;
      if (next > record.length) return undefined;
      found.push({
        tag: record.toString('utf8', offset + 2, tagEnd),
        nonce: record.toString('latin1', tagEnd, next),
      });
      offset = next;
    }
    tags = found;
  }
  // guard: record-has-its-length
  if (offset + record.readUInt32BE(56) !== record.length) return undefined;
  return {
    token: record.toString('latin1', TOKEN_AT, LEASE_LENGTH),
    codec: bytes[3]!,
    loadStart: record.readDoubleBE(20),
    freshUntil: record.readDoubleBE(FRESH_UNTIL_AT),
    clearNonce: record.toString('latin1', 36, 52),
    tags,
    payload: record.subarray(offset),
    refreshable: isRefreshable
      ? {
          staleUntil: record.readDoubleBE(KEY_AT),
          loadMs: record.readDoubleBE(68),
          retryAt: record.readDoubleBE(RETRY_AT),
          refreshingUntil: record.readDoubleBE(REFRESH_LEASE_AT),
        }
      : undefined,
    idleTtl: isIdle ? record.readDoubleBE(idleAt) : undefined,
  };
}

/** How the values of a namespace are written and read. */
export interface EntryFormat {
  /** True: nothing that the store returns is believed before `decode` has verified it. */
  readonly isSealed: boolean;
  /** @param key the logical key */
  encode(key: string, entry: Entry): Buffer;
  /** Returns undefined for what is no value of this key in this format. Never throws. */
  decode(key: string, bytes: Uint8Array): Entry | undefined;
}

export const plainEntries: EntryFormat = { isSealed: false, encode: encodeEntry, decode: decodeEntry };

/**
 * The bytes of a value record before its payload, as its writer has written them: without what the scripts of the stores
 * change in place, which is the flag for waiters, and when and by whom a refreshable value is loaded again.
 */
export function writtenHead(record: Uint8Array, payloadLength: number): Buffer {
  // guard: head-is-sealed-too
  const head = Buffer.from(record.subarray(0, record.length - payloadLength));
  // guard: waiters-break-no-seal
  head[2]! &= ~HAS_WAITERS;
  // guard: refresh-breaks-no-seal
  if ((head[2]! & REFRESHABLE) !== 0) head.fill(0, RETRY_AT, REFRESHABLE_HEAD);
  return head;
}

/** True for a lease of this wire version. */
export function isLease(bytes: Uint8Array): boolean {
  if (bytes.length !== LEASE_LENGTH || bytes[0] !== MAGIC || bytes[1] !== WIRE_VERSION) return false;
  return (bytes[2]! & (LEASE | VALUE)) === LEASE;
}

/** True for a value that stays readable while it is loaded again. */
export function isRefreshable(bytes: Uint8Array): boolean {
  const flags = VALUE | REFRESHABLE;
  return (
    bytes.length >= REFRESHABLE_HEAD &&
    bytes[0] === MAGIC &&
    bytes[1] === WIRE_VERSION &&
    (bytes[2]! & flags) === flags
  );
}

/** How long an idle value may be kept; undefined for other records. Times in ms, by the store's clock. */
export function idleLimits(
  bytes: Uint8Array,
): { readonly idleTtl: number; readonly endsAt: number } | undefined {
  const isShort = bytes.length < KEY_AT + IDLE_LENGTH || bytes[0] !== MAGIC || bytes[1] !== WIRE_VERSION;
  if (isShort || (bytes[2]! & VALUE) === 0 || (bytes[2]! & IDLE) === 0) return undefined;
  const record = asBuffer(bytes);
  const [endAt, idleAt] = isRefreshable(bytes) ? [KEY_AT, REFRESHABLE_HEAD] : [FRESH_UNTIL_AT, KEY_AT];
  if (idleAt + IDLE_LENGTH > record.length) return undefined;
  return { idleTtl: record.readDoubleBE(idleAt), endsAt: record.readDoubleBE(endAt) };
}

/** Gives a value the part that a refreshable one has. It is not refreshed, and ends with its ttl. */
export function toRefreshable(bytes: Uint8Array): Uint8Array {
  const record = new Uint8Array(bytes.length + REFRESHABLE_HEAD - KEY_AT);
  record.set(bytes.subarray(0, KEY_AT));
  record[2]! |= REFRESHABLE;
  record.set(bytes.subarray(FRESH_UNTIL_AT, FRESH_UNTIL_AT + 8), KEY_AT);
  record.set(bytes.subarray(KEY_AT), REFRESHABLE_HEAD);
  return record;
}

/** The token of a record of this wire version, which the stores compare; undefined for other bytes. */
export function tokenOf(bytes: Uint8Array): string | undefined {
  if (bytes.length < LEASE_LENGTH || bytes[0] !== MAGIC || bytes[1] !== WIRE_VERSION) return undefined;
  return asBuffer(bytes).toString('latin1', TOKEN_AT, LEASE_LENGTH);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
