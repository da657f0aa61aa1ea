import test, { type ExecutionContext } from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import {
  Caching,
  createDecorators,
  KeyError,
  MissingCachingError,
  OptionsError,
  RateLimited,
  RateLimitExceededError,
  StoreUnavailableError,
  withCaching,
} from '../../src/index.js';
import { recordingCaching, type Recording } from '../../src/testing/index.js';
import { chaosAdapter } from '../../src/testing/chaos-adapter.js';

/** A `Caching` for one test, and the decorators bound to it. */
function setup(t: ExecutionContext, options: Parameters<typeof recordingCaching>[0] = {}) {
  const recording = recordingCaching(options);
  t.teardown(() => recording.close());
  return { recording, clock: recording.clock, ...createDecorators(recording.caching) };
}

const subjects = (recording: Recording): string[] => recording.of('limit').map(({ key }) => key);

async function exceeded(t: ExecutionContext, call: Promise<unknown>): Promise<RateLimitExceededError> {
  return t.throwsAsync(call, { instanceOf: RateLimitExceededError });
}

interface Request {
  readonly ip: string;
  readonly plan?: number;
}

test('G9 rate limits: as many calls as the limit run; the next rejects with retryAfterMs and does not run', async (t) => {
  const { clock, Logins } = logins(t);
  const service = new Logins();
  for (let i = 1; i <= 5; i++) t.is(await service.login({ ip: '10.0.0.1' }, 'secret'), i);
  const error = await exceeded(t, service.login({ ip: '10.0.0.1' }, 'secret'));
  t.is(service.runs, 5);
  t.is(error.code, 'E_RATE_LIMIT_EXCEEDED');
  t.is(error.key, 'login:10.0.0.1');
  t.is(error.limit, 5);
  t.is(error.remaining, 0);
  t.is(error.rule, 'gcra-60000');
  t.is(error.retryAfterMs, 12_000);
  t.is(error.resetMs, 60_000);
  t.false(error.decision.allowed);
  t.deepEqual(
    error.decision.rules.map(({ rule, allowed }) => ({ rule, allowed })),
    [{ rule: 'gcra-60000', allowed: false }],
  );
  t.is(await new Logins().login({ ip: '10.0.0.2' }, 'secret'), 1, 'another key has a limit of its own');

  await clock.advance(error.retryAfterMs - 1);
  await exceeded(t, service.login({ ip: '10.0.0.1' }, 'secret'));
  await clock.advance(1);
  t.is(await service.login({ ip: '10.0.0.1' }, 'secret'), 6);
});

/** The example of the docs. */
function logins(t: ExecutionContext) {
  const { RateLimited, ...rest } = setup(t);
  class Logins {
    runs = 0;
    @RateLimited({ key: 'login:{0.ip}', limit: 5, per: '1m' })
    async login(_request: Request, _password: string): Promise<number> {
      return ++this.runs;
    }
  }
  return { ...rest, Logins };
}

test('events contain key, rule, method and whether the call was allowed', async (t) => {
  const { recording, Logins } = logins(t);
  for (let i = 0; i < 5; i++) await new Logins().login({ ip: '::1' }, '');
  await exceeded(t, new Logins().login({ ip: '::1' }, ''));
  const events = recording.of('limit');
  t.deepEqual(events.at(0), {
    namespace: recording.caching.namespace,
    method: 'Logins.login',
    key: 'login:%3A%3A1',
    rule: 'gcra-60000',
    allowed: true,
    cost: 1,
    source: 'store',
    enforced: true,
  });
  t.is(events.length, 6);
  t.false(events.at(-1)?.allowed);
  t.true(events.at(-1)?.enforced);
});

test('the result or error of the method reaches the caller unchanged; a failure costs like a success', async (t) => {
  const { RateLimited } = setup(t);
  const failure = Object.freeze(new RangeError('no'));
  class Users {
    @RateLimited({ limit: 2, per: '1m' })
    async find(fails: boolean): Promise<string> {
      if (fails) throw failure;
      return 'found';
    }
  }
  t.is(await t.throwsAsync(new Users().find(true)), failure);
  t.is(await new Users().find(false), 'found');
  await exceeded(t, new Users().find(false));
});

test('a key is a template, or a function that returns a key or its parts', async (t) => {
  const { recording, RateLimited } = setup(t);
  class Users {
    readonly prefix = 'own';
    @RateLimited({ key: 'user:{0.id}:{1}', limit: 5, per: '1m' })
    async template(_user: { id: string }, _page: number): Promise<void> {}
    @RateLimited({ key: (id) => `user:${id}`, limit: 5, per: '1m' })
    async whole(_id: string): Promise<void> {}
    @RateLimited({
      key(id) {
        return [this.prefix, id, 7];
      },
      limit: 5,
      per: '1m',
    })
    async parts(_id: string): Promise<void> {}
  }
  const users = new Users();
  await users.template({ id: 'a:b' }, 1);
  await users.whole('1');
  await users.parts('a:b');
  t.deepEqual(subjects(recording), ['user:a%3Ab:1', 'user:1', 'own:a%3Ab:7']);
});

test('without a key, all calls of the method share one limit under its name', async (t) => {
  const { recording, RateLimited } = setup(t);
  class Mails {
    @RateLimited({ limit: 2, per: '1m' })
    async send(_to: string): Promise<void> {}
    @RateLimited({ limit: 2, per: '1m', name: 'mails.receive' })
    async receive(_from: string): Promise<void> {}
    @RateLimited({ limit: 2, per: '1m' })
    static async send(_to: string): Promise<void> {}
  }
  await new Mails().send('a');
  await new Mails().send('b');
  const error = await exceeded(t, new Mails().send('c'));
  t.is(error.key, 'Mails.send');
  await new Mails().receive('a');
  await Mails.send('a');
  t.deepEqual(subjects(recording), [
    'Mails.send',
    'Mails.send',
    'Mails.send',
    'mails.receive',
    'Mails.static.send',
  ]);
  t.is(recording.of('limit').at(-2)?.method, 'mails.receive');

  const { limits } = recording.caching;
  await limits.reset('Mails.send', { limit: 2, per: '1m' });
  await new Mails().send('c');
  t.is((await limits.peek('Mails.send', { limit: 2, per: '1m' })).remaining, 1);
});

test('limit: a function of the call, with its this', async (t) => {
  const { RateLimited } = setup(t);
  class Api {
    readonly free = 1;
    @RateLimited({
      key: 'api:{0.ip}',
      limit(request) {
        return request.plan ?? this.free;
      },
      per: '1m',
      rule: 'plan',
    })
    async call(_request: Request): Promise<void> {}
  }
  const api = new Api();
  await api.call({ ip: 'a' });
  const error = await exceeded(t, api.call({ ip: 'a' }));
  t.is(error.limit, 1);
  t.is(error.rule, 'plan');
  await api.call({ ip: 'b', plan: 3 });
  await api.call({ ip: 'b', plan: 3 });
  await api.call({ ip: 'b', plan: 3 });
  t.is((await exceeded(t, api.call({ ip: 'b', plan: 3 }))).limit, 3);
  t.is((await exceeded(t, api.call({ ip: 'c', plan: 0 }))).retryAfterMs, Infinity);
});

test('a limit function that returns an invalid number rejects the call, and the method does not run', async (t) => {
  const { RateLimited } = setup(t);
  class Plans {
    @RateLimited({ limit: (plan) => plan as number, per: '1m' })
    async call(_plan: unknown): Promise<void> {
      t.fail();
    }
  }
  for (const plan of [-1, Number.NaN, Infinity, 1.5, '2', undefined]) {
    await t.throwsAsync(
      new Plans().call(plan),
      { instanceOf: OptionsError, message: /limit of .*@RateLimited on Plans\.call is a whole number/ },
      String(plan),
    );
  }
});

test('several rules: all have capacity or nothing is taken, and the error names the denying rule', async (t) => {
  const { clock, recording, RateLimited } = setup(t);
  const rules = [
    { name: 'second', limit: 1, per: '1s' },
    { name: 'minute', limit: 3, per: '1m', algorithm: 'fixed-window' },
  ] as const;
  class Api {
    @RateLimited({ key: 'api', rules })
    async call(): Promise<void> {}
  }
  const api = new Api();
  await api.call();
  t.is((await exceeded(t, api.call())).rule, 'second');
  for (let i = 0; i < 2; i++) {
    await clock.advance(1_000);
    await api.call();
  }
  await clock.advance(1_000);
  const error = await exceeded(t, api.call());
  t.is(error.rule, 'minute');
  t.deepEqual(
    error.decision.rules.map(({ rule, used }) => [rule, used]),
    [
      ['second', 0],
      ['minute', 3],
    ],
  );
  t.true((await recording.caching.limits.peek('api', rules[0])).allowed, 'nothing was taken from the first');
});

test('rules: a function of the call that returns one or several', async (t) => {
  const { RateLimited } = setup(t);
  class Api {
    readonly free = { name: 'free', limit: 1, per: '1m' } as const;
    @RateLimited({
      key: 'api:{0.ip}',
      rules({ plan }) {
        if (plan === undefined) return this.free;
        return [
          { name: 'plan', limit: plan, per: '1m' },
          { name: 'day', limit: 100, per: '1d' },
        ];
      },
    })
    async call(_request: Request): Promise<void> {}
  }
  await new Api().call({ ip: 'a' });
  t.is((await exceeded(t, new Api().call({ ip: 'a' }))).rule, 'free');
  await new Api().call({ ip: 'b', plan: 2 });
  await new Api().call({ ip: 'b', plan: 2 });
  t.is((await exceeded(t, new Api().call({ ip: 'b', plan: 2 }))).rule, 'plan');
});

test('cost: one unit, a number, or a function of the call', async (t) => {
  const { recording, RateLimited } = setup(t);
  class Reports {
    readonly factor = 2;
    @RateLimited({ key: 'fixed', limit: 10, per: '1m', cost: 4 })
    async fixed(): Promise<void> {}
    @RateLimited({
      key: 'dynamic',
      limit: 10,
      per: '1m',
      cost(rows) {
        return rows * this.factor;
      },
    })
    async dynamic(_rows: number): Promise<void> {}
  }
  const reports = new Reports();
  await reports.fixed();
  await reports.fixed();
  t.is((await exceeded(t, reports.fixed())).remaining, 2);
  await reports.dynamic(4);
  await reports.dynamic(0);
  t.is((await exceeded(t, reports.dynamic(2))).remaining, 2, 'what is refused costs nothing');
  await reports.dynamic(1);
  t.deepEqual(
    recording.of('limit').map(({ cost }) => cost),
    [4, 4, 4, 8, 0, 4, 2],
  );
});

test('a cost function that returns an invalid number rejects the call, and nothing is taken', async (t) => {
  const { recording, RateLimited } = setup(t);
  class Reports {
    @RateLimited({ key: 'reports', limit: 10, per: '1m', cost: (rows) => rows as number })
    async make(_rows: unknown): Promise<void> {
      t.fail();
    }
  }
  for (const rows of [-1, Number.NaN, Infinity, 1.5, '2', undefined, null]) {
    await t.throwsAsync(
      new Reports().make(rows),
      { instanceOf: OptionsError, message: /^cost of @RateLimited on Reports\.make is a whole number/ },
      String(rows),
    );
  }
  t.is((await recording.caching.limits.peek('reports', { limit: 10, per: '1m' })).remaining, 10);
});

test('when: if false, the call is neither counted nor denied, and no key is made', async (t) => {
  const { recording, RateLimited } = setup(t);
  class Api {
    readonly internal = '10.0.0.1';
    @RateLimited({
      key: ({ ip }): string => (ip === '10.0.0.1' ? (t.fail() as never) : ip),
      limit: 0,
      per: '1m',
      when({ ip }) {
        return ip !== this.internal;
      },
    })
    async call(request: Request): Promise<string> {
      return request.ip;
    }
  }
  t.is(await new Api().call({ ip: '10.0.0.1' }), '10.0.0.1');
  t.deepEqual(recording.events, []);
  await exceeded(t, new Api().call({ ip: '10.0.0.2' }));
});

test('refundOnError refunds the units of a failed call, for all or chosen errors', async (t) => {
  const { RateLimited } = setup(t);
  class Payments {
    readonly harmless = 'timeout';
    @RateLimited({ key: 'all', limit: 1, per: '1m', refundOnError: true })
    async all(fails: string): Promise<void> {
      if (fails !== '') throw new Error(fails);
    }
    @RateLimited({
      key: 'some',
      limit: 1,
      per: '1m',
      refundOnError(error, fails) {
        return error instanceof Error && error.message === fails && fails === this.harmless;
      },
    })
    async some(fails: string): Promise<void> {
      if (fails !== '') throw new Error(fails);
    }
  }
  const payments = new Payments();
  await t.throwsAsync(payments.all('declined'), { message: 'declined' });
  await t.throwsAsync(payments.all('declined'), { message: 'declined' });
  await payments.all('');
  await exceeded(t, payments.all(''));
  await t.throwsAsync(payments.some('timeout'), { message: 'timeout' });
  await t.throwsAsync(payments.some('declined'), { message: 'declined' });
  await exceeded(t, payments.some(''));
});

test('dryRun: the method runs at any limit, and the event has the decision', async (t) => {
  const { recording, RateLimited } = setup(t);
  class Api {
    @RateLimited({ key: 'api', limit: 1, per: '1m', dryRun: true })
    async call(): Promise<string> {
      return 'called';
    }
  }
  for (let i = 0; i < 3; i++) t.is(await new Api().call(), 'called');
  t.deepEqual(
    recording.of('limit').map(({ allowed, enforced }) => [allowed, enforced]),
    [
      [true, false],
      [false, false],
      [false, false],
    ],
  );
});

test('arguments without a valid key reject with a KeyError, and the method does not run', async (t) => {
  const { recording, RateLimited } = setup(t);
  class Api {
    @RateLimited({ key: 'api:{0.ip}', limit: 5, per: '1m' })
    async template(_request: any): Promise<void> {
      t.fail();
    }
    @RateLimited({ key: (() => 5) as unknown as () => string, limit: 5, per: '1m' })
    async number(): Promise<void> {
      t.fail();
    }
  }
  await t.throwsAsync(new Api().template({ ip: {} }), { instanceOf: KeyError });
  await t.throwsAsync(new Api().number(), { instanceOf: KeyError });
  t.deepEqual(recording.events, []);
});

test('dryRun: arguments without a valid key run the method, and an event reports them', async (t) => {
  const { recording, RateLimited } = setup(t);
  const failure = new RangeError('no');
  class Api {
    @RateLimited({ key: 'api:{0.ip}', limit: 5, per: '1m', dryRun: true })
    async call(_request: any): Promise<string> {
      return 'called';
    }
    @RateLimited({
      key: () => {
        throw failure;
      },
      limit: 5,
      per: '1m',
      dryRun: true,
    })
    async throwing(): Promise<void> {
      t.fail();
    }
  }
  t.is(await new Api().call({ ip: [] }), 'called');
  const [event] = recording.of('error');
  t.true(event?.error instanceof KeyError);
  t.is(event?.operation, 'key');
  t.is(event?.method, 'Api.call');
  t.is(await t.throwsAsync(new Api().throwing()), failure, 'an error of the application is none of ours');
});

test('wait: a call waits for capacity, and then its method runs', async (t) => {
  const { clock, RateLimited } = setup(t);
  const ran: number[] = [];
  class Api {
    @RateLimited({ key: 'api', limit: 1, per: '1s', onExceeded: 'wait', wait: '5s' })
    async call(id: number): Promise<number> {
      ran.push(id);
      return id;
    }
  }
  const calls = [1, 2, 3].map((id) => new Api().call(id));
  await clock.advance(0);
  t.is(ran.length, 1);
  await clock.advance(999);
  t.is(ran.length, 1);
  await clock.advance(4_000);
  t.deepEqual(await Promise.all(calls), [1, 2, 3]);
});

test('wait: at its end the call rejects, and the method does not run', async (t) => {
  const { clock, RateLimited } = setup(t);
  let runs = 0;
  class Api {
    @RateLimited({ key: 'api', limit: 1, per: '1m', onExceeded: 'wait', wait: '5s' })
    async call(): Promise<number> {
      return ++runs;
    }
  }
  await new Api().call();
  const refused = exceeded(t, new Api().call());
  await clock.advance(60_000);
  t.is((await refused).rule, 'gcra-60000');
  t.is(runs, 1);
});

test('wait: an abort ends it with the reason of the signal', async (t) => {
  const { clock, RateLimited } = setup(t);
  class Api {
    readonly aborts = new AbortController();
    @RateLimited({
      key: 'api',
      limit: 1,
      per: '1s',
      onExceeded: 'wait',
      wait: '1m',
      signal(name) {
        return name === 'second' ? this.aborts.signal : undefined;
      },
    })
    async call(name: string): Promise<string> {
      return name;
    }
  }
  const api = new Api();
  await api.call('first');
  const second = t.throwsAsync(api.call('second'), { instanceOf: RangeError });
  await clock.advance(10);
  api.aborts.abort(new RangeError('the request is gone'));
  t.is((await second).message, 'the request is gone');
  await clock.advance(1_000);
  t.is(await api.call('third'), 'third');
});

test('concurrency (semaphore): a slot is held while the method runs, and released after success or failure', async (t) => {
  const { clock, RateLimited } = setup(t);
  const ends: (() => void)[] = [];
  class Reports {
    @RateLimited({ key: 'reports', limit: 2, algorithm: 'concurrency', lease: '1m' })
    async make(fails = false): Promise<void> {
      await new Promise<void>((resolve) => ends.push(resolve));
      if (fails) throw new RangeError('no');
    }
  }
  const reports = new Reports();
  const first = reports.make();
  const second = t.throwsAsync(reports.make(true), { instanceOf: RangeError });
  await clock.advance(0);
  t.is(ends.length, 2);
  const error = await exceeded(t, reports.make());
  t.is(error.rule, 'concurrency');
  t.is(error.limit, 2);
  ends[0]!();
  ends[1]!();
  await Promise.all([first, second]);
  const more = [reports.make(), reports.make()];
  await clock.advance(0);
  t.is(ends.length, 4);
  ends[2]!();
  ends[3]!();
  await Promise.all(more);
});

test("onUnavailable: 'local', the default, counts in this process; 'allow' and 'deny'", async (t) => {
  const adapter = chaosAdapter(memory());
  const { recording, RateLimited } = setup(t, { adapter });
  class Api {
    @RateLimited({ key: 'local', limit: 4, per: '1m', processes: 2 })
    async local(): Promise<void> {}
    @RateLimited({ key: 'allow', limit: 0.5 * 2, per: '1m', onUnavailable: 'allow' })
    async allow(): Promise<void> {}
    @RateLimited({ key: 'deny', limit: 4, per: '1m', onUnavailable: 'deny' })
    async deny(): Promise<void> {
      t.fail();
    }
  }
  adapter.setDown(true);
  const api = new Api();
  await api.local();
  await api.local();
  t.is((await exceeded(t, api.local())).decision.source, 'fallback');
  for (let i = 0; i < 3; i++) await api.allow();
  await t.throwsAsync(api.deny(), { instanceOf: StoreUnavailableError });
  t.true(recording.of('limit').every(({ source }) => source !== 'store'));
});

test('omitted options are those of the Caching', async (t) => {
  const adapter = chaosAdapter(memory());
  const { RateLimited } = setup(t, { adapter, limits: { onUnavailable: 'deny' } });
  class Api {
    @RateLimited({ key: 'api', limit: 5, per: '1m' })
    async call(): Promise<void> {
      t.fail();
    }
    @RateLimited({ key: 'other', limit: 5, per: '1m', onUnavailable: 'allow' })
    async other(): Promise<string> {
      return 'called';
    }
  }
  adapter.setDown(true);
  await t.throwsAsync(new Api().call(), { instanceOf: StoreUnavailableError });
  t.is(await new Api().other(), 'called');
});

test('denialCache: a denial is repeated without a request until it expires, unless false', async (t) => {
  const adapter = chaosAdapter(memory());
  const { RateLimited } = setup(t, { adapter });
  class Api {
    @RateLimited({ key: 'cached', limit: 1, per: '1m' })
    async cached(): Promise<void> {}
    @RateLimited({ key: 'asking', limit: 1, per: '1m', denialCache: false })
    async asking(): Promise<void> {}
  }
  const api = new Api();
  await api.cached();
  t.is((await exceeded(t, api.cached())).decision.source, 'store');
  const before = adapter.verbs.length;
  t.is((await exceeded(t, api.cached())).decision.source, 'denialCache');
  t.is(adapter.verbs.length, before);
  await api.asking();
  await exceeded(t, api.asking());
  t.is((await exceeded(t, api.asking())).decision.source, 'store');
});

test('a limit of 0 denies every call without a request', async (t) => {
  const adapter = chaosAdapter(memory());
  const { RateLimited } = setup(t, { adapter });
  class Closed {
    @RateLimited({ limit: 0, per: '1m' })
    async call(): Promise<void> {
      t.fail();
    }
  }
  const error = await exceeded(t, new Closed().call());
  t.is(error.retryAfterMs, Infinity);
  t.is(error.decision.source, 'none');
  t.deepEqual(adapter.verbs, []);
});

test('@Cached above @RateLimited: hits are not limited; below it, they are', async (t) => {
  const { Cached, RateLimited } = setup(t);
  class Users {
    runs = 0;
    @Cached({ key: 'above:{0}' })
    @RateLimited({ key: 'above', limit: 1, per: '1m' })
    async above(_id: string): Promise<number> {
      return ++this.runs;
    }
    @RateLimited({ key: 'below', limit: 2, per: '1m' })
    @Cached({ key: 'below:{0}' })
    async below(_id: string): Promise<number> {
      return ++this.runs;
    }
  }
  const users = new Users();
  for (let i = 0; i < 5; i++) t.is(await users.above('1'), 1);
  await exceeded(t, users.above('2'));
  t.is(await users.above('1'), 1, 'what is stored is served on');
  for (let i = 0; i < 2; i++) t.is(await users.below('1'), 2);
  await exceeded(t, users.below('1'));
});

test('two @RateLimited on one method both apply and share their default key', async (t) => {
  const { clock, RateLimited } = setup(t);
  class Newsletters {
    @RateLimited({ limit: 3, per: '1h' })
    @RateLimited({ limit: 1, per: '1s' })
    async send(): Promise<void> {}
  }
  const mails = new Newsletters();
  await mails.send();
  t.is((await exceeded(t, mails.send())).rule, 'gcra-1000');
  await clock.advance(1_000);
  await mails.send();
  await clock.advance(1_000);
  t.is((await exceeded(t, mails.send())).rule, 'gcra-3600000');
});

test('invalid options are refused at class definition, by name', (t) => {
  const limit = { limit: 5, per: '1m' };
  const waiting = { ...limit, onExceeded: 'wait' };
  const refused: [object, RegExp][] = [
    [{}, /^@RateLimited on login limits nothing\. Give it limit: 5, per: '1m', or rules/],
    [
      { ...limit, tll: 1 },
      /^@RateLimited on login has no option 'tll'\. It has: key, limit, rule, algorithm, per, /,
    ],
    [{ ...limit, key: 'login:{ip}' }, /^key of @RateLimited on login: .*does not begin with a position/],
    [{ ...limit, key: 5 }, /^key of @RateLimited on login is a template or a function, and 5 was given/],
    [{ limit: 5 }, /^per of @RateLimited on login is a duration .* and undefined was given/],
    [{ limit: 5, per: '1  m' }, /^per of @RateLimited on login is a duration .* and '1  m' was given/],
    [{ limit: 5, per: 0 }, /^per of @RateLimited on login is a duration .* and 0 was given/],
    [{ limit: -1, per: '1m' }, /^limit of @RateLimited on login is a whole number .* and -1 was given/],
    [{ limit: 1.5, per: '1m' }, /^limit of @RateLimited on login is a whole number .* and 1\.5 was given/],
    [{ limit: '5', per: '1m' }, /^limit of @RateLimited on login is a whole number .* and '5' was given/],
    [
      { ...limit, algorithm: 'leaky' },
      /^algorithm of @RateLimited on login is 'gcra', .* and 'leaky' was given/,
    ],
    [{ ...limit, burst: 0 }, /^burst of @RateLimited on login is a whole number .* and 0 was given/],
    [
      { ...limit, burst: 9, algorithm: 'sliding-window-log' },
      /^@RateLimited on login has a burst, which only 'gcra' /,
    ],
    [{ limit: () => 5, per: '1  m' }, /^per of @RateLimited on login is a duration .* and '1  m' was given/],
    [{ limit: () => 5, per: '1m', algorithm: 'leaky' }, /^algorithm of @RateLimited on login is 'gcra', /],
    [{ ...limit, lease: '10s' }, /^@RateLimited on login has no option 'lease'/],
    [{ ...limit, algorithm: 'concurrency' }, /^@RateLimited on login has no option 'per'/],
    [
      { limit: 5, algorithm: 'concurrency', lease: 0 },
      /^lease of @RateLimited on login is a duration .* 0 was/,
    ],
    [
      { ...limit, rule: 'a b' },
      /^rule of @RateLimited on login is 1 to 64 characters .* and 'a b' was given/,
    ],
    [
      { ...limit, rules: [limit] },
      /^@RateLimited on login has both rules and limit\. Give it one rule, or move limit into its rules/,
    ],
    [{ rules: [limit], burst: 3 }, /^@RateLimited on login has both rules and burst\./],
    [{ rules: [limit], rule: 'minute' }, /^@RateLimited on login has both rules and rule\./],
    [{ rules: [] }, /@RateLimited on login/],
    [{ rules: [limit, { limit: 5 }] }, /^per of rule 2 of @RateLimited on login is a duration/],
    [{ rules: [limit, limit] }, /@RateLimited on login .*gcra-60000/],
    [{ rules: 5 }, /@RateLimited on login .*5 was given/],
    [{ ...limit, cost: -1 }, /^cost of @RateLimited on login is a whole number .* and -1 was given/],
    [
      { ...limit, cost: 6 },
      /^@RateLimited on login costs 6 units, and the rule 'gcra-60000' admits at most 5 at once/,
    ],
    [
      { rules: [limit, { limit: 2, per: '1s' }], cost: 3 },
      /^@RateLimited on login costs 3 units, .*'gcra-1000'/,
    ],
    [{ ...limit, cost: '2' }, /^cost of @RateLimited on login is a whole number .* and '2' was given/],
    [
      { ...limit, onExceeded: 'queue' },
      /^onExceeded of @RateLimited on login is 'throw' or 'wait', and 'queue'/,
    ],
    [
      waiting,
      /^@RateLimited on login has onExceeded: 'wait' without wait\. Give it how long to wait: wait: '2s'\./,
    ],
    [{ ...waiting, wait: -1 }, /^wait of @RateLimited on login is a duration .* and -1 was given/],
    [
      { ...limit, wait: '1s' },
      /^@RateLimited on login has wait without onExceeded: 'wait', so no call waits\. Give it onExceeded: 'wait'\./,
    ],
    [
      { ...limit, signal: () => undefined },
      /^@RateLimited on login has signal without onExceeded: 'wait', so no call waits\./,
    ],
    [
      { ...waiting, wait: 1, signal: {} },
      /^signal of @RateLimited on login is a function, and a plain object/,
    ],
    [
      { ...limit, refundOnError: 1 },
      /^refundOnError of @RateLimited on login is true, false or a function, and 1/,
    ],
    [{ ...limit, dryRun: 'yes' }, /^dryRun of @RateLimited on login is true or false, and 'yes' was given/],
    [{ ...limit, onUnavailable: 'ignore' }, /onUnavailable of @RateLimited on login .*'ignore' was given/],
    [{ ...limit, processes: 0 }, /processes of @RateLimited on login .* and 0 was given/],
    [{ ...limit, denialCache: 1 }, /denialCache of @RateLimited on login .* and 1 was given/],
    [
      { ...limit, storeTimeout: 'soon' },
      /storeTimeout of @RateLimited on login is a duration .* and 'soon' was given/,
    ],
    [{ ...limit, when: true }, /^when of @RateLimited on login is a function, and true was given/],
    [{ ...limit, name: 5 }, /^name of @RateLimited on login is a string .* and 5 was given/],
    [{ ...limit, cache: 'redis' }, /^cache of @RateLimited on login .* and 'redis' was given/],
  ];
  const define = (options: unknown) => () => {
    class Logins {
      @RateLimited(options as { limit: number; per: '1m' })
      async login(_ip: string): Promise<void> {}
    }
    return void Logins;
  };
  for (const [options, message] of refused) {
    t.throws(define(options), { instanceOf: OptionsError, message }, JSON.stringify(options));
  }
  t.throws(define(undefined), {
    instanceOf: OptionsError,
    message: '@RateLimited on login takes an object of options, and undefined was given.',
  });
});

test('rules returned by a function are checked when the method is called', async (t) => {
  const { RateLimited } = setup(t);
  class Various {
    @RateLimited({ rules: (rules) => rules as [] })
    async call(_rules: unknown): Promise<void> {
      t.fail();
    }
  }
  for (const rules of [undefined, [], 5, [{ limit: 5 }], { limit: 5, per: '1  m' }]) {
    await t.throwsAsync(
      new Various().call(rules),
      { instanceOf: OptionsError, message: /@RateLimited on Various\.call/ },
      JSON.stringify(rules),
    );
  }
});

test('with enabled: false methods run as undecorated, and callbacks are not called', async (t) => {
  const { recording, RateLimited } = setup(t, { enabled: false });
  const called = (name: string) => (): never => t.fail(name) as never;
  class Api {
    @RateLimited({
      key: called('key'),
      limit: called('limit'),
      per: '1m',
      cost: called('cost'),
      when: called('when'),
    })
    async call(): Promise<string> {
      return 'called';
    }
    @RateLimited({ limit: 0, per: '1m' })
    async closed(): Promise<string> {
      return 'called';
    }
  }
  t.is(await new Api().call(), 'called');
  t.is(await new Api().closed(), 'called');
  t.deepEqual(recording.events, []);
});

test('the Caching is resolved like for @Cached; without one the call rejects with advice', async (t) => {
  class Api {
    @RateLimited({ limit: 1, per: '1m' })
    async call(): Promise<string> {
      return 'called';
    }
  }
  const error = await t.throwsAsync(new Api().call(), { instanceOf: MissingCachingError });
  t.regex(error.message, /^@RateLimited on Api\.call found no Caching to run on\./);
  const [one, other] = [recordingCaching(), recordingCaching()];
  t.teardown(() => Promise.all([one.close(), other.close()]));
  t.is(await withCaching(one.caching, () => new Api().call()), 'called');
  await exceeded(
    t,
    withCaching(one.caching, () => new Api().call()),
  );
  class Injected extends Api {
    readonly caching: Caching = other.caching;
  }
  t.is(await new Injected().call(), 'called');
  t.deepEqual(subjects(other), ['Injected/Api.call']);
});
