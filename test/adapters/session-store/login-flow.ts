import type { ExecutionContext, TestFn } from 'ava';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { Caching } from '../../../src/index.js';
import { deferred, type Deferred } from '../../support/deferred.js';
import { startRedis, type RedisServer } from '../../support/servers.js';

/**
 * An application with these routes, each answering with JSON:
 *
 *     GET  /me                             { user, visits }: null for nobody; counts the visits of the session
 *     POST /login?user=u1                  logs in, with a new id
 *     POST /logout                         ends the session
 *     POST /logout-everywhere              ends all sessions of the user but this one
 *     GET  /slow                           reads the session, waits for `slow`, and changes the session
 *
 * An error is answered with a status of 500 or more.
 */
export interface LoginApplication {
  readonly url: string;
}

/** What a route of the application waits for. */
export interface Slow {
  readonly started: Deferred<void>;
  readonly released: Deferred<void>;
}

interface Me {
  readonly user: string | null;
  readonly visits: number;
}

/** A browser: keeps the cookies of one application. */
class Browser {
  readonly #urls: readonly string[];
  #next = 0;
  cookies = new Map<string, string>();

  /** @param urls of instances of one application, asked in turn */
  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  async ask(method: 'GET' | 'POST', route: string): Promise<{ status: number; body: Me }> {
    const url = this.#urls[this.#next++ % this.#urls.length]!;
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url + route, { method, headers: { cookie } });
    for (const header of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(header)!;
      if (value === '' || /expires=Thu, 01 Jan 1970/i.test(header)) this.cookies.delete(name!);
      else this.cookies.set(name!, value!);
    }
    const text = await response.text();
    return { status: response.status, body: (response.status === 200 ? JSON.parse(text) : {}) as Me };
  }

  async me(): Promise<Me> {
    return (await this.ask('GET', '/me')).body;
  }

  login(user: string): Promise<unknown> {
    return this.ask('POST', `/login?user=${user}`);
  }
}

/** A login over HTTP, with two instances of an application on one Redis. */
export function loginFlow(
  test: TestFn,
  name: string,
  open: (t: ExecutionContext, caching: Caching, slow: () => Slow) => Promise<LoginApplication>,
): void {
  let server: RedisServer;
  test.before(`start Redis for ${name}`, async () => {
    server = await startRedis();
  });
  test.after.always(`stop Redis of ${name}`, () => server?.stop());
  let flows = 0;

  const it = (
    title: string,
    run: (t: ExecutionContext, browser: () => Browser, slow: Slow) => Promise<void>,
    own?: () => RedisServer,
  ): void => {
    test(`${name}: ${title}`, async (t) => {
      const namespace = `login-${name.replaceAll(/\W/g, '-')}-${++flows}`;
      const slow = { started: deferred(), released: deferred() };
      const urls = await Promise.all(
        [1, 2].map(async () => {
          const adapter = ioredis((own?.() ?? server).url, { timeout: '5s' });
          const caching = new Caching({ adapter, namespace });
          t.teardown(() => caching.close());
          return (await open(t, caching, () => slow)).url;
        }),
      );
      await run(t, () => new Browser(urls), slow);
    });
  };

  it('a login has a new id, and the old one is worth nothing', async (t, browser) => {
    const user = browser();
    t.deepEqual(await user.me(), { user: null, visits: 1 });
    t.deepEqual(await user.me(), { user: null, visits: 2 });
    // The attacker has planted this id in the browser of the user.
    const attacker = browser();
    attacker.cookies = new Map(user.cookies);
    await user.login('u1');
    t.is((await user.me()).user, 'u1');
    t.not([...user.cookies.values()].join(), [...attacker.cookies.values()].join());
    t.deepEqual(await attacker.me(), { user: null, visits: 1 });
  });

  it('an id that somebody made up is not used', async (t, browser) => {
    const user = browser();
    await user.me();
    for (const [cookie, value] of user.cookies) user.cookies.set(cookie, value.replace(/\w{8}/, 'AAAAAAAA'));
    const planted = [...user.cookies.values()].join();
    t.deepEqual(await user.me(), { user: null, visits: 1 });
    t.not([...user.cookies.values()].join(), planted);
  });

  it('log out everywhere ends the other sessions, in every instance', async (t, browser) => {
    const [phone, laptop, stranger] = [browser(), browser(), browser()];
    await Promise.all([phone.login('u1'), laptop.login('u1'), stranger.login('u2')]);
    for (const device of [phone, laptop]) t.is((await device.me()).user, 'u1');
    t.is((await laptop.ask('POST', '/logout-everywhere')).status, 200);
    for (let instance = 0; instance < 2; instance++) {
      t.is((await phone.me()).user, null);
      t.is((await laptop.me()).user, 'u1');
      t.is((await stranger.me()).user, 'u2');
    }
    await phone.login('u1');
    t.is((await phone.me()).user, 'u1');
  });

  it('a logout ends the session, also for who has copied its cookie', async (t, browser) => {
    const user = browser();
    await user.login('u1');
    const thief = browser();
    thief.cookies = new Map(user.cookies);
    t.is((await thief.me()).user, 'u1');
    await user.ask('POST', '/logout');
    t.is((await thief.me()).user, null);
    t.is((await user.me()).user, null);
  });

  it('a slow request does not bring back the session of a logout', async (t, browser, slow) => {
    const user = browser();
    await user.login('u1');
    const other = browser();
    other.cookies = new Map(user.cookies);
    const late = browser();
    late.cookies = new Map(user.cookies);
    const answer = late.ask('GET', '/slow');
    await slow.started.promise;
    await user.ask('POST', '/logout');
    slow.released.resolve();
    await answer;
    t.is((await other.me()).user, null);
  });

  it('a slow request does not bring back a session that was revoked', async (t, browser, slow) => {
    const [user, laptop] = [browser(), browser()];
    await user.login('u1');
    await laptop.login('u1');
    const late = browser();
    late.cookies = new Map(user.cookies);
    const answer = late.ask('GET', '/slow');
    await slow.started.promise;
    await laptop.ask('POST', '/logout-everywhere');
    slow.released.resolve();
    await answer;
    t.is((await user.me()).user, null);
  });

  let own: RedisServer;
  test.before(`start another Redis for ${name}`, async () => {
    own = await startRedis();
  });
  test.after.always(`stop the other Redis of ${name}`, () => own?.stop());
  it(
    'while Redis is dead requests fail, and nobody is logged out',
    async (t, browser) => {
      const user = browser();
      await user.login('u1');
      await own.kill();
      for (let instance = 0; instance < 2; instance++) {
        t.true((await user.ask('GET', '/me')).status >= 500);
      }
      t.is(user.cookies.size, 1);
    },
    () => own,
  );
}
