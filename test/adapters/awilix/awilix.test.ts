import test from 'ava';
import {
  aliasTo,
  asClass,
  asFunction,
  asValue,
  createContainer,
  InjectionMode,
  type AwilixContainer,
} from 'awilix';
import { registerCaching } from '../../../src/adapters/awilix/index.js';
import { MissingCachingError, type Caching } from '../../../src/index.js';
import { containerContract, newCaching, serves, Users, type TestContainer } from '../container-contract.js';

interface Cradle {
  readonly users: Users;
  readonly oneUsers: Users;
  readonly facade: { readonly users: Users };
  readonly asyncUsers: Promise<Users>;
  readonly caching: Caching;
}

class ProxyFacade {
  readonly users: Users;
  constructor({ users }: Cradle) {
    this.users = users;
  }
}

class ClassicFacade {
  readonly users: Users;
  constructor(users: Users) {
    this.users = users;
  }
}

const MODES = {
  'Awilix, PROXY': { options: { injectionMode: InjectionMode.PROXY }, Facade: ProxyFacade },
  'Awilix, CLASSIC': { options: { injectionMode: InjectionMode.CLASSIC }, Facade: ClassicFacade },
  'Awilix, strict': { options: { injectionMode: InjectionMode.PROXY, strict: true }, Facade: ProxyFacade },
} as const;

function wrap(container: AwilixContainer<Cradle>): TestContainer {
  return {
    registerCaching: (caching) => registerCaching(container, caching),
    transient: () => container.resolve('users'),
    singleton: () => container.cradle.oneUsers,
    injected: () => container.cradle.facade.users,
    caching: () => container.cradle.caching,
    asynchronous: () => container.cradle.asyncUsers,
    child: () => wrap(container.createScope()),
    dispose: () => container.dispose(),
  };
}

for (const [name, { options, Facade }] of Object.entries(MODES)) {
  const newContainer = () =>
    createContainer<Cradle>(options).register({
      users: asClass(Users),
      oneUsers: asClass(Users).singleton(),
      facade: asClass(Facade as typeof ClassicFacade),
      asyncUsers: asFunction(async () => new Users()),
    });
  containerContract(
    test,
    name,
    () => wrap(newContainer()),
    'strict' in options
      ? {
          singletonMadeByChild: {
            is: 'parent',
            because: 'that of the root, which makes singletons in strict mode',
          },
        }
      : {},
  );

  test(`${name}: scoped instances use the Caching of their scope, and are one for each`, async (t) => {
    const all = { app: newCaching(), tenant: newCaching() };
    const container = createContainer<Cradle>(options);
    registerCaching(container, all.app);
    container.register('users', asClass(Users).scoped());
    const request = container.createScope();
    const tenant = container.createScope();
    tenant.register('caching', asValue(all.tenant));
    t.is(request.cradle.users, request.cradle.users);
    t.not(request.cradle.users, tenant.cradle.users);
    t.true(await serves(all.app, request.cradle.users));
    t.true(await serves(all.tenant, tenant.cradle.users));
  });

  test(`${name}: what is registered before and after, values, aliases and build() are bound`, async (t) => {
    const caching = newCaching();
    const value = new Users();
    const container = createContainer(options).register('before', asClass(Users));
    const earlyScope = container.createScope();
    registerCaching(container, caching);
    container.register({
      value: asValue(value),
      alias: aliasTo('before'),
      [Symbol.for('symbol')]: asClass(Users),
    });
    for (const key of ['before', 'value', 'alias', Symbol.for('symbol')]) {
      t.true(await serves(caching, container.resolve(key)), String(key));
    }
    t.is(container.resolve('value'), value);
    t.true(await serves(caching, container.build(asClass(Users))));
    t.true(await serves(caching, container.build(Users)));
    t.true(await serves(caching, earlyScope.resolve('before')));
  });
}

test('Awilix: the name in the cradle can be another', async (t) => {
  const [caching, other] = [newCaching(), newCaching()];
  const container = createContainer().register('users', asClass(Users));
  registerCaching(container, caching, 'cache');
  t.is(container.resolve('cache'), caching);
  t.false(container.hasRegistration('caching'));
  t.true(await serves(caching, container.resolve('users')));
  const scope = container.createScope().register('cache', asValue(other));
  t.true(await serves(other, scope.resolve('users')));
});

test('Awilix: a scope of a container without a Caching binds what it makes itself', async (t) => {
  for (const strict of [false, true]) {
    const [caching, later] = [newCaching(), newCaching()];
    const root = createContainer({ strict }).register({
      users: asClass(Users),
      oneUsers: asClass(Users).singleton(),
    });
    const scope = root.createScope();
    registerCaching(scope, caching);
    t.true(await serves(caching, scope.resolve('users')));
    const one = scope.resolve<Users>('oneUsers');
    if (strict) await t.throwsAsync(one.find('1'), { instanceOf: MissingCachingError }, 'the root made it');
    else t.true(await serves(caching, one));
    await t.throwsAsync(root.resolve<Users>('users').find('1'), { instanceOf: MissingCachingError });
    registerCaching(root, later);
    t.true(await serves(later, root.resolve('users')));
    t.true(await serves(caching, scope.resolve('users')));
  }
});

test('Awilix: a scope sees what its parent registers later', (t) => {
  const root = createContainer<{ value: string }>().register('value', asValue('first' as string));
  const scope = root.createScope();
  registerCaching(root, newCaching());
  registerCaching(scope, newCaching());
  root.register('value', asValue('second' as string));
  t.is(scope.resolve('value'), 'second');
});

test('Awilix: resolvers and other containers are not changed, and disposers run', async (t) => {
  const disposed: unknown[] = [];
  const resolver = asClass(Users)
    .singleton()
    .disposer((users) => void disposed.push(users));
  const { resolve } = resolver;
  const container = createContainer().register('users', resolver);
  registerCaching(container, newCaching());
  const users = container.resolve('users');
  t.is(resolver.resolve, resolve);
  await container.dispose();
  t.deepEqual(disposed, [users]);
  t.throws(() => container.resolve('unknown'), { message: /Could not resolve 'unknown'/ });
});

test('Awilix: a rejection of an asynchronous factory reaches its caller', async (t) => {
  const container = createContainer().register(
    'users',
    asFunction(async () => Promise.reject(new Error('no'))),
  );
  registerCaching(container, newCaching());
  await t.throwsAsync(container.resolve<Promise<Users>>('users'), { message: 'no' });
});
