import test, { type ExecutionContext } from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import type { Backend } from '../../src/core/ports/adapter.js';
import { fakeClock, type FakeClock } from '../../src/testing/fake-clock.js';
import { chaosAdapter, type ChaosAdapter, type ChaosOptions } from './chaos-adapter.js';
import { settled } from './settled.js';

interface Opened {
  readonly chaos: ChaosAdapter;
  readonly backend: Backend;
  /** The stores behind the chaos. */
  readonly store: Backend;
  readonly clock: FakeClock;
  readonly woken: readonly string[];
  readonly recoveries: () => number;
}

function open(options?: ChaosOptions): Opened {
  const clock = fakeClock();
  const woken: string[] = [];
  let recoveries = 0;
  const host = { namespace: 'n', clock, wake() {}, degraded() {}, recovered() {} };
  const chaos = chaosAdapter(memory(), options);
  const store = chaos.inner.open(host);
  const backend = chaos.open({
    ...host,
    wake: (name) => void woken.push(name),
    recovered: () => void recoveries++,
  });
  return { chaos, backend, store, clock, woken, recoveries: () => recoveries };
}

const lock = { keys: ['n:lock:{k}'], leaseMs: 1_000, permits: 1, ticket: undefined, ticketMs: 0 };

async function isThere(store: Backend, key = 'k'): Promise<boolean> {
  return (await store.entries.read(key, [])).record !== null;
}

/** Takes a lease through the chaos and returns the outcome of the error. */
async function failedLease(t: ExecutionContext, { backend }: Opened, key = 'k'): Promise<unknown> {
  const error = await t.throwsAsync(backend.entries.lease(key, 'token', 1_000, undefined), {
    code: 'E_STORE_UNAVAILABLE',
  });
  return (error as { readonly outcome?: unknown }).outcome;
}

test('without faults every call reaches the store and is recorded with its arguments', async (t) => {
  const { backend, chaos, store } = open();
  t.is((await backend.entries.lease('k', 'token', 1_000, undefined)).status, 'granted');
  t.true(await isThere(store));
  await backend.rates.block('subject', 5);
  t.deepEqual(chaos.verbs, ['lease', 'block']);
  t.deepEqual(chaos.calls('block'), [['subject', 5]]);
  await backend.ready();
});

test('refused and lost requests do not reach the store, and a lost reply does', async (t) => {
  for (const [fault, outcome, reached] of [
    ['refused', 'refused', false],
    ['request lost', 'unknown', false],
    ['reply lost', 'unknown', true],
  ] as const) {
    const opened = open();
    opened.chaos.fail('lease', fault, 1);
    t.is(await failedLease(t, opened), outcome, fault);
    t.is(await isThere(opened.store), reached, fault);
    t.is((await opened.backend.entries.lease('other', 'token', 1_000, undefined)).status, 'granted', fault);
  }
});

test('a late request fails, and reaches the store at deliver', async (t) => {
  const opened = open();
  opened.chaos.fail('lease', 'late', 1);
  t.is(await failedLease(t, opened), 'unknown');
  t.false(await isThere(opened.store));
  await opened.chaos.deliver();
  t.true(await isThere(opened.store));
});

test('a duplicated request is executed twice', async (t) => {
  const { backend, chaos } = open();
  const rule = { key: 'r', algorithm: 'fixed-window', limit: 9, perMs: 1_000, burst: 9 } as const;
  const request = { subject: 's', rules: [rule], cost: 1, token: 'a', repeatable: false, force: false };
  chaos.fail('consume', 'duplicated', 1);
  t.is((await backend.rates.consume(request)).rules[0]!.used, 1);
  t.is((await backend.rates.consume({ ...request, cost: 0 })).rules[0]!.used, 2);
});

test('repeat sends all calls of a verb once more', async (t) => {
  const { backend, chaos, store } = open();
  await backend.entries.lease('a', 'token', 1_000, undefined);
  await backend.entries.lease('b', 'token', 1_000, undefined);
  await store.entries.remove(['a', 'b']);
  await chaos.repeat('lease');
  t.true((await isThere(store, 'a')) && (await isThere(store, 'b')));
});

test('faults are used up in order, and heal ends the rest', async (t) => {
  const opened = open();
  opened.chaos.fail(['lease', 'read'], 'refused', 1);
  opened.chaos.fail('lease', 'request lost');
  t.is(await failedLease(t, opened), 'refused');
  t.is(await failedLease(t, opened), 'unknown');
  t.is(await failedLease(t, opened), 'unknown');
  opened.chaos.heal();
  t.is((await opened.backend.entries.read('k', [])).record, null);
});

test('a call is held at its request or at its reply', async (t) => {
  for (const moment of ['request', 'reply'] as const) {
    const { backend, chaos, store } = open();
    const hold = chaos.hold('lease', moment);
    let settledAs: string | undefined;
    const call = backend.entries
      .lease('k', 'token', 1_000, undefined)
      .then(({ status }) => (settledAs = status));
    await hold.reached;
    await settled();
    t.is(settledAs, undefined, moment);
    t.is(await isThere(store), moment === 'reply', moment);
    hold.release();
    t.is(await call, 'granted', moment);
  }
});

test('a reply is delayed on the clock', async (t) => {
  const { backend, chaos, clock } = open();
  chaos.delay('read', 80);
  let replied = false;
  void backend.entries.read('k', []).then(() => (replied = true));
  await clock.advance(79);
  t.false(replied);
  await clock.advance(1);
  t.true(replied);
});

test('while the store is down it refuses everything, and its recovery is notified once', async (t) => {
  const opened = open();
  const { backend, chaos, recoveries } = opened;
  chaos.setDown(true);
  t.is(await failedLease(t, opened), 'refused');
  t.is((await backend.locks.acquire(lock)).status, 'unavailable');
  chaos.setDown(false);
  chaos.setDown(false);
  t.is(recoveries(), 1);
});

test('locks report faults as unavailable: acquire, extend and release', async (t) => {
  const { backend, chaos } = open();
  chaos.fail('acquire', 'refused', 1);
  t.is((await backend.locks.acquire(lock)).status, 'unavailable');
  const reply = await backend.locks.acquire(lock);
  if (reply.status !== 'granted') return t.fail(reply.status);
  chaos.fail(['extendLock', 'releaseLock', 'abandon'], 'request lost', 1);
  t.is(await reply.grant.extend(500), 'unavailable');
  t.is(await reply.grant.extend(500), 'extended');
  await t.throwsAsync(reply.grant.release(), { code: 'E_STORE_UNAVAILABLE' });
  await t.notThrowsAsync(backend.locks.abandon(lock));
  await reply.grant.release();
});

test('wakeups reach the host unless they are lost', async (t) => {
  const { backend, chaos, woken } = open();
  await backend.rates.block('one', 5);
  chaos.loseWakeups(true);
  await backend.rates.block('two', 5);
  t.deepEqual(woken, ['one']);
});

test('after kill no call is sent and no reply arrives', async (t) => {
  const { backend, chaos, store } = open();
  const hold = chaos.hold('lease', 'request');
  let replied = false;
  void backend.entries.lease('k', 'token', 1_000, undefined).then(() => (replied = true));
  await hold.reached;
  chaos.kill();
  hold.release();
  void backend.entries.lease('other', 'token', 1_000, undefined).then(() => (replied = true));
  await settled();
  t.false(replied);
  t.false(await isThere(store, 'other'));
});

test('schedule orders requests, replies, late requests and wakeups', async (t) => {
  const steps: string[] = [];
  const faults = (['none', 'late', 'refused'] as const).values();
  const schedule = async (step: string): Promise<void> => void steps.push(step);
  const opened = open({ name: 'a', schedule, faults });
  const { backend, chaos, woken } = opened;
  await backend.rates.block('subject', 5);
  t.is(await failedLease(t, opened), 'unknown');
  t.is(await failedLease(t, opened), 'refused');
  await settled();
  t.is(chaos.pending, 0);
  t.deepEqual(woken, ['subject']);
  t.deepEqual(steps, [
    'a: block arrives',
    'a: wakeup of subject',
    'a: block is answered',
    'a: lease arrives late',
    'a: lease fails',
    'a: lease fails',
  ]);
});

test('pass sends a call of an implementation without ports', async (t) => {
  const { chaos } = open();
  t.is(await chaos.pass('read', async () => 7), 7);
  chaos.fail('read', 'refused', 1);
  await t.throwsAsync(
    chaos.pass('read', async () => 7),
    { code: 'E_STORE_UNAVAILABLE' },
  );
});
