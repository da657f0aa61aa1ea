import test, { type ExecutionContext } from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import {
  Cached,
  Cached as CachedAnywhere,
  Caching,
  createDecorators,
  KeyError,
  LoadShedError,
  OptionsError,
  ValueError,
  withCaching,
} from '../../src/index.js';
import { recordingCaching, type Recording } from '../../src/testing/index.js';
import { chaosAdapter } from '../../src/testing/chaos-adapter.js';

/** A `Caching` for one test, and the decorators bound to it. */
function setup(t: ExecutionContext, options: Parameters<typeof recordingCaching>[0] = {}) {
  const recording = recordingCaching({ ...options, defaults: { jitter: 0, ...options.defaults } });
  t.teardown(() => recording.close());
  return { recording, ...createDecorators(recording.caching) };
}

const keys = (recording: Recording): string[] => recording.of('fill').map(({ key }) => key);

/** As plain JavaScript would write it: no compiler has seen these options. */
function define(options: object): () => void {
  return () => {
    class Users {
      @Cached(options)
      async find(id: string): Promise<string> {
        return id;
      }
    }
    return void Users;
  };
}

test('a key is a template, or a function that returns a key or its parts', async (t) => {
  const { recording, Cached } = setup(t);
  class Users {
    @Cached({ key: 'user:{0.id}:{1}' })
    async template(user: { id: string }, _page: number): Promise<string> {
      return user.id;
    }
    @Cached({ key: (id) => `user:${id}` })
    async whole(id: string): Promise<string> {
      return id;
    }
    @Cached({ key: (id) => ['user', id, 7] })
    async parts(id: string): Promise<string> {
      return id;
    }
    @Cached({ key: 'users' })
    async fixed(): Promise<string> {
      return '';
    }
  }
  const users = new Users();
  await users.template({ id: 'a:b' }, 1);
  await users.whole('1');
  await users.parts('a:b');
  await users.fixed();
  t.deepEqual(keys(recording), ['user:a%3Ab:1', 'user:1', 'user:a%3Ab:7', 'users']);
});

test('the default key consists of class, method and arguments', async (t) => {
  const { recording, Cached } = setup(t);
  class Users {
    @Cached()
    async find(_id: string, _options?: { page: number; deep?: boolean }): Promise<void> {}
  }
  const users = new Users();
  await users.find('1', { deep: true, page: 2 });
  await users.find('1', { page: 2, deep: true });
  await users.find('1');
  await users.find('1', undefined);
  t.deepEqual(keys(recording), ['Users.find:("1",(deep=true,page=2))', 'Users.find:("1")']);
});

test('a name replaces class and method in default keys and events', async (t) => {
  const { recording, Cached } = setup(t);
  class Named {
    @Cached({ name: 'people.find' })
    async find(_id: string): Promise<void> {}
  }
  await new Named().find('1');
  t.deepEqual(keys(recording), ['people.find:("1")']);
  t.is(recording.of('fill')[0]?.method, 'people.find');
});

test('tags are fixed, templates, or a function of the result and the arguments', async (t) => {
  const { recording, Cached } = setup(t);
  const { cache } = recording.caching;
  let loads = 0;
  class Users {
    @Cached({ key: 'fixed:{0}', tags: ['users', 'all', 'users'] })
    async fixed(_id: string): Promise<number> {
      return ++loads;
    }
    @Cached({ key: 'one:{0}', tags: 'one' })
    async one(_id: string): Promise<number> {
      return ++loads;
    }
    @Cached({ key: 'template:{0.id}', tags: ['org:{0.org}', 'plain'] })
    async template(_user: { id: string; org: string }): Promise<number> {
      return ++loads;
    }
    @Cached({ key: 'late:{0}', tags: (result, id) => [`late:${id}`, `result:${result.org}`] })
    async late(id: string): Promise<{ org: string }> {
      loads++;
      return { org: `org of ${id}` };
    }
  }
  const users = new Users();
  const calls: [string, () => Promise<unknown>][] = [
    ['users', () => users.fixed('1')],
    ['all', () => users.fixed('1')],
    ['one', () => users.one('1')],
    ['org:a', () => users.template({ id: '1', org: 'a' })],
    ['plain', () => users.template({ id: '1', org: 'a' })],
    ['late:1', () => users.late('1')],
    ['result:org of 1', () => users.late('1')],
  ];
  for (const [tag, call] of calls) {
    await call();
    const before = loads;
    await call();
    t.is(loads, before, `stored before ${tag}`);
    await cache.invalidate({ tags: ['somebody else', 'org:b'] });
    await call();
    t.is(loads, before, `not touched by other tags than ${tag}`);
    await cache.invalidate({ tags: [tag] });
    await call();
    t.is(loads, before + 1, `invalidated by ${tag}`);
  }
});

test('when: if false, the method runs without reading or storing', async (t) => {
  const { recording, Cached } = setup(t);
  let loads = 0;
  class Users {
    @Cached({ key: 'user:{0}', when: (_id, fresh) => fresh !== true })
    async find(_id: string, _fresh?: boolean): Promise<number> {
      return ++loads;
    }
  }
  const users = new Users();
  t.is(await users.find('1', true), 1);
  t.deepEqual(recording.events, []);
  t.is(await users.find('1'), 2);
  t.is(await users.find('1', true), 3);
  t.is(await users.find('1'), 2);
});

test('unless: if true, the result is returned and not stored', async (t) => {
  const { recording, Cached } = setup(t);
  let loads = 0;
  class Users {
    @Cached({ key: 'user:{0}', unless: (user, id) => user.draft && id !== 'keep' })
    async find(id: string): Promise<{ id: string; draft: boolean }> {
      loads++;
      return { id, draft: id !== 'published' };
    }
  }
  const users = new Users();
  for (const id of ['draft', 'draft', 'published', 'published', 'keep', 'keep']) await users.find(id);
  t.is(loads, 4);
  t.deepEqual(keys(recording), ['user:published', 'user:keep']);
});

test('null and undefined are stored like other results, except with negativeTtl 0', async (t) => {
  const { recording, Cached } = setup(t);
  let loads = 0;
  class Users {
    @Cached({ key: 'null' })
    async asNull(): Promise<string | null> {
      loads++;
      return null;
    }
    @Cached({ key: 'undefined' })
    async asUndefined(): Promise<string | undefined> {
      loads++;
      return undefined;
    }
    @Cached({ key: 'negative', negativeTtl: 0 })
    async negative(): Promise<string | null> {
      loads++;
      return null;
    }
  }
  const users = new Users();
  for (let i = 0; i < 2; i++) {
    t.is(await users.asNull(), null);
    t.is(await users.asUndefined(), undefined);
    t.is(await users.negative(), null);
  }
  t.is(loads, 4);
  t.deepEqual(keys(recording), ['null', 'undefined']);
});

test('an error of the method reaches the caller unchanged and is not stored', async (t) => {
  const { recording, Cached } = setup(t);
  const failure = Object.freeze(new RangeError('no such user'));
  const thrown: unknown[] = [failure, 'a text', undefined, { status: 404 }];
  class Users {
    @Cached({ key: 'user:{0}' })
    async find(_index: number): Promise<string> {
      throw thrown.shift();
    }
  }
  const users = new Users();
  for (const expected of [...thrown]) {
    const outcome = await users.find(1).then(
      () => t.fail(),
      (error: unknown) => ({ error }),
    );
    t.is((outcome as { error: unknown }).error, expected);
  }
  t.deepEqual(keys(recording), []);
});

test('an error of a callback reaches the caller and nothing is stored', async (t) => {
  const { recording, Cached } = setup(t);
  const fail = (name: string) => (): never => {
    throw new Error(name);
  };
  class Users {
    @Cached({ key: fail('key') })
    async key(): Promise<string> {
      return '';
    }
    @Cached({ when: fail('when') })
    async when(): Promise<string> {
      return '';
    }
    @Cached({ unless: fail('unless') })
    async unless(): Promise<string> {
      return '';
    }
    @Cached({ tags: fail('tags') })
    async tags(): Promise<string> {
      return '';
    }
  }
  const users = new Users();
  for (const name of ['key', 'when', 'unless', 'tags'] as const) {
    await t.throwsAsync(users[name](), { message: name });
  }
  t.deepEqual(keys(recording), []);
});

test('the ttl of the decorator overrides the default', async (t) => {
  const { recording, Cached } = setup(t, { defaults: { ttl: '10s' } });
  class Users {
    @Cached({ key: 'own', ttl: '3s' })
    async own(): Promise<void> {}
    @Cached({ key: 'inherited' })
    async inherited(): Promise<void> {}
  }
  const users = new Users();
  await users.own();
  await users.inherited();
  t.deepEqual(
    recording.of('fill').map(({ key, ttlMs }) => [key, ttlMs]),
    [
      ['own', 3_000],
      ['inherited', 10_000],
    ],
  );
  await recording.clock.advance(3_001);
  await users.own();
  await users.inherited();
  t.deepEqual(keys(recording), ['own', 'inherited', 'own']);
});

test('without any ttl the call rejects and the method does not run', async (t) => {
  const caching = new Caching({ adapter: memory(), namespace: 'no-ttl' });
  const { Cached } = createDecorators(caching);
  let loads = 0;
  class Users {
    @Cached({ key: 'user:{0}' })
    async find(_id: string): Promise<number> {
      return ++loads;
    }
  }
  const error = await t.throwsAsync(new Users().find('1'), { instanceOf: OptionsError });
  t.is(
    error?.message,
    "@Cached on find has no ttl, and every entry needs one. Set it here (ttl: '15m'), or for all calls: " +
      "new Caching({ defaults: { ttl: '5m' } }).",
  );
  t.is(loads, 0);
  await caching.close();
});

test('invalid options are refused at class definition, by name', (t) => {
  const refused: [object, RegExp][] = [
    [{ tll: '5m' }, /^@Cached on find has no option 'tll'\. It has: key, tags, ttl, /],
    [
      { ttl: '5 fortnights' },
      /^ttl of @Cached on find is a duration such as '15m'.*'5 fortnights' was given/,
    ],
    [{ ttl: 0 }, /^ttl of @Cached on find is a duration .*, at least 1 ms, or a function, and 0 was given/],
    [{ ttl: -1 }, /^ttl of @Cached on find is a duration/],
    [{ negativeTtl: 'never' }, /^negativeTtl of @Cached on find is a duration/],
    [{ jitter: 2 }, /^jitter of @Cached on find is a number from 0 to 0\.9, and 2 was given/],
    [{ maxValueBytes: 0.5 }, /^maxValueBytes of @Cached on find is a whole number/],
    [
      { onUnsupported: 'ignore' },
      /^onUnsupported of @Cached on find is 'throw' or 'bypass', and 'ignore' was given/,
    ],
    [
      { key: '' },
      /^key of @Cached on find is a template such as 'user:\{0\}', and an empty string was given/,
    ],
    [{ key: 'user:{id}' }, /the placeholder '\{id\}' does not begin with a position/],
    [{ key: 'user:{0}{1}' }, /there is nothing between placeholder 1 and placeholder 2/],
    [{ key: 5 }, /^key of @Cached on find is a template or a function, and 5 was given/],
    [{ key: ['user', '{0}'] }, /^key of @Cached on find is a template or a function, and an array was given/],
    [{ tags: 5 }, /^tags of @Cached on find are templates or a function, and 5 was given/],
    [{ tags: ['user:{id}'] }, /^tags of @Cached on find: .*does not begin with a position/],
    [{ tags: [5] }, /^tags of @Cached on find is a template such as/],
    [{ when: true }, /^when of @Cached on find is a function, and true was given/],
    [{ unless: 'empty' }, /^unless of @Cached on find is a function, and 'empty' was given/],
    [
      { name: '' },
      /^name of @Cached on find is a string that is not empty, such as 'billing\.Users\.find', and '' was given/,
    ],
    [{ name: Symbol('find') }, /^name of @Cached on find is a string/],
    [{ cache: {} }, /^cache of @Cached on find is a Caching or a function.* a plain object was given/],
    [{ cache: null }, /^cache of @Cached on find is a Caching or a function.* null was given/],
    [
      { onKeyError: 'ignore' },
      /^onKeyError of @Cached on find is 'bypass' or 'throw', and 'ignore' was given/,
    ],
  ];
  for (const [options, message] of refused) {
    t.throws(define(options), { instanceOf: OptionsError, message }, JSON.stringify(options));
  }
  t.throws(define('user:{0}' as unknown as {}), {
    instanceOf: OptionsError,
    message: "@Cached on find takes an object of options, and 'user:{0}' was given.",
  });
  t.throws(define(null as unknown as {}), { instanceOf: OptionsError });
});

test('an option that is undefined has its default', async (t) => {
  const { recording, Cached } = setup(t);
  class Undefined {
    @Cached({
      key: undefined,
      ttl: undefined,
      tags: undefined,
      when: undefined,
      unless: undefined,
      name: undefined,
      cache: undefined,
      onKeyError: undefined,
    })
    async find(_id: string): Promise<void> {}
  }
  await new Undefined().find('1');
  t.deepEqual(keys(recording), ['Undefined.find:("1")']);
});

test('onKeyError: by default the method runs uncached, and an error event has the reason', async (t) => {
  const { recording, Cached } = setup(t);
  let loads = 0;
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  class Keyless {
    @Cached()
    async standard(_filter: unknown): Promise<number> {
      return ++loads;
    }
    @Cached({ key: 'user:{0.id}' })
    async template(_user: any): Promise<number> {
      return ++loads;
    }
    @Cached({ key: (() => 5) as unknown as () => string })
    async callback(_user: any): Promise<number> {
      return ++loads;
    }
    @Cached({ key: 'fine', tags: ['user:{0.id}'] })
    async tags(_user: any): Promise<number> {
      return ++loads;
    }
  }
  const users = new Keyless();
  t.is(await users.standard(cycle), 1);
  t.is(await users.standard(() => {}), 2);
  t.is(await users.template({ id: {} }), 3);
  t.is(await users.callback({}), 4);
  t.is(await users.tags({ id: [] }), 5);
  const errors = recording.of('error');
  t.deepEqual(
    errors.map(({ operation, method, key }) => [operation, method, key]),
    ['standard', 'standard', 'template', 'callback', 'tags'].map((name) => [
      'key',
      `Keyless.${name}`,
      undefined,
    ]),
  );
  t.true(errors.every(({ error }) => error instanceof KeyError));
  t.deepEqual(keys(recording), []);
});

test("onKeyError 'throw': the call rejects and the method does not run", async (t) => {
  const { recording, Cached } = setup(t);
  let loads = 0;
  class Throwing {
    @Cached({ onKeyError: 'throw' })
    async standard(_filter: unknown): Promise<number> {
      return ++loads;
    }
    @Cached({ key: 'fine', tags: ['user:{0.id}'], onKeyError: 'throw' })
    async tags(_user: any): Promise<number> {
      return ++loads;
    }
  }
  await t.throwsAsync(
    new Throwing().standard(() => {}),
    { instanceOf: KeyError },
  );
  await t.throwsAsync(new Throwing().tags({ id: {} }), { instanceOf: KeyError });
  t.is(loads, 0);
  t.deepEqual(recording.of('error'), []);
});

test('onUnsupported: a result that does not round-trip rejects, or is returned uncached', async (t) => {
  const { recording, Cached } = setup(t);
  class User {
    readonly id: string;
    constructor(id: string) {
      this.id = id;
    }
  }
  class Users {
    @Cached({ key: 'strict:{0}' })
    async strict(id: string): Promise<User> {
      return new User(id);
    }
    @Cached({ key: 'lax:{0}', onUnsupported: 'bypass' })
    async lax(id: string): Promise<User> {
      return new User(id);
    }
  }
  await t.throwsAsync(new Users().strict('1'), { instanceOf: ValueError, message: /User/ });
  t.true((await new Users().lax('1')) instanceof User);
  t.deepEqual(
    recording.of('notStored').map(({ key, reason, method }) => [key, reason, method]),
    [['lax:1', 'unsupported', 'Users.lax']],
  );
});

test('G7 tags: inheritTags: an entry has the tags of the cached calls of its load; if one ran uncached, it is not stored', async (t) => {
  const { recording, Cached } = setup(t);
  let loads = 0;
  class Base {
    @Cached({ key: 'inner:{0}', tags: 'inner', when: (_id, fresh) => fresh !== true })
    async inner(id: string, _fresh?: boolean): Promise<string> {
      return id;
    }
    @Cached({ tags: 'unkeyed' })
    async unkeyed(_filter: unknown): Promise<void> {}
    @Cached({ key: 'same:{0}', tags: 'base' })
    async same(id: string): Promise<string> {
      return id;
    }
  }
  class Inheriting extends Base {
    @Cached({ key: 'outer:{0}', inheritTags: true })
    async outer(how: 'cached' | 'when' | 'unkeyed'): Promise<number> {
      if (how !== 'unkeyed') await this.inner('1', how === 'when');
      else await this.unkeyed(() => {});
      return ++loads;
    }
    @Cached({ key: 'same:{0}', inheritTags: true })
    override async same(id: string): Promise<string> {
      loads++;
      return super.same(id);
    }
  }
  const inheriting = new Inheriting();
  for (let i = 0; i < 2; i++) t.is(await inheriting.outer('cached'), 1);
  await recording.caching.cache.invalidate({ tags: ['inner'] });
  t.is(await inheriting.outer('cached'), 2);
  t.deepEqual([await inheriting.outer('when'), await inheriting.outer('when')], [3, 4]);
  t.deepEqual([await inheriting.outer('unkeyed'), await inheriting.outer('unkeyed')], [5, 6]);
  await inheriting.same('1');
  await inheriting.same('1');
  t.is(loads, 8);
});

test('two methods with one key share its load and its entry', async (t) => {
  const { recording, Cached } = setup(t);
  let loads = 0;
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => (begin = resolve));
  class Users {
    @Cached({ key: 'shared:{0}' })
    async find(_id: string): Promise<number> {
      begin();
      await finished;
      return ++loads;
    }
    @Cached({ key: 'shared:{0}' })
    async get(_id: string): Promise<number> {
      return ++loads;
    }
  }
  const users = new Users();
  const first = users.find('1');
  await begun;
  const others = [users.get('1'), users.find('1'), new Users().get('1')];
  await new Promise((resolve) => setImmediate(resolve));
  finish();
  t.deepEqual(await Promise.all([first, ...others]), [1, 1, 1, 1]);
  t.is(await users.get('1'), 1);
  t.deepEqual(keys(recording), ['shared:1']);
});

test('maxConcurrentLoads bounds the loads of a method over all instances, for each Caching, beside that of the Caching', async (t) => {
  const { recording, Cached } = setup(t, { maxConcurrentLoads: 3 });
  const other = setup(t).recording;
  let running: string[] = [];
  const gates: (() => void)[] = [];
  const load = async (name: string): Promise<string> => {
    running.push(name);
    await new Promise<void>((resolve) => gates.push(resolve));
    return name;
  };
  const options = { maxConcurrentLoads: 2, loadQueueTimeout: '1h' } as const;
  class Users {
    @Cached({ key: 'user:{0}', ...options })
    async find(id: string): Promise<string> {
      return load(`user ${id}`);
    }
    @Cached({ key: 'org:{0}', ...options })
    async org(id: string): Promise<string> {
      return load(`org ${id}`);
    }
  }
  class Elsewhere {
    @CachedAnywhere({ key: 'user:{0}', ...options })
    async find(id: string): Promise<string> {
      return load(`user ${id}`);
    }
  }
  const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const end = async (calls: readonly Promise<string>[]): Promise<void> => {
    for (let i = 0; i < 10; i++) {
      for (const open of gates.splice(0)) open();
      await pause();
    }
    await Promise.all(calls);
    running = [];
  };
  const [a, b] = [new Users(), new Users()];
  const first = [a.find('1'), b.find('2'), a.find('3'), a.org('1'), a.org('2')];
  await pause();
  t.deepEqual(running, ['user 1', 'user 2', 'org 1']);
  await end(first);
  const there = new Elsewhere();
  const second = [recording, other].flatMap(({ caching }) =>
    withCaching(caching, () => [there.find('4'), there.find('5'), there.find('6')]),
  );
  await pause();
  t.deepEqual(running, ['user 4', 'user 5', 'user 4', 'user 5']);
  await end(second);
});

test('a load of a bounded method that is shed rejects with a LoadShedError that names the method', async (t) => {
  const { recording, Cached } = setup(t);
  let open!: () => void;
  const gate = new Promise<void>((resolve) => (open = resolve));
  class Users {
    @Cached({ key: 'user:{0}', maxConcurrentLoads: 1, loadQueueTimeout: 0 })
    async find(_id: string): Promise<void> {
      await gate;
    }
  }
  const users = new Users();
  const first = users.find('1');
  const error = await t.throwsAsync(users.find('2'), { instanceOf: LoadShedError });
  t.like(error, { key: 'user:2', method: 'Users.find', limit: 1, waitedMs: 0 });
  t.regex(error.message, /^'user:2' \(Users\.find\) was not loaded: /);
  t.like(recording.of('loadShed')[0], { method: 'Users.find', limit: 1 });
  open();
  await first;
});

test('while the store is unavailable the method runs, and an error event names it', async (t) => {
  const adapter = chaosAdapter(memory());
  const { recording, Cached } = setup(t, { adapter });
  let loads = 0;
  class Users {
    @Cached({ key: 'user:{0}' })
    async find(_id: string): Promise<number> {
      return ++loads;
    }
  }
  const users = new Users();
  adapter.fail(
    [
      'entries.read',
      'entries.lease',
      'entries.getOrCreateNonces',
      'entries.nonces',
      'entries.fill',
      'entries.release',
    ],
    'refused',
  );
  t.is(await users.find('1'), 1);
  t.is(await users.find('1'), 2);
  t.true(recording.of('error').length > 0);
  t.true(recording.of('error').every(({ method }) => method === 'Users.find'));
  adapter.heal();
  t.is(await users.find('1'), 3);
  t.is(await users.find('1'), 3);
});

test('with enabled: false methods run as undecorated, without callbacks', async (t) => {
  const { recording, Cached } = setup(t, { enabled: false });
  const called = (name: string) => (): never => t.fail(name) as never;
  class Disabled {
    @Cached({ key: called('key'), tags: called('tags'), when: called('when'), unless: called('unless') })
    async find(id: string): Promise<string> {
      return id;
    }
    @Cached({ onKeyError: 'throw' })
    async list(filter: () => void): Promise<string> {
      return typeof filter;
    }
  }
  t.is(await new Disabled().find('1'), '1');
  t.is(await new Disabled().list(() => {}), 'function');
  t.deepEqual(recording.events, []);
});
