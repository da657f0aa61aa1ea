import test from 'ava';
import { Decimal } from 'decimal.js';
import { Caching, defineCodec, type TypeCodec } from '../../src/index.js';
import { memory } from '../../src/adapters/memory/index.js';
import { TypeCodecs } from '../../src/core/values/type-codec.js';
import { decodeValue, encodeValue, INSTANCES_CODEC, RICH_CODEC } from '../../src/core/values/value-codec.js';
import { LIMITS } from './codec-rig.js';

class Point {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}
}

class Order {
  declare lines: Line[];
}

class Line {
  declare order: Order | undefined;
}

const CODECS: readonly TypeCodec[] = [
  defineCodec({ type: Point, name: 'Point' }),
  defineCodec({ type: Order, name: 'Order' }),
  defineCodec({ type: Line, name: 'Line' }),
  defineCodec({
    type: RangeError,
    name: 'Error',
    encode: ({ message }) => ({ message }),
    decode: ({ message }) => new RangeError(message),
  }),
  defineCodec({
    type: Decimal,
    name: 'Map',
    encode: (one) => one.toString(),
    decode: (text) => new Decimal(text),
  }),
];

const types = new TypeCodecs(CODECS, 'a test');
const encode = (value: unknown, limits = LIMITS) => encodeValue(value, limits, { codec: undefined, types });

function roundTrip(value: unknown): unknown {
  const { codec, payload } = encode(value);
  return decodeValue(codec, payload, Infinity, { codecs: [], types })?.value;
}

test('instances come back wherever they are', (t) => {
  const value = {
    point: new Point(1, 2),
    list: [new Point(1, -0), undefined],
    map: new Map<unknown, unknown>([[new Point(3, 4), new Set([new Decimal('0.10')])]]),
    nested: new Point(5, new Point(6, 7) as unknown as number),
    error: new RangeError('too far'),
    plain: new Map([['a', 1]]),
  };
  t.is(encode(value).codec, INSTANCES_CODEC);
  t.deepEqual(roundTrip(value), value);
});

test('one instance that is referenced twice comes back as one', (t) => {
  const point = new Point(1, 2);
  const [first, second] = roundTrip([point, point]) as Point[];
  t.true(first instanceof Point);
  t.is(first, second);
});

test('a value without instances is stored as without codecs', (t) => {
  t.deepEqual(encode({ a: 1 }), encodeValue({ a: 1 }, LIMITS));
  t.deepEqual(encode(new Map()), encodeValue(new Map(), LIMITS));
  t.is(encode(new Map()).codec, RICH_CODEC);
});

test('each instance is encoded once', (t) => {
  let calls = 0;
  const counting = defineCodec({
    type: Point,
    name: 'Point',
    encode: ({ x }) => (calls++, x),
    decode: (x) => new Point(x, 0),
  });
  encodeValue([new Point(1, 0)], LIMITS, { codec: undefined, types: new TypeCodecs([counting], 'a test') });
  t.is(calls, 1);
});

class Point3 extends Point {}

const order = Object.assign(new Order(), { lines: [new Line()] });
order.lines[0]!.order = order;

const REFUSED: Readonly<Record<string, readonly [value: unknown, message: RegExp]>> = {
  'an instance of a subclass': [{ at: new Point3(1, 2) }, /found an instance of Point3 at value\.at\. /],
  'data that cannot be stored': [
    { at: new Point(1, (() => 1) as never) },
    /found a function at value\.at\.y\. /,
  ],
  'a cycle through an instance': [
    { order },
    /found a cycle through an instance of Order at value\.order\.lines\[0\]\.order\. /,
  ],
  'an instance with a symbol as a key': [
    Object.assign(new Point(1, 2), { [Symbol('a')]: 1 }),
    /found an object with a symbol as a key at value\. /,
  ],
};

for (const [name, [value, message]] of Object.entries(REFUSED)) {
  test(`${name} is refused`, (t) => {
    t.throws(() => encode(value), { name: 'ValueError', message });
  });
}

test('an encode that throws, or that never ends, is refused', (t) => {
  const cause = new Error('mistake');
  const failing = defineCodec({
    type: Point,
    name: 'Point',
    encode: (): number => {
      throw cause;
    },
    decode: (x) => new Point(x, 0),
  });
  const endless = defineCodec({
    type: Point,
    name: 'Point',
    encode: (point): Point => new Point(point.x + 1, 0),
    decode: (point) => point,
  });
  const encodeBy = (codec: TypeCodec) =>
    encodeValue({ at: new Point(0, 0) }, LIMITS, {
      codec: undefined,
      types: new TypeCodecs([codec], 'a test'),
    });
  const error = t.throws(() => encodeBy(failing), { name: 'ValueError' });
  t.regex(error.message, /found an instance of Point that its codec 'Point' does not encode at value\.at\. /);
  t.is(error.cause, cause);
  t.throws(() => encodeBy(endless), { name: 'ValueError', message: /beyond the maximum depth/ });
});

class Tags extends Set<string> {}

test('an instance that is more than its properties needs an encode', (t) => {
  const codecs = new TypeCodecs([defineCodec({ type: Tags, name: 'Tags' })], 'a test');
  const error = t.throws(() => encodeValue(new Tags(['a']), LIMITS, { codec: undefined, types: codecs }));
  t.regex(String(error.cause), /Its content is not in its properties/);
});

test('text that the codecs do not accept does not decode', (t) => {
  for (const text of [
    '[["@",1],["Unknown",2],{}]',
    '[["@",1],["Point",2],5]',
    '[["@",1],["Point",2],["Date","2020-01-01T00:00:00.000Z"]]',
    '[["@",1],["Point"]]',
    '[["@",1],["Point",2,2],{}]',
    '[["@",1],{"0":2},"Point"]',
    '[["@",0]]',
    '[["@",1],["__proto__",2],{}]',
    '[["@",1],["Error",2],null]',
    '[["Point",1],{}]',
  ]) {
    t.is(decodeValue(INSTANCES_CODEC, Buffer.from(text), Infinity, { codecs: [], types }), undefined, text);
  }
  const valid = Buffer.from('[["@",1],[2,3],"Point",{"x":4},1]');
  t.deepEqual(
    decodeValue(INSTANCES_CODEC, valid, Infinity, { codecs: [], types })?.value,
    Object.assign(Object.create(Point.prototype), { x: 1 }),
  );
});

const INVALID: Readonly<Record<string, readonly [codecs: unknown, message: RegExp]>> = {
  'no list': [{}, /^codecs of new Caching\({ \.\.\. }\) is a list of codecs/],
  'no class': [
    [{ type: 'Point', name: 'Point' }],
    /^type of a codec of .* is a class, and 'Point' was given/,
  ],
  'an arrow function': [[{ type: () => 1, name: 'Point' }], /is a class, and a function was given/],
  'no name': [[{ type: Point }], /^name of a codec of .* is a string of 1 to 100 characters, and undefined/],
  'an empty name': [[{ type: Point, name: '' }], /^name of a codec/],
  'a class that needs no codec': [
    [{ type: Map, name: 'Map' }],
    /has a codec for Map, which is stored without one/,
  ],
  'the same name twice': [
    [
      { type: Point, name: 'A' },
      { type: Order, name: 'A' },
    ],
    /two codecs for the name 'A' or for its class/,
  ],
  'the same class twice': [
    [
      { type: Point, name: 'A' },
      { type: Point, name: 'B' },
    ],
    /two codecs for the name 'B' or for its class/,
  ],
  'encode alone': [[{ type: Point, name: 'A', encode: String }], /only one of encode and decode/],
  'an encode that is none': [
    [{ type: Point, name: 'A', encode: 1, decode: String }],
    /^encode of the codec 'A' of .* is a function, and 1 was given/,
  ],
  'an unknown option': [[{ type: Point, name: 'A', deocde: String }], /has no option 'deocde'/],
};

for (const [name, [codecs, message]] of Object.entries(INVALID)) {
  test(`codecs with ${name} are refused`, (t) => {
    t.throws(() => new Caching({ adapter: memory(), codecs: codecs as never }), {
      name: 'OptionsError',
      message,
    });
  });
}

test('defineCodec checks its codec', (t) => {
  t.throws(() => defineCodec({ type: Map, name: 'Map' }), { name: 'OptionsError' });
});
