import { inspect } from 'node:util';
import test from 'ava';
import { KeyError, OptionsError } from '../../src/core/shared/errors.js';
import {
  LOCK_DEFAULTS,
  lockedKeys,
  lockOptions,
  lockTimes,
  resolveLockPolicy,
  sortedKeys,
  type LockOptions,
  type LockPolicy,
  type LockTimes,
} from '../../src/core/locks/lock-options.js';
import { parseOptions, resolveOptions, type ParsedOptions } from '../../src/core/shared/option-schema.js';
import { scriptedRig } from './lock-rig.js';
import { rig } from '../support/rig.js';

const WHERE = '@Locked on Invoices.settle';

function resolveLock(options: LockOptions, defaults: LockTimes = {}): LockPolicy {
  const times: ParsedOptions<typeof lockOptions> = parseOptions(
    lockTimes,
    defaults,
    'new Caching({ locks })',
  );
  return resolveLockPolicy(
    parseOptions(lockOptions, options, WHERE),
    resolveOptions(times, LOCK_DEFAULTS),
    WHERE,
  );
}

test('omitted lock options have their documented defaults', (t) => {
  t.like(resolveLock({}), {
    lease: 10_000,
    wait: 5_000,
    renew: 600_000,
    permits: 1,
    fair: false,
    reentrant: false,
    onUnavailable: 'throw',
  });
});

test('options of the call override those of the Caching, which override the built-in defaults', (t) => {
  const { lease, wait, renew } = resolveLock({ lease: '1s' }, { lease: '2s', wait: '3s' });
  t.deepEqual([lease, wait, renew], [1_000, 3_000, 600_000]);
});

const BAD_DURATIONS: readonly unknown[] = [-1, -0.4, 2 ** 53, Number.NaN, 'x', '5  s', '', {}, 1n];

for (const name of ['lease', 'wait', 'renew'] as const) {
  for (const value of name === 'lease' ? [0, 9, '25h', ...BAD_DURATIONS] : BAD_DURATIONS) {
    test(`invalid ${name}: ${inspect(value)}`, (t) => {
      const options = { [name]: value } as LockOptions;
      const error = t.throws(() => resolveLock(options), { instanceOf: OptionsError });
      t.regex(error!.message, new RegExp(`^${name} of @Locked on Invoices\\.settle is a duration`));
      t.throws(() => resolveLock({}, options), { instanceOf: OptionsError });
    });
  }
}

test('a lease is 10 ms to one day; wait and renew may be 0', (t) => {
  t.is(resolveLock({ lease: 10 }).lease, 10);
  t.is(resolveLock({ lease: '24h' }).lease, 86_400_000);
  t.like(resolveLock({ wait: 0, renew: 0 }), { wait: 0, renew: 0 });
});

const BAD_OPTIONS: readonly (readonly [unknown, RegExp])[] = [
  [{ mode: 'read' }, /^mode of .* is 'exclusive' or 'shared', and 'read' was given/],
  [{ mode: 'shared', permits: 2 }, /has mode 'shared' and permits/],
  [{ permits: 0 }, /^permits of .* is a whole number, 1 or more, and 0 was given/],
  [{ permits: 1.5 }, /^permits of .* and 1\.5 was given/],
  [{ permits: Infinity }, /^permits of .* and Infinity was given/],
  [{ fair: 'yes' }, /^fair of .* is true or false, and 'yes' was given/],
  [{ reentrant: 1 }, /^reentrant of .* is true or false, and 1 was given/],
  [{ onUnavailable: 'local' }, /^onUnavailable of .* is 'throw' or 'run', and 'local' was given/],
  [{ signal: {} }, /^signal of .* is an AbortSignal, and a plain object was given/],
];

for (const [options, message] of BAD_OPTIONS) {
  test(`invalid combination of options: ${inspect(options)}`, (t) => {
    t.throws(() => resolveLock(options as LockOptions), { instanceOf: OptionsError, message });
  });
}

test('the verbs refuse unknown option names', async (t) => {
  const { locks } = rig(t).openers[0]!;
  const message = /has no option 'leese'/;
  await t.throwsAsync(
    locks.withLease('k', { leese: 1 } as LockOptions, () => 1),
    { instanceOf: OptionsError, message },
  );
  await t.throwsAsync(locks.acquire('k', { leese: 1 } as LockOptions), { instanceOf: OptionsError, message });
  await t.throwsAsync(locks.acquire('k', { reentrant: true } as LockOptions), { instanceOf: OptionsError });
  t.throws(() => resolveLock({}, { permits: 2 } as object), {
    message: /^new Caching\(\{ locks \}\) has no option 'permits'/,
  });
});

// --- keys -----------------------------------------------------------------------------------------------------------

test('several keys are deduplicated and sorted', (t) => {
  t.deepEqual(sortedKeys(lockedKeys({ keys: ['b', ['a', 1], 'b', 'a'] }, 'acquire'), 'acquire'), [
    'a',
    'a:1',
    'b',
  ]);
});

test('an array is one key made of parts', (t) => {
  t.deepEqual(lockedKeys(['invoice', 42], 'acquire'), ['invoice:42']);
});

test('an attempt sends store keys, sorted', async (t) => {
  const { namespace, openers } = rig(t);
  const { chaos, locks } = openers[0]!;
  const lease = await locks.acquire({ keys: ['ab', 'a'] });
  t.deepEqual(lease.keys, ['a', 'ab']);
  t.deepEqual(chaos.calls('locks.acquire')[0]![0].keys, [`${namespace}:lock:{ab}`, `${namespace}:lock:{a}`]);
});

for (const [target, message] of [
  [{ keys: [] }, /^keys of acquire is a list of at least one key, and an empty list was given/],
  [{ keys: 'a' }, /^keys of acquire is a list of at least one key, and 'a' was given/],
  [{ keys: ['a'], key: 'b' }, /has no option 'key'/],
  [
    { keys: Array.from({ length: 65 }, (_, i) => `k${i}`) },
    /^acquire locks from 1 to 64 keys at once, and 65/,
  ],
  [undefined, /target of acquire takes an object of options/],
] as const) {
  test(`invalid lock target: ${inspect(target, { maxArrayLength: 2 })}`, (t) => {
    t.throws(() => sortedKeys(lockedKeys(target as never, 'acquire'), 'acquire'), {
      instanceOf: OptionsError,
      message,
    });
  });
}

test('an empty key is refused', (t) => {
  t.throws(() => lockedKeys('', 'acquire'), { instanceOf: KeyError });
  t.throws(() => lockedKeys({ keys: ['a', ''] }, 'acquire'), { instanceOf: KeyError });
});

// --- invalid combinations --------------------------------------------------------------------------------------------

test('a fair lock has exactly one key', async (t) => {
  const { locks } = rig(t).openers[0]!;
  await t.throwsAsync(locks.acquire({ keys: ['a', 'b'] }, { fair: true }), {
    instanceOf: OptionsError,
    message: /^acquire is fair and has 2 keys/,
  });
  await t.notThrowsAsync(locks.acquire({ keys: ['a', 'a'] }, { fair: true }));
});

test('with several lock servers, fair locks and permits (semaphore) are refused with the reason', async (t) => {
  const { asked, engine, locks, next } = scriptedRig(t, { single: false });
  await t.throwsAsync(locks.acquire('k', { fair: true }), {
    instanceOf: OptionsError,
    message: /several servers: their queues could have different orders/,
  });
  await t.throwsAsync(locks.acquire('k', { permits: 2 }), {
    instanceOf: OptionsError,
    message: /3 servers with 2 permits each admit 3/,
  });
  t.throws(() => engine.call(['k'], engine.policy({ permits: 2 }, WHERE), () => 'Invoices.settle', WHERE), {
    message: /^@Locked on Invoices\.settle has permits/,
  });
  t.is(asked.length, 0);
  next({ status: 'held', forMs: 5 });
  await t.throwsAsync(locks.acquire('k', { mode: 'shared', wait: 0 }), { code: 'E_LOCK_NOT_OBTAINED' });
  t.is(asked[0]!.request.permits, Infinity);
});
