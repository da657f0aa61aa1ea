import { Buffer } from 'node:buffer';
import test from 'ava';
import { MAX_DEPTH } from '../../src/core/values/value-limits.js';
import { decodeValue, encodeValue, JSON_CODEC, RICH_CODEC } from '../../src/core/values/value-codec.js';
import { sameValue } from '../support/same-value.js';
import { LIMITS, decodeText, roundTrip } from './codec-rig.js';

test('cycles round-trip as cycles', (t) => {
  const node: Record<string, unknown> = { name: 'root' };
  node['self'] = node;
  node['list'] = [node, new Map([[node, new Set([node])]])];
  const back = roundTrip(t, node, RICH_CODEC) as typeof node;
  t.is(back['self'], back);
});

test('shared objects in a rich value stay shared', (t) => {
  const shared = { at: new Date(0) };
  const back = roundTrip(t, [shared, shared], RICH_CODEC) as unknown[];
  t.is(back[0], back[1]);
});

test('shared objects in a plain JSON value become equal copies', (t) => {
  const shared = { a: 1 };
  const { codec, payload } = encodeValue([shared, shared], LIMITS);
  t.is(codec, JSON_CODEC);
  t.deepEqual(decodeValue(codec, payload)?.value, [{ a: 1 }, { a: 1 }]);
});

test('shared parts that would be too large as copies are encoded once', (t) => {
  let value: unknown = 'x';
  for (let i = 0; i < 60; i++) value = [value, value];
  const { codec, payload } = encodeValue(value, LIMITS);
  t.is(codec, RICH_CODEC);
  t.true(payload.length < 1000);
  let back = decodeValue(codec, payload)?.value;
  for (let i = 0; i < 60; i++) {
    const pair = back as [unknown, unknown];
    t.is(pair[0], pair[1]);
    back = pair[0];
  }
  t.is(back, 'x');
});

test('a long string that occurs many times in a rich value is encoded once', (t) => {
  const text = 'x'.repeat(1000);
  const value = [new Date(0), text, text, text];
  const { payload } = encodeValue(value, { ...LIMITS, maxBytes: 1100 });
  t.true(sameValue(decodeValue(RICH_CODEC, payload)?.value, value));
});

test('rich JSON deeper than the maximum does not decode', (t) => {
  const chain = (levels: number) =>
    `[${Array.from({ length: levels }, (_, i) => (i + 1 < levels ? `[${i + 1}]` : '[]')).join()}]`;
  t.truthy(decodeText(RICH_CODEC, chain(MAX_DEPTH)));
  t.is(decodeText(RICH_CODEC, chain(MAX_DEPTH + 1)), undefined);
  t.is(decodeText(RICH_CODEC, chain(200_000)), undefined);
  t.is(decodeText(RICH_CODEC, `${'['.repeat(200_000)}${']'.repeat(200_000)}`), undefined);
});

test('rich JSON that this library never encodes does not decode', (t) => {
  const texts = [
    '',
    '[',
    '{}',
    'null',
    '"x"',
    '5',
    '-2',
    '-8',
    '[]',
    '[[1]]',
    '[{"a":7}]',
    '[{"a":"b"}]',
    '[["Object",1],1]',
    '[["Temporal.Instant","2026-01-01T00:00:00Z"]]',
    '[["Error",1],"x"]',
    '[["__proto__",1],"x"]',
    '[["constructor",1],"x"]',
    '[["Buffer",1],"YWJj"]',
    '[["Buffer",1],{"length":2},1000000000]',
    '[["Buffer",1],{"buffer":2},{"length":3},1000000]',
    '[["Buffer",0]]',
    '[["Buffer"]]',
    '[["Uint8Array",1],1000000000]',
    '[["Uint8Array",0]]',
    '[["Float64Array",1],["ArrayBuffer","YWJj"]]',
    '[["Uint8Array",1,0,1000000000],["ArrayBuffer","YWJj"]]',
    '[["ArrayBuffer",1],1000000000]',
    '[["RegExp","("]]',
    '[["URL","nowhere"]]',
    '[["BigInt","1.5"]]',
    '[[-7]]',
    '[[-7,4294967295]]',
    '[[-7,1000001,0,1],1]',
    '[[-7,"9"]]',
    '[[-7,2,5,1],1]',
  ];
  for (const text of texts) {
    t.is(decodeText(RICH_CODEC, text), undefined, text);
  }
});

test('many Buffers with the same bytes take the memory of one', (t) => {
  const count = 10_000;
  const list = Array.from({ length: count }, (_, i) => i + 1).join();
  const buffers = Array.from({ length: count }, () => `["Buffer",${count + 1}]`).join();
  const bytes = Buffer.alloc(1_000_000).toString('base64');
  const text = `[[${list}],${buffers},["Uint8Array",${count + 2}],["ArrayBuffer","${bytes}"]]`;
  const back = decodeText(RICH_CODEC, text)?.value as Buffer[];
  t.is(back.length, count);
  t.is(new Set(back.map((buffer) => buffer.buffer)).size, 1);
});
