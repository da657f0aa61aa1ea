import test from 'ava';
import { PendingInvalidations, type InvalidationTarget } from '../../src/core/cache/pending-invalidations.js';
import { fakeClock, type FakeClock } from '../../src/testing/fake-clock.js';
import { deferred, type Deferred } from '../support/deferred.js';
import { rig } from '../support/rig.js';

interface Unit {
  readonly pending: PendingInvalidations;
  readonly clock: FakeClock;
  /** What was sent, and how each attempt ends. */
  readonly sent: { readonly target: InvalidationTarget; readonly outcome: Deferred<void> }[];
}

function unit(max?: number, random?: number): Unit {
  const clock = fakeClock(random);
  const sent: Unit['sent'] = [];
  const send = (target: InvalidationTarget): Promise<void> => {
    const outcome = deferred();
    sent.push({ target, outcome });
    return outcome.promise;
  };
  return { pending: new PendingInvalidations(send, clock, max), clock, sent };
}

function of(keys: readonly string[], tags: readonly string[] = [], all = false): InvalidationTarget {
  return { keys, tags, all };
}

const NO = new Error('no');

test('matches nothing while nothing is pending', (t) => {
  const { pending } = unit();
  t.false(pending.isPending);
  t.false(pending.matches('k', ['t']));
});

test('a pending invalidation matches its key and its tag, and nothing else', (t) => {
  const { pending } = unit();
  pending.add(of(['k'], ['t']));
  t.true(pending.isPending);
  t.true(pending.matches('k', []));
  t.true(pending.matches('other', ['u', 't']));
  t.false(pending.matches('other', ['u']));
  t.false(pending.matches('t', ['k']));
});

test('a pending clear matches everything', (t) => {
  const { pending } = unit();
  pending.add(of([], [], true));
  t.true(pending.matches('any', []));
});

test('an acknowledged retry clears the invalidations that it sent', async (t) => {
  const { pending, sent } = unit();
  pending.add(of(['k'], ['t']));
  pending.add(of(['l'], [], true));
  const retried = pending.retry();
  t.deepEqual(sent[0]!.target, of(['k', 'l'], ['t'], true));
  sent[0]!.outcome.resolve();
  t.true(await retried);
  t.false(pending.isPending);
});

test('an invalidation added during a retry stays pending, even of the same key or tag', async (t) => {
  const { pending, sent, clock } = unit();
  pending.add(of(['k', 'l'], ['t'], true));
  const retried = pending.retry();
  pending.add(of(['k'], ['t']));
  sent[0]!.outcome.resolve();
  t.false(await retried);
  t.true(pending.matches('k', []));
  t.true(pending.matches('x', ['t']));
  t.false(pending.matches('l', []));
  await clock.advance(200);
  t.deepEqual(sent[1]!.target, of(['k'], ['t']));
});

test('a clear added during a retry stays pending', async (t) => {
  const { pending, sent } = unit();
  pending.add(of([], [], true));
  const retried = pending.retry();
  pending.add(of([], [], true));
  sent[0]!.outcome.resolve();
  t.false(await retried);
  t.true(pending.matches('any', []));
});

test('a failed retry keeps everything pending', async (t) => {
  const { pending, sent } = unit();
  pending.add(of(['k'], ['t']));
  const retried = pending.retry();
  sent[0]!.outcome.reject(NO);
  t.false(await retried);
  t.true(pending.matches('k', []));
  t.true(pending.matches('x', ['t']));
});

test('concurrent retries share one request', async (t) => {
  const { pending, sent } = unit();
  pending.add(of(['k']));
  const both = [pending.retry(), pending.retry()];
  t.is(sent.length, 1);
  sent[0]!.outcome.resolve();
  t.deepEqual(await Promise.all(both), [true, true]);
});

test('retries run on their own, with exponential backoff up to five seconds', async (t) => {
  const { pending, sent, clock } = unit(undefined, 0.5);
  pending.add(of(['k']));
  const begun = clock.now();
  const times: number[] = [];
  for (let i = 0; i < 9; i++) {
    while (sent.length === i) await clock.advance(1);
    times.push(clock.now() - begun);
    sent[i]!.outcome.reject(NO);
    await clock.advance(0);
  }
  const gaps = times.map((time, i) => time - (times[i - 1] ?? 0));
  const due = [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000];
  gaps.forEach((gap, i) => t.true(Math.abs(gap - due[i]!) <= 2, `${gap} instead of ${due[i]}`));
});

test('the backoff of retries has a jitter of a quarter', async (t) => {
  const { pending, sent, clock } = unit(undefined, 0);
  pending.add(of(['k']));
  await clock.advance(74);
  t.is(sent.length, 0);
  await clock.advance(2);
  t.is(sent.length, 1);
});

test('an acknowledged retry resets the backoff', async (t) => {
  const { pending, sent, clock } = unit(undefined, 0.5);
  pending.add(of(['k']));
  for (let i = 0; i < 3; i++) {
    while (sent.length === i) await clock.advance(10);
    if (i < 2) sent[i]!.outcome.reject(NO);
    else sent[i]!.outcome.resolve();
    await clock.advance(0);
  }
  t.false(pending.isPending);
  t.is(clock.timers, 0);
  pending.add(of(['k']));
  await clock.advance(101);
  t.is(sent.length, 4);
});

test('beyond the maximum, everything counts as invalidated until a retry is acknowledged', async (t) => {
  const { pending, sent } = unit(3);
  pending.add(of(['a', 'b'], ['t']));
  t.false(pending.matches('x', []));
  pending.add(of(['c']));
  t.true(pending.matches('x', []));
  const retried = pending.retry();
  t.deepEqual(sent[0]!.target, of([], [], true));
  sent[0]!.outcome.resolve();
  t.true(await retried);
  t.false(pending.isPending);
});

test('an overflow during a retry is not cleared by that retry', async (t) => {
  const { pending, sent } = unit(2);
  pending.add(of(['a']));
  const retried = pending.retry();
  pending.add(of(['b', 'c', 'd']));
  sent[0]!.outcome.resolve();
  t.false(await retried);
  t.true(pending.matches('a', []));
});

test('clearKey removes a pending invalidation that is not newer than the given version', (t) => {
  const { pending } = unit();
  pending.add(of(['k', 'l']));
  const { version } = pending;
  pending.clearKey('k', version);
  t.false(pending.matches('k', []));
  t.true(pending.matches('l', []));
  pending.clearKey('absent', version);
  pending.add(of(['k']));
  pending.clearKey('k', version);
  t.true(pending.matches('k', []));
});

test('clearKey does not remove a pending clear', (t) => {
  const { pending } = unit();
  pending.add(of(['k'], [], true));
  pending.clearKey('k', pending.version);
  t.true(pending.matches('k', []));
});

test('a retry sends nothing if nothing is pending', async (t) => {
  const { pending, sent } = unit();
  t.true(await pending.retry());
  t.is(sent.length, 0);
});

test('after close no retry runs on its own and no timer remains; an explicit retry still works', async (t) => {
  const { pending, sent, clock } = unit();
  pending.add(of(['k']));
  pending.close();
  t.is(clock.timers, 0);
  pending.add(of(['l']));
  await clock.advance(60_000);
  t.is(sent.length, 0);
  const retried = pending.retry();
  sent[0]!.outcome.reject(NO);
  t.false(await retried);
  t.is(clock.timers, 0);
});

test('an acknowledged invalidation clears an earlier pending one of the same key', async (t) => {
  const { openers } = rig(t);
  const { cache, chaos } = openers[0]!;
  chaos.fail('entries.remove', 'refused', 1);
  await cache.invalidate({ keys: ['key'] });
  t.true(cache.pending);
  t.true((await cache.invalidate({ keys: ['key'] })).acknowledged);
  t.false(cache.pending);
});

test('set clears an earlier pending invalidation of its key, but not one made during the set', async (t) => {
  const { openers } = rig(t);
  const { cache, chaos } = openers[0]!;
  chaos.fail('entries.remove', 'refused', 1);
  await cache.invalidate({ keys: ['key'] });
  t.true(await cache.set('key', 1));
  t.false(cache.pending);
  t.is(await cache.get('key'), 1);

  const fill = chaos.hold('entries.fill', 'request');
  const set = cache.set('key', 2);
  await fill.reached;
  chaos.fail('entries.remove', 'refused', 1);
  await cache.invalidate({ keys: ['key'] });
  fill.release();
  t.true(await set);
  t.true(cache.pending);
  t.is(await cache.get('key'), undefined);
});
