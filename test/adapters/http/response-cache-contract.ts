import { once } from 'node:events';
import { request as httpRequest, type ClientRequest } from 'node:http';
import { deserialize, serialize } from 'node:v8';
import { gunzipSync, gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { memory } from '../../../src/adapters/memory/index.js';
import { Caching, type CacheOptions, RateLimitExceededError } from '../../../src/index.js';
import { LockNotObtainedError, LoadShedError } from '../../../src/core/shared/errors.js';
import { deferred } from '../../support/deferred.js';
import { eventually } from '../../support/eventually.js';
import { decisionOf, ruleDecision } from './decisions.js';
import { onOwnRedis } from './places.js';
import { FRAMEWORKS, type Answer, type App, type Call } from './response-frameworks.js';
import { get } from './serve.js';

/** What a framework does otherwise, with the reason. */
interface Deviations {
  /** The form of the ETag of a handler that sets none. */
  readonly etag?: { readonly pattern: RegExp; readonly reason: string };
}

const DEFAULTS: CacheOptions = { ttl: '1m', jitter: 0, loadTimeout: '1m', lockTimeout: '1m' };

function cachingOf(t: ExecutionContext): Caching {
  const caching = new Caching({ adapter: memory(), defaults: DEFAULTS });
  t.teardown(() => caching.close());
  return caching;
}

/** What `cacheResponse` of every framework promises. */
export function responseCacheContract(
  name: keyof typeof FRAMEWORKS,
  { etag = { pattern: /^"[\w-]{27}"$/, reason: 'made of the body' } }: Deviations = {},
): void {
  const framework = FRAMEWORKS[name];

  /** A route whose handler counts its calls: `calls.count`. The body is `<url> <number of the call>` by default. */
  async function route(
    t: ExecutionContext,
    {
      handler,
      options = {},
      ...app
    }: Partial<Omit<App, 'options'>> & { readonly options?: Partial<App['options']> } = {},
    caching = cachingOf(t),
  ) {
    const calls = { count: 0, urls: [] as string[] };
    const url = await framework.serve(t, {
      ...app,
      options: { caching, ...options },
      async handler(call) {
        calls.count++;
        calls.urls.push(call.url);
        const number = calls.count;
        return handler === undefined ? { body: `${call.url} ${number}` } : handler(call);
      },
    });
    return { url, calls, caching };
  }

  /** So many requests that have all arrived before the first handler goes on. */
  async function together(
    t: ExecutionContext,
    count: number,
    handler: (number: number) => Answer | Promise<Answer>,
    options: Partial<App['options']> = {},
  ) {
    const all = deferred();
    let arrived = 0;
    let number = 0;
    const served = await route(t, {
      options: {
        ...options,
        identity: () => {
          if (++arrived === count) all.resolve();
          return undefined;
        },
      },
      async handler() {
        const own = ++number;
        await all.promise;
        return handler(own);
      },
    });
    // No more connections at once than a server keeps waiting.
    const asked: Promise<Awaited<ReturnType<typeof get>>>[] = [];
    while (asked.length < count) {
      const batch = Math.min(100, count - asked.length);
      for (let i = 0; i < batch; i++) asked.push(get(`${served.url}/`));
      await eventually('they have arrived', () => arrived === asked.length);
    }
    const answers = await Promise.all(asked);
    return { ...served, answers };
  }

  test.serial(`${name}: E-N2 a thousand requests on a cold route run the handler once`, async (t) => {
    const { calls, answers } = await together(t, 1_000, () => ({ body: 'hello' }));
    t.is(calls.count, 1);
    t.true(answers.every(({ status, body }) => status === 200 && body === 'hello'));
  });

  test.serial(`${name}: a later request gets the stored status, headers and body, with Age`, async (t) => {
    const { url, calls } = await route(t, {
      handler: () => ({
        status: 203,
        headers: { 'x-own': 'yes', link: ['<a>', '<b>'] },
        body: Buffer.from([0, 255, 13, 10]),
      }),
    });
    const bytes = async () => {
      const response = await fetch(`${url}/a?b=c`);
      return { response, body: [...new Uint8Array(await response.arrayBuffer())] };
    };
    const [first, second] = [await bytes(), await bytes()];
    t.is(calls.count, 1);
    for (const { response, body } of [first, second]) {
      t.is(response.status, 203);
      t.deepEqual(body, [0, 255, 13, 10]);
      t.is(response.headers.get('x-own'), 'yes');
      t.is(response.headers.get('link'), '<a>, <b>');
      t.is(response.headers.get('content-length'), '4');
      t.is(response.headers.get('cache-control'), 'max-age=60');
      t.regex(response.headers.get('vary') ?? '', /authorization, cookie$/i);
    }
    t.is(first.response.headers.get('age'), null);
    t.regex(second.response.headers.get('age') ?? '', /^\d+$/);
    t.regex(first.response.headers.get('cache-status') ?? '', /^cachement; fwd=miss; stored$/);
    t.regex(second.response.headers.get('cache-status') ?? '', /^cachement; hit; ttl=\d+$/);
  });

  test.serial(
    `${name}: path, query, host and headers of the address have responses of their own`,
    async (t) => {
      const { url, calls } = await route(t);
      const { port } = new URL(url);
      const bodies = new Set<string>();
      for (const target of ['/a', '/b', '/a?x=1', '/a?x=1&y=2', '/a?y=2&x=1', '/A'])
        bodies.add((await get(url + target)).body);
      bodies.add(await rawGet(url, '/a', { host: `other.example:${port}` }));
      bodies.add(await rawGet(url, '/a', { 'x-forwarded-host': 'evil.example' }));
      bodies.add(await rawGet(url, '/a', { 'x-forwarded-proto': 'https' }));
      t.is(bodies.size, 9);
      t.is(calls.count, 9);
    },
  );

  test.serial(`${name}: query names the parameters that count`, async (t) => {
    const { url, calls } = await route(t, { options: { query: ['page', 'size'] } });
    for (const target of ['/a?page=1&size=2', '/a?size=2&utm=3&page=1', '/a?utm=4&page=1&size=2'])
      t.is((await get(url + target)).body, '/a?page=1&size=2 1');
    await get(`${url}/a?page=2&size=2`);
    t.is(calls.count, 2);
  });

  test.serial(
    `${name}: only GET is stored; HEAD is answered from it, and runs the handler otherwise`,
    async (t) => {
      const { url, calls } = await route(t, { handler: () => ({ body: 'hello' }) });
      const head = () => fetch(`${url}/`, { method: 'HEAD' });
      t.is((await head()).headers.get('cache-status'), 'cachement; fwd=bypass; detail="method HEAD"');
      t.is(calls.count, 1);
      const { headers } = await get(`${url}/`);
      t.is(calls.count, 2);
      const answered = await head();
      t.is(calls.count, 2);
      t.is(answered.status, 200);
      t.is(answered.headers.get('content-length'), '5');
      t.is(answered.headers.get('etag'), headers.get('etag'));
      t.is(await answered.text(), '');
    },
  );

  test.serial(`${name}: a codec and compression of the route apply to all that it reads`, async (t) => {
    const { url, calls } = await route(t, {
      handler: () => ({ body: 'hello'.repeat(1_000) }),
      options: { codec: { name: 'v8', encode: serialize, decode: deserialize }, compression: true },
    });
    await get(`${url}/`);
    const { headers } = await fetch(`${url}/`, { method: 'HEAD' });
    t.is(headers.get('content-length'), '5000');
    t.is((await get(`${url}/`)).body, 'hello'.repeat(1_000));
    t.is(calls.count, 1);
  });

  test.serial(`${name}: If-None-Match with the ETag is 304, on the first request too`, async (t) => {
    const { url, calls } = await route(t, {
      handler: () => ({ body: 'hello', headers: { 'content-type': 'text/plain' } }),
    });
    const first = await get(`${url}/`);
    const tag = first.headers.get('etag') ?? '';
    t.regex(tag, etag.pattern, etag.reason);
    for (const known of [tag, `W/${tag.replace(/^W\//, '')}`, `"other", ${tag}`, '*']) {
      const { status, headers, body } = await get(`${url}/`, { 'if-none-match': known });
      t.is(status, 304, known);
      t.is(body, '');
      t.is(headers.get('etag'), tag);
      t.is(headers.get('cache-control'), 'max-age=60');
      t.regex(headers.get('age') ?? '', /^\d+$/);
      t.is(headers.get('content-type'), null);
    }
    t.is((await get(`${url}/`, { 'if-none-match': '"other"' })).status, 200);
    t.is(calls.count, 1);
    t.is((await get(`${url}/cold`, { 'if-none-match': tag })).status, 304);
    t.is((await get(`${url}/cold`)).body, 'hello');
    t.is(calls.count, 2);
  });

  test.serial(`${name}: the handler's own ETag and Last-Modified are used`, async (t) => {
    const { url } = await route(t, {
      handler: () => ({
        headers: { etag: '"v1"', 'last-modified': 'Wed, 01 Jan 2025 00:00:00 GMT' },
        body: 'hello',
      }),
    });
    const since = (date: string, more = {}) => get(`${url}/`, { 'if-modified-since': date, ...more });
    t.is((await get(`${url}/`)).headers.get('etag'), '"v1"');
    t.is((await get(`${url}/`, { 'if-none-match': '"v1"' })).status, 304);
    t.is((await since('Wed, 01 Jan 2025 00:00:00 GMT')).status, 304);
    t.is((await since('Tue, 31 Dec 2024 00:00:00 GMT')).status, 200);
    t.is((await since('no date')).status, 200);
    t.is((await since('Wed, 01 Jan 2025 00:00:00 GMT', { 'if-none-match': '"v2"' })).status, 200);
  });

  test.serial(`${name}: the handler's Cache-Control stands, and its max-age bounds the entry`, async (t) => {
    const { url, calls } = await route(t, {
      handler: ({ url }) => ({ headers: { 'cache-control': url.slice(1).replaceAll('_', ', ') } }),
    });
    const twice = async (directives: string) => {
      const before = calls.count;
      const target = `${url}/${directives.replaceAll(', ', '_')}`;
      await get(target);
      const { headers } = await get(target);
      t.is(headers.get('cache-control'), directives);
      return {
        calls: calls.count - before,
        ttl: Number(/ttl=(\d+)/.exec(headers.get('cache-status') ?? '')?.[1]),
      };
    };
    t.is((await twice('max-age=600')).calls, 1);
    t.true((await twice('max-age=20')).ttl <= 20);
    t.true((await twice('max-age=600, s-maxage=20')).ttl <= 20);
    for (const never of ['no-store', 'no-cache', 'private', 'max-age=0', 's-maxage=0, max-age=60'])
      t.is((await twice(never)).calls, 2, never);
  });

  test.serial(
    `${name}: responses that are for nobody else pass through, and every request runs its own handler`,
    async (t) => {
      const heads: Readonly<Record<string, Answer>> = {
        'set-cookie': { headers: { 'set-cookie': ['a=1', 'b=2'] } },
        'no-store': { headers: { 'cache-control': 'no-store' } },
        'vary: *': { headers: { vary: '*' } },
        'status 404': { status: 404 },
        'status 500': { status: 500 },
        'event stream': { headers: { 'content-type': 'text/event-stream' } },
      };
      for (const [reason, answer] of Object.entries(heads)) {
        const { calls, answers } = await together(t, 20, (number) => ({ ...answer, body: `for ${number}` }));
        t.is(calls.count, 20, reason);
        t.is(new Set(answers.map(({ body }) => body)).size, 20, reason);
        for (const { status, headers } of answers) {
          t.is(status, answer.status ?? 200);
          t.is(headers.get('cache-status'), `cachement; fwd=miss; detail="${reason}"`);
          t.is(headers.get('age'), null);
          if (reason === 'set-cookie') t.deepEqual(headers.getSetCookie(), ['a=1', 'b=2']);
        }
      }
    },
  );

  test.serial(`${name}: after a response that is not stored, one that can be is stored again`, async (t) => {
    let isStored = false;
    const { url, calls } = await route(t, {
      handler: (): Answer => (isStored ? { body: 'ok' } : { headers: { 'set-cookie': 'a=1' } }),
    });
    await get(`${url}/`);
    isStored = true;
    for (let i = 0; i < 4; i++) await get(`${url}/`);
    t.is(calls.count, 3);
  });

  test.serial(`${name}: statuses names what is stored`, async (t) => {
    const { url, calls } = await route(t, {
      options: { statuses: [404] },
      handler: () => ({ status: 404, body: 'no' }),
    });
    for (let i = 0; i < 2; i++) t.like(await get(`${url}/`), { status: 404, body: 'no' });
    t.is(calls.count, 1);
  });

  test.serial(`${name}: an error goes to its own request, and the others run their handlers`, async (t) => {
    const { calls, answers } = await together(t, 20, (number) => {
      if (number === 1) throw new Error('broken');
      return { body: `for ${number}` };
    });
    t.is(calls.count, 20);
    t.is(answers.filter(({ status }) => status === 500).length, 1);
    t.is(new Set(answers.filter(({ status }) => status === 200).map(({ body }) => body)).size, 19);
  });

  test.serial(`${name}: bodies over maxBytes pass through whole, streamed or not`, async (t) => {
    const large = Buffer.alloc(200_000, 'x');
    async function* streamed() {
      for (let at = 0; at < large.length; at += 10_000) yield large.subarray(at, at + 10_000);
    }
    for (const body of [() => large, streamed, () => large.toString()]) {
      const { url, calls } = await route(t, {
        options: { maxBytes: 50_000 },
        handler: () => ({ body: body() }),
      });
      for (let i = 0; i < 2; i++) t.is((await get(`${url}/`)).body, large.toString());
      t.is(calls.count, 2);
    }
  });

  test.serial(`${name}: a streamed body up to maxBytes is stored`, async (t) => {
    const { url, calls } = await route(t, {
      handler: () => ({
        body: (async function* () {
          yield Buffer.from('hello ');
          yield Buffer.from('world');
        })(),
      }),
    });
    for (let i = 0; i < 2; i++) t.is((await get(`${url}/`)).body, 'hello world');
    t.is(calls.count, 1);
  });

  test.serial(`${name}: a client that leaves does not spoil the response of others`, async (t) => {
    const go = deferred();
    let arrived = 0;
    const { url, calls } = await route(t, {
      options: { identity: () => void arrived++ },
      handler: async () => {
        await go.promise;
        return { body: 'hello' };
      },
    });
    const leaving = httpRequest(`${url}/`);
    leaving.end();
    await eventually('the first handler runs', async () => calls.count === 1);
    const others = Array.from({ length: 10 }, () => get(`${url}/`));
    await eventually('the others wait', async () => arrived === 11);
    await leave(leaving);
    go.resolve();
    for (const { status, body } of await Promise.all(others))
      t.like({ status, body }, { status: 200, body: 'hello' });
    t.is(calls.count, 1);
  });

  test.serial(
    `${name}: a client that leaves in the middle of a stream does not spoil it either`,
    async (t) => {
      const left = deferred();
      let arrived = 0;
      let streams = 0;
      const { url } = await route(t, {
        options: { identity: () => void arrived++ },
        handler: () => ({
          body: (async function* () {
            streams++;
            yield Buffer.from('hello ');
            await left.promise;
            yield Buffer.from('world');
          })(),
        }),
      });
      const leaving = httpRequest(`${url}/`);
      leaving.end();
      await eventually('the first stream runs', async () => streams === 1);
      const others = Array.from({ length: 10 }, () => get(`${url}/`));
      await eventually('the others wait', async () => arrived === 11);
      await leave(leaving);
      left.resolve();
      for (const { status, body } of await Promise.all(others))
        t.like({ status, body }, { status: 200, body: 'hello world' });
      t.true(streams <= 2);
    },
  );

  test.serial(`${name}: Range requests and requests with a body pass through`, async (t) => {
    const { url, calls } = await route(t, { handler: () => ({ body: 'hello' }) });
    await get(`${url}/`);
    t.regex(
      (await get(`${url}/`, { range: 'bytes=0-1' })).headers.get('cache-status') ?? '',
      /detail="range"/,
    );
    t.is(await rawGet(url, '/', { 'content-length': '2', 'content-type': 'text/plain' }, 'hi'), 'hello');
    t.is(calls.count, 3);
  });

  test.serial(`${name}: a request says no-cache in vain, unless allowRefresh is true`, async (t) => {
    for (const allowRefresh of [false, true]) {
      const { url, calls } = await route(t, { options: { allowRefresh } });
      const run = async (directive: string) => {
        await get(`${url}/`, { 'cache-control': directive });
        return calls.count;
      };
      t.is(await run('max-age=60'), 1);
      t.is(await run('no-cache'), allowRefresh ? 2 : 1);
      t.is(await run('max-age=60'), allowRefresh ? 2 : 1);
      t.is(await run('no-store'), allowRefresh ? 3 : 1);
    }
  });

  test.serial(
    `${name}: declared headers, and those in Vary of the response, have responses of their own`,
    async (t) => {
      const { url, calls } = await route(t, {
        options: { vary: ['Accept-Language'] },
        handler: (call) => ({
          headers: { vary: 'X-Requested-With, Save-Data' },
          body: [
            call.header('accept-language'),
            call.header('x-requested-with'),
            call.header('save-data'),
          ].join(),
        }),
      });
      for (let round = 0; round < 2; round++) {
        for (const language of ['de', 'fr'])
          for (const by of ['a', 'b'])
            for (const save of ['on', 'off']) {
              const headers = { 'accept-language': language, 'x-requested-with': by, 'save-data': save };
              t.is((await get(`${url}/`, headers)).body, `${language},${by},${save}`);
            }
        t.is(calls.count, 8);
      }
      t.regex(
        (await get(`${url}/`)).headers.get('vary') ?? '',
        /x-requested-with, save-data, accept-language/i,
      );
    },
  );

  test.serial(`${name}: an encoded body is for those who accept its encoding`, async (t) => {
    const { url, calls } = await route(t, {
      handler: (call): Answer =>
        call.header('accept-encoding') === 'gzip'
          ? { headers: { 'content-encoding': 'gzip' }, body: gzipSync('hello') }
          : { body: 'hello' },
    });
    for (let i = 0; i < 2; i++) {
      t.is(gunzipSync(await rawBytes(url, '/', { 'accept-encoding': 'gzip' })).toString(), 'hello');
      t.is((await rawBytes(url, '/', {})).toString(), 'hello');
    }
    t.true(calls.count <= 3);
  });

  test.serial(
    `${name}: neither of two users behind one cached route gets the other's answer, whatever the headers`,
    async (t) => {
      const credentials = fc.record(
        {
          authorization: fc.constantFrom('Bearer alice', 'Bearer bob', 'Basic YQ=='),
          cookie: fc.constantFrom('sid=1', 'sid=2', 'theme=dark'),
          'x-api-key': fc.constantFrom('k1', 'k2'),
          'x-forwarded-user': fc.constantFrom('alice', 'bob'),
        },
        { requiredKeys: [] },
      );
      const unknown = fc.dictionary(
        fc.stringMatching(/^x-t-[a-z]{1,6}$/),
        fc.stringMatching(/^[a-z]{1,4}$/),
        { maxKeys: 2 },
      );
      const harmless = fc.record(
        {
          'accept-language': fc.constantFrom('de', 'fr'),
          'cache-control': fc.constantFrom('no-cache', 'max-age=0'),
          'if-none-match': fc.constant('"x"'),
        },
        { requiredKeys: [] },
      );
      const user = fc.option(fc.constantFrom('alice', 'bob'), { nil: undefined });
      // What the handler knows about its caller; it is all of the answer.
      const seen = (call: Call): string =>
        JSON.stringify(
          ['authorization', 'cookie', 'x-api-key', 'x-forwarded-user', ...Object.keys(ownHeaders(call))].map(
            (name) => `${name}=${call.header(name) ?? ''}`,
          ),
        );
      for (const identity of [undefined, (call: Call) => call.header('authorization')]) {
        const { url } = await route(t, {
          options: { identity, vary: ['accept-language'] },
          user: (call) => call.header('x-t-user'),
          handler: (call) => ({ body: seen(call) }),
        });
        await fc.assert(
          fc.asyncProperty(
            credentials,
            unknown,
            harmless,
            user,
            async (credentials, unknown, harmless, user) => {
              const headers: Record<string, string> = { ...credentials, ...unknown, ...harmless };
              if (user !== undefined) headers['x-t-user'] = user;
              // With an identity, the rest of what says who calls is the application's business.
              if (identity !== undefined && 'authorization' in headers) {
                for (const name of [
                  'cookie',
                  'x-api-key',
                  'x-forwarded-user',
                  ...Object.keys(unknown),
                  'x-t-user',
                ])
                  delete headers[name];
              }
              headers['x-t-names'] = Object.keys(headers)
                .filter((name) => name.startsWith('x-t-'))
                .join();
              if (headers['x-t-names'] === '') delete headers['x-t-names'];
              const { body, status } = await get(`${url}/`, headers);
              if (status !== 304) t.is(body, seen({ url: '/', header: (name) => headers[name] }));
            },
          ),
          { numRuns: 150 },
        );
      }
      t.pass();
    },
  );

  function ownHeaders(call: Call): Record<string, true> {
    const names = (call.header('x-t-names') ?? '').split(',').filter((name) => name !== '');
    return Object.fromEntries(names.map((name) => [name, true]));
  }

  test.serial(`${name}: what the framework knows about the caller counts like a credential`, async (t) => {
    // The header is ignored as one, so that only the framework says who calls.
    const { url, calls } = await route(t, {
      options: { ignoreHeaders: ['x-name'] },
      user: (call) => call.header('x-name'),
      handler: (call) => ({ body: call.header('x-name') ?? 'nobody' }),
    });
    for (let i = 0; i < 2; i++)
      for (const who of ['alice', 'bob']) t.is((await get(`${url}/`, { 'x-name': who })).body, who);
    t.is(calls.count, 4);
    for (let i = 0; i < 2; i++) t.is((await get(`${url}/`)).body, 'nobody');
    t.is(calls.count, 5);
  });

  test.serial(`${name}: E-N1 each identity has its own responses, which are private`, async (t) => {
    const { url, calls } = await route(t, {
      options: { identity: (call) => call.header('authorization') },
      handler: (call) => ({ body: call.header('authorization') ?? 'nobody' }),
    });
    for (let i = 0; i < 2; i++) {
      for (const who of ['alice', 'bob']) {
        const { body, headers } = await get(`${url}/`, { authorization: who });
        t.is(body, who);
        t.is(headers.get('cache-control'), 'private, max-age=60');
      }
    }
    t.is(calls.count, 2);
    t.is((await get(`${url}/`)).body, 'nobody');
  });

  test.serial(`${name}: with identity, a private response is stored, and no-store is not`, async (t) => {
    let control = 'private, max-age=30';
    const { url, calls } = await route(t, {
      options: { identity: () => 'alice' },
      handler: () => ({ headers: { 'cache-control': control } }),
    });
    for (let i = 0; i < 2; i++) await get(`${url}/a`);
    t.is(calls.count, 1);
    control = 'no-store';
    for (let i = 0; i < 2; i++) await get(`${url}/b`);
    t.is(calls.count, 3);
  });

  test.serial(
    `${name}: shared answers all callers, and so does a response that is marked public`,
    async (t) => {
      const options: readonly [Partial<App['options']>, Answer][] = [
        [{ shared: true }, {}],
        [{}, { headers: { 'cache-control': 'public, max-age=60' } }],
      ];
      for (const [option, answer] of options) {
        const { url, calls } = await route(t, { options: option, handler: () => answer });
        for (const cookie of ['a=1', 'a=2', 'a=3']) {
          const { headers } = await get(`${url}/`, { cookie });
          t.is(headers.get('cache-control'), 'public, max-age=60');
          t.is(headers.get('vary'), null);
        }
        t.is(calls.count, 1);
      }
    },
  );

  test.serial(`${name}: tags of request and response invalidate`, async (t) => {
    const { url, calls, caching } = await route(t, {
      options: { tags: (call, { headers }) => [`url:${call.url}`, `kind:${String(headers['x-kind'])}`] },
      handler: () => ({ headers: { 'x-kind': 'user' } }),
    });
    const both = async () => {
      for (const target of ['/1', '/2']) await get(url + target);
      return calls.count;
    };
    t.is(await both(), 2);
    t.is(await both(), 2);
    await caching.cache.invalidate({ tags: ['url:/1'] });
    t.is(await both(), 3);
    await caching.cache.invalidate({ tags: ['kind:user'] });
    t.is(await both(), 5);
  });

  test.serial(`${name}: maxAge is what clients are told; 0 lets them ask each time`, async (t) => {
    const { url, calls } = await route(t, { options: { maxAge: 0 } });
    for (let i = 0; i < 2; i++) t.is((await get(`${url}/`)).headers.get('cache-control'), 'max-age=0');
    t.is(calls.count, 1);
  });

  test.serial(`${name}: while Redis is down the handler runs, and nothing else changes`, async (t) => {
    const { caching, server } = await onOwnRedis(t);
    const { url, calls } = await route(t, { options: { ttl: '1m' } }, caching);
    const { headers } = await get(`${url}/`);
    await get(`${url}/`);
    t.is(calls.count, 1);
    await server.kill();
    const down = await get(`${url}/`);
    t.like(down, { status: 200, body: '/ 2' });
    t.is(down.headers.get('cache-control'), headers.get('cache-control'));
    t.is((await fetch(`${url}/`, { method: 'HEAD' })).status, 200);
    await server.restart();
    await eventually('Redis is used again', async () => (await get(`${url}/`)).headers.get('age') !== null);
  });

  test.serial(`${name}: an error of the tags goes to the error handler`, async (t) => {
    const { url } = await route(t, {
      options: {
        tags: () => {
          throw new Error('no tags');
        },
      },
    });
    t.like(await get(`${url}/`), { status: 500 });
  });

  test.serial(
    `${name}: the error handler answers limits, locks and loads, and passes other errors on`,
    async (t) => {
      const refused = decisionOf(ruleDecision({ allowed: false, remaining: 0, retryAfterMs: 5_000 }));
      const errors: Readonly<Record<string, Error>> = {
        '429': new RateLimitExceededError('used up', 'key', refused),
        '423': new LockNotObtainedError('held', ['key'], 1),
        '503': new LoadShedError('shed', 'key', undefined, 1, 1),
        '500': new Error('bug'),
      };
      const { url } = await route(t, {
        errors: { lockStatus: 423 },
        handler: ({ url }) => {
          throw errors[url.slice(1)]!;
        },
      });
      for (const status of Object.keys(errors)) {
        const answer = await get(`${url}/${status}`);
        t.is(answer.status, Number(status));
        const isProblem = (answer.headers.get('content-type') ?? '').startsWith('application/problem+json');
        t.is(isProblem, status !== '500');
        t.is(answer.headers.get('retry-after'), status === '429' ? '5' : null);
      }
    },
  );
}

/** The client ends its connection before it has an answer. */
async function leave(request: ClientRequest): Promise<void> {
  const closed = new Promise<void>((resolve) => request.once('close', resolve));
  request.on('error', () => {});
  request.destroy();
  await closed;
}

async function rawBytes(
  url: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: string,
): Promise<Buffer> {
  const request = httpRequest(`${url}${path}`, { method: 'GET', headers, agent: false });
  request.end(body);
  const [response] = (await once(request, 'response')) as [AsyncIterable<Buffer>];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function rawGet(...args: Parameters<typeof rawBytes>): Promise<string> {
  return (await rawBytes(...args)).toString();
}
