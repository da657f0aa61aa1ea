import test from 'ava';
import { memory } from '../../../src/adapters/memory/index.js';
import { Cached, Caching, Invalidates, subscribe } from '../../../src/index.js';
import { fakeClock } from '../../../src/testing/index.js';
import { wrapped } from '../foreign-decorators.js';

Caching.setDefault(
  new Caching({ adapter: memory(), namespace: 'inheritance', clock: fakeClock(), defaults: { ttl: '5m' } }),
);

test('an inherited method has its own default keys in each subclass', async (t) => {
  class InheritedBase {
    readonly table: string = 'base';
    @Cached()
    async find(id: string): Promise<string> {
      return `${this.table} ${id}`;
    }
  }
  class InheritedOrders extends InheritedBase {
    override readonly table = 'orders';
  }
  class InheritedCarts extends InheritedBase {
    override readonly table = 'carts';
  }
  class InheritedOldCarts extends InheritedCarts {
    override readonly table: 'carts' = 'old carts' as 'carts';
  }
  for (let i = 0; i < 2; i++) {
    t.is(await new InheritedBase().find('1'), 'base 1');
    t.is(await new InheritedOrders().find('1'), 'orders 1');
    t.is(await new InheritedCarts().find('1'), 'carts 1');
    t.is(await new InheritedOldCarts().find('1'), 'old carts 1');
  }
});

test('an override and its super method are both cached, with different default keys', async (t) => {
  const loads: string[] = [];
  class SuperBase {
    @Cached()
    async find(id: string): Promise<string> {
      loads.push('base');
      return `base ${id}`;
    }
  }
  class SuperMiddle extends SuperBase {
    @Cached()
    override async find(id: string): Promise<string> {
      loads.push('middle');
      return `middle of ${await super.find(id)}`;
    }
  }
  class SuperLast extends SuperMiddle {
    @Cached()
    override async find(id: string): Promise<string> {
      loads.push('last');
      return `last of ${await super.find(id)}`;
    }
  }
  for (let i = 0; i < 2; i++) {
    t.is(await new SuperLast().find('1'), 'last of middle of base 1');
    t.is(await new SuperMiddle().find('1'), 'middle of base 1');
    t.is(await new SuperBase().find('1'), 'base 1');
  }
  t.deepEqual(loads, ['last', 'middle', 'base', 'middle', 'base', 'base']);
});

test('an override with the key of its super method stores the entry once', async (t) => {
  const loads: string[] = [];
  class SameBase {
    @Cached({ key: 'same:{0}' })
    async find(id: string): Promise<string> {
      loads.push('base');
      return `base ${id}`;
    }
  }
  class SameMiddle extends SameBase {
    @Cached({ key: 'same:{0}' })
    override async find(id: string): Promise<string> {
      loads.push('middle');
      return `middle of ${await super.find(id)}`;
    }
  }
  class SameLast extends SameMiddle {
    @Cached({ key: 'same:{0}' })
    override async find(id: string): Promise<string> {
      loads.push('last');
      return `last of ${await super.find(id)}`;
    }
  }
  const last = new SameLast();
  const all = await Promise.all([last.find('1'), last.find('1'), last.find('1')]);
  t.deepEqual(
    all,
    Array.from({ length: 3 }, () => 'last of middle of base 1'),
  );
  t.is(await last.find('1'), 'last of middle of base 1');
  t.deepEqual(loads, ['last', 'middle', 'base']);
});

test('a failed override with the key of its super method leaves nothing behind', async (t) => {
  let failures = 1;
  class FailedBase {
    @Cached({ key: 'failing:{0}' })
    async find(id: string): Promise<string> {
      return `base ${id}`;
    }
  }
  class Failing extends FailedBase {
    @Cached({ key: 'failing:{0}' })
    override async find(id: string): Promise<string> {
      const found = await super.find(id);
      if (failures-- > 0) throw new Error('once');
      return `failing of ${found}`;
    }
  }
  const failing = new Failing();
  await t.throwsAsync(failing.find('1'), { message: 'once' });
  t.is(await failing.find('1'), 'failing of base 1');
  t.is(
    await new FailedBase().find('1'),
    'failing of base 1',
    'one key, one entry: that is what the user asked for',
  );
});

test('a decorator of another library on top does not confuse overrides and subclasses', async (t) => {
  class CoveredBase {
    readonly table: string = 'base';
    @wrapped()
    @Cached()
    async find(id: string): Promise<string> {
      return `${this.table} ${id}`;
    }
  }
  class CoveredMiddle extends CoveredBase {
    override readonly table: string = 'middle';
    @Cached()
    override async find(id: string): Promise<string> {
      return `middle of ${await super.find(id)}`;
    }
  }
  class CoveredLast extends CoveredMiddle {
    override readonly table = 'last';
    @wrapped()
    @Invalidates({ keys: 'nothing' })
    @Cached()
    override async find(id: string): Promise<string> {
      return `last of ${await super.find(id)}`;
    }
  }
  class CoveredSister extends CoveredBase {
    override readonly table = 'sister';
  }
  for (let i = 0; i < 2; i++) {
    t.is(await new CoveredLast().find('1'), 'last of middle of last 1');
    t.is(await new CoveredMiddle().find('1'), 'middle of middle 1');
    t.is(await new CoveredSister().find('1'), 'sister 1');
    t.is(await new CoveredBase().find('1'), 'base 1');
  }
});

test('static methods are inherited and overridden like those of instances', async (t) => {
  class StaticBase {
    static readonly table: string = 'base';
    @Cached()
    static async find(id: string): Promise<string> {
      return `${this.table} ${id}`;
    }
  }
  class StaticSub extends StaticBase {
    static override readonly table = 'sub';
    @Cached()
    static override async find(id: string): Promise<string> {
      return `sub of ${await super.find(id)}`;
    }
  }
  class StaticSister extends StaticBase {
    static override readonly table = 'sister';
  }
  for (let i = 0; i < 2; i++) {
    t.is(await StaticBase.find('1'), 'base 1');
    t.is(await StaticSub.find('1'), 'sub of sub 1');
    t.is(await StaticSister.find('1'), 'sister 1');
  }
});

test('a mixin has its own default keys in each class', async (t) => {
  type Maker = abstract new (...args: any[]) => { readonly table: string };
  function WithFind<Base extends Maker>(base: Base) {
    abstract class Findable extends base {
      @Cached()
      async find(id: string): Promise<string> {
        return `${this.table} ${id}`;
      }
    }
    return Findable;
  }
  class UserTable {
    readonly table = 'users';
  }
  class OrderTable {
    readonly table = 'orders';
  }
  class MixedUsers extends WithFind(UserTable) {}
  class MixedOrders extends WithFind(OrderTable) {}
  for (let i = 0; i < 2; i++) {
    t.is(await new MixedUsers().find('1'), 'users 1');
    t.is(await new MixedOrders().find('1'), 'orders 1');
  }
});

test('a method that is copied to other prototypes has its own default keys in each', async (t) => {
  class Source {
    readonly table: string = 'source';
    @Cached()
    async find(id: string): Promise<string> {
      return `${this.table} ${id}`;
    }
  }
  class First {
    readonly table = 'first';
    declare find: Source['find'];
  }
  class Second {
    readonly table = 'second';
    declare find: Source['find'];
  }
  for (const { prototype } of [First, Second]) {
    Object.defineProperty(prototype, 'find', Object.getOwnPropertyDescriptor(Source.prototype, 'find')!);
  }
  for (let i = 0; i < 2; i++) {
    t.is(await new Second().find('1'), 'second 1');
    t.is(await new First().find('1'), 'first 1');
    t.is(await new Source().find('1'), 'source 1');
  }
});

test('events name the declaring class, and the class of the instance if it differs', async (t) => {
  const methods: (string | undefined)[] = [];
  t.teardown(subscribe('miss', ({ method, key }) => key.startsWith('events:') && methods.push(method)));
  class Declaring {
    @Cached({ key: 'events:{0}' })
    async find(id: string): Promise<string> {
      return id;
    }
    @Cached({ key: 'events:{0}' })
    static async read(id: string): Promise<string> {
      return id;
    }
    @Invalidates({ keys: 'nothing' })
    @Cached({ key: 'events:{0}' })
    async below(id: string): Promise<string> {
      return id;
    }
  }
  class Inheriting extends Declaring {}
  await new Declaring().find('1');
  await new Inheriting().find('2');
  await Declaring.read('3');
  await Inheriting.read('4');
  await new Inheriting().below('5');
  t.deepEqual(methods, [
    'Declaring.find',
    'Inheriting/Declaring.find',
    'Declaring.static.read',
    'Inheriting/Declaring.static.read',
    'Inheriting/Declaring.below',
  ]);
});
