import { cp, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching, useContainer } from '../../src/index.js';
import { fakeClock } from '../../src/testing/index.js';

type Package = typeof import('../../src/index.js');

const compiled = path.resolve(import.meta.dirname, '../../src');
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

test.serial('the second copy is another one', (t) => {
  t.not(copy.Caching, Caching);
  t.not(copy.Cached, undefined);
});

test.serial('each copy knows the Caching of the other', (t) => {
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

test.serial('a field, an option and a container of one hold a Caching of the other', async (t) => {
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

test.serial('a container is of one copy only: the error of the other names the ways out', async (t) => {
  useContainer({ get: () => newCaching('elsewhere') });
  t.teardown(() => useContainer(undefined));
  await t.throwsAsync(new (usersOfTheCopy())().find('1'), {
    name: 'MissingCachingError',
    message: /useContainer/,
  });
});
