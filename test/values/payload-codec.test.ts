import { Buffer } from 'node:buffer';
import test from 'ava';
import type { PayloadCodec } from '../../src/core/values/payload-codec.js';
import { decodeValue, encodeValue, JSON_CODEC, PAYLOAD_CODEC } from '../../src/core/values/value-codec.js';
import { rig } from '../support/rig.js';
import { LIMITS } from './codec-rig.js';

/** Keeps strings, reversed. */
const reversed: PayloadCodec = {
  name: 'größe',
  encode: (value) => (typeof value === 'string' ? Buffer.from(value).reverse() : undefined),
  decode: (bytes) => Buffer.from(bytes).reverse().toString(),
};
const encoders = { codec: reversed, types: undefined };
const decoders = { codecs: [reversed], types: undefined };

test('a codec stores a value with its name', (t) => {
  const { codec, payload } = encodeValue('abc', LIMITS, encoders);
  t.is(codec, PAYLOAD_CODEC);
  t.is(payload.toString('utf8', 1, payload.length - 4), 'größecba');
  t.deepEqual(decodeValue(codec, payload, Infinity, decoders), { value: 'abc' });
  t.is(decodeValue(codec, payload), undefined);
  t.is(
    decodeValue(codec, payload, Infinity, { ...decoders, codecs: [{ ...reversed, name: 'a' }] }),
    undefined,
  );
});

test('bytes of a codec that were truncated, extended or changed do not decode', (t) => {
  const { codec, payload } = encodeValue('abc', LIMITS, encoders);
  for (let length = 0; length < payload.length; length++) {
    t.is(decodeValue(codec, payload.subarray(0, length), Infinity, decoders), undefined);
  }
  for (let at = 0; at < payload.length; at++) {
    const damaged = Buffer.from(payload);
    damaged[at]! ^= 1;
    t.is(decodeValue(codec, damaged, Infinity, decoders), undefined);
  }
});

test('a codec leaves values to the standard codecs', (t) => {
  const { codec, payload } = encodeValue([1], LIMITS, encoders);
  t.is(codec, JSON_CODEC);
  t.deepEqual(decodeValue(codec, payload, Infinity, decoders), { value: [1] });
});

test('a codec that throws, or returns no bytes, rejects the value', (t) => {
  const mistakes: Readonly<Record<string, PayloadCodec['encode']>> = {
    "Expected a value that the codec 'x' encodes; for 'abc' it threw an error (see cause).": () => {
      throw new Error('mistake');
    },
    "Expected encode of the codec 'x' to return a Uint8Array or undefined; it returned 'abc'.": (value) =>
      value as never,
  };
  for (const [message, encode] of Object.entries(mistakes)) {
    const codec = { ...reversed, name: 'x', encode };
    t.throws(() => encodeValue('abc', LIMITS, { codec, types: undefined }), { name: 'ValueError', message });
  }
  t.throws(() => encodeValue('abcd', { ...LIMITS, maxBytes: 3 }, encoders), {
    message: /Expected at most 3 bytes/,
  });
});

test('a codec of the call has precedence, and values of the default codec stay readable', async (t) => {
  const { openers, of } = rig(t, 1, { defaults: { ttl: '1m', codec: reversed } });
  const { cache } = openers[0]!;
  const identity: PayloadCodec = {
    name: 'own',
    encode: (value) => Buffer.from(String(value)),
    decode: String,
  };
  await cache.set('a', 'abc');
  t.is(await cache.get('a', { codec: identity }), 'abc');
  await cache.set('b', 'abc', { codec: identity });
  t.is(await cache.get('b'), undefined);
  t.is(of('miss').at(-1)?.cause, 'undecodable');
});

test('an option codec that is none throws', async (t) => {
  const { openers } = rig(t);
  for (const codec of [
    'msgpackr',
    null,
    {},
    { ...reversed, name: '' },
    { ...reversed, name: 'ß'.repeat(51) },
  ]) {
    await t.throwsAsync(openers[0]!.cache.set('a', 1, { codec: codec as never }), {
      name: 'OptionsError',
      message: /^codec of set is a codec: \{ name, encode, decode \}/,
    });
  }
});
