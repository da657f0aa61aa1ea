import test, { type ExecutionContext } from 'ava';
import {
  bindCaching,
  Cached,
  CachedMany,
  CachingDefaults,
  createDecorators,
  entry,
  InvalidationError,
  Invalidates,
  KeyError,
  MissingContextError,
  OptionsError,
  withCaching,
  withContext,
  type EntryReference,
} from '../../src/index.js';
import { rig } from '../support/rig.js';

interface User {
  readonly id: string;
  readonly mail: string;
}

let runs: string[] = [];
test.beforeEach(() => {
  runs = [];
});

function load(method: string, id: string): User {
  runs.push(`${method} ${id}`);
  return { id, mail: `${id}@example.org` };
}

class Users {
  constructor(readonly prefix = 'own') {}

  @Cached({ key: 'user:{0}', ttl: '1m' })
  async find(id: string): Promise<User> {
    return load('find', id);
  }
  @Cached({ ttl: '1m' })
  async byMail(mail: string, _options?: { readonly fresh: boolean }): Promise<User> {
    return load('byMail', mail);
  }
  @CachedMany({ key: (id, tenant) => ['user', tenant, id], ttl: '1m' })
  async findMany(ids: readonly string[], _tenant: string): Promise<Map<string, User>> {
    return new Map(ids.map((id) => [id, load('findMany', id)]));
  }
  @Cached({ key: (id) => ['static', id], ttl: '1m' })
  static async count(id: string): Promise<User> {
    return load('count', id);
  }
  @Cached({ ttl: '1m', context: ['locale'] })
  async localised(id: string): Promise<User> {
    return load('localised', id);
  }
  @Cached({ ttl: '1m', context: false })
  async common(id: string): Promise<User> {
    return load('common', id);
  }
  @Cached({
    ttl: '1m',
    key(id) {
      return [this.prefix, id];
    },
  })
  async prefixed(id: string): Promise<User> {
    return load('prefixed', id);
  }
  @Cached({
    ttl: '1m',
    key(id) {
      return ['shelf', this.shelfOf(id), id];
    },
  })
  async shelved(id: string): Promise<User> {
    return load('shelved', id);
  }
  shelfOf(id: string): string {
    return id.slice(0, 1);
  }

  @Invalidates({ entries: (_, user) => [entry(Users, 'find', user.id), entry(Users, 'byMail', user.mail)] })
  async save(user: User): Promise<void> {
    void user;
  }
  @Invalidates({
    entries(result) {
      return [entry(this, 'byMail', result.mail), entry(this, 'prefixed', result.id)];
    },
  })
  async rename(id: string): Promise<User> {
    return { id, mail: `${id}@example.org` };
  }
  @Invalidates({ entries: (_, ids) => [entry(Users, 'findMany', ids, 'acme')] })
  async saveMany(_ids: readonly string[]): Promise<void> {}
  @Invalidates({ entries: (_, id) => [entry(Users, 'prefixed', id)] })
  async byClass(_id: string): Promise<string> {
    return 'saved';
  }
  @Invalidates({ entries: () => [entry(Users, 'shelfless' as 'find', '1')] })
  async ofNoMethod(): Promise<string> {
    return 'saved';
  }
  @Invalidates({ entries: (_, id) => [entry(Users, 'localised', id)] })
  async translate(_id: string): Promise<string> {
    return 'saved';
  }
}

class Admins extends Users {}

/** Services on a `Caching` of their own. */
function setup(t: ExecutionContext, options: { readonly context?: readonly string[] } = {}) {
  const { caching } = rig(t, 1, options).openers[0]!;
  const bound = <S extends object>(service: S): S => {
    bindCaching(service, caching);
    return service;
  };
  return { caching, bound, users: bound(new Users()), admins: bound(new Admins()) };
}

test.serial(
  'a reference has the key that the method computes: of a template, and the default key',
  async (t) => {
    const { users } = setup(t);
    const ada = { id: 'a:1', mail: 'a:1@example.org' };
    await users.find(ada.id);
    await users.find('2');
    await users.byMail(ada.mail);
    await users.byMail(ada.mail, { fresh: true });
    t.is(runs.length, 4);
    await users.save(ada);
    runs = [];
    await users.find(ada.id);
    await users.find('2');
    await users.byMail(ada.mail);
    await users.byMail(ada.mail, { fresh: true });
    t.deepEqual(runs, ['find a:1', 'byMail a:1@example.org'], 'Only the calls with these arguments.');
  },
);

test.serial(
  'a class stands for its own instances, and this for those of the class of the instance',
  async (t) => {
    const { users, admins } = setup(t);
    const read = async (): Promise<void> => {
      await users.byMail('1@example.org');
      await admins.byMail('1@example.org');
    };
    await read();
    runs = [];
    await admins.save({ id: '1', mail: '1@example.org' });
    await users.byMail('1@example.org');
    t.is(runs.length, 1, 'entry(Users, ...) is of Users, also in a method that Admins inherits.');
    await admins.byMail('1@example.org');
    t.is(runs.length, 1);
    await admins.rename('1');
    await read();
    t.is(runs.length, 2, 'entry(this, ...) is of Admins here.');
    await users.rename('1');
    await read();
    t.is(runs.length, 3);
  },
);

test.serial('a reference to a subclass has its default key', async (t) => {
  const { caching, users, admins } = setup(t);
  await users.byMail('a');
  await admins.byMail('a');
  await caching.cache.invalidate({ entries: [entry(Admins, 'byMail', 'a')] });
  runs = [];
  await users.byMail('a');
  t.deepEqual(runs, []);
  await admins.byMail('a');
  t.deepEqual(runs, ['byMail a']);
});

test.serial('a reference to a batch is to all of its ids', async (t) => {
  const { users } = setup(t);
  await users.findMany(['1', '2', '3'], 'acme');
  await users.findMany(['1'], 'other');
  runs = [];
  await users.saveMany(['1', '3']);
  await users.findMany(['1', '2', '3'], 'acme');
  await users.findMany(['1'], 'other');
  t.deepEqual(runs, ['findMany 1', 'findMany 3']);
});

test.serial(
  'a reference is to a static method, to one of an instance, and to one of a prototype',
  async (t) => {
    const { caching, bound, users } = setup(t);
    class Shelves extends Users {}
    bound(Shelves);
    const references: EntryReference[] = [
      entry(Shelves, 'count', '1'),
      entry(users, 'byMail', 'a'),
      entry(Users.prototype, 'find', '1'),
    ];
    const read = async (): Promise<void> => {
      await Shelves.count('1');
      await users.byMail('a');
      await users.find('1');
    };
    await read();
    t.deepEqual(await caching.cache.invalidate({ entries: references }), { acknowledged: true });
    await read();
    t.is(runs.length, 6);
  },
);

test.serial('a reference has the parts of the context of its method', async (t) => {
  const { caching, users } = setup(t, { context: ['tenant'] });
  const read = async (): Promise<void> => {
    await withContext({ tenant: 'a', locale: 'de' }, () => users.localised('1'));
    await withContext({ tenant: 'a', locale: 'en' }, () => users.localised('1'));
    await users.common('1');
  };
  await read();
  await withContext({ tenant: 'a', locale: 'de' }, () => users.translate('1'));
  runs = [];
  await read();
  t.deepEqual(runs, ['localised 1']);
  await caching.cache.invalidate({ entries: [entry(Users, 'common', '1')] });
  runs = [];
  await read();
  t.deepEqual(runs, ['common 1'], 'The method has no context, so the invalidation needs none.');
  const error = await t.throwsAsync(
    withContext({ tenant: 'a' }, () => users.translate('1')),
    {
      instanceOf: InvalidationError,
    },
  );
  t.true(error.cause instanceof MissingContextError);
  t.is(error.result, 'saved');
});

test.serial(
  'a key that reads fields of this needs the instance; one that calls methods of the class does not',
  async (t) => {
    const { caching, users } = setup(t);
    await users.prefixed('1');
    const error = await t.throwsAsync(users.byClass('1'), { instanceOf: InvalidationError });
    t.is(error.result, 'saved');
    t.true(error.cause instanceof KeyError);
    t.regex(error.message, /prefixed depends on this\.prefix, and the reference is to the class/);
    await users.rename('1');
    await users.prefixed('1');
    t.deepEqual(runs, ['prefixed 1', 'prefixed 1']);
    await users.shelved('x1');
    await caching.cache.invalidate({ entries: [entry(Users, 'shelved', 'x1')] });
    await users.shelved('x1');
    t.is(runs.length, 4);
  },
);

test.serial('a reference to no cached method is refused', async (t) => {
  const { caching, users } = setup(t);
  const error = await t.throwsAsync(users.ofNoMethod(), { instanceOf: InvalidationError });
  t.regex(
    error.message,
    /entry\(.*'shelfless'\) refers to a method with @Cached or @CachedMany, and that is no such/,
  );
  await t.throwsAsync(caching.cache.invalidate({ entries: [entry(users, 'save', { id: '', mail: '' })] }), {
    instanceOf: OptionsError,
  });
  await t.throwsAsync(caching.cache.invalidate({ entries: ['user:1' as unknown as EntryReference] }), {
    instanceOf: OptionsError,
    message:
      "entries of invalidate are references, such as entry(Users, 'find', '42'), and 'user:1' was given.",
  });
  await t.throwsAsync(caching.cache.invalidate({ entries: 'user:1' as unknown as EntryReference[] }), {
    instanceOf: OptionsError,
  });
  t.throws(() => entry('Users' as unknown as Users, 'find', '1'), {
    instanceOf: OptionsError,
    message: "entry(service, 'find') takes a class or an instance, and 'Users' was given.",
  });
  await t.throwsAsync(
    caching.cache.invalidate({ entries: [entry(Users, 'findMany', '1' as unknown as [], '')] }),
    {
      message: /takes a list of ids/,
    },
  );
});

test.serial('a reference to a method of another Caching is refused', async (t) => {
  const [mine, other] = rig(t, 2).openers;
  const { Cached: OtherCached } = createDecorators(other!.caching);
  class Prices {
    @OtherCached({ ttl: '1m' })
    async find(id: string): Promise<string> {
      return id;
    }
  }
  const message = /@Cached on Prices\.find use another Caching than the one that is invalidated/;
  const { cache } = mine!.caching;
  await t.throwsAsync(cache.invalidate({ entries: [entry(Prices, 'find', '1')] }), { message });
  await t.throwsAsync(cache.invalidate({ entries: [entry(new Prices(), 'find', '1')] }), { message });
  const users = new Users();
  bindCaching(users, other!.caching);
  await t.throwsAsync(cache.invalidate({ entries: [entry(users, 'find', '1')] }), {
    message: /another Caching/,
  });
  await other!.caching.cache.invalidate({ entries: [entry(Prices, 'find', '1'), entry(users, 'find', '1')] });
  const unbound = entry(new Users(), 'find', '1');
  t.deepEqual(await cache.invalidate({ entries: [unbound] }), { acknowledged: true }, 'It is bound to none.');
  await withCaching(mine!.caching, () => users.save({ id: '1', mail: '' }));
});

test.serial('a reference has the name and the defaults of its class', async (t) => {
  const { caching, bound } = setup(t);
  @CachingDefaults({ name: 'orders', ttl: '1m' })
  class Shelf {
    @Cached()
    async find(id: string): Promise<User> {
      return load('shelf', id);
    }
  }
  const shelf = bound(new Shelf());
  await shelf.find('1');
  await caching.cache.invalidate({ entries: [entry(Shelf, 'find', '1')] });
  await shelf.find('1');
  t.is(runs.length, 2);
});

test.serial('entries are invalidated beside keys and tags', async (t) => {
  const { caching, users } = setup(t);
  await users.find('1');
  await caching.cache.set('other', 1, { ttl: '1m' });
  await caching.cache.invalidate({ entries: [entry(Users, 'find', '1')], keys: ['other'] });
  t.false(await caching.cache.has('other'));
  t.false(await caching.cache.has('user:1'));
});
