import { Buffer } from 'node:buffer';
import test from 'ava';
import fc from 'fast-check';
import {
  decodeEntry,
  encodeEntry,
  encodeLease,
  type Entry,
  IDLE,
  IDLE_LENGTH,
  LEASE,
  LEASE_LENGTH,
  REFRESH_TOKEN_AT,
  REFRESHABLE,
  REFRESHABLE_HEAD,
  tokenOf,
  VALUE,
  HAS_WAITERS,
  WIRE_VERSION,
} from '../../src/core/ports/entry-format.js';

const ALPHABET = [...'ABCXYZabcxyz0189-_'];
const token = fc.string({ unit: fc.constantFrom(...ALPHABET), minLength: 16, maxLength: 16 });
const text = fc.string({ unit: 'binary' }).filter((string) => !string.includes('\ufffd'));
const payload = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const entries: fc.Arbitrary<Entry> = fc.record(
  {
    token,
    codec: fc.nat(255),
    loadStart: fc.double(),
    freshUntil: fc.double(),
    clearNonce: token,
    tags: fc.array(fc.record({ tag: text, nonce: token }, { noNullPrototype: true }), { maxLength: 4 }),
    payload,
    refreshable: fc.option(
      fc.record(
        { staleUntil: fc.double(), loadMs: fc.double(), retryAt: fc.double(), refreshingUntil: fc.double() },
        { noNullPrototype: true },
      ),
      { nil: undefined },
    ),
    idleTtl: fc.option(fc.double(), { nil: undefined }),
  },
  { noNullPrototype: true },
);
const records = fc.record({ key: text, entry: entries }).map(({ key, entry }) => {
  const record = encodeEntry(key, entry);
  return { key, entry, record, payloadAt: record.length - entry.payload.length };
});

test('Property: an entry decodes to what was encoded, from a Buffer and from a Uint8Array', (t) => {
  fc.assert(
    fc.property(records, ({ key, entry, record }) => {
      t.deepEqual(decodeEntry(key, record), entry);
      t.deepEqual(decodeEntry(key, Uint8Array.from([7, ...record, 7]).subarray(1, -1)), entry);
      t.is(tokenOf(record), entry.token);
    }),
  );
});

test('Property: a truncated or extended record does not decode', (t) => {
  fc.assert(
    fc.property(records, fc.uint8Array({ minLength: 1, maxLength: 40 }), ({ key, record }, more) => {
      for (let length = 0; length < record.length; length++) {
        t.is(decodeEntry(key, record.subarray(0, length)), undefined);
      }
      t.is(decodeEntry(key, Buffer.concat([record, more])), undefined);
    }),
  );
});

test('Property: a record of another key does not decode', (t) => {
  fc.assert(
    fc.property(records, text, ({ key, record }, other) => {
      fc.pre(other !== key);
      t.is(decodeEntry(other, record), undefined);
      t.is(decodeEntry(`${key}x`, record), undefined);
      t.is(decodeEntry(`x${key}`, record), undefined);
    }),
  );
});

test('Property: a record of another magic or version does not decode and has no token', (t) => {
  fc.assert(
    fc.property(records, fc.nat(1), fc.nat(255), ({ key, record }, at, byte) => {
      fc.pre(record[at] !== byte);
      record[at] = byte;
      t.is(decodeEntry(key, record), undefined);
      t.is(tokenOf(record), undefined);
    }),
  );
});

test('a record of the next wire version does not decode', (t) => {
  const [sample] = fc.sample(records, 1);
  sample!.record[1] = WIRE_VERSION + 1;
  t.is(decodeEntry(sample!.key, sample!.record), undefined);
});

test('Property: the waiter flag does not change an entry; without the value flag nothing decodes', (t) => {
  fc.assert(
    fc.property(records, fc.nat(255), ({ key, entry, record }, flags) => {
      const layout = REFRESHABLE | IDLE;
      record[2] = (flags & ~layout) | (record[2]! & layout);
      t.deepEqual(decodeEntry(key, record), (flags & VALUE) === 0 ? undefined : entry);
    }),
  );
  fc.assert(
    fc.property(records, ({ key, entry, record }) => {
      record[2] = VALUE | HAS_WAITERS | (record[2]! & (REFRESHABLE | IDLE));
      t.deepEqual(decodeEntry(key, record), entry);
      record[2] = LEASE;
      t.is(decodeEntry(key, record), undefined);
    }),
  );
});

test('Property: a flipped byte changes its own field or prevents decoding, and never throws', (t) => {
  fc.assert(
    fc.property(records, fc.integer({ min: 1, max: 255 }), ({ key, entry, record, payloadAt }, flip) => {
      const idleAt = entry.refreshable === undefined ? 60 : REFRESHABLE_HEAD;
      const keyAt = entry.idleTtl === undefined ? idleAt : idleAt + IDLE_LENGTH;
      const keyEnd = keyAt + Buffer.byteLength(key);
      for (let at = 0; at < record.length; at++) {
        record[at]! ^= flip;
        const decoded = decodeEntry(key, record);
        record[at]! ^= flip;
        if (decoded === undefined) continue;
        if (at < 2 || (at >= 52 && at < 54) || (at >= 56 && at < 60) || (at >= keyAt && at < keyEnd))
          t.fail(`Byte ${at} is not looked at.`);
        const changed = at < payloadAt ? fieldAt(at, idleAt, keyAt) : 'payload';
        for (const field of Object.keys(entry) as (keyof Entry)[]) {
          if (field !== changed) t.deepEqual(decoded[field], entry[field]);
        }
      }
    }),
  );
});

/** The field that a byte before the payload belongs to. */
function fieldAt(at: number, idleAt: number, keyAt: number): keyof Entry | undefined {
  if (at === 3) return 'codec';
  if (at < 4) return undefined;
  if (at < 20) return 'token';
  if (at < 28) return 'loadStart';
  if (at < 36) return 'freshUntil';
  if (at < 52) return 'clearNonce';
  if (at >= idleAt && at < keyAt) return 'idleTtl';
  if (at >= 60 && at < keyAt) return at < REFRESH_TOKEN_AT ? 'refreshable' : undefined;
  return 'tags';
}

test('Property: decoding arbitrary bytes after a valid header never throws', (t) => {
  fc.assert(
    fc.property(
      text,
      fc.uint8Array({ maxLength: 120 }),
      fc.nat(255),
      fc.boolean(),
      (key, bytes, flags, forKey) => {
        const head = Buffer.from([0xce, WIRE_VERSION, flags]);
        const record = Buffer.concat([head, bytes]);
        if (forKey && record.length >= 60 + Buffer.byteLength(key)) {
          record.writeUInt16BE(Buffer.byteLength(key), 52);
          record.write(key, 60);
        }
        const decoded = decodeEntry(key, record);
        if (decoded) t.true(decoded.payload.length <= bytes.length);
        t.is(decodeEntry(key, bytes), undefined);
      },
    ),
    { numRuns: 1000 },
  );
});

test('Property: a lease does not decode as an entry, whole or truncated, and has the token of its holder', (t) => {
  fc.assert(
    fc.property(token, text, (holder, key) => {
      const lease = encodeLease(holder);
      t.is(lease.length, LEASE_LENGTH);
      t.is(tokenOf(lease), holder);
      for (let length = 0; length <= lease.length; length++) {
        t.is(decodeEntry(key, lease.subarray(0, length)), undefined);
        if (length < lease.length) t.is(tokenOf(lease.subarray(0, length)), undefined);
      }
    }),
  );
});
