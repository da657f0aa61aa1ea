import test from 'ava';
import { FrequencySketch } from '../../src/core/l1/frequency-sketch.js';

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `key:${i}`);

/** Names without regularity: among those of `names`, no two have the same hash. */
const mixedNames = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => (Math.imul(i, 2_654_435_761) >>> 0).toString(36));

function incrementTimes(sketch: FrequencySketch, key: string, times: number): number {
  const hash = sketch.hashOf(key);
  for (let i = 0; i < times; i += 1) sketch.increment(hash);
  return sketch.frequency(hash);
}

test('a key is counted up to 15, and other keys are not', (t) => {
  const sketch = new FrequencySketch(1);
  t.is(sketch.frequency(sketch.hashOf('a')), 0);
  t.is(incrementTimes(sketch, 'a', 3), 3);
  t.is(incrementTimes(sketch, 'a', 100), 15);
  t.is(incrementTimes(sketch, 'b', 1), 1);
  t.is(sketch.frequency(sketch.hashOf('c')), 0);
});

test('counters are halved as others are incremented, and nothing is left of what is asked for no more', (t) => {
  const sketch = new FrequencySketch(1);
  const hash = sketch.hashOf('a');
  t.is(incrementTimes(sketch, 'a', 12), 12);
  const seen = new Set<number>();
  for (let round = 0; round < 6; round += 1) {
    // Ten increments for each of 64 entries age every counter once. Of one key: it has four counters, and fills them.
    incrementTimes(sketch, 'b', 640);
    seen.add(sketch.frequency(hash));
  }
  t.deepEqual([...seen], [6, 3, 1, 0]);
});

test('halving a counter leaves its neighbours at what they are', (t) => {
  const sketch = new FrequencySketch(1);
  const keys = names(300);
  for (const key of keys) incrementTimes(sketch, key, 15);
  // Once each. The lowest bit of one counter is beside the highest of the next, which is 8.
  incrementTimes(sketch, 'other', 640);
  t.deepEqual(
    keys.filter((key) => sketch.frequency(sketch.hashOf(key)) > 7),
    [],
  );
});

test('the sketch grows without losing counts', (t) => {
  const sketch = new FrequencySketch(7);
  for (const [i, key] of names(20).entries()) incrementTimes(sketch, key, 1 + (i % 10));
  const before = names(20).map((key) => sketch.frequency(sketch.hashOf(key)));
  sketch.ensureCapacity(1_000);
  t.deepEqual(
    names(20).map((key) => sketch.frequency(sketch.hashOf(key))),
    before,
  );
  sketch.ensureCapacity(10);
  t.deepEqual(
    names(20).map((key) => sketch.frequency(sketch.hashOf(key))),
    before,
  );
});

test('most estimates are exact while as many keys are counted as entries fit', (t) => {
  const sketch = new FrequencySketch(3);
  sketch.ensureCapacity(1_024);
  const counted = names(1_000);
  for (const key of counted) sketch.increment(sketch.hashOf(key));
  const estimates = counted.map((key) => sketch.frequency(sketch.hashOf(key)));
  t.true(estimates.filter((estimate) => estimate <= 1).length > 950);
});

test('a seed changes which keys share a hash', (t) => {
  const collisions = (seed: number): string[] => {
    const sketch = new FrequencySketch(seed);
    const first = new Map<number, string>();
    return mixedNames(200_000).flatMap((key) => {
      const hash = sketch.hashOf(key);
      const other = first.get(hash);
      first.set(hash, key);
      return other === undefined ? [] : [`${other} ${key}`];
    });
  };
  const [ofOne, ofAnother] = [collisions(1), collisions(2)];
  t.true(ofOne.length > 0 && ofAnother.length > 0);
  t.deepEqual(
    ofOne.filter((pair) => ofAnother.includes(pair)),
    [],
  );
});
