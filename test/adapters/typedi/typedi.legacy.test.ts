import 'reflect-metadata';
import test from 'ava';
import { Container, Inject, Service, Token, type ContainerInstance } from 'typedi';
import { registerCaching } from '../../../src/adapters/typedi/index.js';
import { Caching, MissingCachingError } from '../../../src/index.js';
import { containerContract, newCaching, serves, Users, type TestContainer } from '../container-contract.js';

@Service({ transient: true })
class TransientUsers extends Users {}

@Service()
class OneUsers extends Users {}

@Service({ transient: true })
class Facade {
  readonly users: Users;
  constructor(users: TransientUsers) {
    this.users = users;
  }
}

const ASYNC = new Token<Promise<Users>>();
Container.set({ id: ASYNC, factory: async () => new Users() });

let count = 0;

function wrap(container: ContainerInstance): TestContainer {
  return {
    registerCaching: (caching) => registerCaching(container, caching),
    transient: () => container.get(TransientUsers),
    singleton: () => container.get(OneUsers),
    injected: () => container.get(Facade).users,
    caching: () => container.get(Caching),
    asynchronous: () => container.get(ASYNC),
    child: newContainer,
    dispose: async () => void Container.reset(container.id),
  };
}

function newContainer(): TestContainer {
  const container = Container.of(`container ${count++}`);
  // Of what the default container registers as transient, every other container keeps the first instance.
  container.set({ id: TransientUsers, type: TransientUsers, transient: true });
  container.set({ id: Facade, type: Facade, transient: true });
  return wrap(container);
}

containerContract(test, 'TypeDI', newContainer, {
  childWithoutCaching: { is: 'none', because: 'none: containers have no parents' },
  earlierSingleton: { is: 'own', because: 'is bound when it is resolved again' },
});

test.serial('TypeDI: the default container', async (t) => {
  t.teardown(() => Container.remove(Caching));
  const caching = newCaching();
  registerCaching(Container.of(), caching);
  t.is(Container.get(Caching), caching);
  t.true(await serves(caching, Container.get(TransientUsers)));
  const other = Container.of(`container ${count++}`);
  await t.throwsAsync(other.get(TransientUsers).find('1'), { instanceOf: MissingCachingError });
  t.is(other.get(Caching), caching, 'injected, and not constructed');
  const own = newCaching();
  registerCaching(other, own);
  t.true(await serves(own, other.get(TransientUsers)));
});

test('TypeDI: properties, services of several and values are bound', async (t) => {
  @Service({ transient: true })
  class WithProperty {
    @Inject()
    readonly users!: TransientUsers;
  }
  const many = new Token<Users>();
  const value = new Users();
  const caching = newCaching();
  const container = Container.of(`container ${count++}`);
  registerCaching(container, caching);
  container.set({ id: many, type: OneUsers, multiple: true });
  container.set({ id: many, type: TransientUsers, multiple: true });
  container.set('value', value);
  t.true(await serves(caching, container.get(WithProperty).users));
  t.is(container.getMany(many).length, 2);
  for (const users of container.getMany(many)) t.true(await serves(caching, users));
  t.is(container.get('value'), value);
  t.true(await serves(caching, value));
});

test('TypeDI: after remove(Caching) the container resolves everything else', async (t) => {
  const container = Container.of(`container ${count++}`);
  registerCaching(container, newCaching());
  container.remove(Caching);
  await t.throwsAsync(container.get(TransientUsers).find('1'), { instanceOf: MissingCachingError });
  t.throws(() => container.get('unknown'), { message: /was not found/ });
});
