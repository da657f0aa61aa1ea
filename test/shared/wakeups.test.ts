import test from 'ava';
import { Wakeup, Wakeups } from '../../src/core/shared/wakeups.js';
import { fakeClock } from '../../src/testing/fake-clock.js';

/** A store that passes on what it is asked for. */
function listener() {
  const log: string[] = [];
  const listen = (name: string): (() => void) => {
    log.push(`listen ${name}`);
    return () => void log.push(`end ${name}`);
  };
  return { log, listen };
}

test('messages are asked for at the first pause, and until the call has ended', async (t) => {
  const { log, listen } = listener();
  const clock = fakeClock();
  const wakeups = new Wakeups(listen);
  const wakeup = new Wakeup(clock);
  const disarm = wakeups.arm(['a', 'b'], wakeup);
  t.deepEqual(log, [], 'most calls never pause');
  for (let i = 0; i < 2; i += 1) {
    const pause = wakeup.within(1_000);
    wakeups.wake('b');
    t.true(await pause);
    wakeup.reset();
  }
  t.deepEqual(log, ['listen a', 'listen b']);
  disarm();
  disarm();
  t.deepEqual(log.slice(2), ['end a', 'end b']);
});

test('a pause that no message can end asks for none', async (t) => {
  const { log, listen } = listener();
  const clock = fakeClock();
  const wakeup = new Wakeup(clock);
  const disarm = new Wakeups(listen).arm(['a'], wakeup);
  const pause = wakeup.within(1_000, false);
  await clock.advance(1_000);
  t.false(await pause);
  disarm();
  t.deepEqual(log, []);
});

test('a store that wakes while it is asked for messages ends the pause', async (t) => {
  const wakeups: Wakeups = new Wakeups((name) => {
    wakeups.wake(name);
    return () => {};
  });
  const wakeup = new Wakeup(fakeClock());
  wakeups.arm(['a'], wakeup);
  t.true(await wakeup.within(1_000));
});
