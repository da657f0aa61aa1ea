import test, { type ExecutionContext } from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import type { Backend } from '../../src/core/ports/adapter.js';
import { OptionsError } from '../../src/core/shared/errors.js';
import { fakeClock, type FakeClock } from '../../src/testing/fake-clock.js';
import { chaosAdapter, type ChaosAdapter, type ChaosOptions } from '../../src/testing/chaos-adapter.js';
import { settled } from '../support/settled.js';

interface Opened {
  readonly chaos: ChaosAdapter;
  readonly backend: Backend;
  /** The stores behind the chaos. */
  readonly store: Backend;
  readonly clock: FakeClock;
  readonly woken: readonly string[];
  readonly outages: readonly string[];
  readonly recoveries: () => number;
}

function open(options?: ChaosOptions): Opened {
  const clock = fakeClock();
  const woken: string[] = [];
  let recoveries = 0;
  const outages: string[] = [];
  const host = { namespace: 'n', clock, wake() {}, degraded() {}, recovered() {} };
  const chaos = chaosAdapter(memory(), options);
  const store = chaos.inner.open(host);
  const backend = chaos.open({
    ...host,
    wake: (name) => void woken.push(name),
    degraded: ({ message }) => void outages.push(message),
    recovered: () => void recoveries++,
  });
  return { chaos, backend, store, clock, woken, outages, recoveries: () => recoveries };
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
  t.deepEqual(chaos.verbs, ['entries.lease', 'rates.block']);
  t.deepEqual(chaos.calls('rates.block'), [['subject', 5]]);
  await backend.ready();
});

test('refused and lost requests do not reach the store, and a lost reply does', async (t) => {
  for (const [fault, outcome, reached] of [
    ['refused', 'refused', false],
    ['request lost', 'unknown', false],
    ['reply lost', 'unknown', true],
  ] as const) {
    const opened = open();
    opened.chaos.fail('entries.lease', fault, 1);
    t.is(await failedLease(t, opened), outcome, fault);
    t.is(await isThere(opened.store), reached, fault);
    t.is((await opened.backend.entries.lease('other', 'token', 1_000, undefined)).status, 'granted', fault);
  }
});

test('a late request fails, and reaches the store at deliver', async (t) => {
  const opened = open();
  opened.chaos.fail('entries.lease', 'late', 1);
  t.is(await failedLease(t, opened), 'unknown');
  t.false(await isThere(opened.store));
  await opened.chaos.deliver();
  t.true(await isThere(opened.store));
});

test('a duplicated request is executed twice', async (t) => {
  const { backend, chaos } = open();
  const rule = { key: 'r', algorithm: 'fixed-window', limit: 9, perMs: 1_000, burst: 9 } as const;
  const request = { subject: 's', rules: [rule], cost: 1, token: 'a', repeatable: false, force: false };
  chaos.fail('rates.consume', 'duplicated', 1);
  t.is((await backend.rates.consume(request)).rules[0]!.used, 1);
  t.is((await backend.rates.consume({ ...request, cost: 0 })).rules[0]!.used, 2);
});

test('repeat sends all calls of a verb once more', async (t) => {
  const { backend, chaos, store } = open();
  await backend.entries.lease('a', 'token', 1_000, undefined);
  await backend.entries.lease('b', 'token', 1_000, undefined);
  await store.entries.remove(['a', 'b']);
  await chaos.repeat('entries.lease');
  t.true((await isThere(store, 'a')) && (await isThere(store, 'b')));
});

test('faults are used up in order, and heal ends the rest', async (t) => {
  const opened = open();
  opened.chaos.fail(['entries.lease', 'entries.read'], 'refused', 1);
  opened.chaos.fail('entries.lease', 'request lost');
  t.is(await failedLease(t, opened), 'refused');
  t.is(await failedLease(t, opened), 'unknown');
  t.is(await failedLease(t, opened), 'unknown');
  opened.chaos.heal();
  t.is((await opened.backend.entries.read('k', [])).record, null);
});

test('a call is held at its request or at its reply', async (t) => {
  for (const moment of ['request', 'reply'] as const) {
    const { backend, chaos, store } = open();
    const hold = chaos.hold('entries.lease', moment);
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
  chaos.delay('entries.read', 80);
  let replied = false;
  void backend.entries.read('k', []).then(() => (replied = true));
  await clock.advance(79);
  t.false(replied);
  await clock.advance(1);
  t.true(replied);
});

test('while the store is down it refuses everything, and outage and recovery are notified once', async (t) => {
  const opened = open();
  const { backend, chaos, outages, recoveries } = opened;
  chaos.setDown(true);
  chaos.setDown(true);
  t.deepEqual(outages, ['chaos: the store is down.']);
  t.is(await failedLease(t, opened), 'refused');
  t.is((await backend.locks.acquire(lock)).status, 'unavailable');
  chaos.setDown(false);
  chaos.setDown(false);
  t.is(recoveries(), 1);
});

test('locks report faults as unavailable: acquire, extend and release', async (t) => {
  const { backend, chaos } = open();
  chaos.fail('locks.acquire', 'refused', 1);
  t.is((await backend.locks.acquire(lock)).status, 'unavailable');
  const reply = await backend.locks.acquire(lock);
  if (reply.status !== 'granted') return t.fail(reply.status);
  chaos.fail(['locks.extend', 'locks.release', 'locks.abandon'], 'request lost', 1);
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
  const hold = chaos.hold('entries.lease', 'request');
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
    'a: rates.block arrives',
    'a: wakeup of subject',
    'a: rates.block is answered',
    'a: entries.lease arrives late',
    'a: entries.lease fails',
    'a: entries.lease fails',
  ]);
});

test('pass sends a call of an implementation without ports', async (t) => {
  const { chaos } = open();
  t.is(await chaos.pass('entries.read', async () => 7), 7);
  chaos.fail('entries.read', 'refused', 1);
  await t.throwsAsync(
    chaos.pass('entries.read', async () => 7),
    { code: 'E_STORE_UNAVAILABLE' },
  );
});

/** Which of the next `count` reads fail. */
async function failedReads({ backend }: Opened, count: number): Promise<readonly boolean[]> {
  const failed: boolean[] = [];
  for (let i = 0; i < count; i++) {
    await backend.entries.read('k', []).then(
      () => failed.push(false),
      () => failed.push(true),
    );
  }
  return failed;
}

test('every third call fails', async (t) => {
  const opened = open();
  opened.chaos.fail('entries.read', 'refused', { every: 3 });
  t.deepEqual(await failedReads(opened, 7), [false, false, true, false, false, true, false]);
});

test('calls fail with a probability, and the same seed fails the same calls', async (t) => {
  const failedWith = async (seed: number, probability: number): Promise<readonly boolean[]> => {
    const opened = open({ seed });
    opened.chaos.fail('entries.read', 'refused', { probability });
    return failedReads(opened, 200);
  };
  const failed = await failedWith(7, 0.25);
  t.deepEqual(await failedWith(7, 0.25), failed);
  t.notDeepEqual(await failedWith(8, 0.25), failed);
  const count = failed.filter(Boolean).length;
  t.true(count > 25 && count < 75, `${count} of 200`);
  t.true((await failedWith(7, 1)).every(Boolean));
  t.false((await failedWith(7, 0)).some(Boolean));
});

test('a fault applies to one call, to all of a store, or to all', async (t) => {
  for (const [target, entriesFail, locksFail] of [
    ['entries.read', true, false],
    ['entries', true, false],
    ['locks', false, true],
    ['*', true, true],
  ] as const) {
    const opened = open();
    opened.chaos.fail(target, 'refused');
    t.deepEqual(await failedReads(opened, 1), [entriesFail], target);
    t.is((await opened.backend.locks.acquire(lock)).status === 'unavailable', locksFail, target);
  }
});

test('wakeups are delayed on the clock', async (t) => {
  const { backend, chaos, clock, woken } = open();
  chaos.delayMessages(50);
  await backend.rates.block('one', 5);
  await clock.advance(49);
  t.deepEqual(woken, []);
  await clock.advance(1);
  t.deepEqual(woken, ['one']);
  chaos.heal();
  await backend.rates.block('two', 5);
  t.deepEqual(woken, ['one', 'two']);
});

/** Two `Caching` with an L1 on one store. The first one has the chaos. */
function openWithMemory(t: ExecutionContext) {
  const clock = fakeClock();
  const chaos = chaosAdapter(memory());
  const common = { namespace: 'n', clock, l1: true, defaults: { ttl: '1m', jitter: 0 } } as const;
  const here = new Caching({ ...common, adapter: chaos });
  const there = new Caching({ ...common, adapter: chaos.inner });
  t.teardown(() => Promise.all([here.close(), there.close()]));
  return { chaos, clock, here: here.cache, there: there.cache };
}

test('changes are lost, delayed, or known to be missing', async (t) => {
  const { chaos, clock, here, there } = openWithMemory(t);
  let version = 1;
  const read = (): Promise<number> => here.getOrSet('k', async () => version);
  const write = async (): Promise<void> => {
    version++;
    await there.invalidate({ keys: ['k'] });
  };
  t.is(await read(), 1);
  chaos.loseChanges(true);
  await write();
  t.is(await read(), 1, 'nobody has told it');
  chaos.interruptChanges(true);
  t.is(await read(), 2, 'it knows that it misses changes');
  chaos.heal();
  t.is(await read(), 2);
  chaos.delayMessages(50);
  await write();
  t.is(await read(), 2, 'the message is late');
  await clock.advance(50);
  t.is(await read(), 3);
});

test('while changes are interrupted nothing is returned from memory, and it is again afterwards', async (t) => {
  const { chaos, here } = openWithMemory(t);
  const reads = async (): Promise<number> => {
    const before = chaos.calls('entries.read').length;
    await here.getOrSet('k', async () => 1);
    return chaos.calls('entries.read').length - before;
  };
  await reads();
  t.is(await reads(), 0);
  chaos.interruptChanges(true);
  await reads();
  t.is(await reads(), 1);
  chaos.interruptChanges(false);
  await reads();
  t.is(await reads(), 0);
});

test('an evicted entry or tag is a miss, and its own Caching is not told', async (t) => {
  for (const what of [{ keys: ['k'] }, { tags: ['tag'] }, { all: true }]) {
    const chaos = chaosAdapter(memory());
    const caching = new Caching({ adapter: chaos, clock: fakeClock(), defaults: { ttl: '1m' } });
    t.teardown(() => caching.close());
    let loads = 0;
    const read = () => caching.cache.getOrSet('k', async () => ++loads, { tags: ['tag'] });
    await read();
    t.is(await read(), 1);
    await chaos.evict(what);
    t.is(await read(), 2, Object.keys(what).join());
  }
  const { chaos, here } = openWithMemory(t);
  t.is(await here.getOrSet('k', async () => 1), 1);
  await chaos.evict({ keys: ['k'] });
  t.is(await here.getOrSet('k', async () => 2), 1, 'from memory');
});

test('a misspelled call, an unknown fault and a bad number are errors', async (t) => {
  const { chaos } = open();
  const misspelled = {
    instanceOf: OptionsError,
    message:
      /^fail takes a call such as 'entries.fill', .* and 'entries.fil' was given\. The calls are: .*sessions\.handles\.$/,
  };
  t.throws(() => chaos.fail('entries.fil' as never, 'refused'), misspelled);
  t.throws(() => chaos.hold('fill' as never, 'reply'), { message: /^hold takes .* 'fill' was given/ });
  t.throws(() => chaos.delay(undefined as never, 5), { message: /^delay takes .* undefined was given/ });
  t.throws(() => chaos.fail('entries', 'lost' as never), {
    message: /^fail takes a fault, .* 'lost' was given/,
  });
  for (const when of [0, 1.5, { every: 0 }, { probability: 2 }, {}, null]) {
    t.throws(() => chaos.fail('entries', 'refused', when as never), {
      message: /^fail takes how many .* was given/,
    });
  }
  t.throws(() => chaosAdapter(memory(), { sed: 1 } as never), { message: /has no option 'sed'/ });
  t.throws(() => chaosAdapter({} as never), { message: /^chaosAdapter takes an adapter/ });
  await t.throwsAsync(chaosAdapter(memory()).evict({ keys: ['k'] }), {
    message: /Give .* to a Caching first/,
  });
});

test('one chaos adapter serves one Caching', (t) => {
  const { chaos } = open();
  const host = { namespace: 'n', clock: fakeClock(), wake() {}, degraded() {}, recovered() {} };
  t.throws(() => chaos.open(host), { instanceOf: OptionsError, message: /serves one Caching/ });
});

test('the adapter wraps every method of every store', (t) => {
  const { backend, store } = open();
  for (const port of ['entries', 'rates', 'locks'] as const) {
    t.deepEqual(Object.keys(backend[port]).sort(), Object.keys(store[port]).sort(), port);
  }
});
