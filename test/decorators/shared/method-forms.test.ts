import test from 'ava';
import { memory } from '../../../src/adapters/memory/index.js';
import { Cached, Caching, Invalidates } from '../../../src/index.js';
import { fakeClock } from '../../../src/testing/index.js';

const caching = new Caching({
  adapter: memory(),
  namespace: 'method-forms',
  clock: fakeClock(),
  defaults: { ttl: '5m' },
});
Caching.setDefault(caching);

test('static methods have the class as this and can be invalidated', async (t) => {
  class Settings {
    static loads = 0;
    static readonly prefix = 'setting ';
    @Cached({ key: 'setting:{0}' })
    static async read(name: string): Promise<string> {
      Settings.loads++;
      return this.prefix + name;
    }
    @Invalidates({ keys: 'setting:{0}' })
    static async write(_name: string): Promise<void> {}
  }
  t.is(await Settings.read('a'), 'setting a');
  t.is(await Settings.read('a'), 'setting a');
  t.is(Settings.loads, 1);
  await Settings.write('a');
  await Settings.read('a');
  t.is(Settings.loads, 2);
});

test('a static method and an instance method of one name do not share default keys', async (t) => {
  class Counters {
    @Cached()
    static async count(): Promise<string> {
      return 'of the class';
    }
    @Cached()
    async count(): Promise<string> {
      return 'of the instance';
    }
  }
  t.is(await Counters.count(), 'of the class');
  t.is(await new Counters().count(), 'of the instance');
});

test('methods named by symbols do not share default keys with each other or with strings', async (t) => {
  const first = Symbol('first');
  const second = Symbol('second');
  class Symbols {
    @Cached()
    async [first](): Promise<string> {
      return 'first';
    }
    @Cached()
    async [second](): Promise<string> {
      return 'second';
    }
    @Cached()
    async first(): Promise<string> {
      return 'string';
    }
  }
  const symbols = new Symbols();
  t.deepEqual(
    [await symbols[first](), await symbols[second](), await symbols.first()],
    ['first', 'second', 'string'],
  );
  t.is(await symbols[first](), 'first');
});

test('rest, default and destructured parameters differ in default keys and templates', async (t) => {
  const calls: string[] = [];
  class Parameters {
    @Cached()
    async rest(...ids: number[]): Promise<number> {
      calls.push('rest');
      return ids.length;
    }
    @Cached()
    async defaults(page = 1, size = 10): Promise<number[]> {
      calls.push('defaults');
      return [page, size];
    }
    @Cached({ key: 'destructured:{0.id}:{1.0}' })
    async destructured({ id }: { id: string }, [first]: readonly string[]): Promise<string> {
      calls.push('destructured');
      return id + first;
    }
    @Cached({ key: 'last:{2}' })
    async last(...ids: string[]): Promise<string | undefined> {
      calls.push('last');
      return ids[2];
    }
  }
  const parameters = new Parameters();
  t.is(await parameters.rest(), 0);
  t.is(await parameters.rest(1, 2), 2);
  t.is(await parameters.rest(1, 2, 3), 3);
  t.is(await parameters.rest(1, 2), 2);
  t.deepEqual(await parameters.defaults(), [1, 10]);
  t.deepEqual(await parameters.defaults(undefined), [1, 10]);
  t.deepEqual(await parameters.defaults(2), [2, 10]);
  t.is(await parameters.last('a', 'b', 'c'), 'c');
  t.is(await parameters.last('x', 'y', 'c'), 'c');
  t.is(await parameters.last('a'), undefined);
  t.deepEqual(calls, ['rest', 'rest', 'rest', 'defaults', 'defaults', 'last', 'last']);
  t.is(await parameters.destructured({ id: '1' }, ['a', 'b']), '1a');
  t.is(await parameters.destructured({ id: '1' }, ['a', 'c']), '1a');
  t.deepEqual(calls.slice(7), ['destructured']);
});

test('overloads and generic methods keep their types and are cached by their arguments', async (t) => {
  let loads = 0;
  class Overloads {
    async get(id: string): Promise<string>;
    async get(id: number): Promise<number>;
    @Cached()
    async get(id: string | number): Promise<string | number> {
      loads++;
      return id;
    }
    @Cached({ key: (value) => ['same', typeof value, String(value)] })
    async same<T>(value: T): Promise<T> {
      loads++;
      return value;
    }
  }
  const overloads = new Overloads();
  const text: string = await overloads.get('1');
  const number: number = await overloads.get(1);
  t.deepEqual([text, number], ['1', 1]);
  const same: 'x' = await overloads.same('x');
  t.is(same, await overloads.same('x'));
  t.is(loads, 3);
});

test('a generic class passes its types to keys and tags', async (t) => {
  interface Row {
    readonly id: string;
  }
  class Repository<T extends Row> {
    readonly rows = new Map<string, T>();
    readonly table: string;
    constructor(table: string) {
      this.table = table;
    }
    @Cached({
      key(id) {
        return [this.table, id];
      },
      tags: (row, id) => [`row:${row?.id ?? id}`],
    })
    async find(id: string): Promise<T | undefined> {
      return this.rows.get(id);
    }
    @Invalidates({ tags: (_result, row) => [`row:${row.id}`] })
    async save(row: T): Promise<void> {
      this.rows.set(row.id, row);
    }
  }
  const users = new Repository<Row & { name: string }>('users');
  const orders = new Repository<Row>('orders');
  await users.save({ id: '1', name: 'Ada' });
  t.is(await orders.find('1'), undefined);
  t.is((await users.find('1'))?.name, 'Ada');
  await users.save({ id: '1', name: 'Grace' });
  t.is((await users.find('1'))?.name, 'Grace');
});

test('callbacks get the instance as this', async (t) => {
  class Tenant {
    readonly seen: string[] = [];
    readonly tenant: string;
    constructor(tenant: string) {
      this.tenant = tenant;
    }
    @Cached({
      key(id) {
        this.seen.push('key');
        return [this.tenant, id];
      },
      tags() {
        this.seen.push('tags');
        return [this.tenant];
      },
      when() {
        this.seen.push('when');
        return true;
      },
      unless() {
        this.seen.push('unless');
        return false;
      },
    })
    async find(id: string): Promise<string> {
      return this.tenant + id;
    }
    @Invalidates({
      keys(_result, id) {
        this.seen.push('keys');
        return [[this.tenant, id]];
      },
      tags() {
        this.seen.push('tags');
        return [this.tenant];
      },
      when() {
        this.seen.push('when');
        return true;
      },
      unless() {
        this.seen.push('unless');
        return false;
      },
    })
    async save(_id: string): Promise<void> {}
  }
  const eu = new Tenant('eu');
  const us = new Tenant('us');
  t.is(await eu.find('1'), 'eu1');
  t.is(await us.find('1'), 'us1');
  t.deepEqual(eu.seen.splice(0).sort(), ['key', 'tags', 'unless', 'when']);
  await eu.save('1');
  t.deepEqual(eu.seen.sort(), ['keys', 'tags', 'unless', 'when']);
  t.false(await caching.cache.has(['eu', '1']));
  t.true(await caching.cache.has(['us', '1']));
});

test('a method called without its instance runs as undecorated and keeps its own keys', async (t) => {
  let loads = 0;
  class Detached {
    @Cached()
    async find(id: string): Promise<string> {
      loads++;
      return `found ${id}, this is ${typeof this}`;
    }
    @Cached()
    static async read(id: string): Promise<string> {
      loads++;
      return `read ${id}, this is ${typeof this}`;
    }
  }
  class AlsoDetached {
    @Cached()
    async find(id: string): Promise<string> {
      return `also found ${id}`;
    }
  }
  const { find } = new Detached();
  const { find: alsoFind } = new AlsoDetached();
  const { read } = Detached;
  t.is(await find('1'), 'found 1, this is undefined');
  t.is(await find('1'), 'found 1, this is undefined');
  t.is(await alsoFind('1'), 'also found 1');
  t.is(await read('1'), 'read 1, this is undefined');
  t.is(await read('1'), 'read 1, this is undefined');
  t.is(loads, 2);
});

test('a method that needs its instance fails without it like an undecorated one', async (t) => {
  class Needs {
    readonly rows = ['a'];
    @Cached({ key: 'needs:{0}' })
    async find(index: number): Promise<string | undefined> {
      return this.rows[index];
    }
  }
  const { find } = new Needs();
  await t.throwsAsync(find.call(undefined as unknown as Needs, 0), {
    instanceOf: TypeError,
    message: /undefined/,
  });
});

test('a method borrowed by a plain object has the keys of its declaring class', async (t) => {
  class Lender {
    @Cached()
    async find(id: string): Promise<string> {
      return `lender ${id}`;
    }
  }
  class OtherLender {
    @Cached()
    async find(id: string): Promise<string> {
      return `other lender ${id}`;
    }
  }
  // Classes that have never made an instance: standard decorators have met nothing of them.
  for (const self of [{}, Object.create(null) as object, undefined, 'text', () => {}]) {
    t.is(await Lender.prototype.find.call(self as Lender, '1'), 'lender 1');
    t.is(await OtherLender.prototype.find.call(self as OtherLender, '1'), 'other lender 1');
  }
});

test('instances created without a constructor, and the prototype itself, share the entries of their class', async (t) => {
  let loads = 0;
  class Unconstructed {
    @Cached()
    async find(id: string): Promise<string> {
      loads++;
      return id;
    }
  }
  t.is(await Unconstructed.prototype.find('1'), '1');
  t.is(await (Object.create(Unconstructed.prototype) as Unconstructed).find('1'), '1');
  t.is(await new Unconstructed().find('1'), '1');
  t.is(loads, 1);
});

test('frozen instances and proxies of instances work', async (t) => {
  let loads = 0;
  class Frozen {
    readonly id = 'f';
    @Cached()
    async find(id: string): Promise<string> {
      loads++;
      return this.id + id;
    }
  }
  const frozen = Object.freeze(new Frozen());
  t.is(await frozen.find('1'), 'f1');
  t.is(await new Proxy(frozen, {}).find('1'), 'f1');
  t.is(await new Proxy(new Frozen(), {}).find('1'), 'f1');
  t.is(loads, 1);
});
