import test, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import { memory } from '../../src/adapters/memory/index.js';
import {
  Cached,
  Caching,
  DecorationError,
  Invalidates,
  MissingCachingError,
  OptionsError,
  StoreUnavailableError,
  ValueError,
  bindCaching,
} from '../../src/index.js';
import { defineChannel, definePattern, Publishes, pubsub } from '../../src/pubsub/index.js';
import { fakeClock } from '../../src/testing/index.js';
import { recordEvents } from '../../src/testing/record-events.js';

interface User {
  readonly id: string;
  readonly name: string;
}

const userChanged = defineChannel('user.changed', { schema: z.object({ id: z.string() }) });
const userSaved = defineChannel<User>('user.saved:{0.id}');

let opened = 0;

async function open(t: ExecutionContext, enabled = true) {
  const namespace = `publishes-${++opened}`;
  const clock = fakeClock();
  const caching = new Caching({ adapter: memory(), namespace, clock, enabled, defaults: { ttl: '1m' } });
  const { of, stop } = recordEvents(namespace);
  t.teardown(async () => {
    await caching.close();
    stop();
  });
  const got: unknown[] = [];
  const messages = pubsub(caching);
  messages.subscribe(defineChannel('user.changed'), (message) => void got.push(message));
  messages.subscribe(userSaved, (message, { channel }) => void got.push([channel, message]));
  await messages.ready();
  return { caching, got, of, settle: () => clock.advance(0) };
}

class Users {
  failure: Error | undefined;

  @Publishes(userChanged, { message: ({ id }) => ({ id }) })
  async save(user: User): Promise<User> {
    if (this.failure !== undefined) throw this.failure;
    return user;
  }

  @Publishes(userSaved)
  async replace(user: User): Promise<User> {
    return user;
  }

  @Publishes(userChanged, {
    message(result, id) {
      return { id: `${result} ${id} ${this.suffix}` };
    },
    when: (_id, isQuiet) => !isQuiet,
    unless: (result) => result === 'unchanged',
  })
  async rename(id: string, _isQuiet: boolean): Promise<string> {
    return id === 'same' ? 'unchanged' : 'changed';
  }

  readonly suffix = 'of this';

  @Publishes(userChanged, { message: () => ({ id: 5 as never }), onFailure: 'throw' })
  async strict(): Promise<string> {
    return 'done';
  }

  @Publishes(userChanged, {
    message: () => {
      throw new Error('no message');
    },
  })
  async lenient(): Promise<string> {
    return 'done';
  }
}

test('a message is published after the method has succeeded, before its promise resolves', async (t) => {
  const { caching, got, settle } = await open(t);
  const users = new Users();
  bindCaching(users, caching);
  const ada = { id: '1', name: 'Ada' };
  t.is(await users.save(ada), ada);
  await settle();
  t.deepEqual(got, [{ id: '1' }]);
  users.failure = new Error('database');
  await t.throwsAsync(users.save(ada), { message: 'database' });
  await settle();
  t.is(got.length, 1);
});

test('without message, the result of the method is the message, and names the channel', async (t) => {
  const { caching, got, settle } = await open(t);
  const users = new Users();
  bindCaching(users, caching);
  await users.replace({ id: 'a:b', name: 'Ada' });
  await settle();
  t.deepEqual(got, [['user.saved:a%3Ab', { id: 'a:b', name: 'Ada' }]]);
});

test('message gets result, arguments and this; when and unless decide whether there is one', async (t) => {
  const { caching, got, settle } = await open(t);
  const users = new Users();
  bindCaching(users, caching);
  t.is(await users.rename('1', false), 'changed');
  t.is(await users.rename('2', true), 'changed');
  t.is(await users.rename('same', false), 'unchanged');
  await settle();
  t.deepEqual(got, [{ id: 'changed 1 of this' }]);
});

test('a message that cannot be made or is rejected does not fail the call: it is an event with the method', async (t) => {
  const { caching, got, of, settle } = await open(t);
  const users = new Users();
  bindCaching(users, caching);
  t.is(await users.lenient(), 'done');
  t.is(await users.save({ id: 5 as never, name: 'Ada' }).then(({ name }) => name), 'Ada');
  await settle();
  t.deepEqual(got, []);
  t.deepEqual(
    of('error').map(({ operation, key, method }) => [operation, key, method]),
    [
      ['publish', 'user.changed', 'Users.lenient'],
      ['publish', 'user.changed', 'Users.save'],
    ],
  );
});

test('an unavailable store does not fail the call; with onFailure throw, the call rejects', async (t) => {
  const { caching, of } = await open(t);
  const users = new Users();
  bindCaching(users, caching);
  await t.throwsAsync(users.strict(), { instanceOf: ValueError });
  await caching.close();
  t.is((await users.save({ id: '1', name: 'Ada' })).id, '1');
  t.true(of('error').at(-1)?.error instanceof StoreUnavailableError);
});

test('with a disabled Caching the method runs and publishes nothing', async (t) => {
  const { caching, of } = await open(t, false);
  const users = new Users();
  bindCaching(users, caching);
  t.is(await users.strict(), 'done');
  t.deepEqual(of('error'), []);
});

test('it goes with the other decorators', async (t) => {
  const { caching, got, settle } = await open(t);
  class Service {
    loads = 0;

    @Publishes(userChanged, { message: (_result, id) => ({ id }), cache: () => caching })
    @Invalidates({ keys: 'user:{0}', cache: () => caching })
    async save(_id: string): Promise<void> {}

    @Cached({ key: 'user:{0}', cache: () => caching })
    async find(id: string): Promise<string> {
      this.loads++;
      return id;
    }
  }
  const service = new Service();
  await service.find('1');
  await service.save('1');
  await service.find('1');
  await settle();
  t.is(service.loads, 2);
  t.deepEqual(got, [{ id: '1' }]);
});

test('mistakes are named, with what to do', async (t) => {
  const options = { instanceOf: OptionsError };
  const decorate = (decorator: unknown, value: unknown = async () => {}): unknown =>
    (decorator as (...args: unknown[]) => unknown)({}, 'save', { value });
  const wrong = t.throws(() => decorate(Publishes('user.changed' as never)), options);
  t.regex(wrong!.message, /^@Publishes on save takes a channel, such as defineChannel/);
  const unknown = t.throws(() => decorate(Publishes(userChanged, { messages: 1 } as never)), options);
  t.regex(unknown!.message, /^@Publishes on save has no option 'messages'/);
  t.throws(() => decorate(Publishes(userSaved), 5), { instanceOf: DecorationError });
  t.throws(() => decorate(Publishes(definePattern('a:*') as never)), {
    ...options,
    message: /^@Publishes on save takes a channel, and the pattern 'a:\*' was given/,
  });
  await t.throwsAsync(new Users().replace({ id: '1', name: 'Ada' }), { instanceOf: MissingCachingError });
});
