import test from 'ava';
import { memory } from '../../../src/adapters/memory/index.js';
import {
  Cached,
  Caching,
  currentLease,
  KeyError,
  Locked,
  RateLimited,
  RateLimitExceededError,
} from '../../../src/index.js';
import { fakeClock } from '../../../src/testing/index.js';

Caching.setDefault(
  new Caching({
    adapter: memory(),
    namespace: 'private-methods',
    clock: fakeClock(),
    defaults: { ttl: '5m' },
  }),
);

test('a private method is cached', async (t) => {
  let loads = 0;
  class Private {
    readonly prefix = 'p';
    @Cached({ key: 'private:{0}' })
    async #find(id: string): Promise<string> {
      loads++;
      return this.prefix + id;
    }
    @Cached()
    static async #read(id: string): Promise<string> {
      loads++;
      return `static ${id}`;
    }
    find(id: string): Promise<string> {
      return this.#find(id);
    }
    static read(id: string): Promise<string> {
      return Private.#read(id);
    }
  }
  for (let i = 0; i < 2; i++) {
    t.is(await new Private().find('1'), 'p1');
    t.is(await Private.read('1'), 'static 1');
  }
  t.is(loads, 2);
});

test('a private method is limited and locked', async (t) => {
  class Private {
    @RateLimited({ limit: 1, per: '1m' })
    async #login(ip: string): Promise<string> {
      return ip;
    }
    @Locked()
    async #settle(_id: string): Promise<readonly string[]> {
      return currentLease().keys;
    }
    @Locked({ key: 'private:{0}' })
    static async #close(_id: string): Promise<readonly string[]> {
      return currentLease().keys;
    }
    login(): Promise<string> {
      return this.#login('::1');
    }
    settle(): Promise<readonly string[]> {
      return this.#settle('1');
    }
    static close(): Promise<readonly string[]> {
      return Private.#close('1');
    }
  }
  t.is(await new Private().login(), '::1');
  const error = await t.throwsAsync(new Private().login(), { instanceOf: RateLimitExceededError });
  t.is(error.key, 'Private.#login');
  t.deepEqual(await new Private().settle(), ['Private.#settle:("1")']);
  t.deepEqual(await Private.close(), ['private:1']);
});

test('of two private methods of one name in a class and its subclass the second is refused', async (t) => {
  const loads: string[] = [];
  class Base {
    @Cached({ onKeyError: 'throw' })
    async #find(id: string): Promise<string> {
      loads.push('Base');
      return `base ${id}`;
    }
    findInBase(id: string): Promise<string> {
      return this.#find(id);
    }
  }
  class Sub extends Base {
    @Cached({ onKeyError: 'throw' })
    async #find(id: string): Promise<string> {
      loads.push('Sub');
      return `sub ${id}`;
    }
    findInSub(id: string): Promise<string> {
      return this.#find(id);
    }
  }
  for (let i = 0; i < 2; i++) {
    t.is(await new Base().findInBase('1'), 'base 1');
    t.is(await new Sub().findInSub('1'), 'sub 1');
    await t.throwsAsync(new Sub().findInBase('1'), {
      instanceOf: KeyError,
      message: /^Two different methods are called Sub\.#find, at .+ and at .+Give one of them a name/,
    });
  }
  t.deepEqual(loads, ['Base', 'Sub']);
});

test('class expressions, named or not, are decorated', async (t) => {
  let loads = 0;
  const Named = class NamedExpression {
    @Cached()
    async find(id: string): Promise<string> {
      loads++;
      return id;
    }
  };
  const make = () =>
    class {
      @Cached({ name: 'Anonymous.find' })
      async find(id: string): Promise<string> {
        loads++;
        return id;
      }
    };
  t.is(await new Named().find('1'), '1');
  t.is(await new Named().find('1'), '1');
  t.is(await new (make())().find('1'), '1');
  t.is(loads, 2);
});
