import { Buffer } from 'node:buffer';
import { createHmac } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { HmacSha256 } from '../../src/core/seal/hmac-sha-256.js';
import { Xaes256Gcm } from '../../src/core/seal/xaes-256-gcm.js';

const NONCE = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWX');

/** Those of the specification. The two keys take both ways of the derivation of the subkey. */
const VECTORS = [
  { fill: 1, head: '', sealed: 'ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271' },
  {
    fill: 3,
    head: 'c2sp.org/XAES-256-GCM',
    sealed: '986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d',
  },
];

for (const { fill, head, sealed } of VECTORS) {
  test(`XAES-256-GCM encrypts as its specification says (key of bytes ${fill})`, (t) => {
    const sealer = new Xaes256Gcm(Buffer.alloc(32, fill));
    const bytes = Buffer.from('XAES-256-GCM');
    const result = sealer.seal(bytes, Buffer.from(head), NONCE);
    t.is(result.toString('hex'), NONCE.toString('hex') + sealed);
    t.deepEqual(sealer.open(result, Buffer.from(head)), bytes);
  });
}

test('XAES-256-GCM takes another nonce, and so another key, for each value', (t) => {
  const sealer = new Xaes256Gcm(Buffer.alloc(32, 1));
  const seal = () => sealer.seal(Buffer.alloc(64), Buffer.alloc(0));
  const sealed = Array.from({ length: 1_000 }, seal);
  for (const [from, to] of [
    [0, 12],
    [12, 24],
    [24, 40],
  ]) {
    t.is(new Set(sealed.map((one) => one.toString('hex', from, to))).size, sealed.length);
  }
});

test('HMAC-SHA-256 signs the head and the bytes, and leaves the bytes as they are', (t) => {
  const key = Buffer.alloc(32, 1);
  const [bytes, head] = [Buffer.from('bytes'), Buffer.from('head')];
  const mac = createHmac('sha256', key).update('headbytes').digest();
  t.deepEqual(new HmacSha256(key).seal(bytes, head), Buffer.concat([bytes, mac]));
});

const buffer = fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes));
const MODES = { 'XAES-256-GCM': Xaes256Gcm, 'HMAC-SHA-256': HmacSha256 };

for (const [name, Mode] of Object.entries(MODES)) {
  const sealer = new Mode(Buffer.alloc(32, 1));
  const other = new Mode(Buffer.alloc(32, 2));

  test(`Property: ${name} opens what it has sealed, and nothing that was changed, cut or extended`, (t) => {
    fc.assert(
      fc.property(buffer, buffer, (bytes, head) => {
        const sealed = sealer.seal(bytes, head);
        t.is(sealed.length, bytes.length + sealer.overhead);
        t.deepEqual(sealer.open(sealed, head), bytes);
        t.is(other.open(sealed, head), undefined);
        for (let i = 0; i < sealed.length; i++) {
          const changed = Buffer.from(sealed);
          changed[i]! ^= 1 << (i % 8);
          t.is(sealer.open(changed, head), undefined, `byte ${i}`);
          t.is(sealer.open(sealed.subarray(0, i), head), undefined, `length ${i}`);
        }
        t.is(sealer.open(Buffer.concat([sealed, Buffer.of(0)]), head), undefined);
        t.is(sealer.open(sealed, Buffer.concat([head, Buffer.of(0)])), undefined);
      }),
      { numRuns: 20 },
    );
  });
}
