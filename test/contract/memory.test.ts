import test, { type ExecutionContext } from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching, type CachingOptions } from '../../src/core/caching.js';
import {
  clearKey,
  entryKey,
  tagChangesKey,
  lockKey,
  rateSubject,
  sessionKey,
  sessionPrefix,
  sessionUserKey,
  tagKey,
} from '../../src/core/keys/store-keys.js';
import { fakeClock } from '../../src/testing/fake-clock.js';
import { SEAL } from '../support/seal-keys.js';
import { cacheContract } from './cache-contract.js';
import { entryStoreContract } from './entry-store-contract.js';
import { limitsContract } from './limits-contract.js';
import { lockStoreContract } from './lock-store-contract.js';
import { locksContract } from './locks-contract.js';
import { messagesContract } from './messages-contract.js';
import { rateStoreContract } from './rate-store-contract.js';
import { sessionStoreContract } from './session-store-contract.js';

const NAMESPACE = 'contract';

entryStoreContract(
  test,
  'memory',
  async (t) => {
    const clock = fakeClock();
    const woken: string[] = [];
    const host = {
      namespace: NAMESPACE,
      clock,
      wake: (key: string) => void woken.push(key),
      degraded() {},
      recovered() {},
    };
    const backend = memory().open(host);
    const { entries: store } = backend;
    await backend.ready();
    const stands = async (name: string): Promise<boolean> => (await store.read(name, [])).record !== null;
    return {
      store,
      entry: (key) => entryKey(NAMESPACE, key),
      tag: (name) => tagKey(NAMESPACE, name),
      clear: clearKey(NAMESPACE),
      tagChanges: tagChangesKey(NAMESPACE),
      woken: () => woken,
      told: async () => {},
      ends: async (name, ms) => {
        await clock.advance(ms - 1);
        t.true(await stands(name), `${name} is gone before ${ms} ms`);
        await clock.advance(2);
        t.false(await stands(name), `${name} is there after ${ms} ms`);
      },
      gone: async (name) => {
        for (let i = 0; i < 100 && (await stands(name)); i++) await clock.advance(10);
        t.false(await stands(name));
      },
      close: () => backend.close(),
    };
  },
  {
    'a replaced lease keeps its waiters':
      'whoever waits polls after at most 250 ms, and in this process the wake saves nothing else',
  },
);

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

rateStoreContract(test, 'memory', async (t) => {
  const clock = fakeClock();
  const woken: string[] = [];
  const backend = memory().open({
    namespace: NAMESPACE,
    clock,
    wake: (name) => void woken.push(name),
    degraded() {},
    recovered() {},
  });
  await backend.ready();
  return {
    store: backend.rates,
    subject: (key) => rateSubject(NAMESPACE, key),
    woken: () => woken,
    told: async (subject, times) => {
      t.is(woken.filter((name) => name === subject).length, times);
    },
    until: async (what, condition) => {
      for (let i = 0; i < 200; i++) {
        if (await condition()) return;
        await clock.advance(25);
      }
      t.fail(what);
    },
    close: () => backend.close(),
  };
});

lockStoreContract(
  test,
  'memory',
  async (t) => {
    const clock = fakeClock();
    const woken: string[] = [];
    const backend = memory().open({
      namespace: NAMESPACE,
      clock,
      wake: (name) => void woken.push(name),
      degraded() {},
      recovered() {},
    });
    await backend.ready();
    return {
      store: backend.locks,
      lock: (key) => lockKey(NAMESPACE, key),
      woken: () => woken,
      told: async (name) => void t.true(woken.includes(name), `nobody was told of ${name}`),
      until: async (what, ask) => {
        for (let i = 0; i < 200; i++) {
          if (await ask()) return;
          await clock.advance(25);
        }
        t.fail(what);
      },
      close: () => backend.close(),
    };
  },
  { single: true },
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
