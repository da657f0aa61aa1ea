import { Buffer } from 'node:buffer';
import { deflateSync } from 'node:zlib';
import test from 'ava';
import { COMPRESSED } from '../../src/core/values/compression.js';
import {
  BYTES_CODEC,
  decodeValue,
  encodeValue,
  JSON_CODEC,
  RICH_CODEC,
} from '../../src/core/values/value-codec.js';
import { rig } from '../support/rig.js';
import { sameValue } from '../support/same-value.js';
import { LIMITS } from './codec-rig.js';

const rows = Array.from({ length: 100 }, (_, id) => ({ id, email: `user${id}@example.com` }));
const VALUES = [
  [JSON_CODEC, rows],
  [RICH_CODEC, new Map(rows.map((row) => [row.id, row]))],
  [BYTES_CODEC, new Uint8Array(2_000)],
] as const;

test('a value from the threshold on is compressed, and comes back equal', (t) => {
  for (const [codec, value] of VALUES) {
    const plain = encodeValue(value, LIMITS);
    const size = plain.payload.length;
    const compressed = encodeValue(value, { ...LIMITS, compressFrom: size });
    t.is(compressed.codec, codec | COMPRESSED);
    t.true(compressed.payload.length < size / 2);
    t.true(sameValue(value, decodeValue(compressed.codec, compressed.payload)?.value));
    t.deepEqual(encodeValue(value, { ...LIMITS, compressFrom: size + 1 }), plain);
  }
});

test('a value that compression does not make smaller is stored as it is', (t) => {
  const limits = { ...LIMITS, compressFrom: 0 };
  for (const value of ['', 'abc', Buffer.from('0f8c6ab31d', 'hex')]) {
    t.deepEqual(encodeValue(value, limits), encodeValue(value, LIMITS));
  }
});

function bomb(length: number, content: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(length);
  return Buffer.concat([head, deflateSync(content)]);
}

test('a payload that says it expands beyond the maximum size does not decode', (t) => {
  const payload = bomb(10_002, Buffer.from(`"${'0'.repeat(10_000)}"`));
  t.truthy(decodeValue(JSON_CODEC | COMPRESSED, payload, 10_002));
  t.is(decodeValue(JSON_CODEC | COMPRESSED, payload, 10_001), undefined);
});

test('a payload that expands to more or less than it says does not decode', (t) => {
  const content = Buffer.from(`"${'0'.repeat(10_000)}"`);
  for (const length of [0, 1, 10_001, 10_003, 2 ** 32 - 1]) {
    t.is(decodeValue(JSON_CODEC | COMPRESSED, bomb(length, content), Infinity), undefined, `${length}`);
  }
});

test('damaged payloads do not decode', (t) => {
  const { codec, payload } = encodeValue(rows, { ...LIMITS, compressFrom: 1 });
  for (let length = 0; length < payload.length; length++) {
    t.is(decodeValue(codec, payload.subarray(0, length)), undefined);
  }
  for (let at = 0; at < payload.length; at++) {
    const damaged = Buffer.from(payload);
    damaged[at]! ^= 1;
    const decoded = decodeValue(codec, damaged);
    // Only bits that zlib does not use may change.
    if (decoded !== undefined) t.deepEqual(decoded.value, rows);
  }
});

test('a decompression bomb in the store is a miss, and the next load replaces it', async (t) => {
  const { openers, of } = rig(t, 2, { defaults: { ttl: '1m', compression: true } });
  const [here, there] = openers;
  await here!.cache.set('key', '0'.repeat(1_000_000));
  const small = { maxValueBytes: 100_000 };
  t.is(await there!.cache.getOrSet('key', async () => 'loaded', small), 'loaded');
  t.is(of('miss').at(-1)?.cause, 'undecodable');
  t.is(await here!.cache.get('key'), 'loaded');
});

test('compressed values are the same from memory and from the store, and count as what they expand to', async (t) => {
  for (const values of ['reference', 'frozen', 'cloned'] as const) {
    const l1 = { values, maxBytes: 3_000 };
    const { openers, of } = rig(t, 2, { l1, defaults: { ttl: '1m', compression: { threshold: 1_000 } } });
    const text = '0'.repeat(1_000);
    for (const { cache } of [openers[0]!, openers[0]!, openers[1]!, openers[1]!]) {
      t.is(await cache.getOrSet('key', async () => text), text);
    }
    t.true(of('fill')[0]!.bytes < 200);
    t.deepEqual(
      of('hit').map(({ tier }) => tier),
      ['l1', 'l2', 'l1'],
    );
    const large = '0'.repeat(2_000);
    await openers[0]!.cache.set('large', large);
    for (let i = 0; i < 2; i++) t.is((await openers[0]!.cache.peek('large'))?.value, large);
    t.is((await openers[0]!.cache.peek('large'))?.tier, values === 'cloned' ? 'l1' : 'l2');
  }
});

test('an option compression that is none throws', async (t) => {
  const { openers } = rig(t);
  for (const compression of ['gzip', null, 5, {}, { threshold: -1 }, { threshold: '1kB' }]) {
    await t.throwsAsync(openers[0]!.cache.set('a', 1, { compression: compression as never }), {
      name: 'OptionsError',
      message: /^compression of set is true, false or \{ threshold: 4_096 \} \(bytes\)/,
    });
  }
});
