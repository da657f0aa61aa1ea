import test from 'ava';
import {
  bindCaching,
  Cached,
  Caching,
  Invalidates,
  MissingCachingError,
  OptionsError,
  useContainer,
  withCaching,
  type ContainerLike,
} from '../../../src/index.js';
import { newCaching, servedBy } from './served-by.js';

class Users {
  @Cached({ key: 'id:{0}' })
  async find(id: string): Promise<string> {
    return id;
  }
  @Cached({ key: 'id:{0}' })
  static async read(id: string): Promise<string> {
    return id;
  }
  @Invalidates({ keys: 'id:{0}' })
  async save(_id: string): Promise<void> {}
}

// The container and the default are of the whole process, so that these run one after the other.
test.beforeEach(() => {
  Caching.setDefault(undefined);
  useContainer(undefined);
});

test.serial(
  'without any Caching a call rejects with class, method and advice, and does not run',
  async (t) => {
    let runs = 0;
    class Lost {
      @Cached({ key: 'id:{0}' })
      async find(_id: string): Promise<number> {
        return ++runs;
      }
      @Invalidates({ all: true })
      async save(): Promise<number> {
        return ++runs;
      }
    }
    const error = await t.throwsAsync(new Lost().find('1'), { instanceOf: MissingCachingError });
    t.is(error?.code, 'E_MISSING_CACHING');
    t.regex(error!.message, /^@Cached on Lost\.find found no Caching to run on\./);
    for (const way of [
      'container.registerInstance(Caching, caching); useContainer(container)',
      'registerCaching(container, caching)',
      'constructor(private readonly caching: Caching)',
      'bindCaching(instance, caching)',
      'withCaching(caching, () => ...)',
      '{ cache: caching }',
      'createDecorators(caching)',
      'Caching.setDefault(caching)',
    ]) {
      t.true(error!.message.includes(way), way);
    }
    await t.throwsAsync(new Lost().save(), { message: /^@Invalidates on Lost\.save found no Caching/ });
    t.is(runs, 0);
  },
);

test.serial('a missing Caching is not remembered: a later one is found', async (t) => {
  const users = new Users();
  await t.throwsAsync(users.find('1'), { instanceOf: MissingCachingError });
  const all = { later: newCaching() };
  Caching.setDefault(all.later);
  t.is(await servedBy(all, (id) => users.find(id)), 'later');
});

test.serial('the order: option, withCaching, instance, class, own field, container, default', async (t) => {
  const all = {
    option: newCaching(),
    scope: newCaching(),
    instance: newCaching(),
    class: newCaching(),
    field: newCaching(),
    container: newCaching(),
    default: newCaching(),
  };
  class Free {
    @Cached({ key: 'id:{0}' })
    async find(id: string): Promise<string> {
      return id;
    }
    @Cached({ key: 'id:{0}', cache: all.option })
    async own(id: string): Promise<string> {
      return id;
    }
  }
  class WithField extends Free {
    readonly caching = all.field;
  }
  class Bound extends WithField {}
  bindCaching(Bound, all.class);
  useContainer({ resolve: () => all.container });
  Caching.setDefault(all.default);
  const instance = new Bound();
  bindCaching(instance, all.instance);

  t.is(await withCaching(all.scope, () => servedBy(all, (id) => instance.own(id))), 'option');
  t.is(await withCaching(all.scope, () => servedBy(all, (id) => instance.find(id))), 'scope');
  t.is(await servedBy(all, (id) => instance.find(id)), 'instance');
  t.is(await servedBy(all, (id) => new Bound().find(id)), 'class');
  t.is(await servedBy(all, (id) => new WithField().find(id)), 'field');
  t.is(await servedBy(all, (id) => new Free().find(id)), 'container');
  useContainer(undefined);
  t.is(await servedBy(all, (id) => new Free().find(id)), 'default');
});

test.serial('the cache option is a Caching, or a function of the instance', async (t) => {
  const all = { eu: newCaching(), us: newCaching(), fixed: newCaching() };
  class Tenant {
    readonly region: 'eu' | 'us';
    constructor(region: 'eu' | 'us') {
      this.region = region;
    }
    @Cached({ key: 'id:{0}', cache: (self) => all[self.region] })
    async find(id: string): Promise<string> {
      return id;
    }
    @Cached({ key: 'id:{0}', cache: all.fixed })
    async fixed(id: string): Promise<string> {
      return id;
    }
    @Invalidates({ keys: 'id:{0}', cache: (self) => all[self.region] })
    async save(_id: string): Promise<void> {}
  }
  const eu = new Tenant('eu');
  t.is(await servedBy(all, (id) => eu.find(id)), 'eu');
  t.is(await servedBy(all, (id) => new Tenant('us').find(id)), 'us');
  t.is(await servedBy(all, (id) => eu.fixed(id)), 'fixed');
  await eu.find('1');
  await eu.save('1');
  t.false(await all.eu.cache.has('id:1'));
});

test.serial('a cache option that returns something else rejects the call', async (t) => {
  class Wrong {
    @Cached({ key: 'id:{0}', cache: (() => undefined) as unknown as () => Caching })
    async find(id: string): Promise<string> {
      return id;
    }
  }
  await t.throwsAsync(new Wrong().find('1'), {
    instanceOf: OptionsError,
    message:
      'The cache option of @Cached on Wrong.find is a function that returns a Caching, and it returned undefined.',
  });
});

test.serial('withCaching applies to everything its work starts, nests, and ends with it', async (t) => {
  const all = { outer: newCaching(), inner: newCaching(), default: newCaching() };
  Caching.setDefault(all.default);
  const users = new Users();
  const find = (id: string) => users.find(id);
  t.is(await servedBy(all, find), 'default');
  const inside = await withCaching(all.outer, async () => {
    const before = await servedBy(all, find);
    await new Promise((resolve) => setImmediate(resolve));
    const nested = await withCaching(all.inner, () =>
      Promise.all([servedBy(all, find), servedBy(all, find)]),
    );
    return [before, ...nested, await servedBy(all, find)];
  });
  t.deepEqual(inside, ['outer', 'inner', 'inner', 'outer']);
  t.is(await servedBy(all, find), 'default');
  t.is(
    withCaching(all.outer, () => 'the result'),
    'the result',
  );
  t.throws(() => withCaching(undefined as unknown as Caching, () => {}), {
    instanceOf: OptionsError,
    message: 'withCaching(caching, work) takes a Caching, and undefined was given.',
  });
});

test.serial('withCaching separates concurrent requests on one instance', async (t) => {
  const all = { a: newCaching(), b: newCaching() };
  const users = new Users();
  const request = (name: 'a' | 'b') => withCaching(all[name], () => servedBy(all, (id) => users.find(id)));
  t.deepEqual(await Promise.all([request('a'), request('b'), request('a')]), ['a', 'b', 'a']);
});

test.serial('bindCaching binds an instance; a later binding replaces it', async (t) => {
  const all = { first: newCaching(), second: newCaching(), default: newCaching() };
  Caching.setDefault(all.default);
  const users = new Users();
  const find = (id: string) => users.find(id);
  bindCaching(users, all.first);
  t.is(await servedBy(all, find), 'first');
  bindCaching(users, all.second);
  t.is(await servedBy(all, find), 'second');
  t.is(await servedBy(all, (id) => new Users().find(id)), 'default');
});

test.serial(
  'bindCaching binds a class: its instances, existing ones too, its subclasses and static methods',
  async (t) => {
    const all = { first: newCaching(), second: newCaching(), default: newCaching() };
    class Tied extends Users {}
    class Sub extends Tied {}
    class Own extends Tied {
      readonly caching = all.default;
    }
    Caching.setDefault(all.default);
    const old = new Tied();
    const own = new Own();
    t.is(await servedBy(all, (id) => old.find(id)), 'default');
    t.is(await servedBy(all, (id) => own.find(id)), 'default');
    t.is(await servedBy(all, (id) => Tied.read(id)), 'default');
    bindCaching(Tied, all.first);
    for (const find of [old.find, own.find, new Tied().find, new Sub().find]) {
      t.is(await servedBy(all, (id) => find.call(old, id)), 'first');
    }
    t.is(await servedBy(all, (id) => own.find(id)), 'first', 'remembered by its field before');
    t.is(await servedBy(all, (id) => Tied.read(id)), 'first');
    t.is(await servedBy(all, (id) => Sub.read(id)), 'first');
    bindCaching(Sub.prototype, all.second);
    t.is(await servedBy(all, (id) => new Sub().find(id)), 'second');
    t.is(await servedBy(all, (id) => Sub.read(id)), 'first');
  },
);

test.serial('bindCaching refuses invalid targets', (t) => {
  const caching = newCaching();
  for (const [target, given] of [
    [undefined, caching],
    [null, caching],
    ['users', caching],
    [new Users(), {}],
    [new Users(), undefined],
  ]) {
    t.throws(() => bindCaching(target as object, given as Caching), {
      instanceOf: OptionsError,
      message: /^bindCaching/,
    });
  }
});

test.serial(
  'an own field with any name is found; inherited fields, accessors and #private fields are not',
  async (t) => {
    const all = { field: newCaching(), default: newCaching() };
    Caching.setDefault(all.default);
    const symbol = Symbol('caching');
    class BySymbol extends Users {
      readonly [symbol] = all.field;
    }
    class ByParent extends BySymbol {}
    class ByAccessor extends Users {
      get caching(): Caching {
        throw new Error('was read');
      }
    }
    class ByPrivate extends Users {
      readonly #caching = all.field;
      get same(): boolean {
        return this.#caching === all.field;
      }
    }
    class ByStatic extends Users {
      static readonly caching = all.field;
    }
    t.is(await servedBy(all, (id) => new BySymbol().find(id)), 'field');
    t.is(await servedBy(all, (id) => new ByParent().find(id)), 'field');
    t.is(await servedBy(all, (id) => new ByAccessor().find(id)), 'default');
    t.is(await servedBy(all, (id) => new ByPrivate().find(id)), 'default');
    t.is(await servedBy(all, (id) => ByStatic.read(id)), 'field');
    t.is(await servedBy(all, (id) => new ByStatic().find(id)), 'default');
    const laterAccessor = Object.defineProperty(new Users(), 'caching', {
      enumerable: true,
      get: () => {
        throw new Error('was read');
      },
    });
    t.is(await servedBy(all, (id) => laterAccessor.find(id)), 'default');
  },
);

test.serial(
  'two own fields with different Caching reject; the same Caching in both is accepted',
  async (t) => {
    const one = newCaching();
    class Two extends Users {
      readonly first = one;
      readonly second: Caching;
      constructor(second: Caching) {
        super();
        this.second = second;
      }
    }
    await t.throwsAsync(new Two(newCaching()).find('1'), {
      instanceOf: MissingCachingError,
      message:
        /^@Cached on Two\/Users\.find found two different Caching in the fields of its instance\. .*cache: \(self\)/,
    });
    t.is(await servedBy({ one }, (id) => new Two(one).find(id)), 'one');
  },
);

test.serial('a field that contains a proxy is not read: it may be lazy', async (t) => {
  const all = { default: newCaching() };
  Caching.setDefault(all.default);
  const touched = (): never => {
    throw new Error('was touched');
  };
  class Lazy extends Users {
    readonly other = new Proxy({}, { get: touched, has: touched, getPrototypeOf: touched, ownKeys: touched });
  }
  t.is(await servedBy(all, (id) => new Lazy().find(id)), 'default');
});

test.serial('the container is called once per instance, by get or resolve', async (t) => {
  const all = { container: newCaching(), other: newCaching(), default: newCaching() };
  Caching.setDefault(all.default);
  const asked: unknown[] = [];
  const answer = (token: unknown): Caching => {
    asked.push(token);
    return all.container;
  };
  const containers: Record<string, ContainerLike> = {
    tsyringe: { resolve: answer, isRegistered: () => true },
    Inversify: { get: answer },
    NestJS: { get: answer, resolve: async (token) => answer(token) },
  };
  for (const [name, container] of Object.entries(containers)) {
    useContainer(container);
    const users = new Users();
    t.is(await servedBy(all, (id) => users.find(id)), 'container', name);
    t.is(await servedBy(all, (id) => users.find(id)), 'container', name);
    t.deepEqual(asked.splice(0), [Caching], name);
    t.is(await servedBy(all, (id) => new Users().find(id)), 'container', name);
    t.deepEqual(asked.splice(0), [Caching], name);
    useContainer({ get: () => all.other });
    t.is(await servedBy(all, (id) => users.find(id)), 'other', 'another container is asked anew');
  }
});

test.serial('a container is called as a method of itself', async (t) => {
  const all = { container: newCaching() };
  class Container {
    readonly #caching = all.container;
    get(): Caching {
      return this.#caching;
    }
  }
  useContainer(new Container());
  t.is(await servedBy(all, (id) => new Users().find(id)), 'container');
});

test.serial('if the container has no Caching, the default applies', async (t) => {
  const all = { default: newCaching() };
  Caching.setDefault(all.default);
  const asked: unknown[][] = [];
  const unregistered: ContainerLike = {
    resolve: () => t.fail() as never,
    isRegistered: (...args) => {
      asked.push(args);
      return false;
    },
  };
  for (const container of [unregistered, { get: () => undefined }, { get: () => null }]) {
    useContainer(container);
    t.is(await servedBy(all, (id) => new Users().find(id)), 'default');
  }
  t.deepEqual(asked, [[Caching, true]], 'also of its parents');
});

test.serial('a container that throws or returns something else rejects the call', async (t) => {
  Caching.setDefault(newCaching());
  const failure = new Error('No provider for Caching');
  useContainer({
    get: () => {
      throw failure;
    },
  });
  const error = await t.throwsAsync(new Users().find('1'), { instanceOf: MissingCachingError });
  t.is(error?.cause, failure);
  t.regex(
    error!.message,
    /^@Cached on Users\.find looked up Caching in the container of useContainer, and the container threw\./,
  );
  for (const [given, word] of [
    [Promise.resolve(newCaching()), 'a promise'],
    [{}, 'a plain object'],
    ['caching', "'caching'"],
  ] as const) {
    useContainer({ resolve: () => given });
    await t.throwsAsync(new Users().find('1'), {
      instanceOf: MissingCachingError,
      message: new RegExp(
        `^@Cached on Users\\.find looked up Caching in the container .* and the container returned ${word}\\.`,
      ),
    });
  }
});

test.serial('useContainer refuses invalid containers', (t) => {
  for (const wrong of [null, {}, 'container', { resolve: true }]) {
    t.throws(() => useContainer(wrong as unknown as ContainerLike), { instanceOf: OptionsError });
  }
});

test.serial('a binding, a field and the container are cached per instance; the default is not', async (t) => {
  const all = { field: newCaching(), late: newCaching(), first: newCaching(), second: newCaching() };
  class Fielded extends Users {
    caching: Caching = all.field;
  }
  const fielded = new Fielded();
  t.is(await servedBy(all, (id) => fielded.find(id)), 'field');
  fielded.caching = all.late;
  t.is(await servedBy(all, (id) => fielded.find(id)), 'field');

  const users = new Users();
  Caching.setDefault(all.first);
  t.is(await servedBy(all, (id) => users.find(id)), 'first');
  Caching.setDefault(all.second);
  t.is(await servedBy(all, (id) => users.find(id)), 'second');
});

test.serial('frozen instances can be bound; a proxy is a separate instance of the same class', async (t) => {
  const all = { bound: newCaching(), field: newCaching(), class: newCaching(), default: newCaching() };
  Caching.setDefault(all.default);
  const frozen = Object.freeze(new Users());
  bindCaching(frozen, all.bound);
  t.is(await servedBy(all, (id) => frozen.find(id)), 'bound');
  const proxy = new Proxy(frozen, {});
  t.is(await servedBy(all, (id) => proxy.find(id)), 'default');
  bindCaching(proxy, all.bound);
  t.is(await servedBy(all, (id) => proxy.find(id)), 'bound');
  class Fielded extends Users {
    readonly caching = all.field;
  }
  t.is(await servedBy(all, (id) => new Proxy(new Fielded(), {}).find(id)), 'field');
  class Tied extends Users {}
  bindCaching(Tied, all.class);
  t.is(await servedBy(all, (id) => new Proxy(new Tied(), {}).find(id)), 'class');
});

test.serial('a call without an instance uses withCaching, the container or the default', async (t) => {
  const all = { scope: newCaching(), container: newCaching(), default: newCaching() };
  const { find } = new Users();
  const call = (id: string) => find.call(undefined as unknown as Users, id);
  await t.throwsAsync(call('1'), { instanceOf: MissingCachingError });
  Caching.setDefault(all.default);
  t.is(await servedBy(all, call), 'default');
  useContainer({ get: () => all.container });
  t.is(await servedBy(all, call), 'container');
  t.is(await withCaching(all.scope, () => servedBy(all, call)), 'scope');
});

test.serial('a closed Caching is no longer the default', async (t) => {
  const caching = newCaching();
  Caching.setDefault(caching);
  await caching.close();
  await t.throwsAsync(new Users().find('1'), { instanceOf: MissingCachingError });
});
