import test from 'ava';
import { memory } from '../../../src/adapters/memory/index.js';
import { Cached, Caching, KeyError, subscribe } from '../../../src/index.js';
import { fakeClock } from '../../../src/testing/index.js';
import { wrapped } from '../foreign-decorators.js';

const caching = new Caching({
  adapter: memory(),
  namespace: 'detached',
  clock: fakeClock(),
  defaults: { ttl: '5m' },
});
Caching.setDefault(caching);

/** No instance was ever made, or a foreign decorator covers the method: nobody knows its class. */
class Users {
  @Cached()
  async find(id: string): Promise<string> {
    return `user ${id}`;
  }
  @Cached({ onKeyError: 'throw' })
  async list(id: string): Promise<string> {
    return `users ${id}`;
  }
  @Cached({ name: 'Users.named' })
  async named(id: string): Promise<string> {
    return `named ${id}`;
  }
}

class Orders {
  @wrapped()
  @Cached()
  async find(id: string): Promise<string> {
    return `order ${id}`;
  }
}

test('a method of an unknown class that is called without its instance runs uncached', async (t) => {
  const errors: unknown[] = [];
  t.teardown(subscribe('error', ({ error }) => errors.push(error)));
  const find = Users.prototype.find;
  const { find: findOrder } = new Orders();
  t.is(await find.call(undefined as unknown as Users, '1'), 'user 1');
  t.is(await findOrder.call(undefined as unknown as Orders, '1'), 'order 1');
  t.is(errors.length, 2);
  t.true(errors.every((error) => error instanceof KeyError));
  t.regex(
    String(errors[0]),
    /@Cached on \(unknown\)\.find was called without its instance.*name: 'Users\.find'/s,
  );
});

test("with onKeyError 'throw' such a call rejects", async (t) => {
  await t.throwsAsync(Users.prototype.list.call(undefined as unknown as Users, '1'), {
    instanceOf: KeyError,
  });
});

test('a name makes such a call cacheable', async (t) => {
  t.is(await Users.prototype.named.call(undefined as unknown as Users, '1'), 'named 1');
  t.true(await caching.cache.has('Users.named:("1")'));
});
