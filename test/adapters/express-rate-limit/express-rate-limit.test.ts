import test, { type ExecutionContext } from 'ava';
import express, { type ErrorRequestHandler, type Express } from 'express';
import { rateLimit, type Options, type RateLimitRequestHandler } from 'express-rate-limit';
import { expressRateLimitStore } from '../../../src/adapters/express-rate-limit/index.js';
import { errorResponse } from '../../../src/adapters/http/index.js';
import { memory } from '../../../src/adapters/memory/index.js';
import { Caching, OptionsError, StoreUnavailableError } from '../../../src/index.js';
import { eventually } from '../../support/eventually.js';
import { startWorker } from '../../support/process.js';
import { redisForFile } from '../../support/servers.js';
import type { LimitedServer } from '../http/limited-server.js';
import { onOwnRedis, placeOf, PLACES } from '../http/places.js';
import { get, serveExpress, statuses } from '../http/serve.js';

const redis = redisForFile(test);

/** What express-rate-limit has to say: its checks of a store, and errors that it swallows. */
class Log {
  readonly lines: unknown[] = [];
  readonly error = (error: unknown): void => void this.lines.push(error);
  readonly warn = this.error;
}

interface Limited {
  readonly url: string;
  readonly limiter: RateLimitRequestHandler;
  readonly log: Log;
}

async function limited(t: ExecutionContext, options: Partial<Options>): Promise<Limited> {
  const log = new Log();
  const limiter = rateLimit({
    windowMs: 60_000,
    limit: 5,
    keyGenerator: (request) => String(request.headers['x-user'] ?? 'everybody'),
    logger: log,
    ...options,
  });
  const url = await serveExpress(t, appWith(limiter));
  return { url, limiter, log };
}

const answerRefusal: ErrorRequestHandler = (error, _request, response, next) => {
  const refusal = errorResponse(error);
  if (refusal === undefined) return next(error);
  response.status(refusal.status).set(refusal.headers).json(refusal.body);
};

function appWith(limiter: RateLimitRequestHandler): Express {
  return express()
    .use(limiter)
    .get('/', (_request, response) => void response.send('hello'))
    .get('/missing', (_request, response) => void response.status(404).send('missing'))
    .use(answerRefusal);
}

for (const kind of PLACES) {
  const on = (title: string, run: (t: ExecutionContext, instance: () => Caching) => Promise<void>): void => {
    test(`${title} (${kind})`, async (t) => run(t, placeOf(t, kind, () => redis().url).instance));
  };

  on('G9 rate limits: exactly as many requests as the limit are allowed', async (t, instance) => {
    const { url, log } = await limited(t, { store: expressRateLimitStore({ caching: instance() }) });
    t.deepEqual(await statuses(12, url), [...Array<number>(5).fill(200), ...Array<number>(7).fill(429)]);
    t.deepEqual(log.lines, []);
  });

  on('a denial has the headers of express-rate-limit', async (t, instance) => {
    const store = expressRateLimitStore({ caching: instance() });
    const { url } = await limited(t, { store, limit: 1, standardHeaders: 'draft-8' });
    const first = await get(url);
    t.is(first.headers.get('x-ratelimit-remaining'), '0');
    const refused = await get(url);
    t.is(refused.status, 429);
    t.regex(refused.headers.get('ratelimit') ?? '', /^"1-in-1min"; r=0; t=(60|5\d)$/);
    t.regex(refused.headers.get('retry-after') ?? '', /^(60|5\d)$/);
    t.is(refused.headers.get('x-ratelimit-limit'), '1');
  });

  on('after the window requests are allowed again', async (t, instance) => {
    const store = expressRateLimitStore({ caching: instance() });
    const { url } = await limited(t, { store, limit: 1, windowMs: 300 });
    await eventually('a refusal', async () => (await get(url)).status === 429);
    await eventually('the end of the window', async () => (await get(url)).status === 200);
    t.pass();
  });

  on('instances share one count', async (t, instance) => {
    const one = await limited(t, { store: expressRateLimitStore({ caching: instance() }) });
    const other = await limited(t, { store: expressRateLimitStore({ caching: instance() }) });
    const seen = await statuses(12, one.url, other.url);
    t.is(seen.filter((status) => status === 200).length, 5);
    t.is((await one.limiter.getKey('everybody'))?.totalHits, 12);
  });

  on('clients, and limiters of different names, count separately', async (t, instance) => {
    const caching = instance();
    const one = await limited(t, { store: expressRateLimitStore({ caching, name: 'one' }), limit: 1 });
    const other = await limited(t, { store: expressRateLimitStore({ caching, name: 'other' }), limit: 1 });
    t.is((await get(one.url)).status, 200);
    t.is((await get(one.url)).status, 429);
    t.is((await get(one.url, { 'x-user': 'ada' })).status, 200);
    t.is((await get(other.url)).status, 200);
  });

  on('one request through two limiters of different names is not counted twice', async (t, instance) => {
    const caching = instance();
    const log = new Log();
    const limiter = (name: string) =>
      rateLimit({
        keyGenerator: () => 'everybody',
        logger: log,
        store: expressRateLimitStore({ caching, name }),
      });
    const app = appWith(limiter('one')).use(
      limiter('other'),
      (_request, response) => void response.send('both'),
    );
    const url = await serveExpress(t, app);
    t.is((await get(`${url}/both`)).body, 'both');
    t.deepEqual(log.lines, []);
  });

  on('with skipSuccessfulRequests only failed requests count', async (t, instance) => {
    const store = expressRateLimitStore({ caching: instance() });
    const { url, limiter, log } = await limited(t, { store, limit: 2, skipSuccessfulRequests: true });
    for (let request = 0; request < 4; request++) {
      t.is((await get(url)).status, 200);
      await eventually(
        'the hit is taken back',
        async () => (await limiter.getKey('everybody')) === undefined,
      );
    }
    t.is((await get(`${url}/missing`)).status, 404);
    t.is((await get(`${url}/missing`)).status, 404);
    t.is((await get(url)).status, 429);
    t.deepEqual(log.lines, []);
  });

  on('resetKey resets one client', async (t, instance) => {
    const store = expressRateLimitStore({ caching: instance() });
    const { url, limiter } = await limited(t, { store, limit: 1 });
    for (const user of ['ada', 'bob']) {
      t.is((await get(url, { 'x-user': user })).status, 200);
      t.is((await get(url, { 'x-user': user })).status, 429);
    }
    await store.resetKey('ada');
    t.is(await limiter.getKey('ada'), undefined);
    t.is((await get(url, { 'x-user': 'ada' })).status, 200);
    t.is((await get(url, { 'x-user': 'bob' })).status, 429);
  });

  on('getKey returns hits and reset time without counting', async (t, instance) => {
    const store = expressRateLimitStore({ caching: instance() });
    const { url, limiter } = await limited(t, { store });
    t.is(await limiter.getKey('everybody'), undefined);
    const before = Date.now();
    await get(url);
    await get(url);
    for (let look = 0; look < 2; look++) {
      const info = await limiter.getKey('everybody');
      t.is(info?.totalHits, 2);
      t.true(info!.resetTime!.getTime() > before);
      t.true(info!.resetTime!.getTime() <= Date.now() + 60_000);
    }
  });

  on('sliding-window-counter admits exactly the limit and counts beyond it', async (t, instance) => {
    const store = expressRateLimitStore({ caching: instance(), algorithm: 'sliding-window-counter' });
    const { url, limiter, log } = await limited(t, { store });
    const seen = await statuses(9, url);
    t.is(seen.filter((status) => status === 200).length, 5);
    t.is((await limiter.getKey('everybody'))?.totalHits, 9);
    t.deepEqual(log.lines, []);
  });
}

test('two processes share one count', async (t) => {
  const init = { url: redis().url, namespace: 'http-processes', framework: 'express', limit: 5 } as const;
  const script = new URL('../http/limited-server.js', import.meta.url);
  const workers = await Promise.all([
    startWorker<LimitedServer>(script, init),
    startWorker<LimitedServer>(script, init),
  ]);
  t.teardown(() => Promise.all(workers.map((worker) => worker.stop())));
  const urls = await Promise.all(workers.map((worker) => worker.call('listen')));
  const seen = await statuses(16, ...urls);
  t.is(seen.filter((status) => status === 200).length, 5);
  t.is(seen.filter((status) => status === 429).length, 11);
});

test('while Redis is down requests fail with 503 and never 429, and count again afterwards', async (t) => {
  const { caching, server } = await onOwnRedis(t);
  const { url } = await limited(t, { store: expressRateLimitStore({ caching }), limit: 1 });
  t.is((await get(url)).status, 200);
  t.is((await get(url)).status, 429);
  await server.kill();
  t.deepEqual(await statuses(4, url), [503, 503, 503, 503]);
  await server.restart();
  await eventually('the limit holds again', async () => (await get(url)).status === 429);
});

test('while Redis is down passOnStoreError allows requests', async (t) => {
  const { caching, server } = await onOwnRedis(t);
  const store = expressRateLimitStore({ caching });
  const { url, log } = await limited(t, { store, limit: 1, passOnStoreError: true });
  await server.kill();
  t.deepEqual(await statuses(4, url), [200, 200, 200, 200]);
  t.is(log.lines.length, 4);
  t.true(log.lines.every((line) => line instanceof StoreUnavailableError));
});

test('every verb rejects while Redis is down', async (t) => {
  const { caching, server } = await onOwnRedis(t, { onUnavailable: 'allow' });
  const store = expressRateLimitStore({ caching });
  store.init({ windowMs: 60_000 });
  await store.increment('ada');
  await server.kill();
  for (const verb of ['get', 'increment', 'decrement', 'resetKey'] as const) {
    await t.throwsAsync(store[verb]('ada'), { instanceOf: StoreUnavailableError }, verb);
  }
});

test('with enabled: false every request is allowed', async (t) => {
  const caching = new Caching({ adapter: memory(), enabled: false });
  t.teardown(() => caching.close());
  const { url, log } = await limited(t, { store: expressRateLimitStore({ caching }), limit: 1 });
  t.deepEqual(await statuses(3, url), [200, 200, 200]);
  t.deepEqual(log.lines, []);
});

test('invalid options are refused', (t) => {
  const caching = new Caching({ adapter: memory() });
  t.teardown(() => caching.close());
  const refuses = (options: object, message: RegExp): void => {
    t.throws(() => expressRateLimitStore(options as { caching: Caching }), {
      instanceOf: OptionsError,
      message,
    });
  };
  refuses({}, /^caching of expressRateLimitStore\({ ... }\) is a Caching, and undefined was given/);
  refuses({ caching, algorithm: 'gcra' }, /'fixed-window' or 'sliding-window-counter'.*'gcra' was given/);
  refuses({ caching, name: '' }, /^name of/);
  refuses({ caching, prefix: 'x' }, /no option 'prefix'/);
});

test('a store without a limiter throws with advice', async (t) => {
  const caching = new Caching({ adapter: memory() });
  t.teardown(() => caching.close());
  await t.throwsAsync(expressRateLimitStore({ caching }).increment('ada'), {
    instanceOf: OptionsError,
    message: /pass it to rateLimit\({ windowMs, store }\)/,
  });
});
