import { getEventListeners } from 'node:events';
import test from 'ava';
import { LockLostError, StoreUnavailableError } from '../../src/core/shared/errors.js';
import type { Lease } from '../../src/core/locks/lease.js';
import { pausable, type PausableClock } from '../support/pausable-clock.js';
import {
  granted,
  scriptedGrant,
  scriptedRig,
  watch,
  type ScriptedGrant,
  type ScriptedRig,
} from './lock-rig.js';
import { settled } from '../support/settled.js';

const LEASE = 3_000;

/** How long, in ms, a lease of `LEASE` ms is valid after a confirmation: 1% and 2 ms less. */
const PROVEN = 2_968;

/** The reason of the signal as it was passed out. Reading the lease itself would check the clock first. */
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

test('G8 locks: a lease is valid for its length minus the clock drift, counted from its request', async (t) => {
  const { asked, clock, locks } = scriptedRig(t);
  const waiting = watch(locks.acquire('k', { lease: LEASE, renew: 0 }));
  await clock.advance(500);
  asked[0]!.reply.resolve(granted());
  await settled();
  t.is(waiting.value!.remainingMs, PROVEN - 500);
});

test('a lease has the fencing token of its grant and its logical keys', async (t) => {
  const { locks, next } = scriptedRig(t);
  next(granted(scriptedGrant(7n)), granted({ ...scriptedGrant(), fencingToken: undefined }));
  t.like(await locks.acquire({ keys: ['b', 'a'] }), { fencingToken: 7n, keys: ['a', 'b'] });
  t.is((await locks.acquire('c')).fencingToken, undefined);
});

test('G8 locks: without a renewal the lease is lost at its end, by a local timer', async (t) => {
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

test('a lease is renewed every third of its length, and is valid until the end of the last renewal', async (t) => {
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

test('G8 locks: a renewal counts from its request, and only once it is confirmed', async (t) => {
  const { clock, grant, lease } = await given(t);
  let confirm!: (outcome: 'extended') => void;
  grant.answer(new Promise<'extended'>((resolve) => (confirm = resolve)) as Promise<never>);
  await clock.advance(1_500);
  t.is(lease.remainingMs, PROVEN - 1_500);
  confirm('extended');
  await settled();
  t.is(lease.remainingMs, PROVEN - 500);
});

test('G8 locks: row d: a lease that the servers do not know any more is lost at once', async (t) => {
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

test('G8 locks: row e: while the servers do not answer, the lease is lost at its end', async (t) => {
  const { clock, grant, signal } = await given(t);
  grant.answer(new Promise<never>(() => {}));
  await clock.advance(PROVEN - 1);
  t.is(reasonOf(signal), undefined);
  await clock.advance(1);
  t.is(reasonOf(signal), 'expired');
});

test('a renewal without a quorum is retried soon, and the lease stays valid', async (t) => {
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

test('G8 locks: if no renewal reaches a quorum, the lease is lost at its end', async (t) => {
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

test('G8 locks: a late confirmation does not revive a lost lease', async (t) => {
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

test('renewals stop after `renew`, and the last one covers what is left of it', async (t) => {
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

test('a renewal never shortens the lease', async (t) => {
  const { clock, grant, lease } = await given(t, { renew: 2_000 });
  await clock.advance(2_900);
  t.deepEqual(grant.extensions, []);
  t.is(lease.remainingMs, PROVEN - 2_900);
});

test('a lease that is granted after half of its length is renewed on the same schedule', async (t) => {
  const { asked, clock, locks } = scriptedRig(t);
  const grant = scriptedGrant();
  void locks.acquire('k', { lease: LEASE });
  await clock.advance(1_500);
  asked[0]!.reply.resolve(granted(grant));
  await clock.advance(0);
  t.deepEqual(grant.extensions, [LEASE]);
});

test('G8 locks: row g: after a pause longer than the lease assertHeld throws, although no timer has run', async (t) => {
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
  test(`G8 locks: row g: after a pause longer than the lease ${what} shows the loss, although no timer has run`, async (t) => {
    let process!: PausableClock;
    const { clock, lease } = await given(t, {}, { view: (clock) => (process = pausable(clock)) });
    process.pause();
    await clock.advance(PROVEN);
    t.true(saysSo(lease));
  });
}

test('G8 locks: row g: a renewal that is due during a pause is not sent after the end of the lease', async (t) => {
  let process!: PausableClock;
  const { clock, grant, signal } = await given(t, {}, { view: (clock) => (process = pausable(clock)) });
  process.pause();
  await clock.advance(PROVEN + 100);
  process.resume();
  await settled();
  t.deepEqual(grant.extensions, []);
  t.is(reasonOf(signal), 'expired');
});

test('release is idempotent', async (t) => {
  const { clock, grant, lease, of } = await given(t);
  await clock.advance(700);
  await Promise.all([lease.release(), lease.release()]);
  await lease.release();
  await lease[Symbol.asyncDispose]();
  t.is(grant.releases, 1);
  t.like(of('unlock'), [{ keys: ['k'], heldMs: 700, lost: false }]);
  t.is(clock.timers, 0);
});

test('after release the lease is not held, and its signal does not abort', async (t) => {
  const { clock, lease, of } = await given(t);
  await lease.release();
  t.throws(() => lease.assertHeld(), { instanceOf: LockLostError, message: /has been released/ });
  t.is(lease.remainingMs, 0);
  await clock.advance(60_000);
  t.false(lease.signal.aborted);
  t.deepEqual(of('lockLost'), []);
});

test('a failed release is published as an event and not thrown', async (t) => {
  const { grant, lease, of } = await given(t);
  const failure = new StoreUnavailableError('no majority could be told', 'unknown');
  grant.failRelease(failure);
  await t.notThrowsAsync(lease.release());
  t.like(of('error'), [{ operation: 'release', key: 'k', error: failure }]);
  t.is(of('unlock').length, 1);
});

test('a lost lease is released too, and its unlock event states the loss', async (t) => {
  const { clock, grant, lease, of } = await given(t, { renew: 0 });
  await clock.advance(5_000);
  await lease.release();
  t.is(grant.releases, 1);
  t.like(of('unlock'), [{ lost: true, heldMs: 5_000 }]);
});

test('a renewal in progress during the release has no effect', async (t) => {
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

test('an abort listener that releases the lost lease releases it once', async (t) => {
  const { clock, grant, lease, of } = await given(t, { renew: 0 });
  lease.signal.addEventListener('abort', () => void lease.release());
  await clock.advance(PROVEN);
  await lease.release();
  t.is(grant.releases, 1);
  t.is(of('unlock').length, 1);
});

test('many listeners on the signal cause no warning', async (t) => {
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
