import { getEventListeners } from 'node:events';
import test from 'ava';
import { LockNotObtainedError, LockUnavailableError } from '../../src/core/shared/errors.js';
import type { AcquireOptions } from '../../src/core/locks/lock-options.js';
import type { Lease } from '../../src/core/locks/lease.js';
import type { Locks } from '../../src/core/locks/locks.js';
import {
  granted,
  held,
  lockRig,
  scriptedGrant,
  scriptedRig,
  settled,
  unavailable,
  watch,
} from './lock-rig.js';

/** The longest pause between two attempts: the last poll and its jitter. */
const POLL = 313;

/** Asks for the lock and keeps it until it is told; what came of it goes into `order`. */
function holder(
  locks: Locks,
  name: string,
  order: string[],
  options: AcquireOptions = {},
): { readonly lease: Promise<Lease>; release(): Promise<void> } {
  const lease = locks.acquire('k', options);
  lease.then(
    () => order.push(name),
    () => order.push(`${name} refused`),
  );
  return { lease, release: async () => (await lease).release() };
}

// --- one process ----------------------------------------------------------------------------------------------------

test('callers of one process get a lock in the order in which they asked', async (t) => {
  const { clock, openers } = lockRig(t);
  const { locks } = openers[0]!;
  const order: string[] = [];
  const holders = Array.from({ length: 10 }, (_, i) => holder(locks, String(i), order));
  for (const one of holders) {
    await one.lease;
    await one.release();
  }
  t.deepEqual(order, ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
  t.is(clock.timers, 0);
});

test('of 50 callers of a process one asks the store', async (t) => {
  const { clock, openers } = lockRig(t, 2);
  const [here, there] = openers;
  const other = await there!.locks.acquire('k');
  const order: string[] = [];
  const waiting = Array.from({ length: 50 }, (_, i) => holder(here!.locks, String(i), order, { wait: '1m' }));
  await clock.advance(5_000);
  const alone = here!.asked.length;
  t.true(alone >= 5_000 / POLL && alone <= 40, `${alone} requests`);
  await other.release();
  for (const one of waiting) await one.release();
  t.is(order.length, 50);
});

test('the next caller of the process tries at once when the lock is given back, without a message', async (t) => {
  const { openers } = lockRig(t);
  const [here] = openers;
  here!.deaf = true;
  const order: string[] = [];
  const first = holder(here!.locks, 'first', order);
  const second = holder(here!.locks, 'second', order);
  await first.lease;
  await settled();
  t.deepEqual(order, ['first']);
  await first.release();
  await settled();
  t.deepEqual(order, ['first', 'second']);
  await second.release();
});

test('within a process a lock goes from hand to hand with one request each', async (t) => {
  const { openers } = lockRig(t);
  const { asked, locks } = openers[0]!;
  await Promise.all(Array.from({ length: 10 }, () => locks.withLease('k', {}, () => settled())));
  t.is(asked.length, 10);
});

test('who is next in the process asks after a while, though one of the process got the lock', async (t) => {
  const { asked, clock, locks, next } = scriptedRig(t);
  next(granted());
  const first = await locks.acquire('k', { renew: 0, lease: '1s' });
  const second = watch(locks.acquire('k'));
  await settled();
  t.is(asked.length, 2);
  asked[1]!.reply.resolve(granted());
  const third = watch(locks.acquire('k'));
  await settled();
  t.is(second.state, 'resolved');
  t.is(asked.length, 2);
  next(granted());
  await clock.advance(20);
  t.is(third.state, 'resolved');
  await first.release();
});

test('who gives up in the middle of the queue keeps nobody behind it', async (t) => {
  const { clock, openers } = lockRig(t);
  const { locks } = openers[0]!;
  const order: string[] = [];
  const controller = new AbortController();
  const a = holder(locks, 'a', order);
  const b = holder(locks, 'b', order);
  holder(locks, 'late', order, { wait: 100 });
  holder(locks, 'aborted', order, { signal: controller.signal });
  const c = holder(locks, 'c', order);
  await clock.advance(99);
  t.deepEqual(order, ['a']);
  await clock.advance(1);
  t.deepEqual(order, ['a', 'late refused']);
  controller.abort();
  await settled();
  await a.release();
  await b.release();
  await c.release();
  t.deepEqual(order, ['a', 'late refused', 'aborted refused', 'b', 'c']);
  t.is(clock.timers, 0);
});

test('the first of the queue may give up, and the next one asks at once', async (t) => {
  const { asked, locks, next } = scriptedRig(t);
  const controller = new AbortController();
  const first = watch(locks.acquire('k', { signal: controller.signal }));
  const second = watch(locks.acquire('k'));
  await settled();
  t.is(asked.length, 1);
  next(granted());
  controller.abort();
  await settled();
  t.is(first.state, 'rejected');
  t.is(second.state, 'resolved');
});

test('callers of one process share what the first of them was answered', async (t) => {
  const { clock, locks, next } = scriptedRig(t);
  next(unavailable('gone'), unavailable('gone'), unavailable('gone'));
  const first = watch(locks.acquire('k', { wait: '5s' }));
  const second = watch(locks.acquire('k', { wait: 60 }));
  await clock.advance(60);
  t.is(first.state, 'pending');
  t.true(second.error instanceof LockUnavailableError);
});

test('other keys, other modes and other numbers of permits have queues of their own', async (t) => {
  const { asked, locks } = scriptedRig(t);
  void locks.acquire('a').catch(() => {});
  void locks.acquire('b').catch(() => {});
  void locks.acquire({ keys: ['a', 'b'] }).catch(() => {});
  void locks.acquire('a', { mode: 'shared' }).catch(() => {});
  void locks.acquire('a', { permits: 2 }).catch(() => {});
  await settled();
  t.is(asked.length, 5);
});

test('several callers of a process ask at once for a lock that several may hold', async (t) => {
  const { asked, locks } = scriptedRig(t);
  for (let i = 0; i < 20; i++) void locks.acquire('a', { mode: 'shared' }).catch(() => {});
  for (let i = 0; i < 20; i++) void locks.acquire('b', { permits: 3 }).catch(() => {});
  await settled();
  t.is(asked.filter(({ request }) => request.permits === Infinity).length, 8);
  t.is(asked.filter(({ request }) => request.permits === 3).length, 3);
});

// --- several processes ----------------------------------------------------------------------------------------------

test('a waiting process is woken by the message, and waits for no poll', async (t) => {
  const { openers } = lockRig(t, 2);
  const [here, there] = openers;
  const lease = await here!.locks.acquire('k');
  const waiting = watch(there!.locks.acquire('k'));
  await settled();
  await lease.release();
  await settled();
  t.is(waiting.state, 'resolved');
});

test('a message that is lost is made up by a poll', async (t) => {
  const { clock, openers } = lockRig(t, 2);
  const [here, there] = openers;
  const lease = await here!.locks.acquire('k');
  const waiting = watch(there!.locks.acquire('k'));
  await clock.advance(3_000);
  there!.deaf = true;
  await lease.release();
  await settled();
  t.is(waiting.state, 'pending');
  await clock.advance(POLL);
  t.is(waiting.state, 'resolved');
});

test('a message that comes while the store is asked is not lost', async (t) => {
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

test('the first polls come soon, and the pauses grow to 250 ms', async (t) => {
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

test('a poll comes no later than the end of the other’s lease', async (t) => {
  const { asked, clock, locks, next } = scriptedRig(t);
  next(held(7));
  const waiting = watch(locks.acquire('k'));
  await settled();
  next(granted());
  await clock.advance(8);
  t.is(asked.length, 2);
  t.is(waiting.state, 'resolved');
});

test('a lock of a process that died is free when its lease ends', async (t) => {
  const { clock, openers } = lockRig(t, 2);
  const [dead, alive] = openers;
  await dead!.locks.acquire('k', { lease: 1_000, renew: 0 });
  const waiting = watch(alive!.locks.acquire('k'));
  await clock.advance(999);
  t.is(waiting.state, 'pending');
  await clock.advance(2);
  t.is(waiting.state, 'resolved');
});

// --- the end of the wait --------------------------------------------------------------------------------------------

test('a lock that others hold for all of the wait is not obtained, and the error says so', async (t) => {
  const { clock, openers, of } = lockRig(t, 2);
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

test('the last attempt is made at the end of the wait', async (t) => {
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

test('wait: 0 is one attempt, queues behind nobody and leaves nothing behind', async (t) => {
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

test('while too few servers answer it is tried again within the wait', async (t) => {
  const { clock, locks, next } = scriptedRig(t);
  next(unavailable('down'), unavailable('down'), granted());
  const waiting = watch(locks.acquire('k'));
  await clock.advance(100);
  t.is(waiting.state, 'resolved');
});

test('when too few servers answer at last the error has what each of them said', async (t) => {
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

test('a wait that ends before anybody of the process was answered says that nobody was', async (t) => {
  const { clock, locks } = scriptedRig(t);
  void locks.acquire('k').catch(() => {});
  const second = watch(locks.acquire('k', { wait: 10 }));
  await clock.advance(10);
  t.true(second.error instanceof LockUnavailableError);
  t.regex((second.error as Error).message, /none answered within `wait`/);
});

test('a defect of the store reaches the caller as it is', async (t) => {
  const { asked, clock, locks } = scriptedRig(t);
  const refused = watch(locks.acquire('k'));
  await settled();
  const defect = new TypeError('a defect');
  asked[0]!.reply.reject(defect);
  await settled();
  t.is(refused.error, defect);
  t.is(clock.timers, 0);
});

test('an attempt may take no longer than its lease could be proven', async (t) => {
  const { asked, locks } = scriptedRig(t);
  void locks.acquire('k', { lease: '1s' }).catch(() => {});
  await settled();
  t.is(asked[0]!.budget, 988);
});

// --- the caller's signal --------------------------------------------------------------------------------------------

test('a signal that has aborted before asks nobody', async (t) => {
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
  test(`an abort ${where} rejects at once with the signal’s reason, and leaves no listener and no timer`, async (t) => {
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

test('a grant that comes after the abort is given back', async (t) => {
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

test('what a refusal that comes after the abort left in the store is taken back', async (t) => {
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

test('an abort after the lock was got changes nothing', async (t) => {
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

test('an abort in the same moment as the grant never loses the lock', async (t) => {
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

test('50 calls that wait on one signal have one listener on it', async (t) => {
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

// --- fair -----------------------------------------------------------------------------------------------------------

test('a fair lock is got in the order in which it was asked for, across processes', async (t) => {
  const { clock, openers } = lockRig(t, 3);
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

test('the message of a fair lock wakes whose turn it is, and nobody else', async (t) => {
  const { clock, openers } = lockRig(t, 3);
  const [a, b, c] = openers;
  const first = await a!.locks.acquire('k', { fair: true });
  const order: string[] = [];
  const second = holder(b!.locks, 'second', order, { fair: true });
  await settled();
  const third = holder(c!.locks, 'third', order, { fair: true });
  await clock.advance(1_000);
  const asked = c!.asked.length;
  await first.release();
  await settled();
  t.deepEqual(order, ['second']);
  t.is(c!.asked.length, asked);
  await second.release();
  await third.release();
});

test('who leaves the queue of a fair lock gives up its ticket', async (t) => {
  const { clock, openers } = lockRig(t, 3);
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
  t.is(b!.abandoned.length, 1);
  t.is(b!.abandoned[0], b!.asked[0]);
  await first.release();
  await settled();
  t.is(third.state, 'resolved');
  await third.value!.release();
  t.is(clock.timers, 0);
});

test('the ticket is the same at every attempt, and lives longer than the pauses between them', async (t) => {
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

test('a process that died in the queue of a fair lock holds it up for its ticket’s life at most', async (t) => {
  const { clock, openers } = lockRig(t, 3);
  const [a, dead, c] = openers;
  const first = await a!.locks.acquire('k', { fair: true, lease: '1m' });
  void dead!.locks.acquire('k', { fair: true }).catch(() => {});
  await settled();
  const third = watch(c!.locks.acquire('k', { fair: true, wait: '1m' }));
  await clock.advance(1_000);
  dead!.clock.pause();
  dead!.deaf = true;
  await first.release();
  await clock.advance(1_600);
  t.is(third.state, 'pending');
  await clock.advance(401);
  t.is(third.state, 'resolved');
});

// --- readers and writers, permits -----------------------------------------------------------------------------------

test('shared locks are held together, and an exclusive one alone', async (t) => {
  const { openers } = lockRig(t, 3);
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

test('a waiting writer comes before readers that ask after it', async (t) => {
  const { openers } = lockRig(t, 3);
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

test('a writer that gives up lets the readers in that it kept out', async (t) => {
  const { openers } = lockRig(t, 3);
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

test('a writer that asks once and goes keeps no reader out', async (t) => {
  const { openers } = lockRig(t, 2);
  const [a, b] = openers;
  await a!.locks.acquire('k', { mode: 'shared' });
  await t.throwsAsync(b!.locks.acquire('k', { wait: 0 }), { instanceOf: LockNotObtainedError });
  await t.notThrowsAsync(b!.locks.acquire('k', { mode: 'shared', wait: 0 }));
});

test('as many hold a lock as it has permits', async (t) => {
  const { openers } = lockRig(t, 2);
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

// --- several keys ---------------------------------------------------------------------------------------------------

test('callers that want the same keys in opposite orders never wait for each other', async (t) => {
  const { clock, openers } = lockRig(t, 2);
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

test('several keys are got together or not at all', async (t) => {
  const { openers } = lockRig(t, 2);
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
