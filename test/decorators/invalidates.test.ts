import test, { type ExecutionContext } from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import {
  createDecorators,
  InvalidationError,
  KeyError,
  Invalidates,
  OptionsError,
  StoreUnavailableError,
  type InvalidatesOptions,
} from '../../src/index.js';
import { recordingCaching } from '../../src/testing/index.js';
import { chaosAdapter } from '../../src/testing/chaos-adapter.js';

interface User {
  readonly id: string;
  readonly org: string;
}

type Untyped = InvalidatesOptions<object, [string], unknown, string, string, 'after'>;

/** A store with something in it, for one test. */
async function setup(t: ExecutionContext, options: Parameters<typeof recordingCaching>[0] = {}) {
  const recording = recordingCaching(options);
  t.teardown(() => recording.close());
  const { cache } = recording.caching;
  await cache.set('user:1', 'Ada', { tags: ['org:a'] });
  await cache.set('user:2', 'Grace', { tags: ['org:b'] });
  await cache.set('users', 'all', { tags: ['list'] });
  const stored = async (): Promise<string[]> => {
    const all = ['user:1', 'user:2', 'users'];
    const has = await Promise.all(all.map((key) => cache.has(key)));
    return all.filter((_key, i) => has[i]);
  };
  return { recording, stored, ...createDecorators(recording.caching) };
}

test('keys are one template or a list', async (t) => {
  const { stored, Invalidates } = await setup(t);
  class Users {
    @Invalidates({ keys: 'user:{0.id}' })
    async one(_user: User): Promise<void> {}
    @Invalidates({ keys: ['users', 'user:{0.id}'] })
    async both(_user: User): Promise<void> {}
  }
  await new Users().one({ id: '1', org: 'a' });
  t.deepEqual(await stored(), ['user:2', 'users']);
  await new Users().both({ id: '2', org: 'b' });
  t.deepEqual(await stored(), []);
});

test('keys are a function of the result and the arguments that returns keys or their parts', async (t) => {
  const { stored, Invalidates } = await setup(t);
  class Users {
    @Invalidates({ keys: (result, id) => [`user:${id}`, ['user', result]] })
    async swap(id: string): Promise<number> {
      return id === '1' ? 2 : 1;
    }
    @Invalidates({ keys: () => [] })
    async nothing(): Promise<void> {}
  }
  await new Users().nothing();
  t.deepEqual(await stored(), ['user:1', 'user:2', 'users']);
  await new Users().swap('1');
  t.deepEqual(await stored(), ['users']);
});

test('tags are fixed, templates, or a function of the result and the arguments', async (t) => {
  const { stored, Invalidates } = await setup(t);
  class Users {
    @Invalidates({ tags: 'list' })
    async fixed(): Promise<void> {}
    @Invalidates({ tags: ['org:{0.org}', 'other'] })
    async template(_user: User): Promise<void> {}
    @Invalidates({ tags: (result, prefix) => [prefix + result.org] })
    async late(_prefix: string): Promise<User> {
      return { id: '2', org: 'b' };
    }
  }
  await new Users().fixed();
  t.deepEqual(await stored(), ['user:1', 'user:2']);
  await new Users().template({ id: '1', org: 'a' });
  t.deepEqual(await stored(), ['user:2']);
  await new Users().late('org:');
  t.deepEqual(await stored(), []);
});

test('all: every entry of the namespace is invalidated', async (t) => {
  const { stored, recording, Invalidates } = await setup(t);
  class Users {
    @Invalidates({ all: true })
    async import(): Promise<void> {}
  }
  await new Users().import();
  t.deepEqual(await stored(), []);
  t.deepEqual(
    recording.of('invalidate').map(({ all, method, acknowledged }) => ({ all, method, acknowledged })),
    [{ all: true, method: 'Users.import', acknowledged: true }],
  );
});

test('G3 read your writes: after, the default: entries are invalidated after the method, before its promise resolves', async (t) => {
  const { stored, Invalidates } = await setup(t);
  const seen: string[][] = [];
  class Users {
    @Invalidates({ keys: 'user:{0}' })
    async save(id: string): Promise<string> {
      seen.push(await stored());
      return `saved ${id}`;
    }
  }
  t.is(await new Users().save('1'), 'saved 1');
  t.deepEqual(seen, [['user:1', 'user:2', 'users']]);
  t.deepEqual(await stored(), ['user:2', 'users']);
});

test('after: a method that fails invalidates nothing, and its error is unchanged', async (t) => {
  const { stored, recording, Invalidates } = await setup(t);
  const failure = Object.freeze(new RangeError('no'));
  class Users {
    @Invalidates({ keys: 'user:{0}', onUnavailable: 'throw' })
    async save(_id: string): Promise<void> {
      throw failure;
    }
  }
  t.is(await t.throwsAsync(new Users().save('1')), failure);
  t.deepEqual(await stored(), ['user:1', 'user:2', 'users']);
  t.deepEqual(recording.of('invalidate'), []);
});

test('before: entries are invalidated before the method runs, even if it fails; callbacks have no result', async (t) => {
  const { stored, recording, Invalidates } = await setup(t);
  const results: unknown[] = [];
  class Users {
    @Invalidates({
      timing: 'before',
      keys: (result, id) => {
        results.push(result);
        return [`user:${id}`];
      },
    })
    async save(id: string): Promise<string[]> {
      if (id === '2') throw new Error('no');
      return stored();
    }
  }
  t.deepEqual(await new Users().save('1'), ['user:2', 'users']);
  await t.throwsAsync(new Users().save('2'), { message: 'no' });
  t.deepEqual(await stored(), ['users']);
  t.deepEqual(results, [undefined, undefined]);
  t.is(recording.of('invalidate').length, 2);
});

test('both: invalidates before without a result, and after success with it', async (t) => {
  const { recording, Invalidates } = await setup(t);
  const results: unknown[] = [];
  class Users {
    @Invalidates({
      timing: 'both',
      tags(result) {
        results.push(result?.id);
        return result === undefined ? ['list'] : [`org:${result.org}`];
      },
    })
    async save(id: string): Promise<User> {
      if (id === '') throw new Error('no');
      return { id, org: 'a' };
    }
  }
  await new Users().save('1');
  await t.throwsAsync(new Users().save(''), { message: 'no' });
  t.deepEqual(results, [undefined, '1', undefined]);
  t.deepEqual(
    recording.of('invalidate').map(({ tags }) => tags),
    [['list'], ['org:a'], ['list']],
  );
});

test('when: false and unless: true invalidate nothing', async (t) => {
  const { stored, Invalidates } = await setup(t);
  class Users {
    @Invalidates({ keys: 'user:{0}', when: (_id, quiet) => !quiet })
    async when(_id: string, _quiet: boolean): Promise<void> {}
    @Invalidates({ keys: 'user:{0}', unless: (changed, id) => !changed && id === '1' })
    async unless(_id: string, changed: boolean): Promise<boolean> {
      return changed;
    }
    @Invalidates({ keys: 'user:{0}', timing: 'before', when: (_id, quiet) => !quiet })
    async before(_id: string, _quiet: boolean): Promise<void> {}
    @Invalidates({
      keys: (result, id) => [result === undefined ? 'user:2' : `user:${id}`],
      timing: 'both',
      unless: () => true,
    })
    async both(_id: string): Promise<string> {
      return '';
    }
  }
  const users = new Users();
  await users.when('1', true);
  await users.unless('1', false);
  await users.before('1', true);
  t.deepEqual(await stored(), ['user:1', 'user:2', 'users']);
  await users.both('1');
  t.deepEqual(await stored(), ['user:1', 'users'], 'what stands under before is gone already');
  await users.unless('1', true);
  t.deepEqual(await stored(), ['users']);
});

test("onUnavailable 'queue', the default: the result is returned, the event is not acknowledged, and it is retried", async (t) => {
  const adapter = chaosAdapter(memory());
  const { stored, recording, Cached, Invalidates } = await setup(t, { adapter });
  let name = 'Ada';
  class Users {
    @Cached({ key: 'user:{0}' })
    async find(_id: string): Promise<string> {
      return name;
    }
    @Invalidates({ keys: 'user:{0}' })
    async rename(_id: string, to: string): Promise<string> {
      name = to;
      return `renamed ${to}`;
    }
  }
  const users = new Users();
  t.is(await users.find('1'), 'Ada');
  adapter.fail('entries.remove', 'refused');
  t.is(await users.rename('1', 'Augusta'), 'renamed Augusta');
  t.deepEqual(
    recording.of('invalidate').map(({ acknowledged, method }) => [acknowledged, method]),
    [[false, 'Users.rename']],
  );
  t.is(await users.find('1'), 'Augusta', 'this process reads past the entry');
  adapter.heal();
  await recording.clock.advance(60_000);
  t.false(recording.caching.cache.pending);
  t.deepEqual((await stored()).includes('user:1'), false);
});

test("onUnavailable 'throw': rejects with the result of the method, which has run, and is retried too", async (t) => {
  const adapter = chaosAdapter(memory());
  const { recording, Invalidates } = await setup(t, { adapter });
  let runs = 0;
  class Users {
    @Invalidates({ keys: 'user:{0}', tags: ['list'], onUnavailable: 'throw' })
    async save(id: string): Promise<User> {
      runs++;
      return { id, org: 'a' };
    }
  }
  adapter.fail(['entries.remove', 'entries.removeNonces'], 'refused');
  const error = await t.throwsAsync(new Users().save('1'), { instanceOf: InvalidationError });
  t.deepEqual(error?.result, { id: '1', org: 'a' });
  t.true(error?.cause instanceof StoreUnavailableError);
  t.is(error?.code, 'E_INVALIDATION');
  t.is(runs, 1);
  t.true(recording.caching.cache.pending);
  adapter.heal();
  await recording.clock.advance(60_000);
  t.false(recording.caching.cache.pending);
  t.false(await recording.caching.cache.has('user:1'));
});

test("onUnavailable 'throw' before the method: rejects without a result, and the method does not run", async (t) => {
  const adapter = chaosAdapter(memory());
  const { Invalidates } = await setup(t, { adapter });
  let runs = 0;
  class Users {
    @Invalidates({ keys: 'user:{0}', timing: 'before', onUnavailable: 'throw' })
    async before(_id: string): Promise<number> {
      return ++runs;
    }
    @Invalidates({ keys: 'user:{0}', timing: 'both', onUnavailable: 'throw' })
    async both(_id: string): Promise<number> {
      adapter.fail('entries.remove', 'refused');
      return ++runs;
    }
  }
  adapter.fail('entries.remove', 'refused');
  for (const timing of ['before', 'both'] as const) {
    const error = await t.throwsAsync(new Users()[timing]('1'), { instanceOf: InvalidationError });
    t.is(error?.result, undefined);
  }
  t.is(runs, 0);
  adapter.heal();
  const error = await t.throwsAsync(new Users().both('1'), { instanceOf: InvalidationError });
  t.is(error?.result, 1, 'the second of the two failed, after the method');
});

test('arguments without a valid key reject after the method has run: no invalidation is dropped silently', async (t) => {
  const { stored, Invalidates } = await setup(t);
  let runs = 0;
  class Users {
    @Invalidates({ keys: 'user:{0.id}' })
    async save(_user: any): Promise<void> {
      runs++;
    }
    @Invalidates({ keys: 'user:{0.id}', timing: 'before' })
    async before(_user: any): Promise<void> {
      runs++;
    }
    @Invalidates({ keys: (() => 'user:1') as unknown as () => string[] })
    async text(): Promise<string> {
      runs++;
      return 'saved';
    }
    @Invalidates({ tags: (() => 'list') as unknown as () => string[] })
    async tags(): Promise<void> {
      runs++;
    }
  }
  const users = new Users();
  const error = await t.throwsAsync(users.save({ id: {} }), { instanceOf: InvalidationError });
  t.true(error.cause instanceof KeyError);
  t.is(runs, 1);
  await t.throwsAsync(users.before({ id: {} }), { instanceOf: InvalidationError });
  t.is(runs, 1);
  const text = await t.throwsAsync(users.text(), { instanceOf: InvalidationError });
  t.true(text.cause instanceof OptionsError);
  t.is(text.result, 'saved', 'what the method returned is not lost');
  t.regex(
    text.message,
    /keys of @Invalidates on text is a function that returns a list, .* and it returned 'user:1'\./,
  );
  const tags = await t.throwsAsync(users.tags(), { instanceOf: InvalidationError });
  t.regex(
    tags.message,
    /tags of @Invalidates on tags is a function that returns a list, .* and it returned 'list'\./,
  );
  t.deepEqual(await stored(), ['user:1', 'user:2', 'users']);
});

test('invalid options are refused at class definition, by name', (t) => {
  const refused: [object, RegExp][] = [
    [{}, /^@Invalidates on save invalidates nothing\. Give it keys/],
    [{ all: false }, /invalidates nothing/],
    [
      { key: 'user:{0}' },
      /^@Invalidates on save has no option 'key'\. It has: keys, entries, tags, all, timing, /,
    ],
    [{ keys: 'user:{id}' }, /^keys of @Invalidates on save: .*does not begin with a position/],
    [{ keys: 5 }, /^keys of @Invalidates on save are templates or a function, and 5 was given/],
    [{ keys: [['user', 1]] }, /^keys of @Invalidates on save is a template such as .*an array was given/],
    [{ tags: {} }, /^tags of @Invalidates on save are templates or a function, and a plain object was given/],
    [{ all: 'yes' }, /^all of @Invalidates on save is true or false, and 'yes' was given/],
    [
      { all: true, timing: 'later' },
      /^timing of @Invalidates on save is 'after', 'before' or 'both', and 'later'/,
    ],
    [
      { all: true, timing: null },
      /^timing of @Invalidates on save is 'after', 'before' or 'both', and null was given/,
    ],
    [{ all: true, onUnavailable: 'ignore' }, /^onUnavailable of @Invalidates on save is 'queue' or 'throw'/],
    [{ all: true, when: 1 }, /^when of @Invalidates on save is a function, and 1 was given/],
    [
      { all: true, unless: {} },
      /^unless of @Invalidates on save is a function, and a plain object was given/,
    ],
    [{ all: true, name: 5 }, /^name of @Invalidates on save is a string .* and 5 was given/],
    [{ all: true, cache: 'redis' }, /^cache of @Invalidates on save .* and 'redis' was given/],
  ];
  const define = (options: unknown) => () => {
    class Users {
      @Invalidates(options as Untyped)
      async save(_id: string): Promise<unknown> {
        return undefined;
      }
    }
    return void Users;
  };
  for (const [options, message] of refused) {
    t.throws(define(options), { instanceOf: OptionsError, message }, JSON.stringify(options));
  }
  t.throws(define(undefined), {
    instanceOf: OptionsError,
    message: '@Invalidates on save takes an object of options, and undefined was given.',
  });
});

test('a name replaces class and method in events', async (t) => {
  const { recording, Invalidates } = await setup(t);
  class Users {
    @Invalidates({ all: true, name: 'people.save' })
    async save(): Promise<void> {}
  }
  await new Users().save();
  t.is(recording.of('invalidate')[0]?.method, 'people.save');
});

test('with enabled: false methods run as undecorated, without callbacks', async (t) => {
  const recording = recordingCaching({ enabled: false });
  t.teardown(() => recording.close());
  const { Invalidates } = createDecorators(recording.caching);
  const called = (name: string) => (): never => t.fail(name) as never;
  class Users {
    @Invalidates({
      keys: called('keys'),
      tags: called('tags'),
      when: called('when'),
      unless: called('unless'),
    })
    async save(id: string): Promise<string> {
      return id;
    }
  }
  t.is(await new Users().save('1'), '1');
  t.deepEqual(recording.events, []);
});
