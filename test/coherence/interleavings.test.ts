import test from 'ava';
import { inProcess } from './in-process.js';
import { interleavings } from './interleavings.js';

for (const { title, needsTwo = false, play } of interleavings) {
  if (!needsTwo) {
    test(`${title} (one Caching)`, async (t) => {
      const place = inProcess(1);
      t.teardown(() => place.close());
      await play(t, place);
    });
  }
  test(`${title} (two on one store)`, async (t) => {
    const place = inProcess(2);
    t.teardown(() => place.close());
    await play(t, place);
  });
}
