import test from 'ava';
import {
  Cached,
  currentLease,
  Invalidates,
  Locked,
  RateLimited,
  subscribe,
  withCaching,
} from '../../src/index.js';
import { bypassCaching } from '../../src/testing/index.js';

test('decorated methods run as undecorated', async (t) => {
  const events: unknown[] = [];
  t.teardown(subscribe('miss', (event) => events.push(event)));
  t.teardown(subscribe('invalidate', (event) => events.push(event)));
  let loads = 0;
  class Users {
    @Cached({ key: 'user:{0}' })
    async find(_id: string): Promise<number> {
      return ++loads;
    }
    @Invalidates({ keys: 'user:{0}' })
    async save(id: string): Promise<string> {
      return id;
    }
  }
  const users = new Users();
  await withCaching(bypassCaching(), async () => {
    t.deepEqual(await Promise.all([users.find('1'), users.find('1'), users.find('1')]), [1, 2, 3]);
    t.is(await users.save('1'), '1');
  });
  t.deepEqual(events, []);
});

test('limited methods run without a limit, locked ones without a lock, and currentLease() works', async (t) => {
  const events: unknown[] = [];
  for (const name of ['limit', 'lock', 'unlock', 'lockNotAcquired'] as const) {
    t.teardown(subscribe(name, (event) => events.push(event)));
  }
  const released: (() => void)[] = [];
  class Accounts {
    @RateLimited({ limit: 0, per: '1m' })
    async login(ip: string): Promise<string> {
      return ip;
    }
    @Locked({ key: 'account:{0}', wait: 0 })
    async settle(id: string): Promise<string> {
      const { signal, fencingToken } = currentLease();
      await new Promise<void>((resolve) => released.push(resolve));
      currentLease().assertHeld();
      return `${id} ${signal.aborted} ${fencingToken}`;
    }
  }
  const accounts = new Accounts();
  await withCaching(bypassCaching(), async () => {
    t.is(await accounts.login('::1'), '::1');
    const both = [accounts.settle('1'), accounts.settle('1')];
    await new Promise((resolve) => setImmediate(resolve));
    t.is(released.length, 2, 'both run at once');
    for (const release of released) release();
    t.deepEqual(await Promise.all(both), ['1 false undefined', '1 false undefined']);
  });
  t.deepEqual(events, []);
});

test('the verbs find nothing, store nothing, and run their loader', async (t) => {
  const { cache } = bypassCaching();
  t.is(await cache.getOrSet('user:1', () => 'made'), 'made');
  t.false(await cache.set('user:1', 'stored'));
  t.false(await cache.has('user:1'));
  t.is(await cache.get('user:1'), undefined);
  t.deepEqual(await cache.invalidate({ keys: ['user:1'] }), { acknowledged: true });
});
