import { Buffer } from 'node:buffer';
import { encodeEntry, encodeLease, type Entry } from '../../src/core/ports/entry-format.js';
import type { PayloadCodec } from '../../src/core/values/payload-codec.js';
import { defineCodec, TypeCodecs } from '../../src/core/values/type-codec.js';
import { encodeValue } from '../../src/core/values/value-codec.js';

const LIMITS = { maxBytes: 1 << 20, maxDepth: 100 };

/** The header of a golden record; the codec and the payload come from its value. */
export type Header = Omit<Entry, 'codec' | 'payload'>;

export interface GoldenEntry {
  /** The name of its file, without `.bin`. */
  readonly name: string;
  readonly key: string;
  readonly header: Header;
  readonly codec: number;
  readonly value: unknown;
  /** The payload as it was written, if another version of zlib may write it differently. */
  readonly payload?: Buffer;
}

class Point {
  declare readonly x: number;
}

class Big {
  constructor(readonly digits: string) {}
}

const GOLDEN_TYPES = new TypeCodecs(
  [
    defineCodec({ type: Point, name: 'Point' }),
    defineCodec({
      type: Big,
      name: 'größe "1"',
      encode: ({ digits }) => digits,
      decode: (digits) => new Big(digits),
    }),
  ],
  'the golden records',
);

/** Keeps strings, in capitals. */
const GOLDEN_CODEC: PayloadCodec = {
  name: 'größe',
  encode: (value) => (value === 'abc' ? Buffer.from('ABC') : undefined),
  decode: (bytes) => Buffer.from(bytes).toString().toLowerCase(),
};

const encoders = { codec: GOLDEN_CODEC, types: GOLDEN_TYPES };
export const GOLDEN_DECODERS = { codecs: [GOLDEN_CODEC], types: GOLDEN_TYPES };

const point: unknown = Object.assign(Object.create(Point.prototype) as object, { x: 1, at: new Date(0) });

export const GOLDEN_LEASE = { name: 'lease', token: 'lease-0123456789' };

const untagged: Header = {
  token: 'AbCdEf-_01234567',
  loadStart: 1_700_000_000_123,
  freshUntil: 1_700_000_300_123.5,
  clearNonce: 'clear-nonce-0001',
  tags: [],
  refreshable: undefined,
  idleTtl: undefined,
};
const oneTag: Header = { ...untagged, tags: [{ tag: 'users', nonce: 'nonce-of-users-1' }] };
const threeTags: Header = {
  ...untagged,
  tags: [
    { tag: 'users', nonce: 'nonce-of-users-1' },
    { tag: 'org:größe/日本🎈', nonce: 'nonce-of-an-org1' },
    { tag: '', nonce: '----------------' },
  ],
};

function cycle(): unknown {
  const shared = { since: new Date(0) };
  const team: Record<string, unknown> = { name: 'core', first: shared, again: shared };
  team['self'] = team;
  return team;
}

/** Never change one that has its file in the folder of its version: what is in a user's Redis does not change either. */
export const GOLDEN_ENTRIES: readonly GoldenEntry[] = [
  {
    name: 'json-object',
    key: 'user:1',
    header: untagged,
    codec: 1,
    value: { id: 1, name: 'Ada', admin: false, score: -12.5, manager: null, roles: ['a', 'b'], address: {} },
  },
  {
    name: 'json-list-one-tag',
    key: 'users:page:1',
    header: oneTag,
    codec: 1,
    value: Array.from({ length: 20 }, (_, id) => ({ id, email: `user${id}@example.com`, tags: [] })),
  },
  {
    name: 'json-unicode-key-three-tags',
    key: 'größe:日本:🎈',
    header: threeTags,
    codec: 1,
    value: { 'naïve 日本 🎈': '\ud800 \u0000 "quoted" __proto__ </script>' },
  },
  { name: 'json-null', key: 'user:none', header: untagged, codec: 1, value: null },
  {
    name: 'json-refreshable-one-tag',
    key: 'user:2',
    header: {
      ...oneTag,
      refreshable: {
        staleUntil: 1_700_003_900_123.5,
        loadMs: 12.5,
        retryAt: 1_700_000_310_123,
        refreshingUntil: 1_700_000_305_123,
      },
    },
    codec: 1,
    value: { id: 2, name: 'Grace' },
  },
  {
    name: 'json-idle-one-tag',
    key: 'user:3',
    header: { ...oneTag, idleTtl: 60_000 },
    codec: 1,
    value: { id: 3, name: 'Edsger' },
  },
  {
    name: 'json-refreshable-idle',
    key: 'user:4',
    header: {
      ...untagged,
      refreshable: { staleUntil: 1_700_003_900_123, loadMs: 0, retryAt: 0, refreshingUntil: 0 },
      idleTtl: 1_000.5,
    },
    codec: 1,
    value: { id: 4, name: 'Barbara' },
  },
  { name: 'rich-undefined', key: 'user:none', header: oneTag, codec: 2, value: undefined },
  {
    name: 'rich-mix-three-tags',
    key: 'report:2026',
    header: threeTags,
    codec: 2,
    value: {
      at: [new Date(1_700_000_000_123), new Date(NaN)],
      map: new Map<unknown, unknown>([
        ['a', 1],
        [{ key: true }, new Map()],
      ]),
      set: new Set<unknown>(['a', 1, null]),
      numbers: [NaN, Infinity, -Infinity, -0, 0, 2n ** 70n, -1n],
      missing: undefined,
      holes: Object.assign([], { 1: 'x', length: 3 }),
      sparse: Object.assign([], { 900: 'x', length: 1000 }),
      pattern: /a+<\/b>/giu,
      url: new URL('https://example.com/a?b=c#d'),
      query: new URLSearchParams('a=1&a=2'),
      bare: Object.assign(Object.create(null) as object, { a: 1 }),
      text: '\udfff <b> __proto__',
    },
  },
  {
    name: 'rich-bytes-one-tag',
    key: 'file:1',
    header: oneTag,
    codec: 2,
    value: {
      buffer: Buffer.from('some bytes'),
      empty: Buffer.alloc(0),
      bytes: Uint8Array.of(0, 127, 255),
      part: Uint16Array.of(1, 2, 3).subarray(1),
      floats: Float32Array.of(1.5, -0),
      big: BigInt64Array.of(-1n),
      view: new DataView(new ArrayBuffer(4)),
      whole: new ArrayBuffer(2),
    },
  },
  { name: 'rich-cycle', key: 'team:core', header: untagged, codec: 2, value: cycle() },
  {
    name: 'rich-float64array',
    key: 'vector',
    header: untagged,
    codec: 2,
    value: Float64Array.of(1, -0.5, Math.PI),
  },
  {
    name: 'buffer-three-tags',
    key: 'file:2',
    header: threeTags,
    codec: 3,
    value: Buffer.from([0, 206, 1, 255]),
  },
  { name: 'bytes', key: 'file:3', header: untagged, codec: 4, value: Uint8Array.of(0, 206, 1, 255) },
  {
    name: 'instances-one-tag',
    key: 'shape:1',
    header: oneTag,
    codec: 5,
    value: { point, again: point, sums: new Map([[new Big('1e100'), [new Big('0.1')]]]) },
  },
  { name: 'codec-of-the-user', key: 'text:1', header: untagged, codec: 6, value: 'abc' },
  {
    name: 'compressed-json',
    key: 'text:2',
    header: untagged,
    codec: 129,
    value: 'a'.repeat(100),
    payload: Buffer.from('000000667801534aa403500200addb2629', 'hex'),
  },
];

/** All records as they are written today, by the name of their file. */
export function goldenRecords(): ReadonlyMap<string, Buffer> {
  const records = new Map([[GOLDEN_LEASE.name, encodeLease(GOLDEN_LEASE.token)]]);
  for (const { name, key, header, codec, value, payload } of GOLDEN_ENTRIES) {
    const encoded = payload === undefined ? encodeValue(value, LIMITS, encoders) : { codec, payload };
    records.set(name, encodeEntry(key, { ...header, ...encoded }));
  }
  return records;
}
