import test, { type ExecutionContext } from 'ava';
import { memory } from '../../../src/adapters/memory/index.js';
import {
  Cached,
  Caching,
  createDecorators,
  DecorationError,
  Invalidates,
  Locked,
  RateLimited,
} from '../../../src/index.js';
import { fakeClock } from '../../../src/testing/index.js';

Caching.setDefault(
  new Caching({ adapter: memory(), namespace: 'refusals', clock: fakeClock(), defaults: { ttl: '5m' } }),
);

/** As plain JavaScript sees them: nothing checks what they are put on. */
type Untyped = (...given: unknown[]) => unknown;
const cached = () => Cached() as unknown as Untyped;
const invalidates = () => Invalidates({ all: true }) as unknown as Untyped;
const rateLimited = () => RateLimited({ limit: 100, per: '1m' }) as unknown as Untyped;
const locked = () => Locked() as unknown as Untyped;
const made = [
  ['@Cached', cached],
  ['@Invalidates', invalidates],
  ['@RateLimited', rateLimited],
  ['@Locked', locked],
] as const;

const generator = function* () {};
const asyncGenerator = async function* () {};
const getter = { get: () => Promise.resolve(1), configurable: true, enumerable: false };
const setter = { set: () => {}, configurable: true, enumerable: false };

function refuses(t: ExecutionContext, decorator: string, what: string, decorate: () => unknown): void {
  const name = what === 'a class' ? 'Users' : 'find';
  const error = t.throws(decorate, { instanceOf: DecorationError });
  t.is(error?.code, 'E_DECORATION');
  t.is(
    error?.message,
    `${decorator} decorates methods that return a promise, and ${name} is ${what}. ` +
      'Move the work into an async method and decorate that.',
  );
}

for (const [decorator, make] of made) {
  test(`${decorator} refuses targets that are not methods, with legacy decorators`, (t) => {
    class Users {}
    const { prototype } = Users;
    refuses(t, decorator, 'a class', () => make()(Users));
    refuses(t, decorator, 'a field', () => make()(prototype, 'find'));
    refuses(t, decorator, 'a field', () => make()(prototype, 'find', undefined));
    refuses(t, decorator, 'a field', () =>
      make()(prototype, 'find', { initializer: null, configurable: true }),
    );
    refuses(t, decorator, 'an accessor', () => make()(prototype, 'find', getter));
    refuses(t, decorator, 'an accessor', () => make()(prototype, 'find', setter));
    refuses(t, decorator, 'a generator', () => make()(prototype, 'find', { value: generator }));
    refuses(t, decorator, 'a generator', () => make()(prototype, 'find', { value: asyncGenerator }));
    refuses(t, decorator, '1', () => make()(prototype, 'find', { value: 1 }));
  });

  test(`${decorator} refuses targets that are not methods, with standard decorators`, (t) => {
    const context = (kind: string) => ({
      kind,
      name: kind === 'class' ? 'Users' : 'find',
      addInitializer() {},
    });
    for (const [kind, what] of [
      ['class', 'a class'],
      ['field', 'a field'],
      ['accessor', 'an accessor'],
      ['getter', 'a getter'],
      ['setter', 'a setter'],
    ] as const) {
      refuses(t, decorator, what, () => make()(class Users {}, context(kind)));
    }
    refuses(t, decorator, 'a generator', () => make()(generator, context('method')));
    refuses(t, decorator, 'a generator', () => make()(asyncGenerator, context('method')));
  });
}

test('bound decorators refuse the same targets', (t) => {
  const { Cached: Bound, RateLimited, Locked } = createDecorators(Caching.getDefault()!);
  for (const [name, made] of [
    ['@Cached', Bound()],
    ['@RateLimited', RateLimited({ limit: 5, per: '1m' })],
    ['@Locked', Locked()],
  ] as const) {
    refuses(t, name, 'a getter', () =>
      (made as unknown as Untyped)(() => 1, { kind: 'getter', name: 'find' }),
    );
  }
});

test('a class without a name is refused with advice', (t) => {
  t.throws(() => cached()(class {}), { instanceOf: DecorationError, message: /and this is a class/ });
  t.throws(() => cached()(class {}, { kind: 'class', name: undefined, addInitializer() {} }), {
    instanceOf: DecorationError,
    message: /and this is a class/,
  });
});

test('a method that does not return a promise rejects, and the error names what it returned', async (t) => {
  const returned: unknown[] = ['text', 0, null, undefined, {}, [], () => {}];
  class Sync {
    find(index: number): unknown {
      return returned[index];
    }
    save(index: number): unknown {
      return returned[index];
    }
    limit(index: number): unknown {
      return returned[index];
    }
    lock(index: number): unknown {
      return returned[index];
    }
  }
  const { prototype } = Sync;
  for (const [name, make] of [
    ['find', cached],
    ['save', invalidates],
    ['limit', rateLimited],
    ['lock', locked],
  ] as const) {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
    Object.defineProperty(prototype, name, make()(prototype, name, descriptor) as PropertyDescriptor);
  }
  const words = ["'text'", '0', 'null', 'undefined', 'a plain object', 'an array', 'a function'];
  for (const [index, word] of words.entries()) {
    const promise = new Sync().find(index) as Promise<unknown>;
    t.true(promise instanceof Promise);
    const error = await t.throwsAsync(promise, { instanceOf: DecorationError });
    t.is(
      error?.message,
      `@Cached on Sync.find returned ${word} instead of a promise. ` +
        'Only async methods can be decorated, because their callers always get a promise. Make the method async.',
    );
    for (const [method, message] of [
      ['save', /^@Invalidates on Sync\.save returned /],
      ['limit', /^@RateLimited on Sync\.limit returned /],
      ['lock', /^@Locked on Sync\.lock returned /],
    ] as const) {
      await t.throwsAsync(new Sync()[method](index) as Promise<unknown>, {
        instanceOf: DecorationError,
        message,
      });
    }
  }
});

test('a decorator works when applied by hand, as a legacy decorator', async (t) => {
  let loads = 0;
  class ByHand {
    async find(id: string): Promise<string> {
      loads++;
      return id;
    }
    static async read(id: string): Promise<string> {
      loads++;
      return `static ${id}`;
    }
  }
  for (const [target, name] of [
    [ByHand.prototype, 'find'],
    [ByHand, 'read'],
  ] as const) {
    const descriptor = Object.getOwnPropertyDescriptor(target, name);
    Object.defineProperty(target, name, cached()(target, name, descriptor) as PropertyDescriptor);
  }
  for (let i = 0; i < 2; i++) {
    t.is(await new ByHand().find('1'), '1');
    t.is(await ByHand.read('1'), 'static 1');
  }
  t.is(loads, 2);
});

test('a decorator works when applied by hand, as a standard decorator', async (t) => {
  let loads = 0;
  class ByContext {
    async find(id: string): Promise<string> {
      loads++;
      return id;
    }
    static async read(id: string): Promise<string> {
      loads++;
      return `static ${id}`;
    }
  }
  const context = { kind: 'method', name: 'find', static: false, private: false, addInitializer() {} };
  const { prototype } = ByContext;
  prototype.find = cached()(prototype.find, context) as ByContext['find'];
  ByContext.read = cached()(ByContext.read, {
    ...context,
    name: 'read',
    static: true,
  }) as typeof ByContext.read;
  for (let i = 0; i < 2; i++) {
    t.is(await new ByContext().find('1'), '1');
    t.is(await ByContext.read('1'), 'static 1');
  }
  t.is(loads, 2);
});
