import test from 'ava';
import { StoreUnavailableError } from '../../src/core/shared/errors.js';
import type { Rule } from '../../src/core/limits/rules.js';
import { deferred } from '../support/deferred.js';
import { limitRig, type LimitRig } from './limit-rig.js';
import { settled } from '../support/settled.js';

const RULE = { limit: 1, per: '10s' } as const;
const SLOTS: Rule = { algorithm: 'concurrency', limit: 1 };

/** What a promise has come to by now. */
function outcome<T>(promise: Promise<T>): { value?: T; error?: unknown } {
  const found: { value?: T; error?: unknown } = {};
  promise.then(
    (value) => (found.value = value),
    (error: unknown) => (found.error = error),
  );
  return found;
}

function asked({ chaos }: LimitRig): number {
  return chaos.verbs.filter((verb) => verb === 'rates.consume').length;
}

test('a call waits until there is capacity, and no longer', async (t) => {
  const rig = limitRig(t);
  await rig.limits.consume('k', RULE);
  const waiting = outcome(rig.limits.consume('k', RULE, { wait: '20s' }));
  await rig.clock.advance(9_999);
  t.deepEqual(waiting, {});
  // Jitter: not all who were told the same time come back at once.
  await rig.clock.advance(51);
  t.like(waiting.value, { allowed: true, source: 'store' });
  t.is(asked(rig), 3);
  t.is(rig.clock.timers, 0);
});

test('waiting calls retry with a jitter of 50 ms, or a tenth of the wait if that is less', async (t) => {
  const back = async (random: number, per: '10s' | '100ms'): Promise<number> => {
    const { limits, clock } = limitRig(t, {}, random);
    await limits.consume('k', { ...RULE, per });
    const waiting = outcome(limits.consume('k', { ...RULE, per }, { wait: '1m' }));
    const since = clock.now();
    while (waiting.value === undefined) await clock.advance(1);
    return clock.now() - since;
  };
  t.is(await back(0, '10s'), 10_000);
  t.is(await back(0.999, '10s'), 10_050);
  t.is(await back(0, '100ms'), 100);
  t.is(await back(0.999, '100ms'), 110);
});

test('a call does not wait if the wait is too short for any capacity', async (t) => {
  const rig = limitRig(t);
  await rig.limits.consume('k', RULE);
  t.like(await rig.limits.consume('k', RULE, { wait: 9_999 }), { allowed: false, retryAfterMs: 10_000 });
  t.like(await rig.limits.consume('k', { limit: 0, per: '1s' }, { wait: '1h' }), { allowed: false });
  await rig.limits.block('k', '1h');
  t.like(await rig.limits.consume('k', RULE, { wait: '1m' }), { rule: 'block' });
  t.is(rig.clock.timers, 0);
});

test('a wait ends as soon as no capacity can come in time', async (t) => {
  const rig = limitRig(t);
  await rig.limits.consume('k', RULE);
  const waiting = outcome(rig.limits.consume('k', RULE, { wait: '15s' }));
  await rig.clock.advance(9_990);
  await rig.other.penalty('k', RULE);
  await rig.clock.advance(100);
  t.like(waiting.value, { allowed: false, retryAfterMs: 9_975 });
});

test('a refund wakes a waiting call', async (t) => {
  for (const give of ['refund', 'reset'] as const) {
    const rig = limitRig(t);
    await rig.limits.consume('k', RULE);
    const waiting = outcome(rig.limits.consume('k', RULE, { wait: '20s' }));
    await settled();
    await rig.other[give]('k', RULE);
    await settled();
    t.like(waiting.value, { allowed: true }, give);
    t.is(rig.clock.timers, 0);
  }
});

test('a refund between the denial and the wait wakes the call too', async (t) => {
  const rig = limitRig(t);
  await rig.limits.consume('k', RULE);
  const { release } = rig.chaos.hold('rates.consume', 'reply');
  const waiting = outcome(rig.limits.consume('k', RULE, { wait: '20s' }));
  await settled();
  await rig.other.reset('k', RULE);
  release();
  await settled();
  t.like(waiting.value, { allowed: true });
});

test('semaphore: a released slot wakes a waiting call', async (t) => {
  const rig = limitRig(t);
  const work = deferred();
  const first = rig.other.run('k', SLOTS, () => work.promise);
  await settled();
  const second = outcome(rig.limits.run('k', SLOTS, () => 7, { wait: '1s' }));
  await settled();
  work.resolve();
  await first;
  await settled();
  t.is(second.value, 7);
});

test('semaphore: a call that waits for a slot polls, because a message may be lost', async (t) => {
  const rig = limitRig(t);
  const { clock, limits, chaos } = rig;
  const slots: Rule = { algorithm: 'concurrency', limit: 1, lease: '1s' };
  // A process that dies: it never renews.
  const died = { subject: `${rig.caching.namespace}:rate:{k}`, cost: 1, token: 'died', repeatable: false };
  const rules = [
    { key: `${died.subject}:concurrency`, algorithm: 'concurrency', limit: 1, perMs: 1_000, burst: 1 },
  ] as const;
  await rig.store.consume({ ...died, rules, force: false });
  const waiting = outcome(limits.run('k', slots, () => 7, { wait: '5s' }));
  const times: number[] = [];
  const start = clock.now();
  for (let seen = 0; waiting.value === undefined && clock.now() < start + 5_000;) {
    if (chaos.verbs.length > seen) times.push(clock.now() - start);
    seen = chaos.verbs.length;
    await clock.advance(1);
  }
  t.is(waiting.value, 7);
  t.deepEqual(
    times.slice(0, 5).map((time) => Math.round(time / 5) * 5),
    [0, 25, 75, 175, 375],
  );
  t.true(clock.now() - start <= 1_252);
});

test('semaphore: a call without a slot is denied at the end of its wait', async (t) => {
  const rig = limitRig(t);
  const work = deferred();
  const first = rig.limits.run('k', SLOTS, () => work.promise);
  await settled();
  const second = outcome(rig.limits.run('k', SLOTS, () => t.fail(), { wait: '1s' }));
  await rig.clock.advance(999);
  t.deepEqual(second, {});
  await rig.clock.advance(1);
  t.like(second.error, { code: 'E_RATE_LIMIT_EXCEEDED' });
  work.resolve();
  await first;
});

test('a call does not wait for a slot if a window denies it for longer than its wait', async (t) => {
  const rig = limitRig(t);
  const work = deferred();
  const first = rig.limits.run('k', [SLOTS, RULE], () => work.promise);
  await settled();
  const error = await t.throwsAsync(rig.limits.run('k', [SLOTS, RULE], () => t.fail(), { wait: '5s' }));
  t.like(error, { code: 'E_RATE_LIMIT_EXCEEDED' });
  work.resolve();
  await first;
});

test('a call also waits out a cached denial', async (t) => {
  const rig = limitRig(t);
  await rig.limits.consume('k', RULE);
  await rig.limits.consume('k', RULE);
  t.is((await rig.limits.consume('k', RULE)).source, 'denialCache');
  const waiting = outcome(rig.limits.consume('k', RULE, { wait: '20s' }));
  await rig.clock.advance(10_050);
  t.like(waiting.value, { allowed: true });
  t.is(asked(rig), 3);
});

test('a call also waits for capacity that is counted locally', async (t) => {
  const rig = limitRig(t);
  rig.chaos.fail('rates.consume', 'refused');
  await rig.limits.consume('k', RULE);
  const waiting = outcome(rig.limits.consume('k', RULE, { wait: '20s' }));
  await rig.clock.advance(10_050);
  t.like(waiting.value, { allowed: true, source: 'fallback' });
});

// --- signals ---------------------------------------------------------------------------------------------------------------

test('an abort ends the wait with the reason of the signal and takes nothing', async (t) => {
  const rig = limitRig(t);
  await rig.limits.consume('k', RULE);
  const abort = new AbortController();
  const reason = new Error('enough');
  const waiting = outcome(rig.limits.run('k', RULE, () => t.fail(), { wait: '20s', signal: abort.signal }));
  await settled();
  abort.abort(reason);
  await settled();
  t.is(waiting.error, reason);
  t.is(rig.clock.timers, 0);
  await rig.clock.advance(10_000);
  t.true((await rig.limits.consume('k', RULE)).allowed);
});

test('a call with an aborted signal sends no request', async (t) => {
  const rig = limitRig(t);
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  t.is(await t.throwsAsync(rig.limits.consume('k', RULE, { wait: '1s', signal })), reason);
  t.is(await t.throwsAsync(rig.limits.consume('k', RULE, { signal })), reason);
  t.is(asked(rig), 0);
});

test('an abort during the request rejects a denied call with its reason, and does not affect an allowed one', async (t) => {
  const rig = limitRig(t);
  const reason = new Error('enough');
  for (const refused of [false, true]) {
    const abort = new AbortController();
    const { release } = rig.chaos.hold('rates.consume', 'reply');
    const asking = outcome(rig.limits.consume('k', RULE, { wait: '1m', signal: abort.signal }));
    await settled();
    abort.abort(reason);
    release();
    await settled();
    if (refused) t.is(asking.error, reason);
    else t.like(asking.value, { allowed: true });
  }
});

test('waits leave no listener on the signal and no timer', async (t) => {
  const rig = limitRig(t);
  const { signal } = new AbortController();
  const left = new Set<unknown>();
  signal.addEventListener = new Proxy(signal.addEventListener, {
    apply: (target, self, args: unknown[]) => {
      left.add(args[1]);
      return Reflect.apply(target, self, args);
    },
  });
  signal.removeEventListener = new Proxy(signal.removeEventListener, {
    apply: (target, self, args: unknown[]) => {
      left.delete(args[1]);
      return Reflect.apply(target, self, args);
    },
  });
  await rig.limits.consume('k', RULE);
  const waiting = [1, 2, 3].map(() => outcome(rig.limits.consume('k', RULE, { wait: '35s', signal })));
  await settled();
  t.is(left.size, 1);
  await rig.clock.advance(40_000);
  t.true(waiting.every(({ value }) => value !== undefined));
  t.is(left.size, 0);
  t.is(rig.clock.timers, 0);
});

// --- closing ---------------------------------------------------------------------------------------------------------------

test('close ends every wait with an error that names it', async (t) => {
  const rig = limitRig(t);
  await rig.limits.consume('k', RULE);
  const waiting = [1, 2].map(() => outcome(rig.limits.consume('k', RULE, { wait: '20s' })));
  await settled();
  await rig.caching.close();
  await settled();
  for (const { error } of waiting) {
    t.true(error instanceof StoreUnavailableError);
    t.is((error as Error).message, 'This Caching is closed.');
  }
  t.is(rig.clock.timers, 0);
});
