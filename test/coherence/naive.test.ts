import { inspect } from 'node:util';
import test from 'ava';
import { interleavings } from './interleavings.js';
import { naively } from './naive.js';

// Each interleaving must be able to fail: here it does.
for (const { title, needsTwo = false, naive, play } of interleavings) {
  test(`${title}: a naive cache (${naive}) fails`, async (t) => {
    const place = naively(needsTwo ? 2 : 1, naive);
    t.teardown(() => place.close());
    const attempt = await t.try((attempt) => play(attempt, place));
    attempt.discard();
    t.false(attempt.passed);
    // By what it returned, by loading where it had no need to, or by hanging: not by a mistake of the script.
    t.notRegex(inspect(attempt.errors), /TypeError|ReferenceError|RangeError/);
  });
}
