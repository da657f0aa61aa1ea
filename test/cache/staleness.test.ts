import test from 'ava';
import { currentLoad } from '../../src/core/cache/load-context.js';
import { LoadTimeoutError } from '../../src/core/shared/errors.js';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';
import { TARGETS } from './invalidation-targets.js';

const GRACE = { ttl: '1m', grace: '10m', tags: ['org'] } as const;
const DOWN = new Error('The database is down.');
const fails = async (): Promise<number> => {
  throw DOWN;
};
const notCalled = async (): Promise<number> => {
  throw new Error('The loader was called.');
};

// --- grace: the load fails -------------------------------------------------------------------------------------------

test('grace: a value is returned after its ttl if its load fails, and no longer than the grace', async (t) => {
  const { openers, clock, of } = rig(t);
  const { cache } = openers[0]!;
  await cache.getOrSet('key', new Row().load, GRACE);
  await clock.advance(60_000);
  t.is(await cache.getOrSet('key', fails, GRACE), 1);
  t.deepEqual(
    of('hit').map(({ tier, stale }) => [tier, stale]),
    [['l2', 'error']],
  );
  await clock.advance(599_999);
  t.is(await cache.getOrSet('key', fails, GRACE), 1);
  await clock.advance(1);
  await t.throwsAsync(cache.getOrSet('key', fails, GRACE), { is: DOWN });
});

test('grace: a call without it gets the error, and leaves the value for others', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  await cache.getOrSet('key', new Row().load, GRACE);
  await clock.advance(60_000);
  await t.throwsAsync(cache.getOrSet('key', fails, { ttl: '1m' }), { is: DOWN });
  t.is(await cache.get('key'), undefined);
  t.is(await cache.getOrSet('key', fails, GRACE), 1);
});

test('grace: the shorter one counts, of the call that stored the value and of the one that asks', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  await cache.getOrSet('key', new Row().load, GRACE);
  await clock.advance(90_000);
  await t.throwsAsync(cache.getOrSet('key', fails, { ...GRACE, grace: '30s' }), { is: DOWN });
  t.is(await cache.getOrSet('key', fails, { ...GRACE, grace: '31s' }), 1);
});

test('grace: a new value replaces the stale one', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const row = new Row();
  await cache.getOrSet('key', row.load, GRACE);
  await clock.advance(60_000);
  row.write();
  t.is(await cache.getOrSet('key', row.load, GRACE), 2);
  t.is(await cache.getOrSet('key', notCalled, GRACE), 2);
});

test('grace: a load that expires during its ttl is stored, as a stale value', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const held = new HeldLoad(new Row());
  const first = cache.getOrSet('key', held.run, { ...GRACE, ttl: '1s' });
  await held.entered;
  await clock.advance(2_000);
  held.finish();
  t.is(await first, 1);
  await settled();
  t.is(await cache.getOrSet('key', fails, { ...GRACE, ttl: '1s' }), 1);
});

test('back-off: after a failure no process loads the key again, until it has passed', async (t) => {
  const { openers, clock, of } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  await here!.cache.getOrSet('key', row.load, GRACE);
  await clock.advance(60_000);
  t.is(await here!.cache.getOrSet('key', fails, GRACE), 1);
  await clock.advance(9_999);
  t.is(await here!.cache.getOrSet('key', notCalled, GRACE), 1);
  t.is(await there!.cache.getOrSet('key', notCalled, GRACE), 1);
  t.deepEqual(
    of('hit').map(({ stale }) => stale),
    ['error', 'back-off', 'back-off'],
  );
  await clock.advance(1);
  row.write();
  t.is(await there!.cache.getOrSet('key', row.load, GRACE), 2);
});

test('back-off: it counts from the failure, and not from the start of the load', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  await cache.getOrSet('key', new Row().load, GRACE);
  await clock.advance(60_000);
  const held = new HeldLoad(new Row());
  const first = cache.getOrSet('key', held.run, GRACE);
  await held.entered;
  await clock.advance(4_000);
  held.fail(DOWN);
  t.is(await first, 1);
  await clock.advance(9_999);
  t.is(await cache.getOrSet('key', notCalled, GRACE), 1);
});

test('back-off: 0 loads again at the next call', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const row = new Row();
  const options = { ...GRACE, graceBackoff: 0 };
  await cache.getOrSet('key', row.load, options);
  await clock.advance(60_000);
  t.is(await cache.getOrSet('key', fails, options), 1);
  row.write();
  t.is(await cache.getOrSet('key', row.load, options), 2);
});

test('back-off: a call that can return no stale value loads in it', async (t) => {
  const { openers, clock } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  await here!.cache.getOrSet('key', row.load, GRACE);
  await clock.advance(60_000);
  t.is(await here!.cache.getOrSet('key', fails, GRACE), 1);
  row.write();
  t.is(await there!.cache.getOrSet('key', row.load, { ttl: '1m' }), 2);
});

test('back-off: calls that wait for the load of another process get the stale value when it fails, and do not load', async (t) => {
  const { openers, clock } = rig(t, 2);
  const [here, there] = openers;
  await here!.cache.getOrSet('key', new Row().load, GRACE);
  await clock.advance(60_000);
  const held = new HeldLoad(new Row());
  const first = here!.cache.getOrSet('key', held.run, GRACE);
  await held.entered;
  const second = there!.cache.getOrSet('key', notCalled, GRACE);
  await settled();
  held.fail(DOWN);
  t.is(await first, 1);
  t.is(await second, 1);
});

test('back-off: a call that joins a load and can return no stale value loads itself', async (t) => {
  const { openers, clock } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  await here!.cache.getOrSet('key', row.load, GRACE);
  await clock.advance(60_000);
  const held = new HeldLoad(row);
  const elsewhere = there!.cache.getOrSet('key', held.run, GRACE);
  await held.entered;
  const first = here!.cache.getOrSet('key', notCalled, GRACE);
  await settled();
  row.write();
  const second = here!.cache.getOrSet('key', row.load, { ttl: '1m' });
  await settled();
  held.fail(DOWN);
  t.deepEqual(await Promise.all([elsewhere, first, second]), [1, 1, 2]);
});

test('all calls that wait for a load that fails get the stale value', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  await cache.getOrSet('key', new Row().load, GRACE);
  await clock.advance(60_000);
  const held = new HeldLoad(new Row());
  const calls = Array.from({ length: 10 }, () => cache.getOrSet('key', held.run, GRACE));
  await held.entered;
  await settled();
  held.fail(DOWN);
  t.deepEqual(
    await Promise.all(calls),
    Array.from({ length: 10 }, () => 1),
  );
  t.is(held.runs, 1);
});

test('a load that is shed returns the stale value', async (t) => {
  const { openers, clock } = rig(t, 1, { maxConcurrentLoads: 1 });
  const { cache } = openers[0]!;
  await cache.getOrSet('key', new Row().load, GRACE);
  await clock.advance(60_000);
  const held = new HeldLoad(new Row());
  const other = cache.getOrSet('other', held.run);
  await held.entered;
  const call = cache.getOrSet('key', notCalled, { ...GRACE, loadQueueTimeout: 0 });
  t.is(await call, 1);
  held.finish();
  await other;
});

test('a stale value is returned if the load fails without a lease, because the store has failed meanwhile', async (t) => {
  const { openers, clock } = rig(t);
  const { cache, chaos } = openers[0]!;
  await cache.getOrSet('key', new Row().load, GRACE);
  await clock.advance(60_000);
  chaos.fail('entries.lease', 'refused', 1);
  t.is(await cache.getOrSet('key', fails, GRACE), 1);
});

test('an error of the functions of the options is not hidden by a stale value', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  await cache.getOrSet('key', new Row().load, GRACE);
  await clock.advance(60_000);
  const unless = (): boolean => {
    throw DOWN;
  };
  await t.throwsAsync(
    cache.getOrSet('key', async () => 2, { ...GRACE, unless }),
    { is: DOWN },
  );
});

// --- an invalidation ends a stale value ------------------------------------------------------------------------------

for (const { by, target } of TARGETS) {
  for (const where of ['this process', 'another process'] as const) {
    test(`I12 a stale value that ${where} has invalidated by ${by} is not returned when the load fails`, async (t) => {
      const { openers, clock } = rig(t, 2);
      const [here, there] = openers;
      await here!.cache.getOrSet('key', new Row().load, GRACE);
      await clock.advance(60_000);
      const writer = where === 'this process' ? here! : there!;
      t.true((await writer.cache.invalidate(target)).acknowledged);
      await t.throwsAsync(here!.cache.getOrSet('key', fails, GRACE), { is: DOWN });
    });

    test(`I12 a stale value that ${where} invalidates by ${by} during the load is not returned when it fails`, async (t) => {
      const { openers, clock } = rig(t, 2);
      const [here, there] = openers;
      await here!.cache.getOrSet('key', new Row().load, GRACE);
      await clock.advance(60_000);
      const held = new HeldLoad(new Row());
      const call = here!.cache.getOrSet('key', held.run, GRACE);
      await held.entered;
      const writer = where === 'this process' ? here! : there!;
      t.true((await writer.cache.invalidate(target)).acknowledged);
      held.fail(DOWN);
      await t.throwsAsync(call, { is: DOWN });
    });
  }

  test(`I3 a load behind a stale value is not stored after an invalidation by ${by}`, async (t) => {
    const { openers, clock } = rig(t, 2);
    const [here, there] = openers;
    const options = { ...GRACE, softTimeout: 0 };
    const row = new Row();
    await here!.cache.getOrSet('key', row.load, options);
    await clock.advance(60_000);
    row.write();
    const held = new HeldLoad(row);
    t.is(await here!.cache.getOrSet('key', held.run, options), 1);
    await held.entered;
    row.write();
    t.true((await there!.cache.invalidate(target)).acknowledged);
    held.finish();
    await settled();
    t.is(await here!.cache.getOrSet('key', row.load, options), 3);
    t.is(await there!.cache.getOrSet('key', notCalled, options), 3);
  });

  test(`G3 read your writes: an unacknowledged invalidation by ${by} ends a stale value at hand`, async (t) => {
    const { openers, clock } = rig(t);
    const { cache, chaos } = openers[0]!;
    const row = new Row();
    const options = { ...GRACE, softTimeout: '1s' } as const;
    await cache.getOrSet('key', row.load, options);
    await clock.advance(60_000);
    const held = new HeldLoad(row);
    const call = cache.getOrSet('key', held.run, options);
    await held.entered;
    chaos.setDown(true);
    t.false((await cache.invalidate(target)).acknowledged);
    await clock.advance(1_000);
    held.fail(DOWN);
    await t.throwsAsync(call, { is: DOWN });
  });
}

test('G4 monotonic reads: a stale value is not returned after a newer one of an uncached load', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const row = new Row();
  await cache.getOrSet('key', row.load, GRACE);
  await clock.advance(60_000);
  row.write();
  const held = new HeldLoad(row);
  const waits = cache.getOrSet('key', held.run, { ...GRACE, softTimeout: '1s' });
  await held.entered;
  const leaves = cache.getOrSet('key', row.load, { ttl: '1m', loadTimeout: '200ms', lockTimeout: 0 });
  await clock.advance(200);
  t.is(await leaves, 2);
  await clock.advance(800);
  held.finish();
  t.is(await waits, 2);
});

test('G4 monotonic reads: a stale value ends an older one in memory', async (t) => {
  const { openers, clock } = rig(t, 2, { l1: true });
  const [here, there] = openers;
  await here!.cache.getOrSet('key', async () => 1, { ttl: '10m' });
  here!.chaos.loseChanges(true);
  await there!.cache.set('key', 2, { ttl: '1s', grace: '10m' });
  await clock.advance(1_000);
  t.is(await here!.cache.getOrSet('key', fails, { ...GRACE, tags: [], l1: false }), 2);
  t.is(await here!.cache.getOrSet('key', async () => 3, { ttl: '10m' }), 3);
});

// --- timeouts --------------------------------------------------------------------------------------------------------

test('softTimeout: a call that has waited so long returns the stale value, and the load goes on', async (t) => {
  const { openers, clock, of } = rig(t);
  const { cache } = openers[0]!;
  const row = new Row();
  const options = { ...GRACE, softTimeout: '100ms' } as const;
  await cache.getOrSet('key', row.load, options);
  await clock.advance(60_000);
  row.write();
  const held = new HeldLoad(row);
  const call = cache.getOrSet('key', held.run, options);
  await held.entered;
  await clock.advance(100);
  t.is(await call, 1);
  t.deepEqual(
    of('hit').map(({ stale }) => stale),
    ['timeout'],
  );
  held.finish();
  await settled();
  t.is(await cache.getOrSet('key', notCalled, options), 2);
});

test('softTimeout: 0 returns the stale value at once, and one load runs for all processes', async (t) => {
  const { openers, clock } = rig(t, 2);
  const options = { ...GRACE, softTimeout: 0 };
  const row = new Row();
  await openers[0]!.cache.getOrSet('key', row.load, options);
  await clock.advance(60_000);
  row.write();
  const held = new HeldLoad(row);
  for (let round = 0; round < 3; round++) {
    for (const { cache } of openers) t.is(await cache.getOrSet('key', held.run, options), 1);
  }
  await held.entered;
  held.finish();
  await settled();
  t.is(held.runs, 1);
  for (const { cache } of openers) t.is(await cache.getOrSet('key', notCalled, options), 2);
});

test('softTimeout: without a stale value the call waits for the load', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const held = new HeldLoad(new Row());
  const call = cache.getOrSet('key', held.run, { ...GRACE, softTimeout: 0 });
  await held.entered;
  await clock.advance(4_000);
  held.finish();
  t.is(await call, 1);
});

test('softTimeout: a stale value whose grace ends during the wait is not returned', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const options = { ...GRACE, grace: '10s', softTimeout: '2s' } as const;
  const row = new Row();
  await cache.getOrSet('key', row.load, options);
  await clock.advance(69_000);
  row.write();
  const held = new HeldLoad(row);
  const call = cache.getOrSet('key', held.run, options);
  await held.entered;
  await clock.advance(2_000);
  held.finish();
  t.is(await call, 2);
});

test('hardTimeout: a call without a stale value rejects with a LoadTimeoutError, and the late value is stored', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const held = new HeldLoad(new Row());
  const options = { ttl: '1m', hardTimeout: '2s' } as const;
  const call = cache.getOrSet('key', held.run, options);
  await held.entered;
  await clock.advance(2_000);
  const error = await t.throwsAsync(call, { instanceOf: LoadTimeoutError });
  t.like(error, { code: 'E_LOAD_TIMEOUT', key: 'key', method: undefined, timeoutMs: 2_000 });
  t.regex(error!.message, /'key'.*hardTimeout of 2000 ms/);
  held.finish();
  await settled();
  t.is(await cache.getOrSet('key', notCalled, options), 1);
});

test('hardTimeout: with a stale value and no soft timeout it returns that', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const options = { ...GRACE, hardTimeout: '2s' } as const;
  await cache.getOrSet('key', new Row().load, options);
  await clock.advance(60_000);
  const held = new HeldLoad(new Row());
  const call = cache.getOrSet('key', held.run, options);
  await held.entered;
  await clock.advance(2_000);
  t.is(await call, 1);
  held.finish();
  await settled();
});

test('hardTimeout: E-B3 a load that was timed out does not replace the value of a later one', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const row = new Row();
  const held = new HeldLoad(row);
  const options = { ttl: '1m', hardTimeout: '2s', loadTimeout: '3s' } as const;
  const call = cache.getOrSet('key', held.run, options);
  await held.entered;
  await clock.advance(2_000);
  await t.throwsAsync(call, { instanceOf: LoadTimeoutError });
  row.write();
  await cache.invalidate({ keys: ['key'] });
  t.is(await cache.getOrSet('key', row.load, options), 2);
  held.finish();
  await settled();
  t.is(await cache.getOrSet('key', notCalled, options), 2);
});

// --- signals ---------------------------------------------------------------------------------------------------------

test('the signal of a load aborts when its last call has left by hardTimeout, and no call joins it then', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const row = new Row();
  let signal: AbortSignal | undefined;
  const held = new HeldLoad(row);
  const loader = (): Promise<number> => {
    signal = currentLoad()!.signal;
    return held.run();
  };
  const first = cache.getOrSet('key', loader, { ttl: '1m', hardTimeout: '1s' });
  await held.entered;
  const second = cache.getOrSet('key', loader, { ttl: '1m', hardTimeout: '2s' });
  await clock.advance(1_000);
  await t.throwsAsync(first, { instanceOf: LoadTimeoutError });
  t.false(signal!.aborted);
  await clock.advance(1_000);
  await t.throwsAsync(second, { instanceOf: LoadTimeoutError });
  t.true(signal!.aborted);
  t.true(signal!.reason instanceof LoadTimeoutError);
  t.is(await cache.getOrSet('key', row.load, { ttl: '1m', lockTimeout: 0 }), 1);
  held.finish();
  await settled();
});

test('a signal of a caller ends its call only', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  let signal: AbortSignal | undefined;
  const held = new HeldLoad(new Row());
  const loader = (): Promise<number> => {
    signal = currentLoad()!.signal;
    return held.run();
  };
  const leaves = new AbortController();
  const reason = new Error('The client has left.');
  const first = cache.getOrSet('key', loader, { ttl: '1m', signal: leaves.signal });
  await held.entered;
  const second = cache.getOrSet('key', loader, { ttl: '1m' });
  await settled();
  leaves.abort(reason);
  await t.throwsAsync(first, { is: reason });
  t.false(signal!.aborted);
  held.finish();
  t.is(await second, 1);
});

test('a load whose only caller has left is aborted with the reason', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  let signal: AbortSignal | undefined;
  const held = new HeldLoad(new Row());
  const leaves = new AbortController();
  const reason = new Error('The client has left.');
  const call = cache.getOrSet(
    'key',
    () => {
      signal = currentLoad()!.signal;
      return held.run();
    },
    { ttl: '1m', signal: leaves.signal },
  );
  await held.entered;
  leaves.abort(reason);
  await t.throwsAsync(call, { is: reason });
  t.true(signal!.aborted);
  t.is(signal!.reason, reason);
  held.finish();
  await settled();
});

test('a load behind a stale value is not aborted', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const options = { ...GRACE, softTimeout: 0 };
  await cache.getOrSet('key', new Row().load, options);
  await clock.advance(60_000);
  let signal: AbortSignal | undefined;
  const held = new HeldLoad(new Row());
  const loader = (): Promise<number> => {
    signal = currentLoad()!.signal;
    return held.run();
  };
  t.is(await cache.getOrSet('key', loader, options), 1);
  await held.entered;
  t.false(signal!.aborted);
  held.finish();
  await settled();
});

test('a load behind a stale value is not aborted, also when another call leaves it', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  await cache.getOrSet('key', new Row().load, GRACE);
  await clock.advance(60_000);
  let signal: AbortSignal | undefined;
  const held = new HeldLoad(new Row());
  const loader = (): Promise<number> => {
    signal = currentLoad()!.signal;
    return held.run();
  };
  const first = cache.getOrSet('key', loader, { ...GRACE, softTimeout: '1s' });
  await held.entered;
  const second = cache.getOrSet('key', loader, { ttl: '1m', hardTimeout: '2s' });
  await clock.advance(1_000);
  t.is(await first, 1);
  await clock.advance(1_000);
  await t.throwsAsync(second, { instanceOf: LoadTimeoutError });
  t.false(signal!.aborted);
  held.finish();
  await settled();
});

test('abortOnLostLease: the signal of a load aborts when its lease is lost', async (t) => {
  const { openers, clock } = rig(t, 2);
  const [here, there] = openers;
  let signal: AbortSignal | undefined;
  const held = new HeldLoad(new Row());
  const call = here!.cache.getOrSet(
    'key',
    () => {
      signal = currentLoad()!.signal;
      return held.run();
    },
    { ttl: '1m', abortOnLostLease: true, lease: '2s' },
  );
  await held.entered;
  await there!.cache.invalidate({ keys: ['key'] });
  await clock.advance(999);
  t.false(signal!.aborted);
  await clock.advance(1);
  t.true(signal!.aborted);
  held.finish();
  t.is(await call, 1);
});

test('there is no current load outside a load', (t) => {
  t.is(currentLoad(), undefined);
});

// --- refresh ahead ---------------------------------------------------------------------------------------------------

for (const refreshAhead of [0.8, '12s'] as const) {
  test(`refreshAhead: ${refreshAhead} loads again before the end of the ttl, behind a call that returns the value`, async (t) => {
    const { openers, clock } = rig(t);
    const { cache } = openers[0]!;
    const options = { ttl: '1m', refreshAhead } as const;
    const row = new Row();
    await cache.getOrSet('key', row.load, options);
    row.write();
    await clock.advance(47_999);
    t.is(await cache.getOrSet('key', notCalled, options), 1);
    await clock.advance(1);
    const held = new HeldLoad(row);
    t.is(await cache.getOrSet('key', held.run, options), 1);
    await held.entered;
    t.is(await cache.getOrSet('key', notCalled, options), 1);
    held.finish();
    await settled();
    t.is(await cache.getOrSet('key', notCalled, options), 2);
    await clock.advance(47_999);
    t.is(await cache.getOrSet('key', notCalled, options), 2);
  });
}

test('refreshAhead: one process refreshes', async (t) => {
  const { openers, clock } = rig(t, 3);
  const options = { ttl: '1m', refreshAhead: 0.8 } as const;
  const row = new Row();
  await openers[0]!.cache.getOrSet('key', row.load, options);
  await clock.advance(50_000);
  const held = new HeldLoad(row);
  for (let round = 0; round < 3; round++) {
    for (const { cache } of openers) t.is(await cache.getOrSet('key', held.run, options), 1);
  }
  await held.entered;
  t.is(held.runs, 1);
  held.finish();
  await settled();
});

test('refreshAhead: a refresh that fails is reported, and is not repeated within the back-off', async (t) => {
  const { openers, clock, of } = rig(t, 2);
  const [here, there] = openers;
  const options = { ttl: '1m', refreshAhead: 0.5 } as const;
  await here!.cache.getOrSet('key', new Row().load, options);
  await clock.advance(30_000);
  t.is(await here!.cache.getOrSet('key', fails, options), 1);
  await settled();
  t.deepEqual(
    of('error').map(({ operation, error }) => [operation, error]),
    [['refresh', DOWN]],
  );
  await clock.advance(9_999);
  t.is(await there!.cache.getOrSet('key', notCalled, options), 1);
  await clock.advance(1);
  const row = new Row();
  row.write();
  t.is(await there!.cache.getOrSet('key', row.load, options), 1);
  await settled();
  t.is(await there!.cache.getOrSet('key', notCalled, options), 2);
});

test('refreshAhead: a refresh that gets no lease does not load', async (t) => {
  const { openers, clock } = rig(t);
  const { cache, chaos } = openers[0]!;
  const options = { ttl: '1m', refreshAhead: 0.5 } as const;
  await cache.getOrSet('key', new Row().load, options);
  await clock.advance(30_000);
  chaos.fail('entries.lease', 'refused', 1);
  let loads = 0;
  t.is(await cache.getOrSet('key', async () => ++loads, options), 1);
  await settled();
  t.is(loads, 0);
  t.is(await cache.getOrSet('key', new Row().load, options), 1);
});

test('refreshAhead: by chance, the more likely the longer the load took', async (t) => {
  const options = { ttl: '1m', refreshAhead: { beta: 1 } } as const;
  for (const { loadMs, refreshes } of [
    { loadMs: 1_000, refreshes: false },
    { loadMs: 10_000, refreshes: true },
  ]) {
    // -ln(1 - 0.5) is 0.69.
    const { openers, clock } = rig(t, 1, {}, 0.5);
    const { cache } = openers[0]!;
    const held = new HeldLoad(new Row());
    const first = cache.getOrSet('key', held.run, { ...options, loadTimeout: '1m', lease: '30s' });
    await held.entered;
    await clock.advance(loadMs);
    held.finish();
    await first;
    await clock.advance(57_000 - loadMs);
    let loads = 0;
    await cache.getOrSet('key', async () => ++loads, options);
    await settled();
    t.is(loads, refreshes ? 1 : 0);
  }
});

for (const { by, target } of TARGETS) {
  test(`refreshAhead: I3 a refresh is not stored after an invalidation by ${by}`, async (t) => {
    const { openers, clock } = rig(t, 2);
    const [here, there] = openers;
    const options = { ttl: '1m', refreshAhead: 0.5, tags: ['org'] } as const;
    const row = new Row();
    await here!.cache.getOrSet('key', row.load, options);
    await clock.advance(30_000);
    const held = new HeldLoad(row);
    t.is(await here!.cache.getOrSet('key', held.run, options), 1);
    await held.entered;
    row.write();
    t.true((await there!.cache.invalidate(target)).acknowledged);
    held.finish();
    await settled();
    t.is(await here!.cache.getOrSet('key', row.load, options), 2);
  });
}

test('refreshAhead: a value in memory is refreshed, too', async (t) => {
  const { openers, clock } = rig(t, 2, { l1: { ttl: '10m' } });
  const { cache } = openers[0]!;
  const options = { ttl: '1m', refreshAhead: 0.8 } as const;
  const row = new Row();
  // Read from the store, and not kept by its own load.
  await openers[1]!.cache.getOrSet('key', row.load, options);
  t.is(await cache.getOrSet('key', notCalled, options), 1);
  t.is((await cache.peek('key'))?.tier, 'l1');
  row.write();
  await clock.advance(48_000);
  t.is(await cache.getOrSet('key', row.load, options), 1);
  await settled();
  t.is(await cache.getOrSet('key', notCalled, options), 2);
});

test('a stale value is not kept in memory', async (t) => {
  const { openers, clock } = rig(t, 1, { l1: true });
  const { cache } = openers[0]!;
  await cache.getOrSet('key', new Row().load, GRACE);
  await clock.advance(60_000);
  t.is(await cache.getOrSet('key', fails, GRACE), 1);
  t.is(await cache.peek('key'), undefined);
});

test('no timer and no lease is left when a call has returned a stale value and its load has ended', async (t) => {
  const { openers, clock } = rig(t);
  const { cache, chaos } = openers[0]!;
  const options = { ...GRACE, softTimeout: '1s', hardTimeout: '2s' } as const;
  await cache.getOrSet('key', new Row().load, options);
  await clock.advance(60_000);
  const before = clock.timers;
  const held = new HeldLoad(new Row());
  const call = cache.getOrSet('key', held.run, options);
  await held.entered;
  await clock.advance(1_000);
  t.is(await call, 1);
  held.finish();
  await settled();
  t.is(clock.timers, before);
  t.is(chaos.pending, 0);
});
