import test from 'ava';
import { QuorumWakeups } from '../../../../src/adapters/ioredis/locks/quorum-wakeups.js';
import { fakeClock } from '../../../../src/testing/fake-clock.js';

test('a release that several servers publish wakes once, when a majority has published it', async (t) => {
  const clock = fakeClock();
  const woken: string[] = [];
  const wakes = new QuorumWakeups(clock, 3, 2, (name) => void woken.push(name));
  wakes.received(0, 'a');
  wakes.received(0, 'b');
  t.deepEqual(woken, [], 'one server has published each');
  wakes.received(2, 'a');
  t.deepEqual(woken, ['a']);
  wakes.received(1, 'a');
  t.deepEqual(woken, ['a'], 'the last tells nothing new');
  await clock.advance(1_000);
  t.deepEqual(woken, ['a', 'b'], 'nobody else knew of it');
});

test('two releases in quick succession wake twice', async (t) => {
  const clock = fakeClock();
  const woken: string[] = [];
  const wakes = new QuorumWakeups(clock, 3, 2, (name) => void woken.push(name));
  for (const server of [0, 1, 0, 1]) wakes.received(server, 'a');
  t.deepEqual(woken, ['a', 'a']);
  for (const server of [2, 2]) wakes.received(server, 'a');
  await clock.advance(1_000);
  t.deepEqual(woken, ['a', 'a']);
  wakes.received(1, 'a');
  wakes.close();
  await clock.advance(1_000);
  t.deepEqual(woken, ['a', 'a'], 'nobody is woken after the end');
});
