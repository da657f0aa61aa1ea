import test, { type ExecutionContext } from 'ava';
import type { CacheableRequest, WholeResponse } from '../../../src/adapters/http/http-message.js';
import type { Handle } from '../../../src/adapters/http/own-handler.js';
import { callerProperty, hasClientCertificate } from '../../../src/adapters/http/request-audience.js';
import { ResponseCache, type Reply } from '../../../src/adapters/http/response-cache.js';
import type { ResponseCacheOptions } from '../../../src/adapters/http/response-cache-options.js';
import { OptionsError, type CacheOptions } from '../../../src/index.js';
import { deferred } from '../../support/deferred.js';
import { rig } from '../../support/rig.js';

const REQUEST: CacheableRequest = {
  method: 'GET',
  origin: 'http://shop.example',
  target: '/',
  headers: { host: 'shop.example' },
  identifiedBy: () => undefined,
};

/** A handler that answers with a body, as an adapter holds it back. */
function handler(body: string | Promise<string>): Handle {
  return async (hold) => {
    const response = { status: 200, headers: {}, body: Buffer.from(await body) };
    return hold.judge(response) === undefined ? response : undefined;
  };
}

function responseOf(t: ExecutionContext, reply: Reply): WholeResponse {
  if (reply.kind === 'send') return reply.response;
  return t.fail(`Expected a response; the reply is ${reply.kind}.`);
}

const bodyOf = (t: ExecutionContext, reply: Reply): string =>
  Buffer.from(responseOf(t, reply).body).toString();

function cacheOf(
  t: ExecutionContext,
  options: Partial<ResponseCacheOptions<unknown>> = {},
  defaults: CacheOptions = {},
) {
  const { clock, openers } = rig(t, 1, { defaults });
  const time = { now: 1_000_000 };
  const { caching } = openers[0]!;
  const cache = new ResponseCache<unknown>({ caching, ...options }, 'cacheResponse({ ... })', () => time.now);
  const advance = async (ms: number): Promise<void> => {
    time.now += ms;
    await clock.advance(ms);
  };
  return { cache, caching, advance };
}

test('Age grows, and max-age counts from when the handler ran', async (t) => {
  const { cache, advance } = cacheOf(t);
  const ask = async () => responseOf(t, await cache.respond(REQUEST, undefined, handler('hello'))).headers;
  t.is((await ask())['age'], undefined);
  await advance(25_000);
  t.like(await ask(), { age: '25', 'cache-control': 'max-age=60', 'cache-status': 'cachement; hit; ttl=35' });
  await advance(35_001);
  t.is((await ask())['age'], undefined);
});

test('a maxAge shorter than the ttl is what a client has left, at most to the end of the entry', async (t) => {
  const { cache, advance } = cacheOf(t, { maxAge: '10s' });
  const ask = async () => responseOf(t, await cache.respond(REQUEST, undefined, handler('hello'))).headers;
  await ask();
  await advance(25_000);
  t.like(await ask(), { age: '25', 'cache-control': 'max-age=35' });
  await advance(30_000);
  t.like(await ask(), { age: '55', 'cache-control': 'max-age=60' });
});

test('a request whose handler runs after loadTimeout gets its own response, not that of the hung one', async (t) => {
  const { cache, advance } = cacheOf(t, { loadTimeout: '1s', lockTimeout: 0 });
  const [hung, own] = [deferred<string>(), deferred<string>()];
  const first = cache.respond(REQUEST, undefined, handler(hung.promise));
  await advance(0);
  let isOwnStarted = false;
  const second = cache.respond(REQUEST, undefined, async (hold) => {
    isOwnStarted = true;
    return handler(own.promise)(hold);
  });
  await advance(1_000);
  t.true(isOwnStarted);
  hung.resolve('of the first');
  t.is(bodyOf(t, await first), 'of the first');
  await advance(0);
  own.resolve('of the second');
  t.is(bodyOf(t, await second), 'of the second');
});

test('defaults that load in the background or return stale values do not apply', async (t) => {
  const stale: CacheOptions = { grace: '1h', softTimeout: 0, hardTimeout: 1, refreshAhead: 0.5 };
  const { cache, advance } = cacheOf(t, {}, stale);
  let runs = 0;
  const ask = async () =>
    bodyOf(t, await cache.respond(REQUEST, undefined, (hold) => handler(`${++runs}`)(hold)));
  t.is(await ask(), '1');
  await advance(40_000);
  t.is(await ask(), '1');
  await advance(0);
  t.is(runs, 1);
  await advance(20_001);
  t.is(await ask(), '2');
});

test('what counts as a caller that the framework knows', (t) => {
  for (const name of ['user', 'userId', 'session', 'auth', 'jwtPayload']) {
    t.is(
      callerProperty((one) => (one === name ? {} : null)),
      name,
    );
  }
  t.is(
    callerProperty(() => undefined),
    undefined,
  );
  t.true(hasClientCertificate({ getPeerCertificate: () => ({ subject: { CN: 'alice' } }) }));
  for (const none of [undefined, {}, { getPeerCertificate: () => ({}) }, { getPeerCertificate: () => null }])
    t.false(hasClientCertificate(none));
});

test('an identity is a string that is not empty', async (t) => {
  for (const id of ['', 42, null]) {
    const { cache } = cacheOf(t, { identity: () => id as string });
    const error = await t.throwsAsync(cache.respond(REQUEST, undefined, handler('hello')));
    t.true(error instanceof OptionsError);
    t.regex(error!.message, /^identity of cacheResponse\(\{ \.\.\. \}\) returns the id of the caller/);
  }
});

test('invalid options are refused when the route is made', (t) => {
  for (const options of [
    { statuses: [206] },
    { statuses: [304] },
    { statuses: 200 },
    { vary: ['*'] },
    { vary: 'accept' },
    { query: [''] },
    { maxBytes: -1 },
    { negativeTtl: 1 },
    { caching: {} },
    { ttl: null },
  ]) {
    t.throws(() => cacheOf(t, options as never), { instanceOf: OptionsError }, JSON.stringify(options));
  }
});
