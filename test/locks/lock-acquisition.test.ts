import { getEventListeners } from 'node:events';
import test from 'ava';
import { LockNotObtainedError, LockUnavailableError } from '../../src/core/shared/errors.js';
import { granted, held, scriptedGrant, scriptedRig, unavailable, watch, holder, POLL } from './lock-rig.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';

test('a release message wakes a waiting process without a poll', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const lease = await here!.locks.acquire('k');
  const waiting = watch(there!.locks.acquire('k'));
  await settled();
  await lease.release();
  await settled();
  t.is(waiting.state, 'resolved');
});

test('a poll makes up for a lost message', async (t) => {
  const { clock, openers } = rig(t, 2);
  const [here, there] = openers;
  const lease = await here!.locks.acquire('k');
  const waiting = watch(there!.locks.acquire('k'));
  await clock.advance(3_000);
  there!.chaos.loseWakeups(true);
  await lease.release();
  await settled();
  t.is(waiting.state, 'pending');
  await clock.advance(POLL);
  t.is(waiting.state, 'resolved');
});

test('a message that arrives during a request is not lost', async (t) => {
  const { asked, clock, engine, locks } = scriptedRig(t);
  const waiting = watch(locks.acquire('k'));
  await settled();
  engine.wake(asked[0]!.request.keys[0]!);
  asked[0]!.reply.resolve(held());
  await settled();
  t.is(asked.length, 2);
  asked[1]!.reply.resolve(granted());
  await settled();
  t.is(waiting.state, 'resolved');
  await waiting.value!.release();
  t.is(clock.timers, 0);
});

test('polling starts fast and backs off to 250 ms', async (t) => {
  const { asked, clock, locks, next } = scriptedRig(t);
  next(...Array.from({ length: 100 }, () => held(60_000)));
  void locks.acquire('k', { wait: '10s' }).catch(() => {});
  const at: number[] = [];
  for (let i = 0; i < 2_000; i++) {
    await clock.advance(1);
    while (at.length < asked.length) at.push(i);
  }
  const pauses = at.slice(1).map((ms, i) => ms - at[i]!);
  t.deepEqual(pauses.slice(0, 6), [19, 40, 80, 160, 250, 250]);
});

test('polling happens no later than the end of the lease of the holder', async (t) => {
  const { asked, clock, locks, next } = scriptedRig(t);
  next(held(7));
  const waiting = watch(locks.acquire('k'));
  await settled();
  next(granted());
  await clock.advance(8);
  t.is(asked.length, 2);
  t.is(waiting.state, 'resolved');
});

test('G8 locks: the lock of a crashed process is free when its lease ends', async (t) => {
  const { clock, openers } = rig(t, 2);
  const [dead, alive] = openers;
  await dead!.locks.acquire('k', { lease: 1_000, renew: 0 });
  const waiting = watch(alive!.locks.acquire('k'));
  await clock.advance(999);
  t.is(waiting.state, 'pending');
  await clock.advance(2);
  t.is(waiting.state, 'resolved');
});

test('G10 bounded delay: a lock that others hold for the whole wait rejects with LockNotObtainedError', async (t) => {
  const { clock, openers, of } = rig(t, 2);
  const [here, there] = openers;
  await here!.locks.acquire('k');
  const refused = watch(there!.locks.acquire('k', { wait: '2s' }));
  await clock.advance(1_999);
  t.is(refused.state, 'pending');
  await clock.advance(1);
  t.true(refused.error instanceof LockNotObtainedError);
  t.like(refused.error, { code: 'E_LOCK_NOT_OBTAINED', keys: ['k'], waitedMs: 2_000 });
  t.regex(
    (refused.error as Error).message,
    /^Others hold the lock on 'k', and held it for the whole wait of 2000 ms\./,
  );
  t.like(of('lockNotAcquired'), [{ keys: ['k'], waitedMs: 2_000, reason: 'held', method: undefined }]);
});

test('the last attempt happens at the end of the wait', async (t) => {
  const { asked, clock, locks, next } = scriptedRig(t);
  next(held(), held());
  const waiting = watch(locks.acquire('k', { wait: 30 }));
  await clock.advance(29);
  t.is(asked.length, 2);
  next(granted());
  await clock.advance(1);
  t.is(asked.length, 3);
  t.is(waiting.state, 'resolved');
});

test('wait: 0 is a single attempt that does not queue and leaves nothing behind', async (t) => {
  const { abandoned, asked, clock, locks } = scriptedRig(t);
  const waiting = watch(locks.acquire('k'));
  await settled();
  const refused = watch(locks.acquire('k', { wait: 0 }));
  await settled();
  t.is(asked.length, 2);
  t.is(asked[1]!.request.ticketMs, 0);
  asked[1]!.reply.resolve(held());
  await settled();
  t.true(refused.error instanceof LockNotObtainedError);
  t.regex((refused.error as Error).message, /^Others hold the lock on 'k'\. Wait longer/);
  t.deepEqual(abandoned, []);
  t.is(waiting.state, 'pending');
  t.is(clock.timers, 0);
});

test('without a quorum it retries within the wait', async (t) => {
  const { clock, locks, next } = scriptedRig(t);
  next(unavailable('down'), unavailable('down'), granted());
  const waiting = watch(locks.acquire('k'));
  await clock.advance(100);
  t.is(waiting.state, 'resolved');
});

test('without a quorum at the end of the wait the error contains the reply of each server', async (t) => {
  const { clock, locks, next, of } = scriptedRig(t);
  const down = unavailable('a is down.', 'b is slow.');
  next(held(), ...Array.from({ length: 20 }, () => down));
  const refused = watch(locks.acquire({ keys: ['k', 'l'] }, { wait: '1s' }));
  await clock.advance(1_000);
  const { error } = refused;
  t.true(error instanceof LockUnavailableError);
  t.like(error, { code: 'E_LOCK_UNAVAILABLE', keys: ['k', 'l'] });
  t.is((error as LockUnavailableError).servers, down.status === 'unavailable' ? down.servers : []);
  t.is(
    (error as Error).message,
    "Too few lock servers answered to acquire the lock on 'k', 'l': " +
      'server 1: a is down; server 2: b is slow.',
  );
  t.like(of('lockNotAcquired'), [{ reason: 'unavailable' }]);
});

test('a wait that ends before any reply states that in the error', async (t) => {
  const { clock, locks } = scriptedRig(t);
  void locks.acquire('k').catch(() => {});
  const second = watch(locks.acquire('k', { wait: 10 }));
  await clock.advance(10);
  t.true(second.error instanceof LockUnavailableError);
  t.regex((second.error as Error).message, /none answered within `wait`/);
});

test('an error that is not of the store reaches the caller unchanged', async (t) => {
  const { asked, clock, locks } = scriptedRig(t);
  const refused = watch(locks.acquire('k'));
  await settled();
  const defect = new TypeError('a defect');
  asked[0]!.reply.reject(defect);
  await settled();
  t.is(refused.error, defect);
  t.is(clock.timers, 0);
});

test('an attempt is limited to the time in which its lease can be valid', async (t) => {
  const { asked, locks } = scriptedRig(t);
  void locks.acquire('k', { lease: '1s' }).catch(() => {});
  await settled();
  t.is(asked[0]!.budget, 988);
});

test('a call with an aborted signal sends no request', async (t) => {
  const { asked, locks, of } = scriptedRig(t);
  const reason = new Error('gone');
  await t.throwsAsync(locks.acquire('k', { signal: AbortSignal.abort(reason) }), { is: reason });
  t.is(asked.length, 0);
  t.like(of('lockNotAcquired'), [{ reason: 'aborted', waitedMs: 0 }]);
});

for (const where of [
  'while the store is asked',
  'between two attempts',
  'in the queue of the process',
] as const) {
  test(`an abort ${where} rejects at once with the reason of the signal and leaves no listener and no timer`, async (t) => {
    const { asked, clock, locks, of } = scriptedRig(t);
    const controller = new AbortController();
    const { signal } = controller;
    if (where === 'in the queue of the process') void locks.acquire('k', { wait: 500 }).catch(() => {});
    const waiting = watch(locks.acquire('k', { signal, wait: 500 }));
    await settled();
    if (where === 'between two attempts') asked[0]!.reply.resolve(held());
    await settled();
    t.is(getEventListeners(signal, 'abort').length, 1);
    const reason = { why: 'the request is gone' };
    controller.abort(reason);
    await settled();
    t.is(waiting.error, reason);
    t.is(getEventListeners(signal, 'abort').length, 0);
    t.like(of('lockNotAcquired'), [{ reason: 'aborted' }]);
    asked[0]!.reply.resolve(held());
    await clock.advance(500);
    t.is(clock.timers, 0);
  });
}

test('a grant that arrives after the abort is released', async (t) => {
  const { asked, clock, locks, of } = scriptedRig(t);
  const controller = new AbortController();
  const waiting = watch(locks.acquire('k', { signal: controller.signal }));
  await settled();
  controller.abort();
  await settled();
  t.is(waiting.state, 'rejected');
  const grant = scriptedGrant();
  asked[0]!.reply.resolve(granted(grant));
  await settled();
  t.is(grant.releases, 1);
  t.deepEqual(of('lock'), []);
  t.is(clock.timers, 0);
});

test('a queue entry that a denied attempt left in the store is removed after an abort', async (t) => {
  const { abandoned, asked, locks } = scriptedRig(t);
  const controller = new AbortController();
  void locks.acquire('k', { signal: controller.signal }).catch(() => {});
  await settled();
  controller.abort();
  await settled();
  t.deepEqual(abandoned, []);
  asked[0]!.reply.resolve(held());
  await settled();
  t.deepEqual(abandoned, [asked[0]!.request]);
});

test('an abort after the acquisition has no effect', async (t) => {
  const { locks, next } = scriptedRig(t);
  const controller = new AbortController();
  next(granted());
  const lease = await locks.acquire('k', { signal: controller.signal });
  t.is(getEventListeners(controller.signal, 'abort').length, 0);
  controller.abort();
  await settled();
  t.false(lease.signal.aborted);
  t.notThrows(() => lease.assertHeld());
});

test('an abort at the moment of the grant never leaks the lock', async (t) => {
  for (let turns = 0; turns < 12; turns++) {
    const { asked, locks } = scriptedRig(t);
    const controller = new AbortController();
    const waiting = watch(locks.acquire('k', { signal: controller.signal }));
    await settled();
    const grant = scriptedGrant();
    asked[0]!.reply.resolve(granted(grant));
    for (let i = 0; i < turns; i++) await Promise.resolve();
    controller.abort();
    await settled();
    t.is(grant.releases, waiting.state === 'rejected' ? 1 : 0, `after ${turns} turns`);
  }
});

test('50 waiting calls with one signal share one listener', async (t) => {
  const { locks, next } = scriptedRig(t);
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = Array.from({ length: 50 }, () => watch(locks.acquire('k', { signal })));
  await settled();
  t.is(getEventListeners(signal, 'abort').length, 1);
  next(held());
  controller.abort();
  await settled();
  t.true(waiting.every(({ state }) => state === 'rejected'));
  t.is(getEventListeners(signal, 'abort').length, 0);
});

test('fair lock: acquired in the order of the calls, across processes', async (t) => {
  const { clock, openers } = rig(t, 3);
  const order: string[] = [];
  const first = await openers[0]!.locks.acquire('k', { fair: true });
  const names = Array.from({ length: 12 }, (_, i) => `${i}`);
  const holders = [];
  for (const [i, name] of names.entries()) {
    holders.push(holder(openers[i % 3]!.locks, name, order, { fair: true, wait: '1m' }));
    await settled();
  }
  await clock.advance(7_000);
  await first.release();
  for (const one of holders) await one.release();
  t.deepEqual(order, names);
});

test('fair lock: the message wakes only the next in the queue', async (t) => {
  const { clock, openers } = rig(t, 3);
  const [a, b, c] = openers;
  const first = await a!.locks.acquire('k', { fair: true });
  const order: string[] = [];
  const second = holder(b!.locks, 'second', order, { fair: true });
  await settled();
  const third = holder(c!.locks, 'third', order, { fair: true });
  await clock.advance(1_000);
  const asked = c!.chaos.calls('locks.acquire').length;
  await first.release();
  await settled();
  t.deepEqual(order, ['second']);
  t.is(c!.chaos.calls('locks.acquire').length, asked);
  await second.release();
  await third.release();
});

test('fair lock: a caller that gives up removes its ticket', async (t) => {
  const { clock, openers } = rig(t, 3);
  const [a, b, c] = openers;
  const first = await a!.locks.acquire('k', { fair: true });
  const controller = new AbortController();
  const second = watch(b!.locks.acquire('k', { fair: true, signal: controller.signal }));
  await settled();
  const third = watch(c!.locks.acquire('k', { fair: true, wait: '1m' }));
  await settled();
  controller.abort();
  await settled();
  t.is(second.state, 'rejected');
  t.is(b!.chaos.calls('locks.abandon').length, 1);
  t.is(b!.chaos.calls('locks.abandon')[0]![0], b!.chaos.calls('locks.acquire')[0]![0]);
  await first.release();
  await settled();
  t.is(third.state, 'resolved');
  await third.value!.release();
  t.is(clock.timers, 0);
});

test('fair lock: the ticket stays the same in all attempts and outlives the pauses between them', async (t) => {
  const { asked, clock, locks, next } = scriptedRig(t);
  next(...Array.from({ length: 20 }, () => held()));
  void locks.acquire('k', { fair: true }).catch(() => {});
  await clock.advance(2_000);
  t.true(asked.length > 3);
  t.is(new Set(asked.map(({ request }) => request)).size, 1);
  const { ticket, ticketMs } = asked[0]!.request;
  t.is(typeof ticket, 'string');
  t.true(ticketMs > 3 * POLL);
});

test('fair lock: a crashed process in the queue delays it at most by the lifetime of its ticket', async (t) => {
  const { clock, openers } = rig(t, 3);
  const [a, dead, c] = openers;
  const first = await a!.locks.acquire('k', { fair: true, lease: '1m' });
  void dead!.locks.acquire('k', { fair: true }).catch(() => {});
  await settled();
  const third = watch(c!.locks.acquire('k', { fair: true, wait: '1m' }));
  await clock.advance(1_000);
  dead!.clock.pause();
  dead!.chaos.loseWakeups(true);
  await first.release();
  await clock.advance(1_600);
  t.is(third.state, 'pending');
  await clock.advance(401);
  t.is(third.state, 'resolved');
});

test('read-write lock: shared locks are held together, an exclusive one alone', async (t) => {
  const { openers } = rig(t, 3);
  const [a, b, c] = openers;
  const one = await a!.locks.acquire('k', { mode: 'shared' });
  const two = await b!.locks.acquire('k', { mode: 'shared' });
  const writer = watch(c!.locks.acquire('k'));
  await one.release();
  await settled();
  t.is(writer.state, 'pending');
  await two.release();
  await settled();
  t.is(writer.state, 'resolved');
  const reader = watch(a!.locks.acquire('k', { mode: 'shared' }));
  await settled();
  t.is(reader.state, 'pending');
  await writer.value!.release();
  await settled();
  t.is(reader.state, 'resolved');
});

test('read-write lock: a waiting writer precedes readers that call after it', async (t) => {
  const { openers } = rig(t, 3);
  const [a, b, c] = openers;
  const reading = await a!.locks.acquire('k', { mode: 'shared' });
  const writer = watch(b!.locks.acquire('k'));
  await settled();
  const reader = watch(c!.locks.acquire('k', { mode: 'shared' }));
  await settled();
  t.is(reader.state, 'pending');
  await reading.release();
  await settled();
  t.is(writer.state, 'resolved');
  t.is(reader.state, 'pending');
  await writer.value!.release();
  await settled();
  t.is(reader.state, 'resolved');
});

test('read-write lock: a writer that gives up admits the readers that waited for it', async (t) => {
  const { openers } = rig(t, 3);
  const [a, b, c] = openers;
  await a!.locks.acquire('k', { mode: 'shared' });
  const controller = new AbortController();
  const writer = watch(b!.locks.acquire('k', { signal: controller.signal }));
  await settled();
  const reader = watch(c!.locks.acquire('k', { mode: 'shared' }));
  await settled();
  t.is(reader.state, 'pending');
  controller.abort();
  await settled();
  t.is(writer.state, 'rejected');
  t.is(reader.state, 'resolved');
});

test('read-write lock: a writer with wait: 0 blocks no reader', async (t) => {
  const { openers } = rig(t, 2);
  const [a, b] = openers;
  await a!.locks.acquire('k', { mode: 'shared' });
  await t.throwsAsync(b!.locks.acquire('k', { wait: 0 }), { instanceOf: LockNotObtainedError });
  await t.notThrowsAsync(b!.locks.acquire('k', { mode: 'shared', wait: 0 }));
});

test('semaphore: as many callers hold a lock as it has permits', async (t) => {
  const { openers } = rig(t, 2);
  const [a, b] = openers;
  let inside = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    most = Math.max(most, ++inside);
    await settled();
    inside--;
  };
  await Promise.all(
    Array.from({ length: 30 }, (_, i) => [a, b][i % 2]!.locks.withLease('k', { permits: 3 }, work)),
  );
  t.is(most, 3);
});

test('no deadlock between callers that want the same keys in opposite order', async (t) => {
  const { clock, openers } = rig(t, 2);
  const [a, b] = openers;
  let inside = 0;
  const work = async (): Promise<void> => {
    t.is(++inside, 1);
    await settled();
    inside--;
  };
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      [a, b][i % 2]!.locks.withLease({ keys: i % 3 === 0 ? ['x', 'y'] : ['y', 'x'] }, {}, work),
    ),
  );
  t.is(clock.timers, 0);
});

test('several keys are acquired together or not at all', async (t) => {
  const { openers } = rig(t, 2);
  const [a, b] = openers;
  const x = await a!.locks.acquire('x');
  const both = watch(b!.locks.acquire({ keys: ['x', 'y'] }));
  await settled();
  const y = await a!.locks.acquire('y', { wait: 0 });
  await x.release();
  await settled();
  t.is(both.state, 'pending');
  await y.release();
  await settled();
  t.is(both.state, 'resolved');
  await t.throwsAsync(a!.locks.acquire('y', { wait: 0 }), { instanceOf: LockNotObtainedError });
});

test('G8 locks: row b: a lock that was waited for longer than its lease has its whole lease', async (t) => {
  const { clock, openers } = rig(t, 2);
  const [here, there] = openers;
  const first = await here!.locks.acquire('k', { lease: '10s' });
  const second = watch(there!.locks.acquire('k', { lease: '1s', wait: '5s' }));
  await clock.advance(1_500);
  await first.release();
  await settled();
  t.is(second.value!.remainingMs, 988);
  t.notThrows(() => second.value!.assertHeld());
});

test('G8 locks: row c, E-K2: a grant that arrives after the end of its lease is released and retried', async (t) => {
  const { asked, clock, locks, of } = scriptedRig(t);
  const late = scriptedGrant();
  const waiting = watch(locks.acquire('k', { lease: 500 }));
  await clock.advance(800);
  asked[0]!.reply.resolve(granted(late));
  await settled();
  t.is(late.releases, 1);
  t.is(waiting.state, 'pending');
  await clock.advance(100);
  t.is(asked.length, 2);
  asked[1]!.reply.resolve(granted());
  await settled();
  t.is(waiting.value!.remainingMs > 0, true);
  t.is(of('lock').length, 1);
});

test('G8 locks: row f: a failed attempt is released before the next attempt, which it would block', async (t) => {
  const { asked, clock, locks } = scriptedRig(t);
  let gaveBack!: () => void;
  const grant = { ...scriptedGrant(), release: () => new Promise<void>((resolve) => (gaveBack = resolve)) };
  void locks.acquire('k', { lease: 500 }).catch(() => {});
  await clock.advance(800);
  asked[0]!.reply.resolve(granted(grant));
  await clock.advance(1_000);
  t.is(asked.length, 1);
  gaveBack();
  await clock.advance(100);
  t.is(asked.length, 2);
});

test('G8 locks: row c: if every grant arrives too late, the error states that the servers are too slow for the lease', async (t) => {
  const { asked, clock, locks } = scriptedRig(t);
  const refused = watch(locks.acquire('k', { lease: 500, wait: 0 }));
  await clock.advance(800);
  asked[0]!.reply.resolve(granted());
  await settled();
  t.like(refused.error, {
    code: 'E_LOCK_UNAVAILABLE',
    message:
      "Too few lock servers answered to acquire the lock on 'k': " +
      'they granted it after 800 ms, when its lease had ended; use a longer `lease`.',
  });
});
