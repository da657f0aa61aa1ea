import { Buffer } from 'node:buffer';
import test from 'ava';
import fc from 'fast-check';
import { firstDifference } from '../../src/core/values/difference.js';
import { equalValue } from '../support/same-value.js';

/** Where a value differs from a later one that two loads have returned. */
const between = (value: unknown, later: unknown): string | undefined =>
  firstDifference(value, [later, structuredClone(later)]);

const user = { id: 1, name: 'Ada', orders: [{ total: 5 }, { total: 7 }] };

test('the path to the first difference: properties, places in arrays, the value itself', (t) => {
  const orders = [{ total: 5 }, { total: 8 }];
  t.is(between(user, { ...user, orders }), '.orders[1].total');
  t.is(between(user, { ...user, orders: user.orders.slice(1) }), '.orders[0].total');
  t.is(between(user, { ...user, orders: [...user.orders, { total: 9 }] }), '.orders[2]');
  t.is(between(user, { ...user, email: 'ada@example.org' }), '.email');
  t.is(between(user, { id: 1, orders: user.orders }), '.name');
  t.is(between(user, null), '');
  t.is(between(undefined, user), '');
  t.is(between(1, 2), '');
  t.is(between([1], { 0: 1 }), '');
});

test('the path has no data: no key of a Map, and no property that is no name', (t) => {
  t.is(
    between(new Map([['ada@example.org', { total: 1 }]]), new Map([['ada@example.org', { total: 2 }]])),
    '[...].total',
  );
  t.is(between(new Set(['ada']), new Set(['grace'])), '[...]');
  t.is(between({ byId: { '4711': 1 } }, { byId: { '4711': 2 } }), '.byId[...]');
  t.is(between({ 'ada@example.org': 1 }, { 'ada@example.org': 2 }), '[...]');
});

test('a long path is cut', (t) => {
  let [value, later]: [unknown, unknown] = [1, 2];
  for (let depth = 0; depth < 100; depth++) [value, later] = [{ child: value }, { child: later }];
  t.is(between(value, later)?.length, 303);
});

test('equal values have no difference, whatever the order of their properties, and of Maps and Sets', (t) => {
  const pairs: readonly (readonly [unknown, unknown])[] = [
    [
      { a: 1, b: { c: 2, d: 3 } },
      { b: { d: 3, c: 2 }, a: 1 },
    ],
    [
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
      new Map([
        ['b', 2],
        ['a', 1],
      ]),
    ],
    [new Set([1, 2]), new Set([2, 1])],
    [new Set([{ id: 1 }, { id: 2 }]), new Set([{ id: 1 }, { id: 2 }])],
    [new Map([[new Date(1), 1]]), new Map([[new Date(1), 1]])],
    [{ a: undefined }, {}],
    [Number.NaN, Number.NaN],
    [new Date(5), new Date(5)],
    [new URL('http://a/b'), new URL('http://a/b')],
    [/a/g, /a/g],
    [Buffer.from('a'), Buffer.from('a')],
    [new Float64Array([1]), new Float64Array([1])],
    [new Uint8Array([1]).buffer, new Uint8Array([1]).buffer],
    [10n, 10n],
  ];
  for (const [value, later] of pairs) t.is(firstDifference(value, [later, later]), undefined);
});

test('dates, bytes and the like are compared by content', (t) => {
  t.is(between({ at: new Date(5) }, { at: new Date(6) }), '.at');
  t.is(firstDifference({ at: /a/g }, [{ at: /a/ }, { at: /a/ }]), '.at');
  t.is(between([new Uint8Array([1])], [new Uint8Array([2])]), '[0]');
  t.is(between({ a: new Uint8Array([1]).buffer }, { a: new Uint8Array([2]).buffer }), '.a');
  t.is(between(new Set([{ id: 1 }]), new Set([{ id: 2 }])), '[...].id');
});

test('what differs between the two loads does not count; what they agree about does', (t) => {
  const load = (at: number, name: string) => ({ at, user: { name, session: at * 7 }, list: [at, name] });
  t.is(firstDifference(load(1, 'Ada'), [load(2, 'Ada'), load(3, 'Ada')]), undefined);
  t.is(firstDifference(load(1, 'Ada'), [load(2, 'Grace'), load(3, 'Grace')]), '.user.name');
  t.is(firstDifference(load(1, 'Ada'), [load(2, 'Grace'), load(3, 'Joan')]), undefined);
  t.is(
    firstDifference(null, [load(2, 'Grace'), load(3, 'Grace')]),
    undefined,
    'An object that is not the same.',
  );
  t.is(firstDifference({ user: null }, [{ user: { id: 1 } }, { user: { id: 1 } }]), '.user');
  t.is(firstDifference({ user: { id: 1 } }, [{ user: { id: 1 } }, { user: null }]), undefined);
  t.is(firstDifference([1], [[1, 2], [1]]), undefined);
});

test('instances: by class and properties, or by the data of their codec', (t) => {
  class Point {
    constructor(readonly x: number) {}
  }
  class Money {
    readonly #cents: number;
    constructor(cents: number) {
      this.#cents = cents;
    }
    get cents(): number {
      return this.#cents;
    }
  }
  const twice = <T>(value: T): [T, T] => [value, value];
  t.is(firstDifference(new Point(1), twice(new Point(2))), '.x');
  t.is(firstDifference({ at: new Point(1) }, twice({ at: { x: 1 } })), '.at');
  const data = (instance: object): unknown => (instance instanceof Money ? instance.cents : undefined);
  t.is(
    firstDifference({ price: new Money(1) }, [{ price: new Money(2) }, { price: new Money(2) }], data),
    '.price',
  );
  t.is(
    firstDifference({ price: new Money(1) }, [{ price: new Money(1) }, { price: new Money(1) }], data),
    undefined,
  );
});

test('cycles end', (t) => {
  interface Node {
    id: number;
    next?: Node;
  }
  const cycle = (...ids: number[]): Node => {
    const nodes = ids.map((id): Node => ({ id }));
    nodes.forEach((node, i) => (node.next = nodes[(i + 1) % nodes.length]!));
    return nodes[0]!;
  };
  t.is(firstDifference(cycle(1, 2), [cycle(1, 2), cycle(1, 2)]), undefined);
  t.is(firstDifference(cycle(1, 1), [cycle(1, 1, 1), cycle(1, 1, 1)]), undefined);
  t.is(firstDifference(cycle(1, 2), [cycle(1, 3), cycle(1, 3)]), '.next.id');
});

test('any value: no difference to itself, and one to any other', (t) => {
  const values = fc.anything({ withDate: true, withBigInt: true, withTypedArray: true, maxDepth: 3 });
  fc.assert(
    fc.property(values, values, (value, other) => {
      const isEqual = equalValue(normal(value), normal(other));
      t.is(firstDifference(value, [value, value]), undefined);
      t.is(firstDifference(normal(value), [normal(other), normal(other)]) === undefined, isEqual);
    }),
  );
});

/** Without what counts as equal here: -0 and 0, properties that are undefined. */
function normal(value: unknown): unknown {
  if (value === 0) return 0;
  if (Array.isArray(value)) return value.map((item: unknown) => normal(item) ?? null);
  if (
    typeof value !== 'object' ||
    value === null ||
    ![Object.prototype, null].includes(Object.getPrototypeOf(value) as null)
  ) {
    return value;
  }
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, part]) => (part === undefined ? [] : [[name, normal(part)]])),
  );
}
