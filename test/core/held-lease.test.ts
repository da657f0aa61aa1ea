import { getEventListeners } from 'node:events';
import test from 'ava';
import { LockLostError, StoreUnavailableError } from '../../src/core/shared/errors.js';
import type { Lease } from '../../src/core/locks/lease.js';
import { pausable, type PausableClock } from '../coherence/stage.js';
import {
  granted,
  lockRig,
  scriptedGrant,
  scriptedRig,
  settled,
  watch,
  type ScriptedGrant,
  type ScriptedRig,
} from './lock-rig.js';

const LEASE = 3_000;
/** A lease of this length is proven for so long: 1 % and 2 ms are taken off. */
const PROVEN = 2_968;

/** Of the signal as it was given out: the lease itself looks at the clock whenever it is asked. */
function reasonOf(signal: AbortSignal): string | undefined {
  return signal.aborted ? (signal.reason as LockLostError).reason : undefined;
}

interface Given extends ScriptedRig {
  readonly lease: Lease;
  readonly signal: AbortSignal;
  readonly grant: ScriptedGrant;
}

async function given(
  t: Parameters<typeof scriptedRig>[0],
  options: { readonly lease?: number; readonly renew?: number } = {},
  view?: Parameters<typeof scriptedRig>[1],
): Promise<Given> {
  const rig = scriptedRig(t, view);
  const grant = scriptedGrant();
  rig.next(granted(grant));
  const lease = await rig.locks.acquire('k', { lease: LEASE, ...options });
  return { ...rig, lease, signal: lease.signal, grant };
}

// --- what a lease is good for -----------------------------------------------------------------------------------------

test('a lease is good for its length less what clocks may disagree about, counted from when it was asked for', async (t) => {
  const { asked, clock, locks } = scriptedRig(t);
  const waiting = watch(locks.acquire('k', { lease: LEASE, renew: 0 }));
  await clock.advance(500);
  asked[0]!.reply.resolve(granted());
  await settled();
  t.is(waiting.value!.remainingMs, PROVEN - 500);
});

test('a lease has the fencing token of its grant, and its logical keys', async (t) => {
  const { locks, next } = scriptedRig(t);
  next(granted(scriptedGrant(7n)), granted({ ...scriptedGrant(), fencingToken: undefined }));
  t.like(await locks.acquire({ keys: ['b', 'a'] }), { fencingToken: 7n, keys: ['a', 'b'] });
  t.is((await locks.acquire('c')).fencingToken, undefined);
});

test('without a renewal the lease is lost at its end, by a timer of this process', async (t) => {
  const { clock, lease, of } = await given(t, { renew: 0 });
  const { signal } = lease;
  await clock.advance(PROVEN - 1);
  t.false(signal.aborted);
  t.notThrows(() => lease.assertHeld());
  t.is(lease.remainingMs, 1);
  await clock.advance(1);
  t.true(signal.aborted);
  t.true(signal.reason instanceof LockLostError);
  t.like(signal.reason, { code: 'E_LOCK_LOST', keys: ['k'], reason: 'expired' });
  t.is(
    t.throws(() => lease.assertHeld()),
    signal.reason,
  );
  t.is(lease.remainingMs, 0);
  t.like(of('lockLost'), [{ keys: ['k'], reason: 'expired' }]);
  t.is(clock.timers, 0);
});

// --- renewal --------------------------------------------------------------------------------------------------------

test('a lease is renewed at every third of it, and ends no earlier than the last renewal says', async (t) => {
  const { clock, grant, lease } = await given(t);
  await clock.advance(999);
  t.deepEqual(grant.extensions, []);
  await clock.advance(1);
  t.deepEqual(grant.extensions, [LEASE]);
  t.is(lease.remainingMs, PROVEN);
  await clock.advance(60_000);
  t.is(grant.extensions.length, 61);
  t.notThrows(() => lease.assertHeld());
  await lease.release();
  await clock.advance(60_000);
  t.is(grant.extensions.length, 61);
  t.is(clock.timers, 0);
});

test('a renewal counts from when it was asked for, and only once it is confirmed', async (t) => {
  const { clock, grant, lease } = await given(t);
  let confirm!: (outcome: 'extended') => void;
  grant.answer(new Promise<'extended'>((resolve) => (confirm = resolve)) as Promise<never>);
  await clock.advance(1_500);
  t.is(lease.remainingMs, PROVEN - 1_500);
  confirm('extended');
  await settled();
  t.is(lease.remainingMs, PROVEN - 500);
});

test('row d: a lease that the servers do not know any more is lost at once', async (t) => {
  const { clock, grant, lease, signal, of } = await given(t);
  grant.answer('lost');
  await clock.advance(1_000);
  t.is(reasonOf(signal), 'taken');
  t.throws(() => lease.assertHeld(), {
    instanceOf: LockLostError,
    message: /^The lease on 'k' was lost while it was in use: on the servers/,
  });
  t.like(of('lockLost'), [{ reason: 'taken' }]);
  t.is(clock.timers, 0);
});

test('row e: while the servers answer nothing the lease ends at its end', async (t) => {
  const { clock, grant, signal } = await given(t);
  grant.answer(new Promise<never>(() => {}));
  await clock.advance(PROVEN - 1);
  t.is(reasonOf(signal), undefined);
  await clock.advance(1);
  t.is(reasonOf(signal), 'expired');
});

test('a renewal that finds no majority is tried again soon, and the lease lives on', async (t) => {
  const { clock, grant, lease } = await given(t);
  grant.answer('unavailable', new StoreUnavailableError('slow', 'unknown'), 'unavailable');
  await clock.advance(1_000);
  t.is(grant.extensions.length, 1);
  t.is(lease.remainingMs, PROVEN - 1_000);
  await clock.advance(500);
  t.is(grant.extensions.length, 2);
  await clock.advance(1_000);
  t.is(grant.extensions.length, 4);
  t.is(lease.remainingMs, PROVEN);
});

test('renewals that find no majority until the end lose the lease at its end', async (t) => {
  const { clock, grant, signal } = await given(t);
  grant.answer(...Array.from({ length: 50 }, () => 'unavailable' as const));
  await clock.advance(PROVEN - 1);
  t.is(reasonOf(signal), undefined);
  await clock.advance(1);
  t.is(reasonOf(signal), 'expired');
  const { length } = grant.extensions;
  await clock.advance(10_000);
  t.is(grant.extensions.length, length);
});

test('a lease that is lost is not taken back by a late confirmation', async (t) => {
  const { clock, grant, lease, signal } = await given(t);
  let confirm!: (outcome: 'extended') => void;
  grant.answer(new Promise<'extended'>((resolve) => (confirm = resolve)) as Promise<never>);
  await clock.advance(PROVEN);
  t.is(reasonOf(signal), 'expired');
  confirm('extended');
  await settled();
  t.is(lease.remainingMs, 0);
  t.throws(() => lease.assertHeld());
  t.is(clock.timers, 0);
});

test('renewals end when `renew` has passed since the grant, and the last one is as long as what is left', async (t) => {
  const { clock, grant, lease, signal } = await given(t, { renew: 10_500 });
  await clock.advance(8_000);
  t.deepEqual(grant.extensions, [3_000, 3_000, 3_000, 3_000, 3_000, 3_000, 3_000, 2_500]);
  t.is(lease.remainingMs, 2_500 - 25 - 2);
  await clock.advance(2_472);
  t.is(reasonOf(signal), undefined);
  await clock.advance(1);
  t.is(reasonOf(signal), 'expired');
  t.is(grant.extensions.length, 8);
  t.is(clock.timers, 0);
});

test('a renewal never brings the end nearer', async (t) => {
  const { clock, grant, lease } = await given(t, { renew: 2_000 });
  await clock.advance(2_900);
  t.deepEqual(grant.extensions, []);
  t.is(lease.remainingMs, PROVEN - 2_900);
});

test('a lease that was got after half of its time is renewed as if it had been got at once', async (t) => {
  const { asked, clock, locks } = scriptedRig(t);
  const grant = scriptedGrant();
  void locks.acquire('k', { lease: LEASE });
  await clock.advance(1_500);
  asked[0]!.reply.resolve(granted(grant));
  await clock.advance(0);
  t.deepEqual(grant.extensions, [LEASE]);
});

// --- a process whose timers cannot run ----------------------------------------------------------------------------------

test('row g: after a pause longer than the lease assertHeld says so, though no timer has run', async (t) => {
  let process!: PausableClock;
  const { clock, grant, lease, signal, of } = await given(
    t,
    {},
    { view: (clock) => (process = pausable(clock)) },
  );
  process.pause();
  await clock.advance(PROVEN);
  t.deepEqual(of('lockLost'), []);
  t.throws(() => lease.assertHeld(), { instanceOf: LockLostError });
  t.is(reasonOf(signal), 'expired');
  process.resume();
  await settled();
  t.deepEqual(grant.extensions, []);
  t.is(of('lockLost').length, 1);
});

for (const [what, saysSo] of [
  ['remainingMs', (lease: Lease) => lease.remainingMs === 0],
  ['signal', (lease: Lease) => lease.signal.aborted],
] as const) {
  test(`row g: after a pause longer than the lease ${what} says so, though no timer has run`, async (t) => {
    let process!: PausableClock;
    const { clock, lease } = await given(t, {}, { view: (clock) => (process = pausable(clock)) });
    process.pause();
    await clock.advance(PROVEN);
    t.true(saysSo(lease));
  });
}

test('row g: a renewal that comes due in a pause is not sent after the lease’s end', async (t) => {
  let process!: PausableClock;
  const { clock, grant, signal } = await given(t, {}, { view: (clock) => (process = pausable(clock)) });
  process.pause();
  await clock.advance(PROVEN + 100);
  process.resume();
  await settled();
  t.deepEqual(grant.extensions, []);
  t.is(reasonOf(signal), 'expired');
});

// --- release --------------------------------------------------------------------------------------------------------

test('release gives the lock back once, however often it is called', async (t) => {
  const { clock, grant, lease, of } = await given(t);
  await clock.advance(700);
  await Promise.all([lease.release(), lease.release()]);
  await lease.release();
  await lease[Symbol.asyncDispose]();
  t.is(grant.releases, 1);
  t.like(of('unlock'), [{ keys: ['k'], heldMs: 700, lost: false }]);
  t.is(clock.timers, 0);
});

test('after release nothing is held, and the signal stays as it is', async (t) => {
  const { clock, lease, of } = await given(t);
  await lease.release();
  t.throws(() => lease.assertHeld(), { instanceOf: LockLostError, message: /has been released/ });
  t.is(lease.remainingMs, 0);
  await clock.advance(60_000);
  t.false(lease.signal.aborted);
  t.deepEqual(of('lockLost'), []);
});

test('a release that fails is reported, and thrown at nobody', async (t) => {
  const { grant, lease, of } = await given(t);
  const failure = new StoreUnavailableError('no majority could be told', 'unknown');
  grant.failRelease(failure);
  await t.notThrowsAsync(lease.release());
  t.like(of('error'), [{ operation: 'release', key: 'k', error: failure }]);
  t.is(of('unlock').length, 1);
});

test('a lost lease is given back all the same, and its unlock says that it was lost', async (t) => {
  const { clock, grant, lease, of } = await given(t, { renew: 0 });
  await clock.advance(5_000);
  await lease.release();
  t.is(grant.releases, 1);
  t.like(of('unlock'), [{ lost: true, heldMs: 5_000 }]);
});

test('a renewal under way at the release changes nothing any more', async (t) => {
  const { clock, grant, lease, of } = await given(t);
  let answer!: (outcome: 'lost') => void;
  grant.answer(new Promise<'lost'>((resolve) => (answer = resolve)) as Promise<never>);
  await clock.advance(1_000);
  await lease.release();
  answer('lost');
  await settled();
  t.false(lease.signal.aborted);
  t.deepEqual(of('lockLost'), []);
  t.is(clock.timers, 0);
});

test('a listener that releases the lost lease releases it once', async (t) => {
  const { clock, grant, lease, of } = await given(t, { renew: 0 });
  lease.signal.addEventListener('abort', () => void lease.release());
  await clock.advance(PROVEN);
  await lease.release();
  t.is(grant.releases, 1);
  t.is(of('unlock').length, 1);
});

test('many may listen to the signal without a warning', async (t) => {
  const { lease } = await given(t);
  const warnings: Error[] = [];
  const warn = (warning: Error): void => void warnings.push(warning);
  process.on('warning', warn);
  for (let i = 0; i < 20; i++) lease.signal.addEventListener('abort', () => {});
  await settled();
  process.off('warning', warn);
  t.is(getEventListeners(lease.signal, 'abort').length, 20);
  t.deepEqual(warnings, []);
});

// --- redlock's defects, at the level of the port ------------------------------------------------------------------------

test('row b: a lock that was waited for longer than its lease has all of its lease', async (t) => {
  const { clock, openers } = lockRig(t, 2);
  const [here, there] = openers;
  const first = await here!.locks.acquire('k', { lease: '10s' });
  const second = watch(there!.locks.acquire('k', { lease: '1s', wait: '5s' }));
  await clock.advance(1_500);
  await first.release();
  await settled();
  t.is(second.value!.remainingMs, 988);
  t.notThrows(() => second.value!.assertHeld());
});

test('row c: a grant whose lease had ended when it came is no lock: it is given back, and tried again', async (t) => {
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

test('row f: what an attempt got in vain is given back before the next attempt, which it would block', async (t) => {
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

test('row c: when every grant comes too late the error says that the servers are too slow for the lease', async (t) => {
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
