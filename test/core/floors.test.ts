import test from 'ava';
import { Floors } from '../../src/core/floors.js';

test('without a floor every load start will do, an unknown one too', (t) => {
  const floors = new Floors();
  t.true(floors.allows('k', 0));
  t.true(floors.allows('k', undefined));
  floors.raise('other', 5);
  t.true(floors.allows('k', 0));
  t.true(floors.allows('k', undefined));
});

test('below the floor is what began earlier, or nobody knows when', (t) => {
  const floors = new Floors();
  floors.raise('k', 5);
  t.false(floors.allows('k', 4.999));
  t.true(floors.allows('k', 5));
  t.true(floors.allows('k', 6));
  t.false(floors.allows('k', undefined));
});

test('a floor only rises', (t) => {
  const floors = new Floors();
  t.is(floors.raise('k', 5), undefined);
  t.is(floors.raise('k', 3), 5);
  t.false(floors.allows('k', 4));
  t.is(floors.raise('k', 7), 5);
  t.false(floors.allows('k', 6));
});

test('a raise that is taken back leaves the floor that was there', (t) => {
  const floors = new Floors();
  const first = floors.raise('k', 5);
  const second = floors.raise('k', 7);
  floors.lower('k', 7, second);
  t.true(floors.allows('k', 5));
  t.false(floors.allows('k', 4));
  floors.lower('k', 5, first);
  t.true(floors.allows('k', 0));
});

test('a raise that another has come over is not taken back', (t) => {
  const floors = new Floors();
  const first = floors.raise('k', 5);
  floors.raise('k', 7);
  floors.lower('k', 5, first);
  t.false(floors.allows('k', 6));
});

test('a raise that was below the floor takes nothing back', (t) => {
  const floors = new Floors();
  floors.raise('k', 7);
  const before = floors.raise('k', 5);
  floors.lower('k', 5, before);
  t.false(floors.allows('k', 6));
});

test('past the bound the floor that was raised longest ago is forgotten', (t) => {
  const floors = new Floors(2);
  floors.raise('a', 1);
  floors.raise('b', 1);
  floors.raise('a', 2);
  floors.raise('c', 1);
  t.true(floors.allows('b', 0));
  t.false(floors.allows('a', 1));
  t.false(floors.allows('c', 0));
});
