import test from 'ava';
import { LockUnavailableError } from '../../src/core/shared/errors.js';
import { granted, scriptedRig, unavailable, watch, holder, POLL } from './lock-rig.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';

test('callers of one process acquire a lock in the order of their calls', async (t) => {
  const { clock, openers } = rig(t);
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

test('of 50 waiting callers in a process one sends requests', async (t) => {
  const { clock, openers } = rig(t, 2);
  const [here, there] = openers;
  const other = await there!.locks.acquire('k');
  const order: string[] = [];
  const waiting = Array.from({ length: 50 }, (_, i) => holder(here!.locks, String(i), order, { wait: '1m' }));
  await clock.advance(5_000);
  const alone = here!.chaos.calls('locks.acquire').length;
  t.true(alone >= 5_000 / POLL && alone <= 40, `${alone} requests`);
  await other.release();
  for (const one of waiting) await one.release();
  t.is(order.length, 50);
});

test('a release lets the next caller of the process try at once, without a message', async (t) => {
  const { openers } = rig(t);
  const [here] = openers;
  here!.chaos.loseWakeups(true);
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

test('within a process each acquisition takes one request', async (t) => {
  const { openers } = rig(t);
  const { chaos, locks } = openers[0]!;
  await Promise.all(Array.from({ length: 10 }, () => locks.withLease('k', {}, () => settled())));
  t.is(chaos.calls('locks.acquire').length, 10);
});

test('the next caller of the process polls even while another caller of the process holds the lock', async (t) => {
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

test('a caller that gives up in the middle of the queue does not block those behind it', async (t) => {
  const { clock, openers } = rig(t);
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

test('when the first caller of the queue gives up, the next one tries at once', async (t) => {
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

test('waiting callers of one process share the reply to the first of them', async (t) => {
  const { clock, locks, next } = scriptedRig(t);
  next(unavailable('gone'), unavailable('gone'), unavailable('gone'));
  const first = watch(locks.acquire('k', { wait: '5s' }));
  const second = watch(locks.acquire('k', { wait: 60 }));
  await clock.advance(60);
  t.is(first.state, 'pending');
  t.true(second.error instanceof LockUnavailableError);
});

test('each key, mode and number of permits has its own queue', async (t) => {
  const { asked, locks } = scriptedRig(t);
  void locks.acquire('a').catch(() => {});
  void locks.acquire('b').catch(() => {});
  void locks.acquire({ keys: ['a', 'b'] }).catch(() => {});
  void locks.acquire('a', { mode: 'shared' }).catch(() => {});
  void locks.acquire('a', { permits: 2 }).catch(() => {});
  await settled();
  t.is(asked.length, 5);
});

test('semaphore: several callers of a process send requests at the same time', async (t) => {
  const { asked, locks } = scriptedRig(t);
  for (let i = 0; i < 20; i++) void locks.acquire('a', { mode: 'shared' }).catch(() => {});
  for (let i = 0; i < 20; i++) void locks.acquire('b', { permits: 3 }).catch(() => {});
  await settled();
  t.is(asked.filter(({ request }) => request.permits === Infinity).length, 8);
  t.is(asked.filter(({ request }) => request.permits === 3).length, 3);
});
