import test, { type ExecutionContext } from 'ava';
import {
  bindCaching,
  Cached,
  CachedMany,
  CachingDefaults,
  createDecorators,
  DecorationError,
  Invalidates,
  KeyError,
  Locked,
  MissingContextError,
  OptionsError,
  RateLimited,
  withContext,
  type Caching,
} from '../../src/index.js';
import { recordingCaching, type Recording } from '../../src/testing/index.js';
import { deferred } from '../support/deferred.js';
import { settled } from '../support/settled.js';

/** A `Caching` without defaults of its own, and what it has published. */
function record(t: ExecutionContext, options: Parameters<typeof recordingCaching>[0] = {}): Recording {
  const recording = recordingCaching({
    ...options,
    defaults: { ttl: undefined, jitter: 0, ...options.defaults },
  });
  t.teardown(() => recording.close());
  return recording;
}

const fills = ({ of }: Recording) => of('fill').map(({ key, ttlMs }) => [key, ttlMs]);

/** As plain JavaScript would write it: no compiler has seen these options. */
function define(options: object): () => void {
  return () => {
    @CachingDefaults(options)
    class Users {
      @Cached()
      async find(id: string): Promise<string> {
        return id;
      }
    }
    return void Users;
  };
}

test('the order is: the method, the class, the defaults of the Caching, those of the library', async (t) => {
  const recording = record(t, { defaults: { ttl: '4s', grace: '1h' } });
  @CachingDefaults({ ttl: '2s', cache: recording.caching })
  class Users {
    @Cached({ key: 'method', ttl: '1s' })
    async one(): Promise<number> {
      return 1;
    }
    @Cached({ key: 'class' })
    async two(): Promise<number> {
      return 2;
    }
  }
  class Plain {
    @Cached({ key: 'caching', cache: recording.caching })
    async three(): Promise<number> {
      return 3;
    }
  }
  const users = new Users();
  await users.one();
  await users.two();
  await new Plain().three();
  t.deepEqual(fills(recording), [
    ['method', 1_000],
    ['class', 2_000],
    ['caching', 4_000],
  ]);
  await recording.clock.advance(2_000);
  t.true((await recording.caching.of(users, 'two').peek())?.stale, 'grace is that of the Caching.');
});

test('without a ttl anywhere the call rejects; one of the class is enough', async (t) => {
  const { caching } = record(t);
  class Bare {
    @Cached({ cache: caching })
    async find(): Promise<number> {
      return 1;
    }
  }
  await t.throwsAsync(new Bare().find(), { instanceOf: OptionsError, message: /has no ttl/ });
});

test('subclasses inherit the options one by one, and override them', async (t) => {
  const recording = record(t);
  @CachingDefaults({ ttl: '1s', grace: '10s', cache: recording.caching })
  class Base {
    @Cached({
      key(id) {
        return [this.constructor.name, id];
      },
    })
    async find(id: string): Promise<string> {
      return id;
    }
  }
  class Inherits extends Base {}
  @CachingDefaults({ ttl: '2s' })
  class Overrides extends Inherits {}
  class Deep extends Overrides {
    override async find(id: string): Promise<string> {
      return super.find(id);
    }
  }
  for (const one of [new Base(), new Inherits(), new Overrides(), new Deep(), new Base()])
    await one.find('1');
  t.deepEqual(fills(recording), [
    ['Base:1', 1_000],
    ['Inherits:1', 1_000],
    ['Overrides:1', 2_000],
    ['Deep:1', 2_000],
  ]);
  await recording.clock.advance(2_000);
  t.true((await recording.caching.of(new Overrides(), 'find').peek('1'))?.stale, 'grace is inherited.');
});

test('tags of the class are added to those of the method and of the classes that it extends', async (t) => {
  const { caching } = record(t);
  @CachingDefaults({ ttl: '1m', tags: ['base'], sharedTags: ['all'], cache: caching })
  class Base {
    @Cached({ tags: ['own'] })
    async fixed(): Promise<number> {
      return 1;
    }
    @Cached({ tags: ['id:{0}'] })
    async template(_id: string): Promise<number> {
      return 2;
    }
    @Cached({ tags: (result) => [`result:${result}`], sharedTags: ['more'] })
    async result(): Promise<number> {
      return 3;
    }
    @Cached()
    async none(): Promise<number> {
      return 4;
    }
  }
  @CachingDefaults({ tags: ['derived', 'base'] })
  class Derived extends Base {}
  const tagsOf = async (service: Base): Promise<unknown> => {
    await Promise.all([service.fixed(), service.template('7'), service.result(), service.none()]);
    const found = [
      caching.of(service, 'fixed').peek(),
      caching.of(service, 'template').peek('7'),
      caching.of(service, 'result').peek(),
      caching.of(service, 'none').peek(),
    ];
    return Promise.all(found.map(async (one) => (await one)?.tags));
  };
  t.deepEqual(await tagsOf(new Base()), [
    ['own', 'base', 'all'],
    ['id:7', 'base', 'all'],
    ['base', 'more', 'all', 'result:3'],
    ['base', 'all'],
  ]);
  t.deepEqual(await tagsOf(new Derived()), [
    ['own', 'base', 'derived', 'all'],
    ['id:7', 'base', 'derived', 'all'],
    ['base', 'derived', 'more', 'all', 'result:3'],
    ['base', 'derived', 'all'],
  ]);
});

test('a value in memory that has not the tags of the class is no hit for it, also if the method is the same', async (t) => {
  const recording = record(t, { l1: true });
  const { caching } = recording;
  await caching.ready();
  @CachingDefaults({ ttl: '1m', cache: caching })
  class Base {
    @Cached({ key: 'shared' })
    async find(): Promise<number> {
      return 1;
    }
  }
  @CachingDefaults({ tags: ['derived'] })
  class Derived extends Base {}
  const [base, derived] = [new Base(), new Derived()];
  for (let i = 0; i < 3; i++) await base.find();
  t.is(recording.of('load').length, 1);
  await derived.find();
  t.is(recording.of('load').length, 2, 'The entry of Base would not be invalidated with the tag.');
  await caching.cache.invalidate({ tags: ['derived'] });
  await derived.find();
  t.is(recording.of('load').length, 3);
});

test('a name replaces that of the class in default keys, events and errors; subclasses have their own', async (t) => {
  const recording = record(t);
  @CachingDefaults({ ttl: '1m', name: 'people', cache: recording.caching })
  class Users {
    @Cached()
    async find(_id: string): Promise<number> {
      return 1;
    }
    @Cached({ name: 'mine' })
    async named(): Promise<number> {
      return 1;
    }
    @Cached()
    static async all(): Promise<number> {
      return 1;
    }
    @Invalidates({ all: true })
    async clear(): Promise<void> {}
    @Locked()
    async lock(): Promise<void> {}
    @RateLimited({ limit: 1, per: '1m' })
    async limit(): Promise<void> {}
  }
  class Admins extends Users {}
  await new Users().find('1');
  await new Users().named();
  await new Admins().find('1');
  await Users.all();
  await new Users().clear();
  await new Users().lock();
  await new Users().limit();
  t.deepEqual(
    recording.of('fill').map(({ key }) => key.replace(/\(.*|:.*/, '')),
    ['people.find', 'mine', 'Admins/people.find', 'people.static.all'],
  );
  t.is(recording.of('invalidate')[0]?.method, 'people.clear');
  t.is(recording.of('lock')[0]?.method, 'people.lock');
  t.is(recording.of('limit')[0]?.method, 'people.limit');
});

test('context and cache are also those of @Invalidates, @RateLimited and @Locked', async (t) => {
  const recording = record(t);
  @CachingDefaults<Users, never>({ ttl: '1m', context: ['tenant'], cache: (self) => self.caching })
  class Users {
    readonly #caching = recording.caching;
    get caching(): Caching {
      return this.#caching;
    }
    @Cached({ key: 'key' })
    async find(): Promise<number> {
      return 1;
    }
    @Cached({ key: 'all', context: false })
    async shared(): Promise<number> {
      return 1;
    }
    @Invalidates({ keys: 'key' })
    async save(): Promise<void> {}
    @RateLimited({ key: 'key', limit: 1, per: '1m' })
    async limited(): Promise<void> {}
    @Locked({ key: 'key' })
    async locked(): Promise<void> {}
  }
  const users = new Users();
  for (const call of ['find', 'save', 'limited', 'locked'] as const) {
    await t.throwsAsync(users[call](), { instanceOf: MissingContextError }, call);
  }
  await users.shared();
  await withContext({ tenant: 'acme' }, async () => {
    await users.find();
    await users.save();
    await users.limited();
    await users.locked();
  });
  t.deepEqual(
    recording.of('fill').map(({ key }) => key),
    ['all', '[tenant=acme]key'],
  );
  t.deepEqual(recording.of('invalidate')[0]?.keys, ['[tenant=acme]key']);
  t.is(recording.of('limit')[0]?.key, '[tenant=acme]key');
  t.deepEqual(recording.of('lock')[0]?.keys, ['[tenant=acme]key']);
});

test('the cache option: the method, bound decorators, the class, then a container', async (t) => {
  const [ofMethod, ofClass, bound] = [record(t), record(t), record(t)];
  const { Cached: Bound } = createDecorators(bound.caching);
  @CachingDefaults({ ttl: '1m', cache: ofClass.caching })
  class Users {
    @Cached({ key: 'one', cache: ofMethod.caching })
    async one(): Promise<number> {
      return 1;
    }
    @Bound({ key: 'two' })
    async two(): Promise<number> {
      return 1;
    }
    @Cached({ key: 'three' })
    async three(): Promise<number> {
      return 1;
    }
  }
  const users = new Users();
  bindCaching(users, record(t).caching);
  await users.one();
  await users.two();
  await users.three();
  t.deepEqual(
    [ofMethod, bound, ofClass].map(({ of }) => of('fill').map(({ key }) => key)),
    [['one'], ['two'], ['three']],
  );
});

test('@CachedMany has the defaults, too', async (t) => {
  const recording = record(t);
  @CachingDefaults({ ttl: '1s', tags: ['users'], context: ['tenant'], cache: recording.caching })
  class Users {
    @CachedMany({ key: 'user:{0}', tags: ['id:{0}'] })
    async findMany(ids: readonly string[]): Promise<Map<string, string>> {
      return new Map(ids.map((id) => [id, id]));
    }
    @Cached({ key: 'user:{0}', tags: ['id:{0}'] })
    async find(id: string): Promise<string> {
      return id;
    }
  }
  @CachingDefaults({ ttl: '2s' })
  class Admins extends Users {}
  await withContext({ tenant: 'acme' }, async () => {
    await new Users().findMany(['1']);
    await new Admins().findMany(['1', '2']);
    const found = await recording.caching.of(new Users(), 'find').peek('2');
    t.deepEqual(found?.tags, ['id:2', 'users'], 'Parts of a class are in its keys, not in its tags.');
  });
  t.deepEqual(fills(recording), [
    ['[tenant=acme]user:1', 1_000],
    ['[tenant=acme]user:2', 2_000],
  ]);
  await t.throwsAsync(new Users().findMany(['1']), { instanceOf: MissingContextError });
});

test('onKeyError of the class applies to its methods', async (t) => {
  const { caching } = record(t);
  @CachingDefaults({ ttl: '1m', onKeyError: 'throw', cache: caching })
  class Users {
    @Cached()
    async strict(_filter: object): Promise<number> {
      return 1;
    }
    @Cached({ onKeyError: 'bypass' })
    async lenient(_filter: object): Promise<number> {
      return 1;
    }
  }
  const odd = { f: () => {} };
  await t.throwsAsync(new Users().strict(odd), { instanceOf: KeyError });
  t.is(await new Users().lenient(odd), 1);
});

test('maxConcurrentLoads bounds a method over all classes that inherit it, whatever their defaults', async (t) => {
  const { caching, of } = record(t);
  const gate = deferred();
  let running = 0;
  let most = 0;
  @CachingDefaults({ ttl: '1m', cache: caching })
  class Base {
    @Cached({ maxConcurrentLoads: 1 })
    async find(): Promise<number> {
      most = Math.max(most, ++running);
      await gate.promise;
      return running--;
    }
  }
  @CachingDefaults({ ttl: '2m' })
  class Derived extends Base {}
  const calls = [new Base().find(), new Derived().find()];
  await settled();
  gate.resolve();
  await Promise.all(calls);
  t.is(most, 1);
  t.is(of('load').length, 2);
});

test('defaults that a class gets after a call apply from the next call on', async (t) => {
  const recording = record(t, { defaults: { ttl: '1s' } });
  class Users {
    @Cached({ key: '{0}', cache: recording.caching })
    async find(_id: string): Promise<number> {
      return 1;
    }
  }
  // From then on calls look for defaults.
  CachingDefaults({ ttl: '3s' })(class {});
  const users = new Users();
  await users.find('1');
  CachingDefaults({ ttl: '2s' })(Users);
  await users.find('2');
  t.deepEqual(fills(recording), [
    ['1', 1_000],
    ['2', 2_000],
  ]);
});

test('errors name the class and the option', (t) => {
  const throws = (options: object, message: string): void => {
    t.throws(define(options), { instanceOf: OptionsError, message });
  };
  t.throws(define({ ttl: 'soon' }), {
    instanceOf: OptionsError,
    message: /^ttl of @CachingDefaults on Users is a duration.*, and 'soon' was given\.$/,
  });
  t.throws(define({ tll: '1m' }), {
    instanceOf: OptionsError,
    message: /^@CachingDefaults on Users has no option 'tll'\. It has: ttl, /,
  });
  t.throws(define({ key: 'user:{0}' }), {
    instanceOf: OptionsError,
    message: /^@CachingDefaults on Users has no option 'key'\. It has: ttl, /,
  });
  throws(
    { tags: ['user:{0}'] },
    "tags of @CachingDefaults on Users are fixed names, and 'user:{0}' has a placeholder. Give it to the @Cached of a method.",
  );
  throws(
    { tags: 'users' },
    "tags of @CachingDefaults on Users is a list of at most 1000 strings, and 'users' was given.",
  );
  throws(
    { cache: {} },
    'cache of @CachingDefaults on Users is a Caching or a function that returns one, and a plain object was given.',
  );
  t.throws(define(undefined as never), {
    instanceOf: OptionsError,
    message: '@CachingDefaults on Users takes an object of options, and undefined was given.',
  });
});

test('it decorates a class, once', (t) => {
  const decorate = CachingDefaults({ ttl: '1m' }) as (...args: readonly unknown[]) => void;
  class Users {}
  t.throws(() => decorate(Users.prototype, 'find', {}), {
    instanceOf: DecorationError,
    message: '@CachingDefaults decorates classes, and it was given a plain object. Put it above the class.',
  });
  t.throws(() => decorate(() => {}, { kind: 'method', name: 'find' }), {
    instanceOf: DecorationError,
    message: '@CachingDefaults decorates classes, and it was given a method. Put it above the class.',
  });
  decorate(Users);
  t.throws(() => decorate(Users), {
    instanceOf: DecorationError,
    message: '@CachingDefaults on Users is there twice. Give the class one, with all options.',
  });
});
