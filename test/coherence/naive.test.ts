import { inspect } from 'node:util';
import test from 'ava';
import { interleavings } from './interleavings.js';
import { naively } from './naive.js';

// Each interleaving must fail on a cache with its naive habit.
for (const { title, needsTwo = false, naive, play } of interleavings) {
  test(`${title}: a naive cache (${naive}) fails`, async (t) => {
    const place = naively(needsTwo ? 2 : 1, naive);
    t.teardown(() => place.close());
    const attempt = await t.try((attempt) => play(attempt, place));
    attempt.discard();
    t.false(attempt.passed);
    // It must fail by a returned value, by an unexpected load or by hanging, not by an error in the test code.
    t.notRegex(inspect(attempt.errors), /TypeError|ReferenceError|RangeError/);
  });
}
