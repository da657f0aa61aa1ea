import test, { type ExecutionContext } from 'ava';
import {
  createDecorators,
  InvalidationError,
  key,
  MissingContextError,
  OptionsError,
  RateLimitExceededError,
  withContext,
  type CachingOptions,
} from '../../src/index.js';
import { recordingCaching } from '../../src/testing/index.js';
import { HeldLoad, Row } from '../support/held-load.js';

const ACME = { tenant: 'acme', locale: 'de' };
const BETA = { tenant: 'beta', locale: 'de' };

/** A `Caching` whose keys have the tenant, and the decorators bound to it. */
function setup(t: ExecutionContext, options: Partial<Omit<CachingOptions, 'clock'>> = {}) {
  const defaults = { jitter: 0, ...options.defaults };
  const recording = recordingCaching({ context: ['tenant'], ...options, defaults });
  t.teardown(() => recording.close());
  const filled = (): string[] => recording.of('fill').map((event) => event.key);
  return { ...recording, filled, ...createDecorators(recording.caching) };
}

/** What two tenants would read from their own databases. */
const rows = new Map<object, string>([
  [ACME, 'of acme'],
  [BETA, 'of beta'],
]);

for (const l1 of [false, true]) {
  const where = l1 ? 'with an L1' : 'without an L1';

  test(`a remembered key of one tenant leads another one to nothing (${where})`, async (t) => {
    const { Cached, filled } = setup(t, { l1 });
    class Users {
      @Cached({ key: 'user:{0}' })
      async find(_id: string, tenant: object): Promise<string | undefined> {
        return rows.get(tenant);
      }
    }
    const users = new Users();
    for (let round = 0; round < 3; round++) {
      for (const tenant of [ACME, BETA]) {
        t.is(await withContext(tenant, () => users.find('42', tenant)), rows.get(tenant));
      }
    }
    t.deepEqual(filled(), ['[tenant=acme]user:42', '[tenant=beta]user:42']);
  });

  test(`a call without its tenant rejects, and the method does not run, whatever onKeyError says (${where})`, async (t) => {
    const { caching, Cached, of } = setup(t, { l1 });
    let runs = 0;
    class Users {
      @Cached({ key: 'user:{0}' })
      async find(_id: string): Promise<number> {
        return ++runs;
      }
      @Cached({ key: 'user:{0}', onKeyError: 'bypass' })
      async bypassing(_id: string): Promise<number> {
        return ++runs;
      }
      @Cached({ onKeyError: 'bypass', name: `Users.byDefault ${where}` })
      async byDefault(_wrong: () => void): Promise<number> {
        return ++runs;
      }
    }
    const users = new Users();
    await withContext(ACME, () => users.find('42'));
    const error = await t.throwsAsync(() => users.find('42'), { instanceOf: MissingContextError });
    t.is(error.part, 'tenant');
    t.regex(error.message, /^@Cached on Users\.find needs the part 'tenant' .* it is not set\./);
    const unset = { tenant: undefined };
    await t.throwsAsync(() => withContext(unset, () => users.bypassing('42')), {
      instanceOf: MissingContextError,
    });
    await t.throwsAsync(() => users.byDefault(() => {}), { instanceOf: MissingContextError });
    await t.throwsAsync(() => caching.cache.getOrSet('user:42', () => ++runs), {
      instanceOf: MissingContextError,
      message: /^getOrSet needs the part 'tenant'/,
    });
    t.is(runs, 1);
    t.is(of('error').length, 0);
  });
}

test('a remembered key leads no tenant to the entry in memory that all share', async (t) => {
  const { Cached } = setup(t, { l1: true });
  class Users {
    @Cached({ key: 'user:{0}', context: false })
    async shared(_id: string): Promise<string> {
      return 'of all';
    }
    @Cached({ key: 'user:{0}' })
    async find(_id: string, tenant: object): Promise<string | undefined> {
      return rows.get(tenant);
    }
  }
  const users = new Users();
  for (let round = 0; round < 3; round++) {
    t.is(await users.shared('42'), 'of all');
    for (const tenant of [ACME, BETA]) {
      t.is(await withContext(tenant, () => users.find('42', tenant)), rows.get(tenant));
    }
  }
});

test('a key that cannot be built runs uncached within the context, as it does without one', async (t) => {
  const { Cached, of } = setup(t);
  class Users {
    @Cached()
    async find(_wrong: () => void): Promise<number> {
      return 1;
    }
  }
  t.is(await withContext(ACME, () => new Users().find(() => {})), 1);
  t.is(of('error')[0]?.operation, 'key');
});

test('every kind of key has the context', async (t) => {
  const { Cached, filled } = setup(t);
  class Keys {
    @Cached({ key: 'template:{0}' })
    async template(id: string): Promise<string> {
      return id;
    }
    @Cached({ key: (id) => ['parts', id] })
    async parts(id: string): Promise<string> {
      return id;
    }
    @Cached({ key: (id) => key`tagged:${id}` })
    async tagged(id: string): Promise<string> {
      return id;
    }
    @Cached()
    async byDefault(id: string): Promise<string> {
      return id;
    }
  }
  const users = new Keys();
  await withContext({ tenant: ']{*' }, async () => {
    await users.template('1');
    await users.parts('1');
    await users.tagged('1');
    await users.byDefault('1');
  });
  const prefix = '[tenant=%5D%7B%2A]';
  t.deepEqual(filled(), [
    `${prefix}template:1`,
    `${prefix}parts:1`,
    `${prefix}tagged:1`,
    `${prefix}Keys.byDefault:("1")`,
  ]);
});

test('a decorator adds a part of its own, or has none', async (t) => {
  const { caching, Cached, filled } = setup(t);
  class Prices {
    @Cached({ key: 'price:{0}', context: ['locale'] })
    async price(id: string): Promise<string> {
      return id;
    }
    @Cached({ key: 'rate:{0}', context: false })
    async rate(id: string): Promise<string> {
      return id;
    }
  }
  const prices = new Prices();
  await withContext(ACME, () => prices.price('1'));
  await prices.rate('1');
  t.deepEqual(filled(), ['[locale=de,tenant=acme]price:1', 'rate:1']);
  await t.throwsAsync(() => withContext({ tenant: 'acme' }, () => prices.price('1')), {
    instanceOf: MissingContextError,
    message: /'locale'/,
  });
  await t.throwsAsync(() => withContext({ locale: 'de' }, () => prices.price('1')), {
    instanceOf: MissingContextError,
    message: /'tenant'/,
  });
  t.true(await caching.verbs({ context: false }).cache.has('rate:1'));
  t.true(await withContext(ACME, () => caching.verbs({ context: ['locale'] }).cache.has('price:1')));
});

test('a decorator may declare parts that its Caching does not have', async (t) => {
  const { Cached, filled } = setup(t, { context: undefined });
  class Users {
    @Cached({ key: 'user:{0}', context: ['tenant'] })
    async find(id: string): Promise<string> {
      return id;
    }
  }
  await withContext(ACME, () => new Users().find('1'));
  await t.throwsAsync(() => new Users().find('1'), { instanceOf: MissingContextError });
  t.deepEqual(filled(), ['[tenant=acme]user:1']);
});

test('a tag of one tenant is not that of another: from templates, from results, and of the verbs', async (t) => {
  const { caching, Cached, Invalidates } = setup(t, { l1: true });
  const loads: string[] = [];
  class Users {
    @Cached({ key: 'user:{0}', tags: ['users', 'user:{0}'] })
    async find(id: string): Promise<string> {
      loads.push('find');
      return id;
    }
    @Cached({ key: 'org:{0}', tags: (org) => [`org:${org}`] })
    async org(id: string): Promise<string> {
      loads.push('org');
      return id;
    }
    @Invalidates({ tags: ['users'], keys: 'org:{0}' })
    async save(_id: string): Promise<void> {}
  }
  const users = new Users();
  const read = async (): Promise<string[]> => {
    loads.length = 0;
    await users.find('1');
    await users.org('1');
    return [...loads];
  };
  const acme = (work: () => Promise<unknown>) => withContext(ACME, work);
  const beta = (work: () => Promise<unknown>) => withContext(BETA, work);
  for (const tenant of [acme, beta]) t.deepEqual(await tenant(read), ['find', 'org']);
  await acme(() => users.save('1'));
  t.deepEqual(await beta(read), []);
  t.deepEqual(await acme(read), ['find', 'org']);
  await beta(() => caching.cache.invalidate({ tags: ['org:1'] }));
  t.deepEqual(await acme(read), []);
  t.deepEqual(await beta(read), ['org']);
});

test('a shared tag ends the entries of all tenants, and needs none', async (t) => {
  const { caching, Cached, Invalidates } = setup(t, { l1: true });
  let loads = 0;
  class Prices {
    @Cached({ key: 'price:{0}', context: ['locale'], tags: 'price:{0}', sharedTags: ['prices'] })
    async price(_id: string): Promise<number> {
      return ++loads;
    }
    @Invalidates({ tags: 'prices', context: false })
    async import(): Promise<void> {}
    @Invalidates({ tags: 'price:{0}' })
    async change(_id: string): Promise<void> {}
  }
  const prices = new Prices();
  const read = async (): Promise<number> => {
    for (const parts of [ACME, BETA, { ...ACME, locale: 'en' }]) {
      await withContext(parts, () => prices.price('1'));
      await withContext(parts, () =>
        caching.cache.getOrSet('verb', () => ++loads, { sharedTags: ['prices'], tags: ['own'] }),
      );
    }
    return loads;
  };
  t.is(await read(), 5);
  await prices.import();
  t.is(await read(), 10);
  await caching.verbs({ context: false }).cache.invalidate({ tags: ['prices'] });
  t.is(await read(), 15);
  await withContext(BETA, () => caching.cache.invalidate({ tags: ['prices'] }));
  t.is(await read(), 15);
  // The tags do not have the locale: all locales of the tenant are loaded again.
  await withContext(ACME, () => prices.change('1'));
  t.is(await read(), 17);
});

test('clear and all cover every tenant, and need none', async (t) => {
  const { caching, Invalidates } = setup(t);
  class Users {
    @Invalidates({ all: true })
    async reset(): Promise<void> {}
  }
  const { cache } = caching;
  for (const end of [() => cache.clear(), () => new Users().reset()]) {
    await withContext(ACME, () => cache.set('user:1', 1));
    await withContext(BETA, () => cache.set('user:1', 1));
    await end();
    t.false(await withContext(ACME, () => cache.has('user:1')));
    t.false(await withContext(BETA, () => cache.has('user:1')));
  }
});

test('without its tenant a method with @Invalidates does not run: its write could not be followed by an invalidation', async (t) => {
  const { Invalidates } = setup(t);
  let writes = 0;
  class Users {
    @Invalidates({ keys: 'user:{0}' })
    async save(_id: string): Promise<void> {
      writes++;
    }
    @Invalidates({ keys: () => [Symbol('wrong') as never] })
    async wrong(): Promise<void> {
      writes++;
    }
  }
  const error = await t.throwsAsync(() => new Users().save('1'), { instanceOf: MissingContextError });
  t.regex(error.message, /^@Invalidates on Users\.save needs the part 'tenant'/);
  t.is(writes, 0);
  await t.throwsAsync(() => withContext(ACME, () => new Users().wrong()), { instanceOf: InvalidationError });
  t.is(writes, 1);
});

test('each tenant has its own rate limits', async (t) => {
  const { caching, RateLimited, of } = setup(t);
  const rule = { limit: 1, per: '1m' } as const;
  class Reports {
    runs = 0;
    @RateLimited({ key: 'report', ...rule })
    async build(): Promise<void> {
      this.runs++;
    }
    @RateLimited({ key: 'report', ...rule, context: false })
    async forAll(): Promise<void> {}
    @RateLimited({ key: 'report', ...rule, dryRun: true })
    async observed(): Promise<number> {
      return ++this.runs;
    }
  }
  const reports = new Reports();
  await withContext(ACME, () => reports.build());
  await withContext(BETA, () => reports.build());
  await t.throwsAsync(() => withContext(ACME, () => reports.build()), {
    instanceOf: RateLimitExceededError,
  });
  await t.throwsAsync(() => reports.build(), { instanceOf: MissingContextError });
  t.is(reports.runs, 2);
  await withContext(ACME, () => reports.forAll());
  await t.throwsAsync(() => withContext(BETA, () => reports.forAll()), {
    instanceOf: RateLimitExceededError,
  });

  const { limits } = caching;
  t.false((await withContext(ACME, () => limits.consume('report', rule))).allowed);
  await withContext(ACME, () => limits.reset('report', rule));
  t.true((await withContext(ACME, () => limits.peek('report', rule))).allowed);
  t.false((await withContext(BETA, () => limits.peek('report', rule))).allowed);
  await t.throwsAsync(() => limits.block('report', '1m'), { instanceOf: MissingContextError });
  await t.throwsAsync(() => limits.refund('report', rule), { instanceOf: MissingContextError });

  // A dry run never refuses: it reports that it could not count.
  t.is(await reports.observed(), 3);
  t.true(of('error')[0]?.error instanceof MissingContextError);
});

test('each tenant has its own locks', async (t) => {
  const { caching, Locked } = setup(t);
  class Invoices {
    @Locked({ key: 'invoices', wait: 0 })
    async settle(): Promise<string> {
      return 'settled';
    }
    @Locked({ keys: ['a', 'b'], wait: 0 })
    async both(): Promise<string> {
      return 'both';
    }
    @Locked({ key: 'invoices', wait: 0, context: false })
    async forAll(): Promise<string> {
      return 'for all';
    }
  }
  const invoices = new Invoices();
  const { locks } = caching;
  const held = await withContext(ACME, () => locks.acquire({ keys: ['invoices', 'b'] }));
  t.deepEqual(held.keys, ['[tenant=acme]b', '[tenant=acme]invoices']);
  await t.throwsAsync(() => withContext(ACME, () => invoices.settle()), { code: 'E_LOCK_NOT_OBTAINED' });
  await t.throwsAsync(() => withContext(ACME, () => invoices.both()), { code: 'E_LOCK_NOT_OBTAINED' });
  t.is(await withContext(BETA, () => invoices.settle()), 'settled');
  t.is(await withContext(BETA, () => invoices.both()), 'both');
  t.is(await invoices.forAll(), 'for all');
  await t.throwsAsync(() => invoices.settle(), { instanceOf: MissingContextError });
  await t.throwsAsync(() => locks.withLease('invoices', {}, () => t.fail()), {
    instanceOf: MissingContextError,
  });
  await held.release();
});

test('two tenants that miss at the same time never share a load', async (t) => {
  const { Cached } = setup(t);
  const [acme, beta] = [new Row(), new Row()];
  beta.write();
  const held = [new HeldLoad(acme), new HeldLoad(beta)];
  let loads = 0;
  class Users {
    @Cached({ key: 'user' })
    async find(): Promise<unknown> {
      return held[loads++]!.run();
    }
  }
  const users = new Users();
  const calls = [ACME, BETA, ACME, BETA].map((parts) => withContext(parts, () => users.find()));
  await Promise.all(held.map(({ entered }) => entered));
  for (const one of held) one.finish();
  t.deepEqual(await Promise.all(calls), [1, 2, 1, 2]);
  t.is(loads, 2);
});

test('the context reaches loads, work after an await, and work that goes on after the call', async (t) => {
  const { Cached, filled } = setup(t);
  let background: Promise<unknown> | undefined;
  class Users {
    @Cached({ key: 'outer' })
    async outer(): Promise<string> {
      await Promise.resolve();
      const inner = await this.inner('1');
      // As a job for another tenant within a request would.
      return `${inner} ${await withContext({ tenant: 'beta' }, () => this.inner('2'))}`;
    }
    @Cached({ key: 'inner:{0}' })
    async inner(id: string): Promise<string> {
      return id;
    }
  }
  const users = new Users();
  await withContext(ACME, async () => {
    t.is(await users.outer(), '1 2');
    background = new Promise((resolve) => setImmediate(resolve)).then(() => users.inner('3'));
  });
  await background;
  t.deepEqual(filled(), [
    '[tenant=acme]inner:1',
    '[tenant=beta]inner:2',
    '[tenant=acme]outer',
    '[tenant=acme]inner:3',
  ]);
});

test('the context of a call is read once: its result tags are those of its own tenant', async (t) => {
  const { caching, Cached } = setup(t);
  let loads = 0;
  class Users {
    // A tags function that changes the context for what it calls.
    @Cached({ key: 'user', tags: () => withContext(BETA, () => ['users']) })
    async find(): Promise<number> {
      return ++loads;
    }
  }
  const users = new Users();
  await withContext(ACME, () => users.find());
  await withContext(BETA, () => caching.cache.invalidate({ tags: ['users'] }));
  t.is(await withContext(ACME, () => users.find()), 1);
  await withContext(ACME, () => caching.cache.invalidate({ tags: ['users'] }));
  t.is(await withContext(ACME, () => users.find()), 2);
});

test('a Caching that is not enabled needs no context', async (t) => {
  const { Cached, Invalidates, Locked, RateLimited, caching } = setup(t, { enabled: false });
  class Users {
    @Cached({ key: 'a' })
    @Invalidates({ keys: 'a' })
    @RateLimited({ limit: 1, per: '1m' })
    @Locked({ key: 'a' })
    async find(): Promise<number> {
      return 1;
    }
  }
  t.is(await new Users().find(), 1);
  t.is(await caching.cache.getOrSet('a', () => 2), 2);
  t.is(await caching.verbs({ context: ['locale'] }).cache.get('a'), undefined);
});

test('invalid names of parts are refused', (t) => {
  const { caching, Cached } = setup(t);
  for (const context of [['ten=ant'], ['a,b'], [''], [1], 'tenant', true, {}]) {
    const expected = {
      instanceOf: OptionsError,
      message: /context of .* a list of names, such as \['tenant'\]/,
    };
    t.throws(() => setup(t, { context: context as never }), expected);
    t.throws(() => caching.verbs({ context: context as never }), expected);
    t.throws(() => {
      class Users {
        @Cached({ context: context as never })
        async find(): Promise<void> {}
      }
      return Users;
    }, expected);
  }
  t.throws(() => setup(t, { context: false as never }), { instanceOf: OptionsError });
});
