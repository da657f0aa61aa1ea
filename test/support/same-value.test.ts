import test from 'ava';
import { equalValue, sameValue } from './same-value.js';

/** Each makes a new value, of which no other is an equal. */
const makers: readonly (() => unknown)[] = [
  () => undefined,
  () => null,
  () => 0,
  () => -0,
  () => Number.NaN,
  () => 1,
  () => 1n,
  () => '1',
  () => true,
  () => [],
  () => [undefined],
  () => [,],
  () => [1, 2],
  () => [2, 1],
  () => ({}),
  () => ({ a: undefined }),
  () => ({ a: 1 }),
  () => ({ a: 1, b: 2 }),
  () => ({ a: 2, b: 1 }),
  () => ({ a: [1, { b: new Set([1]) }] }),
  () => Object.create(null),
  () => new Date(0),
  () => new Date(Number.NaN),
  () => new Date(0).toISOString(),
  () => /a/,
  () => /a/g,
  () => '/a/',
  () => new ArrayBuffer(1),
  () => Uint8Array.of(97),
  () => Uint8Array.of(98),
  () => Int8Array.of(97),
  () => Buffer.from('a'),
  () => new URL('http://a.example/'),
  () => new Set(),
  () => new Set([undefined]),
  () => new Set([[1], [2]]),
  () => new Set([[1], [1]]),
  () => new Set([[1], [1], [2]]),
  () => new Set([[1], [2], [2]]),
  () => new Map(),
  () => new Map([[undefined, undefined]]),
  () => new Map([[{ a: 1 }, 1]]),
  () => new Map([[{ a: 1 }, 2]]),
  () => new Map([[{ a: 2 }, 1]]),
  () =>
    new Map([
      [{ a: 1 }, 1],
      [{ a: 1 }, 2],
    ]),
  () =>
    new Map<unknown, unknown>([
      [undefined, Buffer.from('a')],
      [[], []],
    ]),
  () =>
    new Map<unknown, unknown>([
      [[], undefined],
      [{}, undefined],
    ]),
];

test('a value equals one that is made in the same way, and no other', (t) => {
  for (const [i, one] of makers.entries()) {
    for (const [j, other] of makers.entries()) {
      t.is(equalValue(one(), other()), i === j, `${one.toString()} and ${other.toString()}`);
      t.is(sameValue(one(), other()), i === j, `${one.toString()} and ${other.toString()}`);
    }
  }
});

test('order does not count for an equal value, and counts for the same one', (t) => {
  const pairs: readonly (readonly [unknown, unknown])[] = [
    [
      { a: 1, b: [2] },
      { b: [2], a: 1 },
    ],
    [new Set<unknown>([1, [2], [3]]), new Set<unknown>([[3], [2], 1])],
    [
      new Map<unknown, unknown>([
        [{ a: 1 }, 1],
        [{ a: 1 }, [2]],
      ]),
      new Map<unknown, unknown>([
        [{ a: 1 }, [2]],
        [{ a: 1 }, 1],
      ]),
    ],
  ];
  for (const [a, b] of pairs) {
    t.true(equalValue(a, b));
    t.true(equalValue([{ a }], [{ a: b }]));
    t.false(sameValue(a, b));
  }
});

test('which parts are one object does not count for an equal value, and counts for the same one', (t) => {
  const part = { a: 1 };
  const [one, two] = [
    [part, part],
    [{ a: 1 }, { a: 1 }],
  ];
  t.true(equalValue(one, two));
  t.false(sameValue(one, two));
});
