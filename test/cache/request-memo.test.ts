import test, { type ExecutionContext } from 'ava';
import { createDecorators, OptionsError, withContext, withRequestMemo } from '../../src/index.js';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig, type Opener } from '../support/rig.js';
import { settled } from '../support/settled.js';
import { TARGETS } from './invalidation-targets.js';

const TAGS = { tags: ['org'] };

/** How often an opener has asked the store for entries. */
const reads = ({ chaos }: Opener): number => chaos.calls('entries.read').length;

function one(t: ExecutionContext, options: Parameters<typeof rig>[2] = {}) {
  const { openers, clock, of } = rig(t, 2, options);
  return { here: openers[0]!, there: openers[1]!, clock, of };
}

test('a call with a signal is not shared: its abort ends no other call', async (t) => {
  const { here } = one(t);
  const held = new HeldLoad(new Row());
  const leaves = new AbortController();
  await withRequestMemo(async () => {
    const first = here.cache.getOrSet('key', held.run, { signal: leaves.signal });
    await held.entered;
    const second = here.cache.getOrSet('key', held.run);
    leaves.abort(new Error('The client has left.'));
    await t.throwsAsync(first, { message: 'The client has left.' });
    held.finish();
    t.is(await second, 1);
  });
});

test('a read during a set in the request is not remembered after it', async (t) => {
  const { here } = one(t);
  const { cache, chaos } = here;
  await withRequestMemo(async () => {
    await cache.getOrSet('key', () => 1);
    const held = chaos.hold('entries.fill', 'request');
    const set = cache.set('key', 2);
    await held.reached;
    // The lease of the set is there, so this call runs its own loader.
    await cache.getOrSet('key', () => 1, { lockTimeout: 0 });
    held.release();
    await set;
    t.is(await cache.getOrSet('key', () => 3), 2);
  });
});

for (const l1 of [false, true] as const) {
  const where = l1 ? 'with an L1' : 'without an L1';

  test(`in a request a key is asked for once, and the value is the same (${where})`, async (t) => {
    const { here } = one(t, { l1 });
    const { cache } = here;
    await cache.set('key', { id: '42' }, TAGS);
    const before = reads(here);
    await withRequestMemo(async () => {
      const first = await cache.getOrSet('key', () => t.fail(), TAGS);
      t.is(await cache.getOrSet('key', () => t.fail(), TAGS), first);
      t.true(reads(here) - before <= 1);
    });
    const other = await cache.getOrSet('key', () => t.fail(), TAGS);
    t.deepEqual(other, { id: '42' } as never);
  });

  test(`in a request a method with @Cached runs once, also for calls at the same time (${where})`, async (t) => {
    const { here } = one(t, { l1 });
    const { Cached } = createDecorators(here.caching);
    class Users {
      runs = 0;
      @Cached({ key: 'user:{0}', unless: () => false })
      async find(id: string): Promise<{ readonly id: string }> {
        this.runs++;
        return { id };
      }
    }
    const users = new Users();
    await withRequestMemo(async () => {
      const [a, b] = await Promise.all([users.find('1'), users.find('1')]);
      t.is(a, b);
      t.is(await users.find('1'), a);
      t.not(await users.find('2'), a);
    });
    t.is(users.runs, 2);
    t.is(reads(here), 2);
  });

  for (const { by, target } of TARGETS) {
    test(`an invalidation by ${by} in the request ends what it remembers (${where})`, async (t) => {
      const { here, of } = one(t, { l1 });
      const { cache } = here;
      const row = new Row();
      await withRequestMemo(async () => {
        t.is(await cache.getOrSet('key', row.load, TAGS), 1);
        row.write();
        await cache.invalidate(target);
        t.is(await cache.getOrSet('key', row.load, TAGS), 2);
        t.is(await cache.getOrSet('key', row.load, TAGS), 2);
      });
      t.is(of('load').length, 2);
    });

    test(`a read during an invalidation by ${by} is not remembered after it (${where})`, async (t) => {
      const { here } = one(t, { l1 });
      const { cache, chaos } = here;
      const row = new Row();
      await withRequestMemo(async () => {
        await cache.getOrSet('key', row.load, TAGS);
        row.write();
        const held = chaos.hold(by === 'key' ? 'entries.remove' : 'entries.removeNonces', 'request');
        const invalidated = cache.invalidate(target);
        await held.reached;
        // The store still has the old value, and may return it until it has acknowledged the removal.
        await cache.getOrSet('key', row.load, TAGS);
        held.release();
        await invalidated;
        t.is(await cache.getOrSet('key', row.load, TAGS), 2);
      });
    });
  }

  for (const { by, target } of TARGETS) {
    test(`a read during an invalidation by ${by} is not answered from before it (${where})`, async (t) => {
      const { here } = one(t, { l1 });
      const { cache, chaos } = here;
      await withRequestMemo(async () => {
        await cache.getOrSet('key', () => 1, TAGS);
        const before = reads(here);
        const held = chaos.hold(by === 'key' ? 'entries.remove' : 'entries.removeNonces', 'request');
        const invalidated = cache.invalidate(target);
        await held.reached;
        await cache.getOrSet('key', () => 2, TAGS);
        t.is(reads(here), before + 1);
        held.release();
        await invalidated;
      });
    });
  }

  test(`set in the request ends what it remembers (${where})`, async (t) => {
    const { here } = one(t, { l1 });
    const { cache } = here;
    await withRequestMemo(async () => {
      t.is(await cache.getOrSet('key', () => 1, TAGS), 1);
      await cache.set('key', 2, TAGS);
      t.is(await cache.getOrSet<number>('key', () => t.fail() as never, TAGS), 2);
    });
  });

  test(`the request reads a snapshot: invalidations of other requests and processes are seen after it (${where})`, async (t) => {
    const { here, there } = one(t, { l1 });
    const row = new Row();
    const read = () => here.cache.getOrSet('key', row.load, TAGS);
    await withRequestMemo(async () => {
      t.is(await read(), 1);
      row.write();
      await there.cache.invalidate({ keys: ['key'] });
      t.is(await read(), 1);
    });
    t.is(await read(), 2);
    let proceed!: () => void;
    const written = new Promise<void>((resolve) => (proceed = resolve));
    const request = withRequestMemo(async () => {
      t.is(await read(), 2);
      await written;
      t.is(await read(), 2);
    });
    await withRequestMemo(async () => {
      row.write();
      await here.cache.invalidate({ tags: ['org'] });
      t.is(await read(), 3);
    });
    proceed();
    await request;
    t.is(await read(), 3);
  });
}

test('a load does not read what its request remembers: its value is stored for all requests', async (t) => {
  const { here, there } = one(t);
  const row = new Row();
  const inner = () => here.cache.getOrSet('inner', row.load, TAGS);
  await withRequestMemo(async () => {
    t.is(await inner(), 1);
    row.write();
    await there.cache.invalidate({ keys: ['inner', 'outer'] });
    t.is(await here.cache.getOrSet('outer', inner), 2);
    t.is(await inner(), 1);
  });
  t.is(await there.cache.getOrSet<number>('outer', () => t.fail() as never), 2);
});

test('a method with @Cached reads the snapshot of its request, and not the memory of the process', async (t) => {
  const { here } = one(t, { l1: true });
  const { Cached } = createDecorators(here.caching);
  const row = new Row();
  class Users {
    @Cached({ key: 'user:{0}' })
    async find(_id: string): Promise<number> {
      return row.version;
    }
  }
  const users = new Users();
  let proceed!: () => void;
  const written = new Promise<void>((resolve) => (proceed = resolve));
  const request = withRequestMemo(async () => {
    t.is(await users.find('1'), 1);
    await written;
    t.is(await users.find('1'), 1);
  });
  await settled();
  row.write();
  await here.cache.invalidate({ keys: ['user:1'] });
  t.is(await users.find('1'), 2);
  t.is(await users.find('1'), 2);
  proceed();
  await request;
});

test('an error is not remembered; calls at the same time share it', async (t) => {
  const { here } = one(t);
  let runs = 0;
  const read = () =>
    here.cache.getOrSet('key', async () => {
      if (++runs === 1) throw new Error('down');
      return runs;
    });
  await withRequestMemo(async () => {
    const both = await Promise.allSettled([read(), read()]);
    t.deepEqual(
      both.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    t.is(await read(), 2);
    t.is(await read(), 2);
  });
});

test('what would not be stored is not remembered: unless, and a negativeTtl of 0', async (t) => {
  const { here } = one(t);
  let runs = 0;
  await withRequestMemo(async () => {
    const read = () => here.cache.getOrSet('key', () => ++runs, { unless: (value) => value < 3 });
    t.deepEqual([await read(), await read(), await read(), await read()], [1, 2, 3, 3]);
    const absent = () => here.cache.getOrSet('none', () => void ++runs, { negativeTtl: 0 });
    await absent();
    await absent();
    t.is(runs, 5);
  });
});

test('a value is remembered for its ttl at most', async (t) => {
  const { here, clock } = one(t);
  const row = new Row();
  const read = () => here.cache.getOrSet('key', row.load, { ttl: '10s' });
  await withRequestMemo(async () => {
    t.is(await read(), 1);
    row.write();
    const before = reads(here);
    await clock.advance(9_999);
    t.is(await read(), 1);
    t.is(reads(here), before);
    await clock.advance(1);
    await read();
    t.is(reads(here), before + 1);
  });
});

test('the memo ends with the promise of the work: what goes on after it reads the cache', async (t) => {
  const { here, there } = one(t);
  const row = new Row();
  const read = () => here.cache.getOrSet('key', row.load);
  let background: Promise<unknown> | undefined;
  let proceed!: () => void;
  const later = new Promise<void>((resolve) => (proceed = resolve));
  await withRequestMemo(async () => {
    t.is(await read(), 1);
    background = later.then(read).then(read);
  });
  row.write();
  await there.cache.invalidate({ keys: ['key'] });
  const before = reads(here);
  proceed();
  t.is(await background, 2);
  t.true(reads(here) >= before + 2);
});

test('a memo ends when its work rejects, and its error is passed on', async (t) => {
  await t.throwsAsync(() => withRequestMemo(() => Promise.reject(new Error('mine'))), { message: 'mine' });
  t.throws(
    () =>
      withRequestMemo(() => {
        throw new Error('mine');
      }),
    { message: 'mine' },
  );
  t.is(
    withRequestMemo(() => 7),
    7,
  );
  t.throws(() => withRequestMemo(undefined as never), { instanceOf: OptionsError });
});

test('work without a promise keeps its memo for what it has started, as a middleware with callbacks does', async (t) => {
  const { here } = one(t);
  await here.cache.set('key', 1);
  const before = reads(here);
  await new Promise<void>((done, fail) => {
    withRequestMemo(() => {
      setImmediate(() => {
        Promise.all([here.cache.getOrSet('key', () => 2), here.cache.getOrSet('key', () => 2)]).then(
          () => done(),
          fail,
        );
      });
    });
  });
  t.is(reads(here) - before, 1);
});

test('a memo within another one is the outer one', async (t) => {
  const { here } = one(t);
  const row = new Row();
  const read = () => here.cache.getOrSet('key', row.load);
  await withRequestMemo(async () => {
    await read();
    const before = reads(here);
    t.is(await withRequestMemo(read), 1);
    t.is(await read(), 1);
    t.is(reads(here), before);
    row.write();
    await withRequestMemo(() => here.cache.invalidate({ keys: ['key'] }));
    t.is(await read(), 2);
  });
});

test('memo: false asks the cache: on a call, on a decorator, and for a whole Caching', async (t) => {
  const { here } = one(t);
  const { Cached } = createDecorators(here.caching);
  class Users {
    @Cached({ key: 'user', memo: false })
    async find(): Promise<number> {
      return 1;
    }
  }
  const users = new Users();
  await withRequestMemo(async () => {
    await users.find();
    await users.find();
    t.is(reads(here), 2);
    await here.cache.getOrSet('key', () => 1, { memo: false });
    await here.cache.getOrSet('key', () => 1, { memo: false });
    t.is(reads(here), 4);
  });
  const off = one(t, { defaults: { memo: false } }).here;
  await withRequestMemo(async () => {
    await off.cache.getOrSet('key', () => 1);
    await off.cache.getOrSet('key', () => 1);
    t.is(reads(off), 2);
  });
});

test('two Caching, and two tenants, remember values of their own', async (t) => {
  const { here, there } = one(t, { context: ['tenant'] });
  await withRequestMemo(async () => {
    for (const tenant of ['acme', 'beta']) {
      const read = () => here.cache.getOrSet('key', () => tenant);
      t.is(await withContext({ tenant }, read), tenant);
      t.is(await withContext({ tenant }, read), tenant);
    }
  });
  const other = rig(t, 1).openers[0]!;
  await withRequestMemo(async () => {
    const value = await withContext({ tenant: 'acme' }, () => there.cache.getOrSet('key', () => 'there'));
    t.is(value, 'acme');
    t.is(await other.cache.getOrSet('[tenant=acme]key', () => 'other'), 'other');
  });
});

test('values are shared or copied as in the L1', async (t) => {
  for (const [values, isShared, isFrozen] of [
    ['reference', true, false],
    ['frozen', false, true],
    ['cloned', false, false],
  ] as const) {
    const { here } = one(t, { l1: { values } });
    await withRequestMemo(async () => {
      const read = () => here.cache.getOrSet('key', () => ({ tags: ['a'] }));
      const first = await read();
      const second = await read();
      const third = await read();
      t.is(first === second, isShared, values);
      t.is(second === third, values !== 'cloned', values);
      t.is(Object.isFrozen(second), isFrozen, values);
      t.deepEqual(second, { tags: ['a'] });
      first.tags.push('changed');
      t.deepEqual((await read()).tags, isShared ? ['a', 'changed'] : ['a'], values);
    });
  }
});

test('under cloned, a value that cannot be copied is shared by its request', async (t) => {
  const { here } = one(t, { l1: { values: 'cloned' } });
  const value = { run: () => 1 };
  const read = () => here.cache.getOrSet('key', () => value, { onUnsupported: 'bypass' });
  await withRequestMemo(async () => {
    t.is(await read(), value);
    t.is(await read(), value);
  });
});

test('a request that reads very many keys forgets the first ones', async (t) => {
  const { here, of } = one(t);
  await withRequestMemo(async () => {
    for (let i = 0; i < 10_000; i++) await here.cache.getOrSet(`key:${i}`, () => i);
    const before = reads(here);
    await here.cache.getOrSet('key:0', () => 0);
    t.is(reads(here), before);
    await here.cache.getOrSet('more', () => 0);
    await here.cache.getOrSet('key:0', () => 0);
    t.is(reads(here), before + 2);
  });
  t.is(of('load').length, 10_001);
});

test('while the store is away, a request loads once', async (t) => {
  const { here } = one(t);
  here.chaos.setDown(true);
  let loads = 0;
  await withRequestMemo(async () => {
    for (let i = 0; i < 3; i++) await here.cache.getOrSet('key', () => ++loads);
  });
  t.is(loads, 1);
});
