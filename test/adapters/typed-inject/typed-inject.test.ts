import test from 'ava';
import { createInjector, Scope, type Injector } from 'typed-inject';
import { provideCaching } from '../../../src/adapters/typed-inject/index.js';
import type { Caching } from '../../../src/index.js';
import { containerContract, newCaching, serves, Users, type TestContainer } from '../container-contract.js';

class Facade {
  static readonly inject = ['users'] as const;
  readonly users: Users;
  constructor(users: Users) {
    this.users = users;
  }
}

/** An injector never changes: the container of the contract is a succession of them. */
function wrap<Context>(base: Injector<Context>): TestContainer {
  const withUsers = (injector: Injector<Context>) =>
    injector
      .provideClass('users', Users, Scope.Transient)
      .provideClass('oneUsers', Users)
      .provideFactory('asyncUsers', async () => new Users())
      .provideClass('facade', Facade, Scope.Transient);
  let injector = withUsers(base);
  return {
    registerCaching: (caching) => {
      injector = withUsers(provideCaching(base, caching) as unknown as Injector<Context>);
    },
    transient: () => injector.resolve('users') as Users,
    singleton: () => injector.resolve('oneUsers') as Users,
    injected: () => (injector.resolve('facade') as Facade).users,
    caching: () => (injector as unknown as Injector<{ caching: Caching }>).resolve('caching'),
    asynchronous: () => injector.resolve('asyncUsers') as Promise<Users>,
    child: () => wrap(injector.createChildInjector() as unknown as Injector<Context>),
    dispose: () => injector.dispose(),
  };
}

containerContract(test, 'typed-inject', () => wrap(createInjector()), {
  earlierSingleton: { is: 'own', because: 'stays, and the new injector makes another' },
});

test('typed-inject: the context has caching, and classes receive it', async (t) => {
  class WithCaching extends Users {
    static readonly inject = ['caching'] as const;
    readonly caching: Caching;
    constructor(caching: Caching) {
      super();
      this.caching = caching;
    }
  }
  const caching = newCaching();
  const injector = provideCaching(createInjector(), caching).provideClass('users', WithCaching);
  t.is(injector.resolve('caching'), caching);
  t.is(injector.resolve('users').caching, caching);
  t.true(await serves(caching, injector.resolve('users')));
});

test('typed-inject: the injector that makes an instance decides, whoever resolves it', async (t) => {
  const all = { parent: newCaching(), child: newCaching() };
  const parent = provideCaching(createInjector(), all.parent).provideClass('users', Users, Scope.Transient);
  const child = parent.provideValue('caching', all.child).provideClass('childUsers', Users);
  t.true(await serves(all.parent, child.resolve('users')));
  t.true(await serves(all.child, child.resolve('childUsers')));
  t.true(await serves(all.child, child.injectClass(Users)));
  t.true(
    await serves(
      all.parent,
      parent.injectFunction(() => new Users()),
    ),
  );
});

test('typed-inject: the injector above is not changed, and disposes what is below', async (t) => {
  let disposed = 0;
  class Disposable {
    dispose(): void {
      disposed++;
    }
  }
  const root = createInjector();
  const own = Reflect.ownKeys(root);
  const injector = provideCaching(root, newCaching()).provideClass('disposable', Disposable);
  injector.resolve('disposable');
  t.deepEqual(Reflect.ownKeys(root), own);
  await root.dispose();
  t.is(disposed, 1);
  t.throws(() => injector.resolve('disposable'), { message: /disposed/ });
});
