import { Buffer } from 'node:buffer';

/**
 * The wire format of what stands at an entry's key: one record, either a lease or a value.
 *
 *     0      magic 0xCE
 *     1      wire version
 *     2      flags: 1 value, 2 lease, 4 somebody waits
 *     3      codec of the payload (values.ts)
 *     4      token, 16 ASCII bytes: who holds the lease, or whose load made the value
 *     --- a lease ends here ---
 *     20     load start, float64 BE, ms since the epoch by the store's clock
 *     28     fresh until, float64 BE, likewise
 *     36     clear nonce, 16 ASCII bytes
 *     52     length of the key, u16 BE
 *     54     number of tags, u16 BE
 *     56     length of the payload, u32 BE: a record that was cut short or appended to is no record
 *     60     key, UTF-8; then for each tag: u16 BE length, UTF-8, nonce (16 ASCII bytes)
 *     ...    payload, to the end
 *
 * The version is in the record and not in the key, so that two versions of this library that share a Redis
 * invalidate each other's entries; each takes the other's records for a miss.
 *
 * Version 1 had no length of the payload, and no checksum in the payload of bytes (values.ts).
 */
export const MAGIC = 0xce;
export const WIRE_VERSION = 2;
export const VALUE = 1;
export const LEASE = 2;
export const WAITED = 4;
export const TOKEN_AT = 4;
const TOKEN_LENGTH = 16;
export const LEASE_LENGTH = TOKEN_AT + TOKEN_LENGTH;
const KEY_AT = 60;

export interface TagVersion {
  readonly tag: string;
  readonly nonce: string;
}

export function tagNames(tagged: readonly TagVersion[]): readonly string[] {
  return tagged.map(({ tag }) => tag);
}

export interface Entry {
  readonly token: string;
  readonly codec: number;
  /** When the load began, ms since the epoch by the store's clock. */
  readonly loadStart: number;
  readonly freshUntil: number;
  readonly clearNonce: string;
  readonly tags: readonly TagVersion[];
  readonly payload: Buffer;
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

/** @param key the logical key; a record found at another key is not decoded */
export function encodeEntry(key: string, entry: Entry): Buffer {
  const keyLength = Buffer.byteLength(key);
  let size = KEY_AT + keyLength + entry.payload.length;
  for (const { tag } of entry.tags) size += 2 + Buffer.byteLength(tag) + TOKEN_LENGTH;
  const record = Buffer.allocUnsafe(size);
  record[0] = MAGIC;
  record[1] = WIRE_VERSION;
  record[2] = VALUE;
  record[3] = entry.codec;
  record.write(entry.token, TOKEN_AT, 'latin1');
  record.writeDoubleBE(entry.loadStart, 20);
  record.writeDoubleBE(entry.freshUntil, 28);
  record.write(entry.clearNonce, 36, 'latin1');
  record.writeUInt16BE(keyLength, 52);
  record.writeUInt16BE(entry.tags.length, 54);
  record.writeUInt32BE(entry.payload.length, 56);
  let at = KEY_AT + record.write(key, KEY_AT);
  for (const { tag, nonce } of entry.tags) {
    const length = record.write(tag, at + 2);
    record.writeUInt16BE(length, at);
    at += 2 + length;
    at += record.write(nonce, at, 'latin1');
  }
  entry.payload.copy(record, at);
  return record;
}

const NO_TAGS: readonly TagVersion[] = [];

/** Undefined for whatever is no whole value of this wire version, made for this key: a lease, other bytes. */
export function decodeEntry(key: string, bytes: Uint8Array): Entry | undefined {
  if (bytes.length < KEY_AT || bytes[0] !== MAGIC || bytes[1] !== WIRE_VERSION) return undefined;
  if ((bytes[2]! & VALUE) === 0) return undefined;
  const record = asBuffer(bytes);
  const keyEnd = KEY_AT + record.readUInt16BE(52);
  // guard: record-is-of-this-key
  if (keyEnd > record.length || record.toString('utf8', KEY_AT, keyEnd) !== key) return undefined;
  let at = keyEnd;
  let tags = NO_TAGS;
  const count = record.readUInt16BE(54);
  if (count > 0) {
    const found: TagVersion[] = [];
    for (let i = 0; i < count; i++) {
      if (at + 2 > record.length) return undefined;
      const tagEnd = at + 2 + record.readUInt16BE(at);
      const next = tagEnd + TOKEN_LENGTH;
      if (next > record.length) return undefined;
      found.push({
        tag: record.toString('utf8', at + 2, tagEnd),
        nonce: record.toString('latin1', tagEnd, next),
      });
      at = next;
    }
    tags = found;
  }
  // guard: record-has-its-length
  if (at + record.readUInt32BE(56) !== record.length) return undefined;
  return {
    token: record.toString('latin1', TOKEN_AT, LEASE_LENGTH),
    codec: bytes[3]!,
    loadStart: record.readDoubleBE(20),
    freshUntil: record.readDoubleBE(28),
    clearNonce: record.toString('latin1', 36, 52),
    tags,
    payload: record.subarray(at),
  };
}

export function isLease(bytes: Uint8Array): boolean {
  if (bytes.length !== LEASE_LENGTH || bytes[0] !== MAGIC || bytes[1] !== WIRE_VERSION) return false;
  return (bytes[2]! & (LEASE | VALUE)) === LEASE;
}

/** The token of a record of this wire version, or undefined: what the stores compare. */
export function tokenOf(bytes: Uint8Array): string | undefined {
  if (bytes.length < LEASE_LENGTH || bytes[0] !== MAGIC || bytes[1] !== WIRE_VERSION) return undefined;
  return asBuffer(bytes).toString('latin1', TOKEN_AT, LEASE_LENGTH);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
