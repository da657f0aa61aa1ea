import test, { type ExecutionContext } from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import {
  Caching,
  createDecorators,
  currentLease,
  KeyError,
  Locked,
  LockLostError,
  LockNotObtainedError,
  LockUnavailableError,
  MissingCachingError,
  OptionsError,
  withCaching,
  type Lease,
} from '../../src/index.js';
import { recordingCaching, type Recording } from '../../src/testing/index.js';
import { chaosAdapter } from '../../src/testing/chaos-adapter.js';

/** A `Caching` for one test, and the decorators bound to it. */
function setup(t: ExecutionContext, options: Parameters<typeof recordingCaching>[0] = {}) {
  const recording = recordingCaching(options);
  t.teardown(() => recording.close());
  return { recording, clock: recording.clock, ...createDecorators(recording.caching) };
}

const locked = (recording: Recording): (readonly string[])[] => recording.of('lock').map(({ keys }) => keys);

/** Bodies that stay inside until they are let out, and the names of those that are. */
function room() {
  const inside: string[] = [];
  const doors = new Map<string, () => void>();
  return {
    inside,
    stay(name: string): Promise<void> {
      inside.push(name);
      return new Promise((resolve) => {
        doors.set(name, () => {
          inside.splice(inside.indexOf(name), 1);
          resolve();
        });
      });
    },
    letOut: (name: string): void => doors.get(name)!(),
  };
}

test('G8 locks: calls with one key run one after the other, calls with other keys concurrently', async (t) => {
  const { clock, Locked } = setup(t);
  const { inside, stay, letOut } = room();
  class Invoices {
    @Locked({ key: 'invoice:{0}', wait: '1m', lease: '10m' })
    async settle(_id: string, name: string): Promise<string> {
      await stay(name);
      return `settled by ${name}`;
    }
  }
  const invoices = new Invoices();
  const calls = [invoices.settle('1', 'a'), invoices.settle('1', 'b'), new Invoices().settle('2', 'c')];
  await clock.advance(10);
  t.deepEqual([...inside].sort(), ['a', 'c']);
  letOut('a');
  await clock.advance(1_000);
  t.deepEqual([...inside].sort(), ['b', 'c']);
  letOut('b');
  letOut('c');
  t.deepEqual(await Promise.all(calls), ['settled by a', 'settled by b', 'settled by c']);
});

test('the result or error of the method reaches the caller unchanged, and the lock is released', async (t) => {
  const { recording, Locked } = setup(t);
  const failure = Object.freeze(new RangeError('no'));
  class Invoices {
    @Locked({ key: 'invoice', wait: 0 })
    async settle(fails: boolean): Promise<string> {
      if (fails) throw failure;
      return 'settled';
    }
    @Locked({ key: 'invoice', wait: 0 })
    throwsAtOnce(): Promise<string> {
      throw failure;
    }
  }
  const invoices = new Invoices();
  t.is(await t.throwsAsync(invoices.settle(true)), failure);
  t.is(await t.throwsAsync(invoices.throwsAtOnce()), failure);
  t.is(await invoices.settle(false), 'settled');
  t.deepEqual(
    recording.of('unlock').map(({ keys, lost, method }) => ({ keys, lost, method })),
    [
      { keys: ['invoice'], lost: false, method: 'Invoices.settle' },
      { keys: ['invoice'], lost: false, method: 'Invoices.throwsAtOnce' },
      { keys: ['invoice'], lost: false, method: 'Invoices.settle' },
    ],
  );
});

test('currentLease() is the lease of the call, also after an await and in called functions', async (t) => {
  const { Locked } = setup(t);
  const deep = async (): Promise<Lease> => {
    await Promise.resolve();
    return currentLease();
  };
  class Invoices {
    @Locked({ key: 'invoice:{0}' })
    async settle(_id: string): Promise<Lease> {
      const lease = currentLease();
      t.is(await deep(), lease);
      t.deepEqual(lease.keys, ['invoice:1']);
      t.false(lease.signal.aborted);
      t.is(typeof lease.fencingToken, 'bigint');
      lease.assertHeld();
      return lease;
    }
  }
  const first = await new Invoices().settle('1');
  const second = await new Invoices().settle('1');
  t.true(second.fencingToken! > first.fencingToken!);
  t.throws(() => first.assertHeld(), { instanceOf: LockLostError });
  t.throws(() => currentLease(), { instanceOf: OptionsError });
});

test('nested locks: the innermost lease is current, and the outer one again after it', async (t) => {
  const { recording, Locked } = setup(t);
  class Invoices {
    @Locked({ key: 'account:{0}' })
    async book(_account: number): Promise<readonly string[]> {
      return currentLease().keys;
    }
    @Locked({ key: 'invoice:{0}' })
    async settle(_id: string): Promise<unknown[]> {
      const before = currentLease();
      const inner = await this.book(7);
      t.is(currentLease(), before);
      return [before.keys, inner];
    }
  }
  t.deepEqual(await new Invoices().settle('1'), [['invoice:1'], ['account:7']]);
  t.deepEqual(locked(recording), [['invoice:1'], ['account:7']]);
});

test('reentrant: a call within the lease of its own key runs; otherwise it deadlocks until its wait ends', async (t) => {
  const { recording, Locked } = setup(t);
  class Base {
    @Locked({ key: 'invoice:{0}', reentrant: true, wait: 0 })
    async settle(_id: string): Promise<Lease> {
      return currentLease();
    }
    @Locked({ key: 'invoice:{0}', wait: 0 })
    async cancel(_id: string): Promise<Lease> {
      return currentLease();
    }
  }
  class Invoices extends Base {
    @Locked({ key: 'invoice:{0}', reentrant: true, wait: 0 })
    override async settle(id: string): Promise<Lease> {
      t.is((await super.settle(id)).fencingToken, currentLease().fencingToken);
      return currentLease();
    }
    @Locked({ key: 'invoice:{0}', wait: 0 })
    override async cancel(id: string): Promise<Lease> {
      return super.cancel(id);
    }
  }
  t.deepEqual((await new Invoices().settle('1')).keys, ['invoice:1']);
  t.is(recording.of('lock').length, 1);
  await t.throwsAsync(new Invoices().cancel('1'), { instanceOf: LockNotObtainedError });
});

test('a lock that others hold for the whole wait: LockNotObtainedError, and the method does not run', async (t) => {
  const { recording, clock, Locked } = setup(t);
  const { stay, letOut } = room();
  let runs = 0;
  class Invoices {
    @Locked({ key: 'invoice:{0}', lease: '30s', wait: '2s' })
    async settle(_id: string, name: string): Promise<void> {
      runs++;
      await stay(name);
    }
  }
  const invoices = new Invoices();
  const first = invoices.settle('1', 'a');
  await clock.advance(1);
  const second = t.throwsAsync(invoices.settle('1', 'b'), { instanceOf: LockNotObtainedError });
  await clock.advance(5_000);
  const error = await second;
  t.is(error.code, 'E_LOCK_NOT_OBTAINED');
  t.deepEqual(error.keys, ['invoice:1']);
  t.true(error.waitedMs >= 2_000, String(error.waitedMs));
  t.is(runs, 1);
  t.deepEqual(
    recording.of('lockNotAcquired').map(({ keys, reason, method }) => ({ keys, reason, method })),
    [{ keys: ['invoice:1'], reason: 'held', method: 'Invoices.settle' }],
  );
  letOut('a');
  await first;
});

test('a key is a template, or a function that returns a key or its parts', async (t) => {
  const { recording, Locked } = setup(t);
  class Invoices {
    readonly prefix = 'own';
    @Locked({ key: 'invoice:{0.id}:{1}' })
    async template(_invoice: { id: string }, _page: number): Promise<void> {}
    @Locked({ key: (id) => `invoice:${id}` })
    async whole(_id: string): Promise<void> {}
    @Locked({
      key(id) {
        return [this.prefix, id, 7];
      },
    })
    async parts(_id: string): Promise<void> {}
  }
  const invoices = new Invoices();
  await invoices.template({ id: 'a:b' }, 1);
  await invoices.whole('1');
  await invoices.parts('a:b');
  t.deepEqual(locked(recording), [['invoice:a%3Ab:1'], ['invoice:1'], ['own:a%3Ab:7']]);
});

test('keys are templates or a function, acquired together, deduplicated and sorted', async (t) => {
  const { recording, clock, Locked } = setup(t);
  const { stay, letOut, inside } = room();
  class Accounts {
    readonly prefix = 'account';
    @Locked({ keys: 'account:{0}' })
    async one(_id: number): Promise<void> {}
    @Locked({ keys: ['account:{0}', 'account:{1}'], wait: 0 })
    async transfer(_from: number, _to: number): Promise<readonly string[]> {
      await stay('transfer');
      return currentLease().keys;
    }
    @Locked({
      keys(...ids) {
        return ids.map((id) => [this.prefix, id]);
      },
      wait: 0,
    })
    async close(...ids: number[]): Promise<readonly string[]> {
      t.true(ids.length > 0);
      return currentLease().keys;
    }
  }
  const accounts = new Accounts();
  await accounts.one(1);
  const transfer = accounts.transfer(2, 1);
  await clock.advance(1);
  t.deepEqual(inside, ['transfer']);
  await t.throwsAsync(accounts.close(3, 1), { instanceOf: LockNotObtainedError });
  t.deepEqual(await accounts.close(3), ['account:3'], 'nothing was held back by the attempt');
  letOut('transfer');
  t.deepEqual(await transfer, ['account:1', 'account:2']);
  t.deepEqual(await accounts.close(3, 1, 3), ['account:1', 'account:3']);
  t.deepEqual(locked(recording)[0], ['account:1']);
});

test('the default key consists of class, method and arguments: calls with other arguments do not wait', async (t) => {
  const { recording, clock, Locked } = setup(t);
  const { stay, letOut, inside } = room();
  class Invoices {
    @Locked({ wait: 0 })
    async settle(invoice: { id: string; no: number }): Promise<void> {
      await stay(invoice.id);
    }
    @Locked({ name: 'billing.cancel' })
    async cancel(_id: string): Promise<void> {}
  }
  const invoices = new Invoices();
  const both = [invoices.settle({ id: 'a', no: 1 }), invoices.settle({ no: 1, id: 'b' })];
  await clock.advance(1);
  t.deepEqual([...inside].sort(), ['a', 'b']);
  await t.throwsAsync(invoices.settle({ no: 1, id: 'a' }), { instanceOf: LockNotObtainedError });
  letOut('a');
  letOut('b');
  await Promise.all(both);
  await invoices.cancel('1');
  t.deepEqual(locked(recording), [
    ['Invoices.settle:((id="a",no=1))'],
    ['Invoices.settle:((id="b",no=1))'],
    ['billing.cancel:("1")'],
  ]);
  t.is(recording.of('lock').at(-1)?.method, 'billing.cancel');
});

test('arguments without a valid key reject with a KeyError: the method never runs unlocked', async (t) => {
  const { recording, Locked } = setup(t);
  let runs = 0;
  class Invoices {
    @Locked({ key: 'invoice:{0.id}' })
    async template(_invoice: any): Promise<void> {
      runs++;
    }
    @Locked()
    async bare(_invoice: unknown): Promise<void> {
      runs++;
    }
    @Locked({ key: (() => 5) as unknown as () => string })
    async number(): Promise<void> {
      runs++;
    }
    @Locked({ keys: ['fixed', 'invoice:{0}'] as unknown as () => string[] })
    async several(_invoice: unknown): Promise<void> {
      runs++;
    }
  }
  const invoices = new Invoices();
  await t.throwsAsync(invoices.template({ id: {} }), { instanceOf: KeyError });
  await t.throwsAsync(
    invoices.bare(() => {}),
    { instanceOf: KeyError },
  );
  await t.throwsAsync(invoices.number(), { instanceOf: KeyError });
  await t.throwsAsync(invoices.several([]), { instanceOf: KeyError });
  t.is(runs, 0);
  t.deepEqual(recording.events, []);
});

test('a key function that throws or returns an invalid list rejects, and the method does not run', async (t) => {
  const { Locked } = setup(t);
  const failure = new RangeError('no');
  class Invoices {
    @Locked({
      key: () => {
        throw failure;
      },
    })
    async throwing(): Promise<void> {
      t.fail();
    }
    @Locked({ keys: (() => 'invoice:1') as unknown as () => string[] })
    async text(): Promise<void> {
      t.fail();
    }
    @Locked({ keys: () => [] })
    async none(): Promise<void> {
      t.fail();
    }
  }
  const invoices = new Invoices();
  t.is(await t.throwsAsync(invoices.throwing()), failure);
  await t.throwsAsync(invoices.text(), {
    instanceOf: OptionsError,
    message:
      "keys of @Locked on text is a function that returns a list, such as ['user:42'], and it returned 'invoice:1'.",
  });
  await t.throwsAsync(invoices.none(), { instanceOf: OptionsError, message: /@Locked on Invoices\.none/ });
});

test('when: if false, the method runs without a lock, and no key is made', async (t) => {
  const { recording, Locked } = setup(t);
  class Invoices {
    readonly quiet = 'quiet';
    @Locked({
      key: (id): string => (id === 'quiet' ? (t.fail() as never) : id),
      when(id) {
        return id !== this.quiet;
      },
    })
    async settle(id: string): Promise<Lease> {
      t.is(id, id);
      return currentLease();
    }
  }
  const lease = await new Invoices().settle('quiet');
  t.is(lease.fencingToken, undefined);
  t.deepEqual(lease.keys, []);
  t.deepEqual(recording.events, []);
  t.deepEqual((await new Invoices().settle('1')).keys, ['1']);
});

test('options reach the lock: shared, permits (semaphore) and fair', async (t) => {
  const { clock, Locked } = setup(t);
  const { stay, letOut, inside } = room();
  class Stock {
    @Locked({ key: 'stock', mode: 'shared', wait: 0 })
    async read(name: string): Promise<void> {
      await stay(name);
    }
    @Locked({ key: 'stock', wait: 0 })
    async write(): Promise<void> {}
    @Locked({ key: 'gate', permits: 2, wait: 0 })
    async pass(name: string): Promise<void> {
      await stay(name);
    }
    @Locked({ key: 'queue', fair: true, wait: '1m' })
    async queue(name: string): Promise<void> {
      await stay(name);
    }
  }
  const stock = new Stock();
  const readers = [stock.read('r1'), stock.read('r2')];
  const passing = [stock.pass('p1'), stock.pass('p2')];
  await clock.advance(1);
  t.deepEqual([...inside].sort(), ['p1', 'p2', 'r1', 'r2']);
  await t.throwsAsync(stock.write(), { instanceOf: LockNotObtainedError });
  await t.throwsAsync(stock.pass('p3'), { instanceOf: LockNotObtainedError });
  for (const name of ['p1', 'p2', 'r1', 'r2']) letOut(name);
  await Promise.all([...readers, ...passing]);
  await stock.write();

  const order = ['q1', 'q2', 'q3'];
  const queue = order.map((name) => stock.queue(name));
  for (const name of order) {
    await clock.advance(500);
    t.deepEqual(inside, [name]);
    letOut(name);
  }
  await Promise.all(queue);
});

test('options reach the lock: lease and renew decide when the signal aborts', async (t) => {
  const { recording, clock, Locked } = setup(t);
  const { stay, letOut } = room();
  const leases: Lease[] = [];
  class Reports {
    @Locked({ key: 'short', lease: '1s', renew: 0 })
    async short(): Promise<string> {
      leases.push(currentLease());
      await stay('short');
      return 'done all the same';
    }
    @Locked({ key: 'renewed', lease: '1s', renew: '1h' })
    async renewed(): Promise<void> {
      leases.push(currentLease());
      await stay('renewed');
    }
  }
  const calls = [new Reports().short(), new Reports().renewed()];
  await clock.advance(5_000);
  const [short, renewed] = leases;
  t.true(short?.signal.reason instanceof LockLostError);
  t.false(renewed?.signal.aborted);
  letOut('short');
  letOut('renewed');
  t.is((await Promise.all(calls))[0], 'done all the same');
  t.deepEqual(
    recording.of('lockLost').map(({ keys, reason, method }) => ({ keys, reason, method })),
    [{ keys: ['short'], reason: 'expired', method: 'Reports.short' }],
  );
});

test('omitted times are those of the Caching', async (t) => {
  const { recording, clock, Locked } = setup(t, { locks: { wait: 0 } });
  const { stay, letOut } = room();
  class Invoices {
    @Locked({ key: 'invoice' })
    async settle(): Promise<void> {
      await stay('first');
    }
  }
  const first = new Invoices().settle();
  await clock.advance(1);
  const error = await t.throwsAsync(new Invoices().settle(), { instanceOf: LockNotObtainedError });
  t.is(error.waitedMs, 0);
  t.is(recording.of('lock').length, 1);
  letOut('first');
  await first;
});

test('signal: a function of the call returns it, and an abort ends the wait with its reason', async (t) => {
  const { recording, clock, Locked } = setup(t);
  const { stay, letOut } = room();
  class Invoices {
    readonly aborts = new AbortController();
    @Locked({
      key: 'invoice',
      wait: '1h',
      signal(name) {
        return name === 'second' ? this.aborts.signal : undefined;
      },
    })
    async settle(name: string): Promise<void> {
      await stay(name);
    }
  }
  const invoices = new Invoices();
  const first = invoices.settle('first');
  await clock.advance(1);
  const second = t.throwsAsync(invoices.settle('second'), { instanceOf: RangeError });
  await clock.advance(1_000);
  invoices.aborts.abort(new RangeError('the request is gone'));
  t.is((await second).message, 'the request is gone');
  t.is(recording.of('lockNotAcquired')[0]?.reason, 'aborted');
  letOut('first');
  await first;
});

test("onUnavailable: 'throw', the default, or 'run' without a lock", async (t) => {
  const adapter = chaosAdapter(memory());
  adapter.fail('locks.acquire', 'refused');
  const { clock, Locked } = setup(t, { adapter });
  let runs = 0;
  class Invoices {
    @Locked({ key: 'invoice', wait: '1s' })
    async settle(): Promise<void> {
      runs++;
    }
    @Locked({ key: 'report', wait: '1s', onUnavailable: 'run' })
    async report(): Promise<Lease> {
      runs++;
      return currentLease();
    }
  }
  const refused = t.throwsAsync(new Invoices().settle(), { instanceOf: LockUnavailableError });
  await clock.advance(10_000);
  t.deepEqual((await refused).keys, ['invoice']);
  t.is(runs, 0);
  const running = new Invoices().report();
  await clock.advance(10_000);
  const lease = await running;
  t.is(lease.fencingToken, undefined);
  t.is(runs, 1);
});

test('invalid options are refused at class definition, by name', (t) => {
  const refused: [object, RegExp][] = [
    [{ tll: '5m' }, /^@Locked on settle has no option 'tll'\. It has: key, keys, lease, wait, /],
    [{ key: 'invoice:{id}' }, /^key of @Locked on settle: .*does not begin with a position/],
    [{ key: 5 }, /^key of @Locked on settle is a template or a function, and 5 was given/],
    [{ keys: 5 }, /^keys of @Locked on settle are templates or a function, and 5 was given/],
    [{ keys: ['a', ['b']] }, /^keys of @Locked on settle is a template such as .*an array was given/],
    [{ keys: [] }, /^keys of @Locked on settle are one or more, and an empty list was given/],
    [{ key: 'a', keys: ['b'] }, /^@Locked on settle has both key and keys\. Give it one of the two\./],
    [{ lease: 0 }, /^lease of @Locked on settle is a duration .* and 0 was given/],
    [{ lease: '0s' }, /^lease of @Locked on settle is a duration .* and '0s' was given/],
    [{ lease: -1 }, /^lease of @Locked on settle is a duration .* and -1 was given/],
    [{ lease: Number.NaN }, /^lease of @Locked on settle is a duration .* and NaN was given/],
    [{ lease: Infinity }, /^lease of @Locked on settle is a duration .* and Infinity was given/],
    [{ lease: 2 ** 53 }, /^lease of @Locked on settle is a duration .* and 9007199254740992 was given/],
    [{ lease: 0.4 }, /^lease of @Locked on settle is a duration .* and 0\.4 was given/],
    [{ lease: '30  s' }, /^lease of @Locked on settle is a duration .* and '30  s' was given/],
    [{ wait: -1 }, /^wait of @Locked on settle is a duration .* and -1 was given/],
    [{ wait: Number.NaN }, /^wait of @Locked on settle is a duration .* and NaN was given/],
    [{ renew: 'for ever' }, /^renew of @Locked on settle is a duration .* and 'for ever' was given/],
    [{ mode: 'read' }, /^mode of @Locked on settle is 'exclusive' or 'shared', and 'read' was given/],
    [{ permits: 0 }, /^permits of @Locked on settle is a whole number, 1 or more, and 0 was given/],
    [{ permits: 1.5 }, /^permits of @Locked on settle is a whole number, 1 or more, and 1\.5 was given/],
    [{ permits: 2, mode: 'shared' }, /^@Locked on settle has mode 'shared' and permits\./],
    [{ fair: 'yes' }, /^fair of @Locked on settle is true or false, and 'yes' was given/],
    [{ fair: true, keys: ['a', 'b'] }, /^@Locked on settle is fair and has 2 keys\./],
    [{ reentrant: 1 }, /^reentrant of @Locked on settle is true or false, and 1 was given/],
    [{ onUnavailable: 'allow' }, /^onUnavailable of @Locked on settle is 'throw' or 'run', and 'allow'/],
    [{ signal: AbortSignal.abort() }, /^signal of @Locked on settle is a function, and an instance of/],
    [{ when: true }, /^when of @Locked on settle is a function, and true was given/],
    [{ name: '' }, /^name of @Locked on settle is a string .* and '' was given/],
    [{ cache: 'redis' }, /^cache of @Locked on settle .* and 'redis' was given/],
  ];
  const define = (options: object) => () => {
    class Invoices {
      @Locked(options)
      async settle(_id: string): Promise<void> {}
    }
    return void Invoices;
  };
  for (const [options, message] of refused) {
    t.throws(define(options), { instanceOf: OptionsError, message }, JSON.stringify(options));
  }
  t.throws(define(null as unknown as object), {
    instanceOf: OptionsError,
    message: '@Locked on settle takes an object of options, and null was given.',
  });
});

test('the result of a signal function is checked when the method is called', async (t) => {
  const { Locked } = setup(t);
  class Invoices {
    @Locked({ key: 'invoice', signal: (() => 'soon') as unknown as () => AbortSignal })
    async settle(): Promise<void> {
      t.fail();
    }
  }
  await t.throwsAsync(new Invoices().settle(), {
    instanceOf: OptionsError,
    message: /^signal of @Locked on Invoices\.settle is an AbortSignal, and 'soon' was given/,
  });
});

test('with enabled: false the method runs unlocked, without callbacks', async (t) => {
  const { recording, Locked } = setup(t, { enabled: false });
  const called = (name: string) => (): never => t.fail(name) as never;
  class Invoices {
    @Locked({ key: called('key'), when: called('when'), signal: called('signal') })
    async settle(): Promise<Lease> {
      const lease = currentLease();
      lease.assertHeld();
      return lease;
    }
  }
  const leases = await Promise.all([new Invoices().settle(), new Invoices().settle()]);
  t.deepEqual(
    leases.map(({ fencingToken }) => fencingToken),
    [undefined, undefined],
  );
  t.deepEqual(recording.events, []);
});

test('static methods have their own lock names', async (t) => {
  const { recording, Locked } = setup(t);
  class Settings {
    static readonly prefix = 'setting';
    @Locked()
    static async write(_name: string): Promise<void> {}
    @Locked({
      key(name) {
        return [this.prefix, name];
      },
    })
    static async read(_name: string): Promise<void> {}
    @Locked()
    async write(_name: string): Promise<void> {}
  }
  await Settings.write('a');
  await Settings.read('a');
  await new Settings().write('a');
  t.deepEqual(locked(recording), [['Settings.static.write:("a")'], ['setting:a'], ['Settings.write:("a")']]);
});

test('a subclass has its own lock names, also for overrides', async (t) => {
  const { recording, Locked } = setup(t);
  class Base {
    @Locked({ wait: 0 })
    async save(_id: string): Promise<void> {}
  }
  class Users extends Base {
    @Locked({ wait: 0 })
    override async save(id: string): Promise<void> {
      await super.save(id);
    }
  }
  await new Users().save('1');
  t.deepEqual(locked(recording), [['Users.save:("1")'], ['Users/Base.save:("1")']]);
});

test('the Caching is resolved like for @Cached; without one the call rejects with advice', async (t) => {
  class Invoices {
    @Locked({ key: 'invoice' })
    async settle(): Promise<Lease> {
      return currentLease();
    }
  }
  const error = await t.throwsAsync(new Invoices().settle(), { instanceOf: MissingCachingError });
  t.regex(error.message, /^@Locked on Invoices\.settle found no Caching to run on\./);
  const recording = recordingCaching();
  t.teardown(() => recording.close());
  t.deepEqual((await withCaching(recording.caching, () => new Invoices().settle())).keys, ['invoice']);
  class Injected extends Invoices {
    readonly caching: Caching = recording.caching;
  }
  await new Injected().settle();
  t.is(recording.of('lock').length, 2);
});
