import test from 'ava';
import { HighWaterMarks } from '../../src/core/shared/high-water-marks.js';

test('without a floor every load start will do, an unknown one too', (t) => {
  const floors = new HighWaterMarks();
  t.true(floors.permits('k', 0));
  t.true(floors.permits('k', undefined));
  floors.record('other', 5);
  t.true(floors.permits('k', 0));
  t.true(floors.permits('k', undefined));
});

test('below the floor is what began earlier, or nobody knows when', (t) => {
  const floors = new HighWaterMarks();
  floors.record('k', 5);
  t.false(floors.permits('k', 4.999));
  t.true(floors.permits('k', 5));
  t.true(floors.permits('k', 6));
  t.false(floors.permits('k', undefined));
});

test('a floor only rises', (t) => {
  const floors = new HighWaterMarks();
  t.is(floors.record('k', 5), undefined);
  t.is(floors.record('k', 3), 5);
  t.false(floors.permits('k', 4));
  t.is(floors.record('k', 7), 5);
  t.false(floors.permits('k', 6));
});

test('a raise that is taken back leaves the floor that was there', (t) => {
  const floors = new HighWaterMarks();
  const first = floors.record('k', 5);
  const second = floors.record('k', 7);
  floors.undo('k', 7, second);
  t.true(floors.permits('k', 5));
  t.false(floors.permits('k', 4));
  floors.undo('k', 5, first);
  t.true(floors.permits('k', 0));
});

test('a raise that another has come over is not taken back', (t) => {
  const floors = new HighWaterMarks();
  const first = floors.record('k', 5);
  floors.record('k', 7);
  floors.undo('k', 5, first);
  t.false(floors.permits('k', 6));
});

test('a raise that was below the floor takes nothing back', (t) => {
  const floors = new HighWaterMarks();
  floors.record('k', 7);
  const before = floors.record('k', 5);
  floors.undo('k', 5, before);
  t.false(floors.permits('k', 6));
});

test('past the bound the floor that was raised longest ago is forgotten', (t) => {
  const floors = new HighWaterMarks(2);
  floors.record('a', 1);
  floors.record('b', 1);
  floors.record('a', 2);
  floors.record('c', 1);
  t.true(floors.permits('b', 0));
  t.false(floors.permits('a', 1));
  t.false(floors.permits('c', 0));
});
