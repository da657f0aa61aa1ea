import test from 'ava';
import { GiveBacks } from '../../src/adapters/ioredis/locks/give-backs.js';
import { MajorityWakes } from '../../src/adapters/ioredis/locks/majority-wakes.js';
import { fakeClock } from '../../src/testing/fake-clock.js';

test('a release that several servers tell of wakes once, when a majority has', async (t) => {
  const clock = fakeClock();
  const woken: string[] = [];
  const wakes = new MajorityWakes(clock, 3, 2, (name) => void woken.push(name));
  wakes.heard(0, 'a');
  wakes.heard(0, 'b');
  t.deepEqual(woken, [], 'one has told of each');
  wakes.heard(2, 'a');
  t.deepEqual(woken, ['a']);
  wakes.heard(1, 'a');
  t.deepEqual(woken, ['a'], 'the last tells nothing new');
  await clock.advance(1_000);
  t.deepEqual(woken, ['a', 'b'], 'nobody else knew of it');
});

test('two releases, one soon after the other, wake twice', async (t) => {
  const clock = fakeClock();
  const woken: string[] = [];
  const wakes = new MajorityWakes(clock, 3, 2, (name) => void woken.push(name));
  for (const server of [0, 1, 0, 1]) wakes.heard(server, 'a');
  t.deepEqual(woken, ['a', 'a']);
  for (const server of [2, 2]) wakes.heard(server, 'a');
  await clock.advance(1_000);
  t.deepEqual(woken, ['a', 'a']);
  wakes.heard(1, 'a');
  wakes.close();
  await clock.advance(1_000);
  t.deepEqual(woken, ['a', 'a'], 'nobody is woken after the end');
});

test('what a server could not be told is told again until it has heard, or the lease has ended', async (t) => {
  const clock = fakeClock();
  const giveBacks = new GiveBacks(clock);
  let away = true;
  const told: string[] = [];
  const tell = (what: string) => async (): Promise<void> => {
    told.push(what);
    if (away) throw new Error('away');
  };
  giveBacks.add(tell('short'), clock.now() + 200);
  giveBacks.add(tell('long'), clock.now() + 60_000);
  await clock.advance(1_000);
  const attempts = (what: string): number => told.filter((one) => one === what).length;
  const short = attempts('short');
  t.true(short >= 1 && short < attempts('long'));
  away = false;
  await clock.advance(1_000);
  const long = attempts('long');
  await clock.advance(60_000);
  t.is(attempts('long'), long, 'it has heard');
  t.is(attempts('short'), short);
  // The next outage begins anew.
  away = true;
  giveBacks.add(tell('later'), clock.now() + 60_000);
  await clock.advance(100);
  t.true(attempts('later') >= 1);
  giveBacks.close();
  giveBacks.add(tell('too late'), clock.now() + 60_000);
  const later = attempts('later');
  await clock.advance(60_000);
  t.is(attempts('later'), later);
  t.is(attempts('too late'), 0);
});
