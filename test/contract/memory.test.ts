import test, { type ExecutionContext } from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching, type CachingOptions } from '../../src/core/caching.js';
import { sessionKey, sessionPrefix, sessionUserKey } from '../../src/core/keys/store-keys.js';
import { adapterContract } from '../../src/testing/contract/adapter-contract.js';
import { fakeClock } from '../../src/testing/fake-clock.js';
import { SEAL } from '../support/seal-keys.js';
import { cacheContract } from './cache-contract.js';
import { limitsContract } from './limits-contract.js';
import { locksContract } from './locks-contract.js';
import { messagesContract } from './messages-contract.js';
import { runContract } from './run-contract.js';
import { sessionStoreContract } from './session-store-contract.js';

const NAMESPACE = 'contract';

const contract = adapterContract(() => ({ adapter: memory(), clock: fakeClock() }), {
  deviations: {
    'a replaced lease keeps its waiters':
      'whoever waits polls after at most 250 ms, and in this process the wake saves nothing else',
  },
});
runContract(test, 'memory', contract);

messagesContract(
  test,
  'memory',
  async (_t, count) => {
    const adapter = memory();
    const open = (namespace: string) =>
      adapter.open({ namespace, clock: fakeClock(), wake() {}, degraded() {}, recovered() {} });
    const backends = Array.from({ length: count }, () => open(NAMESPACE));
    const other = open('other');
    return {
      buses: backends.map(({ messages }) => messages),
      other: other.messages,
      close: async () => void (await Promise.all([...backends, other].map((backend) => backend.close()))),
    };
  },
  { countsReceivers: true },
);

sessionStoreContract(test, 'memory', async (t) => {
  const clock = fakeClock();
  const backend = memory().open({ namespace: NAMESPACE, clock, wake() {}, degraded() {}, recovered() {} });
  return {
    store: backend.sessions,
    prefix: sessionPrefix(NAMESPACE, 'web'),
    session: (handle) => sessionKey(NAMESPACE, 'web', handle),
    user: (user) => sessionUserKey(NAMESPACE, 'web', user),
    until: async (what, condition) => {
      for (let i = 0; i < 200; i++) {
        if (await condition()) return;
        await clock.advance(25);
      }
      t.fail(what);
    },
    // Nothing is evicted here: what is known of the user expires.
    evict: () => clock.advance(2 * 3_600_000),
    close: () => backend.close(),
  };
});

/** Several `Caching` on one memory adapter. */
const open = async (t: ExecutionContext, count: number, options: Partial<CachingOptions>) => {
  const clock = fakeClock();
  const adapter = memory();
  const cachings = Array.from(
    { length: count },
    () => new Caching({ adapter, namespace: NAMESPACE, clock, ...options }),
  );
  t.teardown(() => Promise.all(cachings.map((caching) => caching.close())));
  return {
    cachings,
    until: async (what: string, condition: () => Promise<boolean>) => {
      for (let i = 0; i < 200; i++) {
        if (await condition()) return;
        await clock.advance(25);
      }
      t.fail(what);
    },
  };
};

cacheContract(test, 'memory', open);
cacheContract(test, 'memory, sealed', (t, count, options) => open(t, count, { ...options, seal: SEAL }));
limitsContract(test, 'memory', open);

locksContract(
  test,
  'memory',
  async (t, count) => {
    const clock = fakeClock();
    const adapter = memory();
    const cachings = Array.from(
      { length: count },
      () => new Caching({ adapter, namespace: NAMESPACE, clock }),
    );
    t.teardown(() => Promise.all(cachings.map((caching) => caching.close())));
    return {
      cachings,
      settle: async (promise) => {
        let done = false;
        const end = promise.finally(() => (done = true));
        end.catch(() => {});
        for (let i = 0; i < 400 && !done; i++) await clock.advance(25);
        return end;
      },
    };
  },
  { single: true },
);
