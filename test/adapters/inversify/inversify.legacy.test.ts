import 'reflect-metadata';
import test from 'ava';
import * as inversify8 from 'inversify';
import * as inversify7 from 'inversify7';
import { registerCaching, type InversifyContainer } from '../../../src/adapters/inversify/index.js';
import { Caching, MissingCachingError, OptionsError } from '../../../src/index.js';
import {
  containerContract,
  newCaching,
  serves,
  Users as PlainUsers,
  type TestContainer,
} from '../container-contract.js';

/** What the tests use of both versions, which do not share types. */
type Inversify = typeof inversify8;
type Container = inversify8.Container;

const VERSIONS = {
  'InversifyJS 7': inversify7 as unknown as Inversify,
  'InversifyJS 8': inversify8,
} as const;

for (const [name, inversify] of Object.entries(VERSIONS)) {
  const { injectable, inject, optional } = inversify;

  // Each version marks its own classes.
  @injectable()
  class Users extends PlainUsers {}
  @injectable()
  class OneUsers extends Users {}
  @injectable()
  class AsyncUsers extends Users {}

  @injectable()
  class Facade {
    readonly users: Users;
    constructor(@inject(Users) users: Users) {
      this.users = users;
    }
  }

  const newContainer = (options?: inversify8.ContainerOptions): Container => {
    const container = new inversify.Container(options);
    container.bind(Users).toSelf();
    container.bind(OneUsers).toSelf().inSingletonScope();
    container.bind(Facade).toSelf();
    container.bind(AsyncUsers).toDynamicValue(async () => new AsyncUsers());
    return container;
  };

  const wrap = (container: Container): TestContainer => ({
    registerCaching: (caching) => registerCaching(container, caching),
    transient: () => container.get(Users),
    singleton: () => container.get(OneUsers),
    injected: () => container.get(Facade).users,
    caching: () => container.get(Caching),
    asynchronous: () => container.getAsync(AsyncUsers),
    child: () => wrap(new inversify.Container({ parent: container })),
    dispose: async () => container.unbindAll(),
  });

  containerContract(test, name, () => wrap(newContainer()));
  containerContract(test, `${name}, compiled plans`, () => wrap(newContainer({ jitless: false })));

  test(`${name}: bindings of modules, constants and factories are bound, those made later too`, async (t) => {
    const caching = newCaching();
    const container = new inversify.Container();
    registerCaching(container, caching);
    const constant = new Users();
    await (container.loadAsync ?? container.load).call(
      container,
      new inversify.ContainerModule(({ bind }) => {
        bind(Users).toSelf().inRequestScope();
        bind('constant').toConstantValue(constant);
        bind('dynamic').toDynamicValue(() => new Users());
      }),
    );
    t.true(await serves(caching, container.get(Users)));
    t.true(await serves(caching, container.get('dynamic')));
    t.is(container.get('constant'), constant);
    t.true(await serves(caching, constant));
  });

  test(`${name}: request scope: one instance for each call of get`, async (t) => {
    @injectable()
    class Twice {
      readonly users: readonly [Users, Users];
      constructor(@inject(Users) first: Users, @inject(Users) second: Users) {
        this.users = [first, second];
      }
    }
    const caching = newCaching();
    const container = new inversify.Container();
    registerCaching(container, caching);
    container.bind(Users).toSelf().inRequestScope();
    container.bind(Twice).toSelf();
    const { users } = container.get(Twice);
    t.is(users[0], users[1]);
    t.not(container.get(Twice).users[0], users[0]);
    t.true(await serves(caching, users[0]));
  });

  test(`${name}: autobound classes are bound, and Caching is never constructed`, async (t) => {
    @injectable()
    class Auto extends Users {}
    const caching = newCaching();
    const container = new inversify.Container({ autobind: true });
    registerCaching(container, caching);
    t.true(await serves(caching, container.get(Auto)));
    const { unbindAllSync } = container as { unbindAllSync?(): void };
    (unbindAllSync ?? container.unbindAll).call(container);
    await t.throwsAsync(container.get(Auto).find('1'), { instanceOf: MissingCachingError });
  });

  test(`${name}: after restore() instances are still bound`, async (t) => {
    const [first, second] = [newCaching(), newCaching()];
    const container = newContainer();
    registerCaching(container, first);
    container.snapshot();
    registerCaching(container, second);
    t.true(await serves(second, container.get(Users)));
    container.restore();
    t.is(container.get(Caching), first);
    t.true(await serves(first, container.get(Users)));
    const child = new inversify.Container({ parent: container });
    t.true(await serves(first, child.get(Users)));
  });

  test(`${name}: after unbindAll() the Caching is gone, and the container works`, async (t) => {
    const container = newContainer();
    registerCaching(container, newCaching());
    const unbindAllSync = (container as { unbindAllSync?(): void }).unbindAllSync;
    (unbindAllSync ?? container.unbindAll).call(container);
    container.bind(Users).toSelf();
    await t.throwsAsync(container.get(Users).find('1'), { instanceOf: MissingCachingError });
    const next = newCaching();
    registerCaching(container, next);
    t.true(await serves(next, container.get(Users)));
  });

  test(`${name}: activations of the application run, and optional injections stay`, async (t) => {
    @injectable()
    class Optional {
      readonly value: unknown;
      constructor(@inject('unknown') @optional() value?: unknown) {
        this.value = value;
      }
    }
    const container = newContainer();
    const seen: unknown[] = [];
    const caching = newCaching();
    container.onActivation(Users, (_context, users) => {
      seen.push('activated');
      return users;
    });
    registerCaching(container, caching);
    container.bind(Optional).toSelf();
    t.true(await serves(caching, container.get(Users)));
    t.deepEqual(seen, ['activated']);
    t.is(container.get(Optional).value, undefined);
    t.throws(() => container.get('unknown'), { message: /No bindings found/ });
  });
}

test('a container without plugins is refused', (t) => {
  t.throws(() => registerCaching({} as InversifyContainer, newCaching()), {
    instanceOf: OptionsError,
    message: /7\.11 or later/,
  });
});
