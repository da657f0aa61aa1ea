import { cp, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { memory } from '../../../src/adapters/memory/index.js';
import * as errors from '../../../src/core/shared/errors.js';
import {
  bindCaching,
  Cached,
  Caching,
  CachingDefaults,
  createDecorators,
  currentLease,
  useContainer,
  withCaching,
  withContext,
  withRequestMemo,
} from '../../../src/index.js';
import { fakeClock } from '../../../src/testing/index.js';

type Package = typeof import('../../../src/index.js');

const compiled = path.resolve(import.meta.dirname, '../../../src');
let folder: string;
let copy: Package;

// As when two versions of a library, or a bundle and node_modules, each bring a copy of their own.
test.before('load the compiled code a second time, from another path', async () => {
  folder = await mkdtemp(path.join(path.dirname(compiled), 'second-copy-'));
  await cp(compiled, folder, { recursive: true });
  copy = (await import(pathToFileURL(path.join(folder, 'index.js')).href)) as Package;
});

test.after.always(() => rm(folder, { recursive: true, force: true }));

const newCaching = (namespace: string): Caching =>
  new Caching({ adapter: memory(), namespace, clock: fakeClock(), defaults: { ttl: '5m' } });

/** A class that the second copy decorates. */
function usersOfTheCopy({ Cached, Invalidates }: Pick<Package, 'Cached' | 'Invalidates'> = copy) {
  class Users {
    caching?: Caching;
    loads = 0;
    @Cached({ key: 'user:{0}' })
    async find(_id: string): Promise<number> {
      return ++this.loads;
    }
    @Invalidates({ keys: 'user:{0}' })
    async save(_id: string): Promise<void> {}
  }
  return Users;
}

test.serial('the second copy is a different one', (t) => {
  t.not(copy.Caching, Caching);
  t.not(copy.Cached, undefined);
});

test.serial('each copy recognizes the Caching of the other', (t) => {
  const caching = newCaching('known');
  t.true(copy.Caching.is(caching));
  t.true(Caching.is(new copy.Caching({ adapter: memory(), namespace: 'known' })));
});

test.serial('the default of one is the default of the other', async (t) => {
  const caching = newCaching('default');
  Caching.setDefault(caching);
  t.is(copy.Caching.getDefault() as unknown, caching);
  const users = new (usersOfTheCopy())();
  t.deepEqual([await users.find('1'), await users.find('1')], [1, 1]);
  t.true(await caching.cache.has('user:1'));
  await users.save('1');
  t.is(await users.find('1'), 2);
  copy.Caching.setDefault(undefined);
  t.is(Caching.getDefault(), undefined);
});

test.serial('a field, an option and a container of one copy accept a Caching of the other', async (t) => {
  const caching = newCaching('given');
  const Users = usersOfTheCopy();
  const byField = Object.assign(new Users(), { caching });
  t.is(await byField.find('field'), 1);
  t.true(await caching.cache.has('user:field'));

  copy.useContainer({ get: () => caching });
  t.is(await new Users().find('container'), 1);
  t.true(await caching.cache.has('user:container'));
  copy.useContainer(undefined);

  const bound = copy.createDecorators(caching as unknown as InstanceType<Package['Caching']>);
  t.is(await new (usersOfTheCopy(bound))().find('option'), 1);
  t.true(await caching.cache.has('user:option'));
});

test.serial('the container of one copy serves the other, under the token of either', async (t) => {
  const caching = newCaching('elsewhere');
  t.teardown(() => useContainer(undefined));
  useContainer({ get: () => caching });
  t.is(await new (usersOfTheCopy())().find('1'), 1);
  t.true(await caching.cache.has('user:1'));
  for (const registered of [Caching, copy.Caching]) {
    const own = newCaching(`token ${registered === Caching ? 'one' : 'two'}`.replace(' ', '-'));
    useContainer({
      resolve: (token) => (token === registered ? own : undefined),
      isRegistered: (token) => token === registered,
    });
    await new (usersOfTheCopy())().find('2');
    t.true(await own.cache.has('user:2'));
    useContainer({
      get: (token) => {
        if (token !== registered) throw new Error('not registered');
        return own;
      },
    });
    await new (usersOfTheCopy())().find('3');
    t.true(await own.cache.has('user:3'));
  }
});

test.serial('withCaching and bindCaching of one copy apply to methods decorated by the other', async (t) => {
  const [scoped, bound] = [newCaching('scoped'), newCaching('bound')];
  const Users = usersOfTheCopy();
  await withCaching(scoped, () => new Users().find('1'));
  t.true(await scoped.cache.has('user:1'));
  const users = new Users();
  bindCaching(users, bound);
  await users.find('1');
  t.true(await bound.cache.has('user:1'));
});

test.serial('currentLease of one copy is the lease of a method decorated by the other', async (t) => {
  const caching = newCaching('leases');
  const { Locked } = copy.createDecorators(caching as unknown as InstanceType<Package['Caching']>);
  class Invoices {
    @Locked({ key: 'invoice' })
    async settle(): Promise<readonly string[]> {
      return currentLease().keys;
    }
  }
  t.deepEqual(await new Invoices().settle(), ['invoice']);
});

test.serial(
  'withContext and withRequestMemo of one copy apply to methods decorated by the other',
  async (t) => {
    const caching = new Caching({
      adapter: memory(),
      namespace: 'context',
      clock: fakeClock(),
      context: ['tenant'],
      defaults: { ttl: '5m' },
    });
    const { Cached } = copy.createDecorators(caching as unknown as InstanceType<Package['Caching']>);
    class Users {
      loads = 0;
      @Cached({ key: 'user:{0}', context: ['locale'] })
      async find(_id: string): Promise<{ readonly loads: number }> {
        return { loads: ++this.loads };
      }
    }
    const users = new Users();
    await withContext({ tenant: 'acme', locale: 'de' }, () =>
      withRequestMemo(async () => t.is(await users.find('1'), await users.find('1'))),
    );
    t.is(users.loads, 1);
    const { cache } = caching.verbs({ context: ['locale'] });
    t.true(await copy.withContext({ tenant: 'acme', locale: 'de' }, () => cache.has('user:1')));
    t.false(await copy.withContext({ tenant: 'acme', locale: 'en' }, () => cache.has('user:1')));
  },
);

test.serial('handles, modes and class defaults of one copy are those of methods of the other', async (t) => {
  const caching = newCaching('handles');
  const theirs = caching as unknown as InstanceType<Package['Caching']>;
  const { Cached: Theirs } = copy.createDecorators(theirs);
  @CachingDefaults({ ttl: '1m', tags: ['users'] })
  class Users {
    version = 1;
    @Theirs({ key: 'user:{0}' })
    async find(_id: string): Promise<number> {
      return this.version;
    }
  }
  const users = new Users();
  await users.find('1');
  const find = caching.of(users, 'find');
  t.deepEqual((await find.peek('1'))?.tags, ['users']);
  users.version = 2;
  t.is(await caching.bypass(() => users.find('1')), 2);
  t.is(await users.find('1'), 1);
  t.is(await find.refresh('1'), 2);
});

test.serial('a load of one copy that calls its own key through the other does not deadlock', async (t) => {
  const caching = newCaching('loads');
  const users = copy.createDecorators(caching as unknown as InstanceType<Package['Caching']>);
  const callers = createDecorators(caching);
  class Outer {
    @callers.Cached({ key: 'user:{0}' })
    async find(id: string): Promise<string> {
      await Promise.resolve();
      return new Inner().find(id);
    }
  }
  class Inner {
    @users.Cached({ key: 'user:{0}' })
    async find(id: string): Promise<string> {
      return id;
    }
  }
  t.is(await new Outer().find('1'), '1');
});

test.serial('errors of one copy are instances of the error classes of the other', (t) => {
  const names = Object.keys(copy).filter((name) => name.endsWith('Error')) as (keyof typeof errors)[];
  t.is(names.length, 17);
  const error = new copy.KeyError('a key');
  t.true(error instanceof errors.KeyError);
  t.true(error instanceof errors.CachementError);
  t.false(error instanceof errors.ValueError);
  t.true(new errors.OptionsError('options') instanceof copy.OptionsError);
  t.false(new Error('other') instanceof errors.CachementError);
  t.false((undefined as unknown as object) instanceof errors.CachementError);
  class OwnError extends errors.KeyError {}
  t.false(error instanceof OwnError);
  t.true(new OwnError('own') instanceof copy.KeyError);
  t.is(new OwnError('own').name, 'OwnError');
  t.is(error.name, 'KeyError');
});

test.serial('a Caching of one copy is an instance of the class of the other', (t) => {
  const caching = newCaching('instance');
  t.true(caching instanceof copy.Caching);
  t.true(new copy.Caching({ adapter: memory(), namespace: 'instance' }) instanceof Caching);
  class Own extends Caching {}
  t.false(caching instanceof Own);
  t.false({} instanceof Caching);
});

test.serial('two methods of one name warn once, whichever copies decorate them', async (t) => {
  const warnings: string[] = [];
  const warn = ({ message }: Error): void => void warnings.push(message);
  process.on('warning', warn);
  t.teardown(() => void process.off('warning', warn));
  const caching = newCaching('names');
  const make = ({ Cached }: Pick<Package, 'Cached'>) => {
    class Shelf {
      @Cached({ cache: caching as never })
      async find(): Promise<number> {
        return 1;
      }
    }
    return new Shelf();
  };
  for (const one of [make({ Cached }), make(copy), make({ Cached }), make(copy)]) await one.find();
  await new Promise((resolve) => setImmediate(resolve));
  t.is(warnings.filter((message) => message.startsWith('Two methods are called Shelf.find')).length, 1);
});
