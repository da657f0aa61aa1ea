import test from 'ava';
import {
  CachePut,
  createDecorators,
  DecorationError,
  InvalidationError,
  KeyError,
  MissingCachingError,
  OptionsError,
  withContext,
  type CachePutOptions,
} from '../../src/index.js';
import { rig } from '../support/rig.js';

type Untyped = CachePutOptions<object, [string], unknown, string, string>;

interface User {
  readonly id: string;
  readonly name: string;
}

test('a put is what the method with the same key returns next; its tags end the entry', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const { Cached, CachePut } = createDecorators(here!.caching);
  let reads = 0;
  class Users {
    @Cached({ key: 'user:{0}', tags: 'users' })
    async find(id: string): Promise<User> {
      reads += 1;
      return { id, name: 'Ann' };
    }
    @CachePut({ key: 'user:{0.id}', tags: 'users' })
    async replace(user: User): Promise<User> {
      return { ...user, name: user.name.trim() };
    }
    @CachePut({ key: ({ id }) => ['user', id], tags: (saved) => ['users', `name:${saved.name}`] })
    async rename(user: User): Promise<User> {
      return user;
    }
  }
  const users = new Users();
  t.deepEqual(await users.find('1'), { id: '1', name: 'Ann' });
  t.deepEqual(await users.replace({ id: '1', name: ' Bea ' }), { id: '1', name: 'Bea' });
  t.deepEqual(await users.find('1'), { id: '1', name: 'Bea' });
  await users.rename({ id: '1', name: 'Cleo' });
  t.deepEqual(await there!.cache.get('user:1'), { id: '1', name: 'Cleo' });
  t.deepEqual(await users.find('1'), { id: '1', name: 'Cleo' });
  t.is(reads, 1);
  await there!.cache.invalidate({ tags: ['name:Cleo'] });
  await users.find('1');
  await there!.cache.invalidate({ tags: ['users'] });
  await users.find('1');
  t.is(reads, 3);
});

test('when: if false, the method runs and no entry is changed; unless: if true, the entry is invalidated', async (t) => {
  const { caching, cache } = rig(t).openers[0]!;
  const { CachePut } = createDecorators(caching);
  class Users {
    @CachePut({ key: 'user:{0}', when: (_id, name) => name !== 'draft', unless: (name) => name === '' })
    async rename(_id: string, name: string): Promise<string> {
      return name;
    }
  }
  const users = new Users();
  await cache.set('user:1', 'Ann');
  t.is(await users.rename('1', 'draft'), 'draft');
  t.is(await cache.get('user:1'), 'Ann');
  t.is(await users.rename('1', 'Bea'), 'Bea');
  t.is(await cache.get('user:1'), 'Bea');
  t.is(await users.rename('1', ''), '');
  t.is(await cache.get('user:1'), undefined);
});

test('a method that fails changes nothing, and its error reaches the caller', async (t) => {
  const { caching, cache } = rig(t).openers[0]!;
  const { CachePut } = createDecorators(caching);
  const taken = new Error('The name is taken.');
  class Users {
    @CachePut({ key: 'user:{0}' })
    async rename(_id: string, _name: string): Promise<string> {
      throw taken;
    }
  }
  await cache.set('user:1', 'Ann');
  await t.throwsAsync(new Users().rename('1', 'Bea'), { is: taken });
  t.is(await cache.get('user:1'), 'Ann');
});

test('a key that is not valid rejects before the method runs', async (t) => {
  const { caching } = rig(t).openers[0]!;
  const { CachePut } = createDecorators(caching);
  let runs = 0;
  class Users {
    @CachePut({ key: 'user:{0.id}' })
    async replace(user: { readonly id: string }): Promise<number> {
      return ++runs + String(user).length;
    }
  }
  await t.throwsAsync(new Users().replace({ id: { nested: true } as never }), { instanceOf: KeyError });
  t.is(runs, 0);
});

test('a result that cannot be stored: the error names the method and has the result', async (t) => {
  const { caching, cache } = rig(t).openers[0]!;
  const { CachePut } = createDecorators(caching);
  const handle = (): number => 1;
  class Users {
    @CachePut({ key: 'user:{0}' })
    async open(_id: string): Promise<unknown> {
      return { handle };
    }
  }
  await cache.set('user:1', 'Ann');
  const error = await t.throwsAsync(new Users().open('1'), { instanceOf: InvalidationError });
  t.regex(error!.message, /^Users\.open has succeeded, and its result was not stored: /);
  t.deepEqual(error!.result, { handle });
  t.is(await cache.get('user:1'), undefined);
});

test('the parts of the context are in the key, and the name is in events', async (t) => {
  const { openers, of } = rig(t, 1, { context: ['tenant'] });
  const { caching, cache } = openers[0]!;
  const { CachePut } = createDecorators(caching);
  class Users {
    @CachePut({ key: 'user:{0}', name: 'people.save' })
    async save(_id: string, name: string): Promise<string> {
      return name;
    }
  }
  await withContext({ tenant: 'a' }, () => new Users().save('1', 'Ann'));
  await withContext({ tenant: 'b' }, () => new Users().save('1', 'Bea'));
  t.deepEqual(
    await Promise.all(['a', 'b', 'c'].map((tenant) => withContext({ tenant }, () => cache.get('user:1')))),
    ['Ann', 'Bea', undefined],
  );
  t.deepEqual([...new Set(of('fill').map(({ method }) => method))], ['people.save']);
});

test('invalid options are refused at class definition, and a missing Caching rejects', async (t) => {
  const define = (options: object) => () => {
    class Users {
      @CachePut(options as Untyped)
      async save(id: string): Promise<string> {
        return id;
      }
    }
    return new Users();
  };
  t.throws(define({}), { instanceOf: OptionsError, message: /^@CachePut on save needs a key/ });
  t.throws(define({ key: 'user:{9}{' }), { instanceOf: OptionsError });
  t.throws(define({ key: 'user:{0}', ttl: 'soon' }), { instanceOf: OptionsError });
  t.throws(define({ key: 'user:{0}', onKeyError: 'bypass' }), { instanceOf: OptionsError });
  t.throws(() => (CachePut({ key: 'a' }) as unknown as (target: unknown) => void)(class {}), {
    instanceOf: DecorationError,
  });
  await t.throwsAsync(define({ key: 'user:{0}', ttl: '1m' })().save('1'), {
    instanceOf: MissingCachingError,
    message: /Users\.save/,
  });
});

test('safe: the entry is marked while the method runs, its tags are not', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const { CachePut } = createDecorators(here!.caching);
  const seen: unknown[] = [];
  class Users {
    @CachePut({ key: 'user:{0}', tags: 'users', safe: '30s' })
    async rename(_id: string, name: string): Promise<string> {
      seen.push(await there!.cache.get('user:1'), await there!.cache.get('list'));
      return name;
    }
  }
  await there!.cache.set('user:1', 'Ann');
  await there!.cache.set('list', ['Ann'], { tags: ['users'] });
  t.is(await new Users().rename('1', 'Bea'), 'Bea');
  t.deepEqual(seen, [undefined, ['Ann']]);
  t.is(await there!.cache.get('user:1'), 'Bea');
  for (const safe of [1, '2h', true]) {
    const define = () => {
      class Broken {
        @CachePut({ key: 'a', safe } as unknown as Untyped)
        async save(id: string): Promise<string> {
          return id;
        }
      }
      return new Broken();
    };
    t.throws(define, { instanceOf: OptionsError }, String(safe));
  }
});
