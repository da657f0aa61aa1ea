import test from 'ava';
import { memory } from '../../../src/adapters/memory/index.js';
import {
  Cached,
  Caching,
  Invalidates,
  KeyError,
  Locked,
  RateLimited,
  subscribe,
} from '../../../src/index.js';
import { fakeClock } from '../../../src/testing/index.js';

const caching = new Caching({
  adapter: memory(),
  namespace: 'names',
  clock: fakeClock(),
  defaults: { ttl: '5m' },
});
Caching.setDefault(caching);

interface Warning extends Error {
  readonly code?: string;
}

// They are read here; nobody has to see them in the output of the tests.
process.removeAllListeners('warning');

async function warningsDuring(work: () => Promise<void>): Promise<Warning[]> {
  const warnings: Warning[] = [];
  const listen = (warning: Warning): void => void warnings.push(warning);
  process.on('warning', listen);
  await work();
  // Warnings are emitted on the next tick.
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', listen);
  return warnings;
}

// Each listens to the warnings of the whole process, so that they run one after the other.

test.serial('two classes of one name warn once, when the second is called', async (t) => {
  const make = (table: string) => {
    class Repository {
      @Cached()
      async find(id: string): Promise<string> {
        return `${table} ${id}`;
      }
    }
    return new Repository();
  };
  const users = make('users');
  t.deepEqual(await warningsDuring(async () => void (await users.find('1'))), []);
  const orders = make('orders');
  const carts = make('carts');
  const warnings = await warningsDuring(async () => {
    await orders.find('1');
    await orders.find('2');
    await carts.find('1');
    await users.find('1');
  });
  t.is(warnings.length, 1);
  t.is(warnings[0]?.name, 'CachementWarning');
  t.is(warnings[0]?.code, 'CACHEMENT_SHARED_NAME');
  t.regex(
    warnings[0]!.message,
    /^Two methods are called Repository\.find, at \S+method-name\.test\.ts:\d+:\d+ and at \S+method-name\.test\.ts:\d+:\d+\. Their code is the same and neither has a key of its own, so they share their entries\. Give one of them a name: @Cached\(\{ name: 'billing\.Repository\.find' \}\)\.$/,
  );
});

test.serial(
  'the second of two different methods with one name is refused: it never gets values of the first',
  async (t) => {
    const first = () => {
      class Ledger {
        @Cached()
        async find(id: string): Promise<string> {
          return `first ${id}`;
        }
        @Locked()
        async lock(): Promise<string> {
          return 'first';
        }
        @RateLimited({ limit: 1, per: '1m' })
        async call(): Promise<string> {
          return 'first';
        }
      }
      return new Ledger();
    };
    const second = (onKeyError?: 'throw') => {
      class Ledger {
        @Cached({ onKeyError })
        async find(id: string): Promise<string> {
          return `second ${id}`;
        }
        @Locked()
        async lock(): Promise<string> {
          return 'second';
        }
        @RateLimited({ limit: 1, per: '1m' })
        async call(): Promise<string> {
          return 'second';
        }
      }
      return new Ledger();
    };
    const errors: unknown[] = [];
    const stop = subscribe('error', ({ operation, error }) => {
      if (operation === 'key') errors.push(error);
    });
    t.teardown(stop);
    const one = first();
    t.is(await one.find('1'), 'first 1');
    t.is(await one.lock(), 'first');
    t.is(await one.call(), 'first');
    const other = second();
    for (let i = 0; i < 2; i++) t.is(await other.find('1'), 'second 1', 'it runs uncached');
    t.is(errors.length, 2, 'and says so in an error event');
    t.is(await one.find('1'), 'first 1', 'the first one goes on');
    const refused = {
      instanceOf: KeyError,
      message:
        /^Two different methods are called Ledger\.\w+, at \S+method-name\.test\.ts:\d+:\d+ and at \S+method-name\.test\.ts:\d+:\d+\. Neither has a key of its own, so they would share their \w+; the second one is refused\. Give one of them a name: @\w+\(\{ name: 'billing\.Ledger\.\w+' \}\)\.$/,
    };
    await t.throwsAsync(second('throw').find('1'), refused);
    await t.throwsAsync(other.lock(), refused);
    await t.throwsAsync(other.call(), refused);
    const places = /at (\S+) and at (\S+)\. Neither/.exec((await t.throwsAsync(other.lock()))!.message)!;
    t.not(places[1], places[2]);
  },
);

test.serial('a name or a key for one of the two prevents the warning and sharing', async (t) => {
  const first = () => {
    class Store {
      @Cached()
      async find(id: string): Promise<string> {
        return `first ${id}`;
      }
    }
    return new Store();
  };
  const second = () => {
    class Store {
      @Cached({ name: 'second.Store.find' })
      async find(id: string): Promise<string> {
        return `second ${id}`;
      }
    }
    return new Store();
  };
  const third = () => {
    class Store {
      @Cached({ key: 'third:{0}' })
      async find(id: string): Promise<string> {
        return `third ${id}`;
      }
      @Invalidates({ keys: 'third:{0}' })
      async save(_id: string): Promise<void> {}
    }
    return new Store();
  };
  const warnings = await warningsDuring(async () => {
    t.is(await first().find('1'), 'first 1');
    t.is(await second().find('1'), 'second 1');
    t.is(await third().find('1'), 'third 1');
    await third().save('1');
  });
  t.deepEqual(warnings, []);
  t.true(await caching.cache.has('second.Store.find:("1")'));
});

test.serial('limits and locks of two classes with one name warn too, and state what is shared', async (t) => {
  const make = () => {
    class Gateway {
      @RateLimited({ limit: 5, per: '1m' })
      async call(): Promise<void> {}
      @Locked()
      async lock(): Promise<void> {}
      @RateLimited({ key: 'own', limit: 5, per: '1m' })
      @Locked({ keys: ['own'] })
      async keyed(): Promise<void> {}
    }
    return new Gateway();
  };
  const warnings = await warningsDuring(async () => {
    for (const gateway of [make(), make()]) {
      await gateway.call();
      await gateway.lock();
      await gateway.keyed();
    }
  });
  t.deepEqual(
    warnings.map(({ message }) => message.replace(/, at \S+ and at [^ ]+\./, '.')),
    [
      'Two methods are called Gateway.call. Their code is the same and neither has a key of its own, so they share ' +
        "their limit. Give one of them a name: @RateLimited({ name: 'billing.Gateway.call' }).",
      'Two methods are called Gateway.lock. Their code is the same and neither has a key of its own, so they share ' +
        "their locks. Give one of them a name: @Locked({ name: 'billing.Gateway.lock' }).",
    ],
  );
});

test.serial('two classes of one name with different decorators share nothing and do not warn', async (t) => {
  const cached = () => {
    class Different {
      @Cached()
      async call(): Promise<void> {}
    }
    return new Different();
  };
  const limited = () => {
    class Different {
      @RateLimited({ limit: 5, per: '1m' })
      async call(): Promise<void> {}
    }
    return new Different();
  };
  const warnings = await warningsDuring(async () => {
    await cached().call();
    await limited().call();
  });
  t.deepEqual(warnings, []);
});

test.serial('several decorators on one method do not warn', async (t) => {
  class Stacked {
    @Cached()
    @RateLimited({ limit: 50, per: '1h' })
    @RateLimited({ limit: 5, per: '1s' })
    @Locked()
    async find(id: string): Promise<string> {
      return id;
    }
    @RateLimited({ limit: 50, per: '1h' })
    @RateLimited({ limit: 5, per: '1s' })
    static async find(): Promise<void> {}
  }
  const warnings = await warningsDuring(async () => {
    await new Stacked().find('1');
    await Stacked.find();
  });
  t.deepEqual(warnings, []);
});

test.serial('the second of two methods whose symbols have the same description is refused', async (t) => {
  const one = Symbol('find');
  const other = Symbol('find');
  class Twins {
    @Cached()
    async [one](): Promise<string> {
      return 'one';
    }
    @Cached()
    async [other](): Promise<string> {
      return 'other';
    }
  }
  t.is(await new Twins()[one](), 'one');
  t.is(await new Twins()[other](), 'other', 'it does not get the value of its namesake');
  t.is(await caching.cache.get('Twins.Symbol(find):()'), 'one');
});

test.serial('a class name of one or two letters, as from a minifier, warns once', async (t) => {
  class a {
    @Cached()
    async find(id: string): Promise<string> {
      return id;
    }
    @Cached()
    async list(): Promise<string[]> {
      return [];
    }
  }
  const warnings = await warningsDuring(async () => {
    await new a().find('1');
    await new a().list();
  });
  t.is(warnings.length, 1);
  t.is(warnings[0]?.code, 'CACHEMENT_SHORT_NAME');
  t.regex(
    warnings[0]!.message,
    /^A class with decorated methods is called 'a'\. If a minifier chose that name/,
  );
});

test.serial('a name or a key prevents that warning', async (t) => {
  class b {
    @Cached({ name: 'Users.find' })
    async find(id: string): Promise<string> {
      return id;
    }
    @Cached({ key: 'user:{0}' })
    async read(id: string): Promise<string> {
      return id;
    }
    @Cached({ key: (id) => ['b', id] })
    async peek(id: string): Promise<string> {
      return id;
    }
    @Invalidates({ all: true })
    async clear(): Promise<void> {}
  }
  const warnings = await warningsDuring(async () => {
    await new b().find('1');
    await new b().read('1');
    await new b().peek('1');
    await new b().clear();
  });
  t.deepEqual(warnings, []);
});

test.serial('a class without a name warns', async (t) => {
  class Base {
    @Cached()
    async find(id: string): Promise<string> {
      return id;
    }
  }
  const Anonymous = (() => class extends Base {})();
  const warnings = await warningsDuring(async () => void (await new Anonymous().find('1')));
  t.is(warnings.length, 1);
  t.is(warnings[0]?.code, 'CACHEMENT_SHORT_NAME');
  t.regex(
    warnings[0]!.message,
    /^A class with decorated methods has no name, .*give the decorator a name\.$/,
  );
});

test.serial(
  'a class that is never called does not warn, so that mixins may create many of one name',
  async (t) => {
    type Maker = abstract new (...args: any[]) => object;
    const warnings = await warningsDuring(async () => {
      function Findable<Super extends Maker>(base: Super) {
        abstract class WithFind extends base {
          @Cached()
          async find(id: string): Promise<string> {
            return `${this.constructor.name} ${id}`;
          }
        }
        return WithFind;
      }
      class Customers extends Findable(Object) {}
      class Invoices extends Findable(Object) {}
      t.is(await new Customers().find('1'), 'Customers 1');
      t.is(await new Invoices().find('1'), 'Invoices 1');
    });
    t.deepEqual(warnings, []);
  },
);
