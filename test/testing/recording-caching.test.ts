import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import {
  Cached,
  Caching,
  Invalidates,
  Locked,
  LockNotObtainedError,
  OptionsError,
  RateLimited,
  RateLimitExceededError,
  withCaching,
} from '../../src/index.js';
import { recordingCaching } from '../../src/testing/index.js';

class Users {
  name = 'Ada';
  @Cached({ key: 'user:{0}', tags: ['users'] })
  async find(id: string): Promise<string> {
    return `${this.name} ${id}`;
  }
  @Invalidates({ keys: 'user:{0}' })
  async rename(_id: string, name: string): Promise<void> {
    this.name = name;
  }
}

test('events are recorded in order, with their names', async (t) => {
  const recording = recordingCaching();
  t.teardown(() => recording.close());
  const users = new Users();
  await withCaching(recording.caching, async () => {
    await users.find('1');
    await users.find('1');
    await users.rename('1', 'Grace');
    await users.find('1');
  });
  t.deepEqual(
    recording.events.map(({ name }) => name),
    ['miss', 'load', 'fill', 'hit', 'invalidate', 'miss', 'load', 'fill'],
  );
  t.true(recording.events.every(({ event }) => event.namespace === recording.caching.namespace));
  t.deepEqual(recording.of('hit'), [
    { namespace: recording.caching.namespace, method: 'Users.find', key: 'user:1', tier: 'l2' },
  ]);
  t.is(recording.of('load').length, 2);
  t.deepEqual(recording.of('invalidate')[0]?.keys, ['user:1']);
  t.deepEqual(recording.of('error'), []);
});

test('events of limits and locks are recorded in order, with their method', async (t) => {
  const recording = recordingCaching();
  t.teardown(() => recording.close());
  class Accounts {
    @RateLimited({ key: 'login:{0}', limit: 1, per: '1m' })
    async login(_ip: string): Promise<void> {}
    @Locked({ key: 'account:{0}', wait: 0 })
    async settle(id: string): Promise<void> {
      await t.throwsAsync(this.settle(id), { instanceOf: LockNotObtainedError });
    }
  }
  const accounts = new Accounts();
  await withCaching(recording.caching, async () => {
    await accounts.login('::1');
    await t.throwsAsync(accounts.login('::1'), { instanceOf: RateLimitExceededError });
    await accounts.settle('1');
  });
  t.deepEqual(
    recording.events.map(({ name, event }) => [name, event.method]),
    [
      ['limit', 'Accounts.login'],
      ['limit', 'Accounts.login'],
      ['lock', 'Accounts.settle'],
      ['lockNotAcquired', 'Accounts.settle'],
      ['unlock', 'Accounts.settle'],
    ],
  );
  t.deepEqual(
    recording.of('limit').map(({ key, allowed }) => [key, allowed]),
    [
      ['login:%3A%3A1', true],
      ['login:%3A%3A1', false],
    ],
  );
  t.deepEqual(recording.of('lockNotAcquired')[0]?.keys, ['account:1']);
});

test('time moves only when the test moves it, so expiry needs no sleep', async (t) => {
  const recording = recordingCaching({ defaults: { ttl: '10s', jitter: 0 } });
  t.teardown(() => recording.close());
  const users = new Users();
  await withCaching(recording.caching, async () => {
    await users.find('1');
    await recording.clock.advance(9_999);
    await users.find('1');
    t.is(recording.of('load').length, 1);
    await recording.clock.advance(2);
    await users.find('1');
    t.is(recording.of('load').length, 2);
  });
});

test('two recordings are independent', async (t) => {
  const first = recordingCaching();
  const second = recordingCaching();
  t.teardown(() => Promise.all([first.close(), second.close()]));
  await withCaching(first.caching, () => new Users().find('1'));
  t.is(first.of('load').length, 1);
  t.deepEqual(second.events, []);
  await withCaching(second.caching, () => new Users().find('1'));
  t.is(second.of('load').length, 1);
  t.is(first.of('load').length, 1);
});

test('options are those of Caching, with its defaults', async (t) => {
  const recording = recordingCaching({
    namespace: 'mine',
    defaults: { jitter: 0 },
    adapter: memory({ maxEntries: 10 }),
  });
  t.teardown(() => recording.close());
  t.is(recording.caching.namespace, 'mine');
  await withCaching(recording.caching, () => new Users().find('1'));
  t.is(recording.of('fill')[0]?.ttlMs, 60_000);
  t.throws(() => recordingCaching({ defaults: { ttl: 0 } }), { instanceOf: OptionsError });
});

test('close() closes the Caching and ends the recording', async (t) => {
  const recording = recordingCaching({ namespace: 'ended' });
  await withCaching(recording.caching, () => new Users().find('1'));
  await recording.close();
  const before = recording.events.length;
  const other = new Caching({ adapter: memory(), namespace: 'ended', defaults: { ttl: '1m' } });
  await withCaching(other, () => new Users().find('1'));
  t.is(recording.events.length, before);
  await t.throwsAsync(recording.caching.cache.get('user:1'), { message: /closed/ });
  await other.close();
});
