import 'reflect-metadata';
import test from 'ava';
import { memory } from '../../../src/adapters/memory/index.js';
import {
  Cached,
  Caching,
  currentLease,
  Invalidates,
  Locked,
  RateLimited,
  RateLimitExceededError,
} from '../../../src/index.js';
import { fakeClock } from '../../../src/testing/index.js';
import { copied, marked, wrapped } from '../foreign-decorators.js';

Caching.setDefault(
  new Caching({ adapter: memory(), namespace: 'wrapper', clock: fakeClock(), defaults: { ttl: '5m' } }),
);

const ROLE = Symbol('role');
const admin = marked((method) => Object.defineProperty(method, ROLE, { value: 'admin' }));
const route = marked((method) => Reflect.defineMetadata('path', '/users', method));
const guard = marked((method) => Reflect.defineMetadata('roles', ['admin'], method));

test('a decorated method keeps its name and its length', (t) => {
  const byId = Symbol('byId');
  class Wrapped {
    @Cached()
    async find(_id: string, _deep: boolean, _options = {}): Promise<void> {}
    @Invalidates({ all: true })
    async save(_id: string, ..._rest: string[]): Promise<void> {}
    @Cached()
    async [byId](_id: string): Promise<void> {}
    @RateLimited({ limit: 5, per: '1m' })
    async login(_ip: string, _password: string): Promise<void> {}
    @Locked()
    async settle(_invoice: object): Promise<void> {}
  }
  const { prototype } = Wrapped;
  t.deepEqual([prototype.find.name, prototype.find.length], ['find', 2]);
  t.deepEqual([prototype.save.name, prototype.save.length], ['save', 1]);
  t.deepEqual([prototype[byId].name, prototype[byId].length], ['[byId]', 1]);
  t.deepEqual([prototype.login.name, prototype.login.length], ['login', 2]);
  t.deepEqual([prototype.settle.name, prototype.settle.length], ['settle', 1]);
});

test('a decorated method stays one non-enumerable, writable property of its class', (t) => {
  class Placed {
    @Cached()
    async find(): Promise<void> {}
    async plain(): Promise<void> {}
  }
  const { value, ...decorated } = Object.getOwnPropertyDescriptor(Placed.prototype, 'find')!;
  const { value: _plain, ...plain } = Object.getOwnPropertyDescriptor(Placed.prototype, 'plain')!;
  t.deepEqual(decorated, plain);
  t.is(new Placed().find, value);
});

test('a decorated method keeps the properties that decorators below it set on the function', (t) => {
  class Owned {
    @Cached()
    @RateLimited({ limit: 5, per: '1m' })
    @Locked()
    @Invalidates({ all: true })
    @admin
    async find(): Promise<void> {}
  }
  t.deepEqual(Object.getOwnPropertyDescriptor(Owned.prototype.find, ROLE), {
    value: 'admin',
    writable: false,
    enumerable: false,
    configurable: true,
  });
});

test('reflect-metadata works on a decorated method, with its decorator above or below', (t) => {
  class Guarded {
    @guard
    @Cached()
    @Invalidates({ all: true })
    @route
    async find(): Promise<void> {}
    @guard
    @Invalidates({ all: true })
    @Cached()
    @route
    async save(): Promise<void> {}
    @guard
    @RateLimited({ limit: 5, per: '1m' })
    @Locked()
    @route
    async settle(): Promise<void> {}
  }
  const { find, save, settle } = Guarded.prototype;
  for (const method of [find, save, settle]) {
    t.is(Reflect.getMetadata('path', method), '/users');
    t.deepEqual(Reflect.getMetadata('roles', method), ['admin']);
  }
});

test('a decorator of another library that wraps or copies works above and below', async (t) => {
  const calls: unknown[] = [];
  let loads = 0;
  class Stacked {
    @wrapped(calls)
    @Cached({ key: 'above:{0}' })
    async wrappedAbove(id: string): Promise<string> {
      loads++;
      return id;
    }
    @Cached({ key: 'below:{0}' })
    @wrapped(calls)
    async wrappedBelow(id: string): Promise<string> {
      loads++;
      return id;
    }
    @copied(calls)
    @Cached({ key: 'copied-above:{0}' })
    async copiedAbove(id: string): Promise<string> {
      loads++;
      return id;
    }
    @Cached({ key: 'copied-below:{0}' })
    @copied(calls)
    async copiedBelow(id: string): Promise<string> {
      loads++;
      return id;
    }
  }
  const stacked = new Stacked();
  for (let i = 0; i < 2; i++) {
    t.is(await stacked.wrappedAbove('1'), '1');
    t.is(await stacked.wrappedBelow('1'), '1');
    t.is(await stacked.copiedAbove('1'), '1');
    t.is(await stacked.copiedBelow('1'), '1');
  }
  t.is(loads, 4);
  // Those above see both calls, those below only the load.
  t.is(calls.length, 2 * 2 + 2 * 1);
  t.is(Stacked.prototype.copiedAbove.name, 'copiedAbove');
});

test('@Cached above @Invalidates invalidates when it loads, and not on a hit', async (t) => {
  const { cache } = Caching.getDefault()!;
  let loads = 0;
  class CachedOnTop {
    @Cached({ key: 'top:{0}' })
    @Invalidates({ keys: 'other:{0}' })
    async find(id: string): Promise<string> {
      loads++;
      return id;
    }
  }
  const users = new CachedOnTop();
  await cache.set('other:1', 'old');
  await users.find('1');
  t.false(await cache.has('other:1'));
  await cache.set('other:1', 'new');
  await users.find('1');
  t.true(await cache.has('other:1'));
  t.is(loads, 1);
});

test('@Invalidates above @Cached invalidates on every call, hit or load', async (t) => {
  const { cache } = Caching.getDefault()!;
  let loads = 0;
  class InvalidatesOnTop {
    @Invalidates({ keys: 'another:{0}' })
    @Cached({ key: 'under:{0}' })
    async find(id: string): Promise<string> {
      loads++;
      return id;
    }
  }
  const users = new InvalidatesOnTop();
  for (let i = 0; i < 2; i++) {
    await cache.set('another:1', 'old');
    t.is(await users.find('1'), '1');
    t.false(await cache.has('another:1'));
  }
  t.is(loads, 1);
});

test('@Invalidates above @Cached may invalidate the entry below it: each call loads', async (t) => {
  let loads = 0;
  class Own {
    @Invalidates({ keys: 'own:{0}' })
    @Cached({ key: 'own:{0}' })
    async find(id: string): Promise<string> {
      loads++;
      return id;
    }
  }
  const own = new Own();
  await own.find('1');
  await own.find('1');
  t.is(loads, 2);
});

test('two @Cached on one method share their key without a deadlock', async (t) => {
  let loads = 0;
  class Twice {
    @Cached({ key: 'twice:{0}' })
    @Cached({ key: 'twice:{0}' })
    async find(id: string): Promise<string> {
      loads++;
      return id;
    }
  }
  const twice = new Twice();
  t.is(await twice.find('1'), '1');
  t.is(await twice.find('1'), '1');
  t.is(loads, 1);
});

test('a method that throws synchronously rejects, and gets its own this and arguments', async (t) => {
  class Sync {
    readonly prefix = 'no ';
    @Cached()
    find(id: string): Promise<string> {
      throw new Error(this.prefix + id);
    }
  }
  const promise = new Sync().find('1');
  t.true(promise instanceof Promise);
  await t.throwsAsync(promise, { message: 'no 1' });
});

test('a decorated method returns a promise, even if the method returns another thenable', async (t) => {
  class Query<T> implements PromiseLike<T> {
    readonly #rows: Promise<T>;
    constructor(rows: Promise<T>) {
      this.#rows = rows;
    }
    then<A = T, B = never>(
      done?: ((rows: T) => A | PromiseLike<A>) | null,
      failed?: ((reason: unknown) => B | PromiseLike<B>) | null,
    ): Promise<A | B> {
      return this.#rows.then(done, failed);
    }
  }
  class Thenable {
    @Cached()
    find(id: string): Promise<string> {
      return new Query(Promise.resolve(id)) as unknown as Promise<string>;
    }
  }
  const promise = new Thenable().find('1');
  t.true(promise instanceof Promise);
  t.is(await promise, '1');
  t.is(await new Thenable().find('1'), '1');
});

test('all four decorators on one method work together: each gets the calls that those above it pass on', async (t) => {
  const { cache } = Caching.getDefault()!;
  const calls: string[] = [];
  class Accounts {
    @Cached({ key: 'account:{0}' })
    @RateLimited({ key: 'accounts', limit: 2, per: '1m' })
    @Locked({ key: 'account:{0}' })
    @Invalidates({ keys: 'balance:{0}' })
    async open(id: string): Promise<readonly string[]> {
      calls.push(id);
      return currentLease().keys;
    }
  }
  const accounts = new Accounts();
  await cache.set('balance:1', 100);
  for (let i = 0; i < 3; i++) t.deepEqual(await accounts.open('1'), ['account:1']);
  t.false(await cache.has('balance:1'));
  await accounts.open('2');
  await t.throwsAsync(accounts.open('3'), { instanceOf: RateLimitExceededError });
  t.deepEqual(calls, ['1', '2']);
});
