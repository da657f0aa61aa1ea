import test from 'ava';
import { fakeClock } from '../../src/testing/index.js';

test('time moves only by advance, and exactly by its argument', async (t) => {
  const clock = fakeClock();
  const begun = clock.now();
  await new Promise((resolve) => setTimeout(resolve, 5));
  t.is(clock.now(), begun);
  await clock.advance(1_500);
  t.is(clock.now(), begun + 1_500);
  await clock.advance(0);
  t.is(clock.now(), begun + 1_500);
});

test('random() returns one number, which can be chosen', (t) => {
  const clock = fakeClock();
  t.is(clock.random(), 0.5);
  t.is(clock.random(), 0.5);
  t.is(fakeClock(0).random(), 0);
});

test('timers fire in the order of their times, and at one time in the order they were set', async (t) => {
  const clock = fakeClock();
  const begun = clock.now();
  const ran: (string | number)[] = [];
  const note = (name: string) => () => void ran.push(name, clock.now() - begun);
  clock.after(30, note('late'));
  clock.after(10, note('early'));
  clock.after(30, note('later'));
  clock.after(31, note('never'));
  t.is(clock.timers, 4);
  await clock.advance(30);
  t.deepEqual(ran, ['early', 10, 'late', 30, 'later', 30]);
  t.is(clock.timers, 1);
});

test('cancelled timers do not fire', async (t) => {
  const clock = fakeClock();
  const cancelled = clock.after(10, () => t.fail());
  clock.after(5, () => other.cancel());
  const other = clock.after(10, () => t.fail());
  cancelled.cancel();
  cancelled.cancel();
  t.is(clock.timers, 2);
  await clock.advance(10);
  t.is(clock.timers, 0);
});

test('timers set by timers fire within the same advance if they are due in it', async (t) => {
  const clock = fakeClock();
  const ran: number[] = [];
  const begun = clock.now();
  const again = (): void => {
    ran.push(clock.now() - begun);
    clock.after(10, again);
  };
  clock.after(10, again);
  await clock.advance(35);
  t.deepEqual(ran, [10, 20, 30]);
  t.is(clock.now() - begun, 35);
});

test('a timer of zero or negative time fires at the next advance', async (t) => {
  const clock = fakeClock();
  const begun = clock.now();
  const ran: number[] = [];
  clock.after(-5, () => void ran.push(clock.now()));
  t.deepEqual(ran, []);
  await clock.advance(0);
  t.deepEqual(ran, [begun]);
});

test('promises settle before time moves, between the timers, and at the end', async (t) => {
  const clock = fakeClock();
  const begun = clock.now();
  const wait = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve));
  const seen: number[] = [];
  const work = (async () => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
    seen.push(clock.now() - begun);
    await wait(10);
    for (let i = 0; i < 20; i++) await Promise.resolve();
    await wait(10);
    seen.push(clock.now() - begun);
  })();
  await clock.advance(20);
  t.deepEqual(seen, [0, 20], 'the second wait began at 10, when the first was over');
  await work;
});

test('nextTimer is the time of the earliest timer', async (t) => {
  const clock = fakeClock();
  t.is(clock.nextTimer, undefined);
  clock.after(50, () => {});
  clock.after(20, () => {}).cancel();
  t.is(clock.nextTimer, clock.now() + 50);
  await clock.advance(50);
  t.is(clock.nextTimer, undefined);
});
