import test from 'ava';
import { rig } from '../coherence/rig.js';

test('loadTimeout ends the wait for a load of this process, whatever lockTimeout is', async (t) => {
  const { openers, clock } = rig(t, 1, { loadTimeout: '2s', lockTimeout: '10m', lease: '1s' });
  const { cache } = openers[0]!;
  void cache.getOrSet('key', () => new Promise<string>(() => {}));
  await clock.advance(10);
  let second: string | undefined;
  void cache.getOrSet('key', () => 'second').then((value) => (second = value));
  // 2 s for the first load, and at most 21 s for its lease, which is extended twenty times.
  await clock.advance(30_000);
  t.is(second, 'second');
});
