import { Buffer } from 'node:buffer';
import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { readSealOptions, type SealOptions } from '../../src/core/seal/seal-options.js';
import { Caching, OptionsError } from '../../src/index.js';

const KEY = Buffer.from('8f3a0c5be1d2497766aa1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f61', 'hex');

test('a key is bytes, base64 text or a KeyObject', (t) => {
  const forms = [
    KEY,
    new Uint8Array(KEY),
    KEY.toString('base64'),
    KEY.toString('base64').replace('=', ''),
    KEY.toString('base64url'),
    createSecretKey(KEY),
  ];
  for (const key of forms) {
    t.deepEqual(readSealOptions({ keys: [key] }, 'test'), { keys: [KEY], mode: 'encrypt' });
  }
});

test('the keys are copied', (t) => {
  const given = Buffer.from(KEY);
  const { keys } = readSealOptions({ keys: [given], mode: 'sign' }, 'test');
  given.fill(0);
  t.deepEqual(keys, [KEY]);
});

const SECRET = 'Correct-Horse_Battery 7 staples!';
const privateKey = generateKeyPairSync('ed25519').privateKey;

const INVALID: Readonly<Record<string, { seal: unknown; message: RegExp }>> = {
  'a key in place of the options': {
    seal: SECRET,
    message: /^seal of .* is an object: .*, and a string of 32 characters was given\.$/,
  },
  null: { seal: null, message: /^seal of .*, and null was given\.$/ },
  'no keys': { seal: {}, message: /^keys of seal of .* is a list with one key or more.*undefined was given/ },
  'an empty list': { seal: { keys: [] }, message: /a list of 0 was given/ },
  'a key in place of the list': {
    seal: { keys: SECRET },
    message: /^keys of seal of .*, and a string of 32 characters was given\.$/,
  },
  'a hole in the list': {
    seal: { keys: Object.assign(new Array<unknown>(2), { 0: KEY }) },
    message: /^keys\[1\] of seal of .*; undefined was given\.$/,
  },
  'an environment variable that is not set': {
    seal: { keys: [undefined] },
    message: /^keys\[0\] of seal of .*; undefined was given\.$/,
  },
  'text that is not base64': {
    seal: { keys: [SECRET] },
    message: /^keys\[0\] .* is 32 random bytes.*; a string of 32 characters was given\.$/,
  },
  'hexadecimal text': {
    seal: { keys: [KEY.toString('hex')] },
    message: /; a string of 64 characters was given\.$/,
  },
  'base64 text of a short key': {
    seal: { keys: [KEY.subarray(16).toString('base64')] },
    message: /; a string of 24 characters was given\.$/,
  },
  'a short key': { seal: { keys: [KEY.subarray(1)] }, message: /; a key of 31 bytes was given\.$/ },
  'a long key': { seal: { keys: [Buffer.alloc(33)] }, message: /; a key of 33 bytes was given\.$/ },
  'a short KeyObject': {
    seal: { keys: [createSecretKey(KEY.subarray(1))] },
    message: /; a key of 31 bytes was given\.$/,
  },
  'a private key': { seal: { keys: [privateKey] }, message: /; an object was given\.$/ },
  'a number': { seal: { keys: [7] }, message: /; a number was given\.$/ },
  'a key of zeros': { seal: { keys: [Buffer.alloc(32)] }, message: /^keys\[0\] .* can be guessed/ },
  'a key that repeats': {
    seal: { keys: [Buffer.from(KEY.toString('hex', 0, 4).repeat(8), 'hex')] },
    message: /can be guessed/,
  },
  'a password of 32 characters': { seal: { keys: [Buffer.from(SECRET)] }, message: /can be guessed/ },
  'base64 of a password': {
    seal: { keys: [Buffer.from(SECRET).toString('base64')] },
    message: /can be guessed/,
  },
  'one key twice': {
    seal: { keys: [KEY, KEY.toString('base64')] },
    message: /^keys\[0\] and keys\[1\] of seal of .* are the same key/,
  },
  'an unknown mode': {
    seal: { keys: [KEY], mode: 'hash' },
    message: /mode of seal of .* 'encrypt' or 'sign'/,
  },
  'an unknown option': {
    seal: { key: KEY },
    message: /^seal of .* has no option 'key'\. It has: keys, mode\.$/,
  },
};

for (const [name, { seal, message }] of Object.entries(INVALID)) {
  test(`${name}: an OptionsError without any part of the key`, (t) => {
    const error = t.throws(() => new Caching({ adapter: memory(), seal: seal as SealOptions }), {
      instanceOf: OptionsError,
    });
    t.regex(error.message, message);
    const shown = inspect(error, { depth: Infinity });
    for (const secret of [SECRET.slice(0, 8), KEY.toString('hex', 16), KEY.toString('base64').slice(24, 40)])
      t.false(shown.includes(secret));
  });
}

test('random keys are never taken for weak ones', (t) => {
  for (let i = 0; i < 10_000; i++) readSealOptions({ keys: [randomBytes(32)] }, 'test');
  t.pass();
});

test('what is printed of a Caching has no key', async (t) => {
  const caching = new Caching({ adapter: memory(), seal: { keys: [KEY] } });
  t.teardown(() => caching.close());
  const shown = inspect(caching, { depth: Infinity, showHidden: true }) + JSON.stringify(caching.namespace);
  t.false(shown.includes('seal'));
  t.false(shown.includes('8f 3a 0c 5b'));
});
