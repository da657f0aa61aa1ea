import { Buffer } from 'node:buffer';
import test from 'ava';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { msgpackr } from '../../../src/adapters/msgpackr/index.js';
import { MAX_DEPTH } from '../../../src/core/values/value-limits.js';
import { nested } from '../../values/codec-rig.js';
import { rig } from '../../support/rig.js';
import { sameValue } from '../../support/same-value.js';

const codec = msgpackr();

const KEPT: Readonly<Record<string, unknown>> = {
  'a list of rows': [{ id: 1, name: 'Ada', tags: ['a'], score: -1.5e300, admin: false, boss: null }],
  'undefined and null': [undefined, { a: undefined, b: null }],
  'NaN and the infinities': [NaN, Infinity, -Infinity],
  Dates: [new Date(5), new Date(NaN), new Date(-8.64e15), new Date(8.64e15)],
  'BigInts of 64 bits': [7n, -1n, 2n ** 63n - 1n, -(2n ** 63n)],
  'a Buffer': { empty: Buffer.alloc(0), some: Buffer.from('bytes') },
  'keys like numbers': { 1: 'a', '': 'b', 'naïve 日本 🎈': 'c' },
};

for (const [name, value] of Object.entries(KEPT)) {
  test(`keeps ${name}`, (t) => {
    const bytes = codec.encode(value);
    t.truthy(bytes);
    t.true(sameValue(value, codec.decode(bytes!)));
  });
}

const LEFT: Readonly<Record<string, unknown>> = {
  '-0': [-0],
  'a lone surrogate': ['\ud800'],
  'a key with a lone surrogate': { '\ud800': 1 },
  'a large BigInt': 2n ** 63n,
  'a Map': new Map([[{}, 1]]),
  'a Set': new Set([1]),
  'a Uint8Array': Uint8Array.of(1),
  'a URL': new URL('https://example.com'),
  'a RegExp': /a/g,
  'an array with holes': [1, , 3],
  'an array with a property': Object.assign([1], { a: 1 }),
  'an object without a prototype': Object.create(null),
  'a property toJSON': { toJSON: 1 },
  'a symbol as a key': { [Symbol('a')]: 1 },
  'an own __proto__': JSON.parse('{"__proto__":1}'),
  'a function': [() => 1],
  'an instance': new (class A {})(),
  'a deep value': nested(MAX_DEPTH + 1, 1),
  'a cycle': (() => {
    const value: unknown[] = [];
    value.push(value);
    return value;
  })(),
};

for (const [name, value] of Object.entries(LEFT)) {
  test(`leaves ${name} to the standard codecs`, (t) => t.is(codec.encode(value), undefined));
}

test('what it stores comes back equal, whatever the value', (t) => {
  fc.assert(
    fc.property(
      fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withNullPrototype: true,
        withTypedArray: true,
      }),
      (value) => {
        const bytes = codec.encode(value);
        return bytes === undefined || sameValue(unshared(value), codec.decode(bytes));
      },
    ),
    { numRuns: 2_000 },
  );
  t.pass();
});

/** As JSON, it makes two of what is one object. */
function unshared(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unshared);
  if (typeof value !== 'object' || value === null || value instanceof Date || Buffer.isBuffer(value))
    return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, unshared(part)]));
}

test('a list of rows takes half the space of JSON, and rows may have any number of shapes', (t) => {
  const rows = Array.from({ length: 100 }, (_, id) => ({
    id,
    email: `user${id}@example.com`,
    active: true,
    score: id / 2,
  }));
  t.true(codec.encode(rows)!.length < JSON.stringify(rows).length * 0.6);
  const shapes = Array.from({ length: 500 }, (_, i) => ({
    [`a${i}`]: i,
    [`b${i}`]: [{ [`c${i % 40}`]: {} }],
  }));
  t.true(sameValue(shapes, codec.decode(codec.encode(shapes)!)));
});

test('the value shares no memory with the bytes', (t) => {
  const bytes = Buffer.from(codec.encode(Buffer.from('abc'))!);
  const value = codec.decode(bytes);
  bytes.fill(0);
  t.deepEqual(value, Buffer.from('abc'));
});

test('bytes that describe anything else do not decode', (t) => {
  const others = new Packr({ structuredClone: true, moreTypes: true, mapsAsObjects: false });
  for (const value of [new Set([1]), new TypeError('x'), /a/, [Uint8Array.of(1)]]) {
    t.throws(() => codec.decode(others.pack(value)), undefined, String(value));
  }
  t.throws(() => codec.decode(Buffer.alloc(100_000, 0x91)));
  t.throws(() => codec.decode(Buffer.concat([Buffer.alloc(MAX_DEPTH + 1, 0x91), Buffer.from([1])])));
  t.throws(() => codec.decode(Buffer.alloc(0)));
});

test('random and damaged bytes decode to a value that it would store, or not at all', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(), (random, at) => {
      const damaged = Uint8Array.from(
        codec.encode([
          { id: 1, a: 'b' },
          { id: 2, a: new Date(5) },
        ])!,
      );
      damaged.set(random.subarray(0, 3), at % (damaged.length - 3));
      const bytes = at % 2 === 0 ? random : damaged;
      let value: unknown;
      try {
        value = codec.decode(bytes);
      } catch {
        return true;
      }
      return codec.encode(value) !== undefined;
    }),
    { numRuns: 5_000 },
  );
  t.is(Reflect.get({}, 'polluted'), undefined);
});

test('a value is the same from the load, from memory and from the store, with any codec that it was stored with', async (t) => {
  const { openers, of } = rig(t, 2, { l1: true, defaults: { ttl: '1m', codec: msgpackr() } });
  const [here, there] = openers;
  const values = { ...KEPT, 'a Map': LEFT['a Map'], 'a Set': LEFT['a Set'] };
  for (const [key, value] of Object.entries(values)) {
    for (const { cache } of [here!, here!, there!, there!]) {
      t.true(sameValue(value, await cache.getOrSet(key, async () => value)), key);
    }
    t.true(sameValue(value, await there!.cache.get(key)));
  }
  t.is(of('load').length, Object.keys(values).length);
  await here!.cache.set('other', { id: 1 }, { codec: { ...msgpackr(), name: 'other' } });
  t.is(await there!.cache.get('other'), undefined);
  t.deepEqual(await there!.cache.get('other', { codec: { ...msgpackr(), name: 'other' } }), { id: 1 });
  t.deepEqual(of('miss').at(-1)?.cause, 'undecodable');
});
