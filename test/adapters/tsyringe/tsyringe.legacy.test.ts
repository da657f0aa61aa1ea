import 'reflect-metadata';
import test from 'ava';
import {
  container,
  delay,
  inject,
  injectable,
  injectAll,
  instanceCachingFactory,
  Lifecycle,
  scoped,
  singleton,
  type DependencyContainer,
} from 'tsyringe';
import { memory } from '../../../src/adapters/memory/index.js';
import { registerCaching } from '../../../src/adapters/tsyringe/index.js';
import {
  Cached,
  Caching,
  Invalidates,
  MissingCachingError,
  useContainer,
  withCaching,
} from '../../../src/index.js';
import { defineChannel, pubsub, Subscribes } from '../../../src/pubsub/index.js';
import { fakeClock } from '../../../src/testing/index.js';
import { containerContract, Users as ContractUsers, type TestContainer } from '../container-contract.js';

let count = 0;
const newCaching = (): Caching =>
  new Caching({
    adapter: memory(),
    namespace: `tsyringe-${count++}`,
    clock: fakeClock(),
    defaults: { ttl: '5m' },
  });

/** A container of its own: nothing is registered in its parents but what classes register by their decorators. */
const newContainer = (): DependencyContainer => container.createChildContainer();

/** Runs the call on a key of its own, and tells whether this `Caching` stored it. */
async function serves(caching: Caching, call: (id: string) => Promise<unknown>): Promise<boolean> {
  const id = String(count++);
  await call(id);
  return caching.cache.has(`user:${id}`);
}

class Db {
  loads = 0;
  async load(id: string): Promise<string> {
    this.loads++;
    return `user ${id}`;
  }
}

@injectable()
class Users {
  readonly db: Db;
  constructor(db: Db) {
    this.db = db;
  }
  @Cached({ key: 'user:{0}' })
  async find(id: string): Promise<string> {
    return this.db.load(id);
  }
  @Invalidates({ keys: 'user:{0}' })
  async save(_id: string): Promise<void> {}
}

@injectable()
class Facade {
  readonly users: Users;
  constructor(users: Users) {
    this.users = users;
  }
}

// --- The contract of all containers ---------------------------------------------------------------------------

class OneUsers extends ContractUsers {}
class AsyncUsers extends ContractUsers {}

@injectable()
class ContractFacade {
  readonly users: ContractUsers;
  constructor(users: ContractUsers) {
    this.users = users;
  }
}

const wrap = (one: DependencyContainer): TestContainer => ({
  registerCaching: (caching) => registerCaching(one, caching),
  transient: () => one.resolve(ContractUsers),
  singleton: () => one.resolve(OneUsers),
  injected: () => one.resolve(ContractFacade).users,
  caching: () => one.resolve(Caching),
  asynchronous: () => one.resolve<Promise<AsyncUsers>>('async'),
  child: () => wrap(one.createChildContainer()),
  dispose: async () => one.dispose(),
});

containerContract(
  test,
  'tsyringe',
  () =>
    wrap(
      newContainer()
        .registerSingleton(OneUsers)
        .register('async', { useFactory: async () => new AsyncUsers() }),
    ),
  {
    earlierSingleton: { is: 'own', because: 'is bound when it is resolved again' },
  },
);

// --- tsyringe by itself ---------------------------------------------------------------------------------------

test.serial(
  'registerInstance and useContainer: decorated methods find the Caching of the container',
  async (t) => {
    const caching = newCaching();
    const root = newContainer();
    root.registerInstance(Caching, caching);
    useContainer(root);
    t.teardown(() => useContainer(undefined));
    const users = root.resolve(Users);
    t.is(await users.find('1'), 'user 1');
    t.is(await users.find('1'), 'user 1');
    t.is(users.db.loads, 1);
    await users.save('1');
    await users.find('1');
    t.is(users.db.loads, 2);
    t.true(await caching.cache.has('user:1'));
  },
);

test.serial('useContainer finds a Caching that is registered in a parent container', async (t) => {
  const caching = newCaching();
  const root = newContainer();
  root.registerInstance(Caching, caching);
  const child = root.createChildContainer();
  useContainer(child);
  t.teardown(() => useContainer(undefined));
  t.true(await serves(caching, (id) => child.resolve(Users).find(id)));
});

test.serial(
  'useContainer with a container without a Caching rejects with advice, and tsyringe constructs nothing',
  async (t) => {
    useContainer(newContainer());
    t.teardown(() => useContainer(undefined));
    await t.throwsAsync(new Users(new Db()).find('1'), {
      instanceOf: MissingCachingError,
      message: /container\.registerInstance\(Caching, caching\)/,
    });
  },
);

test('a Caching that the constructor receives is found in its field', async (t) => {
  @injectable()
  class Injected {
    readonly caching: Caching;
    constructor(caching: Caching) {
      this.caching = caching;
    }
    @Cached({ key: 'user:{0}' })
    async find(id: string): Promise<string> {
      return id;
    }
  }
  const caching = newCaching();
  const root = newContainer();
  root.registerInstance(Caching, caching);
  t.true(await serves(caching, (id) => root.resolve(Injected).find(id)));
  const other = newCaching();
  const child = root.createChildContainer();
  child.registerInstance(Caching, other);
  t.true(await serves(other, (id) => child.resolve(Injected).find(id)));
});

test('registerCaching binds what the container resolves, and its dependencies', async (t) => {
  const caching = newCaching();
  const root = newContainer();
  registerCaching(root, caching);
  t.is(root.resolve(Caching), caching);
  t.true(await serves(caching, (id) => root.resolve(Users).find(id)));
  t.true(await serves(caching, (id) => root.resolve(Facade).users.find(id)));
});

test('two containers keep their own Caching, and so do their children', async (t) => {
  const all = { a: newCaching(), b: newCaching() };
  const roots = { a: newContainer(), b: newContainer() };
  for (const name of ['a', 'b'] as const) registerCaching(roots[name], all[name]);
  for (const name of ['a', 'b', 'a'] as const) {
    t.true(await serves(all[name], (id) => roots[name].resolve(Users).find(id)));
    t.true(await serves(all[name], (id) => roots[name].createChildContainer().resolve(Users).find(id)));
  }
});

test('a child container with its own Caching serves what it resolves, and its parent the rest', async (t) => {
  const all = { parent: newCaching(), early: newCaching(), late: newCaching() };
  const parent = newContainer();
  const early = parent.createChildContainer();
  registerCaching(early, all.early);
  registerCaching(parent, all.parent);
  const late = parent.createChildContainer();
  registerCaching(late, all.late);
  const grandchild = late.createChildContainer();
  const plain = parent.createChildContainer();
  t.true(await serves(all.parent, (id) => parent.resolve(Users).find(id)));
  t.true(await serves(all.parent, (id) => plain.resolve(Users).find(id)));
  t.true(await serves(all.early, (id) => early.resolve(Users).find(id)));
  t.true(await serves(all.late, (id) => late.resolve(Users).find(id)));
  t.true(await serves(all.late, (id) => grandchild.resolve(Users).find(id)));
});

test('a child container may register its Caching with register()', async (t) => {
  const all = { parent: newCaching(), child: newCaching() };
  const parent = newContainer();
  registerCaching(parent, all.parent);
  const child = parent.createChildContainer();
  child.registerInstance(Caching, all.child);
  t.true(await serves(all.child, (id) => child.resolve(Users).find(id)));
  t.true(await serves(all.parent, (id) => parent.resolve(Users).find(id)));
});

test('request containers: container-scoped instances use the Caching of the application', async (t) => {
  @scoped(Lifecycle.ContainerScoped)
  class RequestUsers {
    @Cached({ key: 'user:{0}' })
    async find(id: string): Promise<string> {
      return id;
    }
  }
  @injectable()
  class Handler {
    readonly users: RequestUsers;
    constructor(users: RequestUsers) {
      this.users = users;
    }
  }
  const caching = newCaching();
  const root = newContainer();
  registerCaching(root, caching);
  const first = root.createChildContainer();
  const second = root.createChildContainer();
  t.is(first.resolve(Handler).users, first.resolve(RequestUsers));
  t.not(first.resolve(RequestUsers), second.resolve(RequestUsers));
  await first.resolve(Handler).users.find('shared');
  const loads = await serves(caching, (id) => second.resolve(Handler).users.find(id));
  t.true(loads);
  t.true(await caching.cache.has('user:shared'));
  await first.dispose();
  t.true(await serves(caching, (id) => second.resolve(Handler).users.find(id)));
});

test('one tenant per request container: instances keep the Caching of their tenant', async (t) => {
  const all = { app: newCaching(), eu: newCaching(), us: newCaching() };
  const root = newContainer();
  registerCaching(root, all.app);
  const request = (caching: Caching) => {
    const child = root.createChildContainer();
    child.registerInstance(Caching, caching);
    return child.resolve(Users);
  };
  const eu = request(all.eu);
  const us = request(all.us);
  t.true(await serves(all.eu, (id) => eu.find(id)));
  t.true(await serves(all.us, (id) => us.find(id)));
  t.true(await serves(all.eu, (id) => eu.find(id)));
});

test('a singleton keeps the Caching of the container that constructed it', async (t) => {
  @singleton()
  class OneUsers {
    @Cached({ key: 'user:{0}' })
    async find(id: string): Promise<string> {
      return id;
    }
  }
  const all = { root: newCaching(), child: newCaching() };
  const root = newContainer();
  registerCaching(root, all.root);
  const child = root.createChildContainer();
  child.registerInstance(Caching, all.child);
  const made = child.resolve(OneUsers);
  t.is(root.resolve(OneUsers), made);
  t.true(await serves(all.child, (id) => root.resolve(OneUsers).find(id)));

  const other = newContainer();
  registerCaching(other, all.root);
  t.is(other.resolve(OneUsers), made, 'tsyringe keeps one for all containers');
  t.true(await serves(all.child, (id) => other.resolve(OneUsers).find(id)));
});

test('resolveAll and injectAll return bound instances', async (t) => {
  @injectable()
  class First extends Users {}
  @injectable()
  class Second extends Users {}
  @injectable()
  class All {
    readonly users: Users[];
    constructor(@injectAll('users') users: Users[]) {
      this.users = users;
    }
  }
  const caching = newCaching();
  const root = newContainer();
  registerCaching(root, caching);
  root.register('users', { useClass: First });
  root.register('users', { useClass: Second });
  for (const users of [...root.resolveAll<Users>('users'), ...root.resolve(All).users]) {
    t.true(await serves(caching, (id) => users.find(id)));
  }
  t.is(root.resolveAll<Users>('users').length, 2);
});

test('a factory, a token of a token and a value return bound instances', async (t) => {
  const caching = newCaching();
  const root = newContainer();
  registerCaching(root, caching);
  const value = new Users(new Db());
  root.register('factory', { useFactory: (from) => new Users(from.resolve(Db)) });
  root.register('once', { useFactory: instanceCachingFactory((from) => from.resolve(Users)) });
  root.register('token', { useToken: 'factory' });
  root.registerInstance('value', value);
  for (const token of ['factory', 'once', 'token', 'value']) {
    t.true(await serves(caching, (id) => root.resolve<Users>(token).find(id)), token);
  }
  t.is(root.resolve('value'), value);
  t.is(root.resolve('once'), root.resolve('once'));
});

// --- delay(): proxies that make their object when they are touched -------------------------------------------

/** Keeps the class out of the emitted metadata: it is not there yet when that is made. */
type Later<T> = T;

@injectable()
class Hens {
  static made = 0;
  readonly eggs: Eggs;
  constructor(@inject(delay(() => Eggs)) eggs: Later<Eggs>) {
    Hens.made++;
    this.eggs = eggs;
  }
  @Cached({ key: 'user:{0}' })
  async find(id: string): Promise<string> {
    return `hen of ${await this.eggs.name()}${id}`;
  }
}

@injectable()
class Eggs {
  static made = 0;
  readonly hens: Hens;
  constructor(@inject(delay(() => Hens)) hens: Later<Hens>) {
    Eggs.made++;
    this.hens = hens;
  }
  async name(): Promise<string> {
    return 'egg';
  }
  @Cached({ key: 'user:{0}' })
  async find(id: string): Promise<string> {
    return `egg ${id}`;
  }
}

test('a circular dependency with delay() still resolves lazily', async (t) => {
  const caching = newCaching();
  const root = newContainer();
  registerCaching(root, caching);
  const hens = root.resolve(Hens);
  t.is(Hens.made, 1);
  t.is(Eggs.made, 0);
  t.true(await serves(caching, (id) => hens.find(id)));
  t.is(Eggs.made, 1, 'made once, by the load that used it');
  t.true(await serves(caching, (id) => hens.eggs.find(id)), 'through the proxy');
  t.true(await serves(caching, (id) => hens.eggs.hens.find(id)), 'through a proxy of a proxy');
});

// --- tsyringe goes on as it was ------------------------------------------------------------------------------

test('after reset() and clearInstances() the Caching is gone, and the container resolves everything else', async (t) => {
  for (const forget of ['reset', 'clearInstances'] as const) {
    const caching = newCaching();
    const root = newContainer();
    registerCaching(root, caching);
    const before = root.resolve(Users);
    root[forget]();
    const after = root.resolve(Users);
    t.true(after instanceof Users);
    t.is(root.resolveAll(Users).length, 1);
    t.true(await serves(caching, (id) => before.find(id)), 'an instance keeps what it has');
    await t.throwsAsync(after.find('1'), { instanceOf: MissingCachingError });
    const next = newCaching();
    registerCaching(root, next);
    t.true(await serves(next, (id) => root.resolve(Users).find(id)));
  }
});

test('registering again replaces the first Caching for new instances', async (t) => {
  const all = { first: newCaching(), second: newCaching() };
  const root = newContainer();
  registerCaching(root, all.first);
  const old = root.resolve(Users);
  const { resolve, resolveAll, createChildContainer } = root;
  registerCaching(root, all.second);
  t.is(root.resolve, resolve, 'not wrapped twice');
  t.is(root.resolveAll, resolveAll);
  t.is(root.createChildContainer, createChildContainer);
  t.true(await serves(all.second, (id) => root.resolve(Users).find(id)));
  t.true(await serves(all.first, (id) => old.find(id)));
});

test('errors of the container stay the same', (t) => {
  @injectable()
  class Needs {
    constructor(@inject('unknown') readonly value: unknown) {}
  }
  const plain = newContainer();
  const watched = newContainer();
  registerCaching(watched, newCaching());
  for (const refused of [
    (one: DependencyContainer) => one.resolve('unknown'),
    (one: DependencyContainer) => one.resolveAll('unknown'),
    (one: DependencyContainer) => one.resolve(Needs),
  ]) {
    const expected = t.throws(() => refused(plain));
    t.is(t.throws(() => refused(watched))?.message, expected?.message);
  }
});

test('lifecycles, optional parameters, interceptors and values work as before', async (t) => {
  @injectable()
  class Optional {
    readonly value: unknown;
    readonly values: unknown;
    constructor(
      @inject('unknown', { isOptional: true }) value?: unknown,
      @injectAll('unknown', { isOptional: true }) values?: unknown[],
    ) {
      this.value = value;
      this.values = values;
    }
  }
  @scoped(Lifecycle.ResolutionScoped)
  class Context {}
  @injectable()
  class Inner {
    constructor(readonly context: Context) {}
  }
  @injectable()
  class Outer {
    constructor(
      readonly inner: Inner,
      readonly context: Context,
    ) {}
  }
  const root = newContainer();
  const seen: string[] = [];
  registerCaching(root, newCaching());
  root.beforeResolution(Users, () => void seen.push('before'), { frequency: 'Always' });
  root.afterResolution(Users, () => void seen.push('after'), { frequency: 'Once' });
  t.not(root.resolve(Users), root.resolve(Users), 'transient');
  t.deepEqual(seen, ['before', 'after', 'before']);
  t.deepEqual([root.resolve(Optional).value, root.resolve(Optional).values], [undefined, []]);
  const outer = root.resolve(Outer);
  t.is(outer.inner.context, outer.context, 'one for each resolution');
  const frozen = Object.freeze({ a: 1 });
  const make = () => 'made';
  for (const value of [frozen, make, 'text', 0, Symbol.iterator, Object.create(null) as object, [1]]) {
    root.registerInstance('value', value);
    t.is(root.resolve('value'), value);
  }
});

test('dispose() works as before', async (t) => {
  let disposed = 0;
  class Disposable {
    dispose(): void {
      disposed++;
    }
  }
  const root = newContainer();
  registerCaching(root, newCaching());
  root.resolve(Disposable);
  await root.dispose();
  t.is(disposed, 1);
  t.throws(() => root.resolve(Users), { message: /disposed/ });
});

test('other containers and the container class are not changed', (t) => {
  const watched = newContainer();
  const untouched = newContainer();
  const before = Reflect.ownKeys(Object.getPrototypeOf(watched) as object).map(
    (key) => (Object.getPrototypeOf(watched) as Record<PropertyKey, unknown>)[key],
  );
  registerCaching(watched, newCaching());
  const after = Reflect.ownKeys(Object.getPrototypeOf(watched) as object).map(
    (key) => (Object.getPrototypeOf(watched) as Record<PropertyKey, unknown>)[key],
  );
  t.deepEqual(after, before);
  t.false(Object.hasOwn(untouched, 'resolve'));
  t.false(Object.hasOwn(container, 'resolve'));
});

test('registerCaching does not bind earlier instances', async (t) => {
  const root = newContainer();
  const early = root.resolve(Users);
  registerCaching(root, newCaching());
  await t.throwsAsync(early.find('1'), { instanceOf: MissingCachingError });
});

test('withCaching overrides the Caching of a resolved instance', async (t) => {
  const all = { app: newCaching(), test: newCaching() };
  const root = newContainer();
  registerCaching(root, all.app);
  const users = root.resolve(Users);
  t.true(await serves(all.app, (id) => users.find(id)));
  t.true(await withCaching(all.test, () => serves(all.test, (id) => users.find(id))));
  t.true(await serves(all.app, (id) => users.find(id)));
});

test('decorated methods do not change the metadata that tsyringe reads', (t) => {
  t.deepEqual(Reflect.getMetadata('design:paramtypes', Users), [Db]);
  t.deepEqual(Reflect.getMetadata('design:paramtypes', Users.prototype, 'find'), [String]);
  t.is(Reflect.getMetadata('design:returntype', Users.prototype, 'find'), Promise);
});

test('a listener that the container makes is subscribed, once for its class', async (t) => {
  const changed = defineChannel<string>('changed');
  class Log {
    readonly lines: string[] = [];
  }
  @injectable()
  class Listener {
    readonly log: Log;
    constructor(log: Log) {
      this.log = log;
    }

    @Subscribes(changed)
    async onChanged(id: string): Promise<void> {
      this.log.lines.push(id);
    }
  }
  const parent = newContainer();
  const caching = newCaching();
  registerCaching(parent, caching);
  parent.registerSingleton(Log);
  // Transient: the second one would handle each message again.
  const child = parent.createChildContainer();
  const log = child.resolve(Log);
  t.is(child.resolve(Listener).log, log);
  parent.resolve(Listener);
  await pubsub(caching).ready();
  t.is(await pubsub(caching).publish(changed, '1'), 1);
  await caching.close();
  t.deepEqual(log.lines, ['1']);
});
