import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import {
  Cached,
  Caching,
  currentLease,
  Locked,
  RateLimited,
  RateLimitExceededError,
} from '../../src/index.js';
import { fakeClock } from '../../src/testing/index.js';

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

test('a private method is limited, and locked', async (t) => {
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

test('private methods of one name, in a class and its subclass, do not share default keys', async (t) => {
  const loads: string[] = [];
  class Base {
    readonly table: string = 'base';
    @Cached()
    async #find(id: string): Promise<string> {
      loads.push(`Base of ${this.table}`);
      return `${this.table} ${id}`;
    }
    findInBase(id: string): Promise<string> {
      return this.#find(id);
    }
  }
  class Sub extends Base {
    override readonly table: string = 'sub';
    @Cached()
    async #find(id: string): Promise<string> {
      loads.push(`Sub of ${this.table}`);
      return `own of ${await this.findInBase(id)}`;
    }
    findInSub(id: string): Promise<string> {
      return this.#find(id);
    }
  }
  class Sister extends Base {
    override readonly table = 'sister';
  }
  class Last extends Sub {
    override readonly table = 'last';
  }
  for (let i = 0; i < 2; i++) {
    t.is(await new Last().findInSub('1'), 'own of last 1');
    t.is(await new Sub().findInSub('1'), 'own of sub 1');
    t.is(await new Sub().findInBase('1'), 'sub 1');
    t.is(await new Sister().findInBase('1'), 'sister 1');
    t.is(await new Base().findInBase('1'), 'base 1');
  }
  t.is(loads.length, 6);
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
