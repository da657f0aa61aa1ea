import test from 'ava';
import { HighWaterMarks } from '../../src/core/shared/high-water-marks.js';

test('without a high water mark every load start is permitted, even an unknown one', (t) => {
  const floors = new HighWaterMarks();
  t.true(floors.permits('k', 0));
  t.true(floors.permits('k', undefined));
  floors.record('other', 5);
  t.true(floors.permits('k', 0));
  t.true(floors.permits('k', undefined));
});

test('G4 monotonic reads: an earlier or unknown load start is below the high water mark', (t) => {
  const floors = new HighWaterMarks();
  floors.record('k', 5);
  t.false(floors.permits('k', 4.999));
  t.true(floors.permits('k', 5));
  t.true(floors.permits('k', 6));
  t.false(floors.permits('k', undefined));
});

test('G4 monotonic reads: a high water mark only rises', (t) => {
  const floors = new HighWaterMarks();
  t.is(floors.record('k', 5), undefined);
  t.is(floors.record('k', 3), 5);
  t.false(floors.permits('k', 4));
  t.is(floors.record('k', 7), 5);
  t.false(floors.permits('k', 6));
});

test('undo restores the previous high water mark', (t) => {
  const floors = new HighWaterMarks();
  const first = floors.record('k', 5);
  const second = floors.record('k', 7);
  floors.undo('k', 7, second);
  t.true(floors.permits('k', 5));
  t.false(floors.permits('k', 4));
  floors.undo('k', 5, first);
  t.true(floors.permits('k', 0));
});

test('undo does nothing after a later record', (t) => {
  const floors = new HighWaterMarks();
  const first = floors.record('k', 5);
  floors.record('k', 7);
  floors.undo('k', 5, first);
  t.false(floors.permits('k', 6));
});

test('undo of a record below the high water mark does nothing', (t) => {
  const floors = new HighWaterMarks();
  floors.record('k', 7);
  const before = floors.record('k', 5);
  floors.undo('k', 5, before);
  t.false(floors.permits('k', 6));
});

test('beyond the maximum the oldest high water mark is forgotten', (t) => {
  const floors = new HighWaterMarks(2);
  floors.record('a', 1);
  floors.record('b', 1);
  floors.record('a', 2);
  floors.record('c', 1);
  t.true(floors.permits('b', 0));
  t.false(floors.permits('a', 1));
  t.false(floors.permits('c', 0));
});
