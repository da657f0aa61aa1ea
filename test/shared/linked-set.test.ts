import test from 'ava';
import { LinkedSet, type Linked } from '../../src/core/shared/linked-set.js';

interface Item extends Linked<Item> {
  readonly name: string;
}

test('items keep their insertion order, and each is deleted once from any place', (t) => {
  const set = new LinkedSet<Item>();
  const [a, b, c, d] = [...'abcd'].map((name): Item => {
    const item: Item = { name, isLinked: false, before: undefined, after: undefined };
    set.add(item);
    return item;
  }) as [Item, Item, Item, Item];
  const names = (): string =>
    set
      .values()
      .map(({ name }) => name)
      .join('');
  t.is(names(), 'abcd');
  t.true(set.delete(b));
  t.false(set.delete(b));
  t.is(names(), 'acd');
  t.true(set.delete(a));
  t.is(set.oldest, c);
  t.true(set.delete(d));
  set.add(a);
  t.is(names(), 'ca');
  t.true(set.delete(c) && set.delete(a));
  t.is(set.oldest, undefined);
  t.is(names(), '');
  // Otherwise an old item would keep all that were added after it alive.
  t.true([a, b, c, d].every(({ before, after }) => before === undefined && after === undefined));
});
