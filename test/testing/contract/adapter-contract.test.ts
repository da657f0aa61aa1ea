import test from 'ava';
import { memory } from '../../../src/adapters/memory/index.js';
import type { Adapter, Backend } from '../../../src/core/ports/adapter.js';
import type { EntryStore } from '../../../src/core/ports/entry-store.js';
import type { LockStore } from '../../../src/core/ports/lock-store.js';
import type { RateStore } from '../../../src/core/ports/rate-store.js';
import { OptionsError } from '../../../src/core/shared/errors.js';
import { adapterContract } from '../../../src/testing/contract/adapter-contract.js';
import type { AdapterUnderTest, ContractTest } from '../../../src/testing/contract/contract-test.js';
import { entryStoreContract } from '../../../src/testing/contract/entry-store-contract.js';
import { lockStoreContract } from '../../../src/testing/contract/lock-store-contract.js';
import { rateStoreContract } from '../../../src/testing/contract/rate-store-contract.js';
import { fakeClock } from '../../../src/testing/fake-clock.js';

const openMemory = (): AdapterUnderTest => ({ adapter: memory(), clock: fakeClock() });

/** memory() with other stores. */
function withStores(change: (backend: Backend) => Partial<Backend>): () => AdapterUnderTest {
  return () => {
    const inner = memory();
    const adapter: Adapter = {
      name: 'changed',
      open: (host) => {
        const backend = inner.open(host);
        return { ...backend, ...change(backend) };
      },
    };
    return { adapter, clock: fakeClock() };
  };
}

/** True if the test with this title fails. */
async function fails(tests: readonly ContractTest[], title: string): Promise<boolean> {
  const [found] = tests.filter((one) => one.title === title);
  if (found === undefined) throw new Error(`Expected a test with the title ${title}.`);
  return found.run().then(
    () => false,
    () => true,
  );
}

test('the titles are unique, and the tests take no arguments', (t) => {
  const tests = adapterContract(openMemory);
  t.is(new Set(tests.map(({ title }) => title)).size, tests.length);
  // Jest passes a callback to a test that takes an argument, and waits for it.
  t.true(tests.every(({ run }) => run.length === 0));
});

test('a store that fills without a lease fails the tests of that', async (t) => {
  const forgetful = withStores(({ entries }) => {
    const fill: EntryStore['fill'] = async (key, token, record, until) => {
      await entries.lease(key, token, 1_000, '*');
      return entries.fill(key, token, record, until);
    };
    return { entries: { ...entries, fill } };
  });
  const tests = entryStoreContract(forgetful);
  t.true(await fails(tests, 'G1 no resurrection: refuses a fill without a lease: absence means refuse'));
  t.true(await fails(tests, 'G1 no resurrection: refuses a fill after a removal or a release'));
});

test('a store whose nonces live too long fails the tests of that, by the clock', async (t) => {
  const lasting = withStores(({ entries }) => {
    const getOrCreateNonces: EntryStore['getOrCreateNonces'] = (keys, tagChangesKey, fresh, ttlMs, timeout) =>
      entries.getOrCreateNonces(keys, tagChangesKey, fresh, ttlMs + 10, timeout);
    return { entries: { ...entries, getOrCreateNonces } };
  });
  const tests = entryStoreContract(lasting);
  t.true(await fails(tests, 'nonces expire after their ttl'));
  t.true(
    await fails(
      tests,
      'getOrCreateNonces creates the tag changes as an identity and zeros, and keeps existing ones',
    ),
  );
});

test('a store that admits one too many fails the tests of that', async (t) => {
  const generous = withStores(({ rates }) => {
    const consume: RateStore['consume'] = (request, timeout) => {
      const rules = request.rules.map((rule) => ({ ...rule, limit: rule.limit + 1, burst: rule.burst + 1 }));
      return rates.consume({ ...request, rules }, timeout);
    };
    return { rates: { ...rates, consume } };
  });
  const tests = rateStoreContract(generous);
  t.true(
    await fails(tests, 'G9 rate limits: gcra: of a hundred concurrent calls exactly the limit is admitted'),
  );
});

test('a store that wakes twice fails the test of that', async (t) => {
  const loud = (): AdapterUnderTest => {
    const inner = memory();
    const adapter: Adapter = {
      name: 'loud',
      open: (host) =>
        inner.open({
          ...host,
          wake: (name) => {
            host.wake(name);
            host.wake(name);
          },
        }),
    };
    return { adapter, clock: fakeClock() };
  };
  t.true(await fails(rateStoreContract(loud), 'a block and a reset wake waiting calls'));
});

test('locks whose release is not checked fail the tests of that', async (t) => {
  const careless = withStores(({ locks }) => {
    const acquire: LockStore['acquire'] = async (request, timeout) => {
      const reply = await locks.acquire(request, timeout);
      if (reply.status !== 'granted') return reply;
      return { ...reply, grant: { ...reply.grant, fencingToken: 1n, extend: async () => 'extended' } };
    };
    return { locks: { ...locks, acquire } };
  });
  const tests = lockStoreContract(careless);
  t.true(await fails(tests, 'G8 locks: the fencing token grows with every grant'));
  t.true(await fails(tests, 'a lock ends with its lease, and a denial returns the time that is left'));
});

test('hasSingleAuthority is compared with the store, and decides which tests there are', async (t) => {
  const several = lockStoreContract(openMemory, { hasSingleAuthority: false });
  t.true(several.some(({ title }) => title === 'there is no fencing token'));
  t.false(several.some(({ title }) => title.startsWith('fair lock')));
  t.true(await fails(several, 'releasing twice has no effect'));
});

test('the life of a record is asked of the server if the tests do not have its clock', async (t) => {
  const clock = fakeClock();
  const remaining = (ms: number) => (): AdapterUnderTest => ({
    adapter: { name: 'memory', open: (host) => memory().open({ ...host, clock }) },
    remainingMs: async () => ms,
  });
  const title = 'a fill replaces the lease with the value, for its ttl';
  for (const ms of [7_000, 6_000]) t.false(await fails(entryStoreContract(remaining(ms)), title), String(ms));
  for (const ms of [7_001, 1_000, 0, -2])
    t.true(await fails(entryStoreContract(remaining(ms)), title), String(ms));
});

test('what is opened is closed, whether the test passes or fails', async (t) => {
  let open = 0;
  const counted = (): AdapterUnderTest => {
    open++;
    return { ...openMemory(), close: () => void open-- };
  };
  const [passing] = lockStoreContract(counted);
  await passing!.run();
  t.is(open, 0);
  const [failing] = lockStoreContract(counted, { hasSingleAuthority: false });
  await t.throwsAsync(failing!.run(), { message: /hasSingleAuthority/ });
  t.is(open, 0);
});

test('a deviation that names no test, and an unknown option, are errors', (t) => {
  const deviations = { 'releasing twice has no effect': 'it is not ours' };
  t.is(adapterContract(openMemory, { deviations }).length, adapterContract(openMemory).length - 1);
  t.throws(() => entryStoreContract(openMemory, { deviations }), {
    instanceOf: OptionsError,
    message:
      "deviations of entryStoreContract name the titles of its tests, and there is no 'releasing twice has no effect'.",
  });
  t.throws(() => adapterContract(openMemory, { deviation: {} } as never), {
    message: /no option 'deviation'/,
  });
  t.throws(() => adapterContract(openMemory, { deviations: [] } as never), {
    message: /an object of titles/,
  });
});
