import test from 'ava';
import { Decimal } from 'decimal.js';
import { memory } from '../../src/adapters/memory/index.js';
import type { ValueOptions } from '../../src/core/cache/value-options.js';
import { Caching, defineCodec } from '../../src/index.js';
import { recordEvents } from '../../src/testing/record-events.js';
import { rig } from '../support/rig.js';

class User {
  declare readonly id: string;
  declare readonly name: string;
  declare readonly born: Date;
  static made = 0;

  constructor(_id: string) {
    User.made++;
    throw new Error('The constructor is not called.');
  }

  static of(data: { id: string; name?: string; born?: Date }): User {
    return Object.assign(Object.create(User.prototype) as User, { name: 'Ada', born: new Date(0), ...data });
  }

  get label(): string {
    return `${this.id} ${this.name}`;
  }

  set label(_: string) {
    throw new Error('A setter is not called.');
  }

  greet(): string {
    return `Hello, ${this.name} of ${this.born.getUTCFullYear()}`;
  }
}

const decimal = defineCodec({
  type: Decimal,
  name: 'Decimal',
  encode: (value) => value.toString(),
  decode: (text) => new Decimal(text),
});

const price = (value: string) => ({ id: 1, price: new Decimal(value), seen: [new Decimal('0.1')] });

/** How a value is returned that is loaded, from the memory that the load has filled, from the store, and from the memory again. */
const PLACES = ['the load', 'l1 after the load', 'l2', 'l1 after l2'] as const;

for (const values of ['reference', 'frozen', 'cloned'] as const) {
  const CASES: Readonly<Record<string, { value: unknown; options: ValueOptions<unknown> }>> = {
    'an instance': { value: User.of({ id: '1' }), options: { revive: User } },
    'null in place of an instance': { value: null, options: { revive: User } },
    'undefined in place of an instance': { value: undefined, options: { revive: User } },
    'a list of instances': {
      value: [User.of({ id: '1' }), null, User.of({ id: '2', name: 'Grace' })],
      options: { revive: User },
    },
    'an instance by a function': {
      value: User.of({ id: '1' }),
      options: { revive: (data: { id: string }) => User.of(data) },
    },
    'a row with Decimals': { value: price('12.30'), options: {} },
    'Decimals as keys, values and members': {
      value: new Map<unknown, unknown>([[new Decimal(1), new Set([new Decimal('1e-30')])]]),
      options: {},
    },
    'a Decimal': { value: new Decimal('-0.10'), options: {} },
    'an instance with Decimals': {
      value: Object.assign(User.of({ id: '1' }), { balance: new Decimal('1e100') }),
      options: { revive: User },
    },
  };
  for (const [name, { value, options }] of Object.entries(CASES)) {
    test(`${values}: ${name} is the same from the load, from memory and from the store`, async (t) => {
      const { openers, of } = rig(t, 2, { l1: { values }, codecs: [decimal] });
      const [here, there] = openers;
      const load = async () => value;
      const fail = async (): Promise<unknown> => t.fail();
      const results = [
        await here!.cache.getOrSet('key', load, options),
        await here!.cache.getOrSet('key', fail, options),
        await there!.cache.getOrSet('key', fail, options),
        await there!.cache.getOrSet('key', fail, options),
      ];
      t.deepEqual(
        of('hit').map(({ tier }) => tier),
        ['l1', 'l2', 'l1'],
      );
      results.forEach((result, i) => t.deepEqual(result, value, PLACES[i]));
      t.deepEqual(await there!.cache.get('key', options), value);
      t.deepEqual(await there!.cache.getMany(['key'], options), new Map([['key', value]]));
      t.true(await there!.cache.has('key', options));
      t.is(User.made, 0);
    });
  }

  test(`${values}: the methods of a revived instance work`, async (t) => {
    const { openers } = rig(t, 2, { l1: { values } });
    for (const { cache } of [openers[0]!, openers[0]!, openers[1]!, openers[1]!]) {
      const user = await cache.getOrSet('key', async () => User.of({ id: '1' }), { revive: User });
      t.true(user instanceof User);
      t.is(user.greet(), 'Hello, Ada of 1970');
      t.is(user.label, '1 Ada');
      t.deepEqual(Object.keys(user), ['name', 'born', 'id']);
    }
  });

  test(`${values}: callers share an instance only under reference`, async (t) => {
    const { openers } = rig(t, 1, { l1: { values } });
    const read = () => openers[0]!.cache.getOrSet('key', async () => User.of({ id: '1' }), { revive: User });
    const loaded = await read();
    const [first, second] = [await read(), await read()];
    t.not(first, loaded);
    t.is(first === second, values === 'reference');
  });
}

test('an instance with a codec is decoded once for the memory', async (t) => {
  let decoded = 0;
  const counting = defineCodec({ ...decimal, decode: (text: string) => (decoded++, new Decimal(text)) });
  const { openers } = rig(t, 2, { l1: true, codecs: [counting] });
  await openers[0]!.cache.getOrSet('key', async () => new Decimal(1));
  for (let i = 0; i < 3; i++) await openers[1]!.cache.getOrSet('key', async () => t.fail());
  t.is(decoded, 2, 'once in each process');
});

test('a call with another revive does not get the value of the memory', async (t) => {
  const { openers } = rig(t, 1, { l1: true });
  const { cache } = openers[0]!;
  await cache.set('key', { id: '1' }, {});
  t.false((await cache.get('key')) instanceof User);
  t.true((await cache.get('key', { revive: User })) instanceof User);
  t.false((await cache.get('key')) instanceof User);
  t.deepEqual(await cache.get('key', { revive: ({ id }: User) => id }), '1');
});

test('a value of an outage is an instance, for calls with the same revive', async (t) => {
  const { openers } = rig(t, 1, { defaults: { outage: { l1: '2s' } } });
  const { cache, chaos } = openers[0]!;
  chaos.setDown(true);
  let loads = 0;
  const load = async () => (loads++, User.of({ id: '1' }));
  const first = await cache.getOrSet('key', load, { revive: User });
  const second = await cache.getOrSet('key', load, { revive: User });
  t.is(loads, 1);
  t.deepEqual(second, first);
  t.true(second instanceof User);
  t.is(await cache.getOrSet('key', async () => 'plain'), 'plain');
});

test('an instance whose codec the reader does not know is a miss, and the next load replaces it', async (t) => {
  const adapter = memory();
  const options = { adapter, namespace: 'names', defaults: { ttl: '1m' } } as const;
  const writer = new Caching({ ...options, codecs: [decimal] });
  const renamed = new Caching({ ...options, codecs: [{ ...decimal, name: 'Money' }] });
  const without = new Caching(options);
  const { of, stop } = recordEvents('names');
  t.teardown(async () => {
    stop();
    await Promise.all([writer.close(), renamed.close(), without.close()]);
  });
  for (const reader of [renamed, without]) {
    t.true(await writer.cache.set('key', price('1')));
    t.is(await reader.cache.get('key'), undefined);
    t.is(await reader.cache.getOrSet('key', async () => 'plain'), 'plain');
    t.is(await writer.cache.get('key'), 'plain');
  }
  t.true(of('miss').every(({ cause }) => cause === 'undecodable'));
  t.is(of('miss').length, 4);
  t.deepEqual(of('error'), []);
});

test('without a codec the error names revive and codecs', async (t) => {
  const { openers } = rig(t);
  const error = await t.throwsAsync(
    openers[0]!.cache.getOrSet('key', async () => ({ user: User.of({ id: '1' }) })),
  );
  t.is(
    error!.message,
    'Expected a value that comes back equal from the store; found an instance of User at value.user. Return a plain object ' +
      'with its data, or name its class in revive or codecs (docs/values.md): it would lose its class.',
  );
});

class Admin extends User {}

const REFUSED: Readonly<Record<string, { value: unknown; message: RegExp }>> = {
  'a plain object': { value: { id: '1' }, message: /an instance of User.*found a plain object at value\. / },
  'an item that is a plain object': {
    value: [{ id: '1' }],
    message: /found a plain object at value\[0\]\. /,
  },
  'an instance of a subclass': {
    value: Object.create(Admin.prototype),
    message: /found an instance of Admin at value\. /,
  },
  'a nested instance': {
    value: Object.assign(User.of({ id: '1' }), { boss: User.of({ id: '2' }) }),
    message: /found an instance of User at value\.boss\. /,
  },
  'an instance that has itself': {
    value: (() => {
      const user = User.of({ id: '1' });
      return Object.assign(user, { self: user });
    })(),
    message: /found an instance of User at value\.self\. /,
  },
  'a list with a named property': {
    value: Object.assign([User.of({ id: '1' })], { total: 1 }),
    message: /an array with a property 'total'/,
  },
  'an instance with a symbol as a key': {
    value: Object.assign(User.of({ id: '1' }), { [Symbol('secret')]: 1 }),
    message: /a symbol as a key/,
  },
};

for (const [name, { value, message }] of Object.entries(REFUSED)) {
  test(`revive refuses ${name}`, async (t) => {
    const { openers, of } = rig(t);
    const { cache } = openers[0]!;
    await t.throwsAsync(
      cache.getOrSet('key', async () => value, { revive: User }),
      {
        name: 'ValueError',
        message,
      },
    );
    const bypass = { revive: User, onUnsupported: 'bypass' } as const;
    t.is(await cache.getOrSet('key', async () => value, bypass), value);
    t.like(of('notStored'), [{ reason: 'unsupported' }]);
  });
}

test('revive refuses an instance whose content is not in its properties', async (t) => {
  class Tags extends Set<string> {}
  const { openers } = rig(t);
  await t.throwsAsync(
    openers[0]!.cache.getOrSet('key', async () => new Tags(['a']), { revive: Tags }),
    {
      name: 'ValueError',
      message: /Its content is not in its properties: use a codec/,
    },
  );
});

test('stored data that revive does not accept is a miss, and the next load replaces it', async (t) => {
  const { openers, of } = rig(t, 2, { l1: true });
  const [here, there] = openers;
  await here!.cache.set('key', 'an older shape');
  const user = User.of({ id: '1' });
  t.deepEqual(await there!.cache.getOrSet('key', async () => user, { revive: User }), user);
  t.like(of('miss').at(-1), { cause: 'rejected' });
  t.deepEqual(await here!.cache.get('key', { revive: User }), user);
});

test('a revive that throws, or returns a promise, is a miss and an error event', async (t) => {
  const mistakes = [
    () => {
      throw new Error('mistake');
    },
    async () => 1,
  ];
  for (const revive of mistakes) {
    const { openers, of } = rig(t, 1, { l1: true });
    const { cache } = openers[0]!;
    for (let i = 0; i < 3; i++)
      t.is(await cache.getOrSet('key', async () => i, { revive: revive as never }), i);
    t.like(of('miss').at(-1), { cause: 'rejected' });
    t.true(of('error').length >= 3);
    t.true(of('error').every(({ operation }) => operation === 'decode'));
  }
});

test('a revive that fails later rejects a read from memory, and nothing is thrown at the caller', async (t) => {
  const { openers } = rig(t, 1, { l1: { values: 'cloned' } });
  let mayPass = true;
  const revive = (data: number) => {
    if (!mayPass) throw new Error('now it fails');
    return data;
  };
  const read = () => openers[0]!.cache.getOrSet('key', async () => 1, { revive });
  t.is(await read(), 1);
  t.is(await read(), 1);
  mayPass = false;
  await t.throwsAsync(read(), { name: 'ValueError', message: /a value in memory was refused now/ });
});
