import fastifyRateLimit from '@fastify/rate-limit';
import test, { type ExecutionContext } from 'ava';
import { fastify, type FastifyInstance } from 'fastify';
import { fastifyRateLimitStore } from '../../../src/adapters/fastify-rate-limit/index.js';
import { errorResponse } from '../../../src/adapters/http/index.js';
import { memory } from '../../../src/adapters/memory/index.js';
import { Caching, OptionsError } from '../../../src/index.js';
import { eventually } from '../../support/eventually.js';
import { startWorker } from '../../support/process.js';
import { redisForFile } from '../../support/servers.js';
import type { LimitedServer } from '../http/limited-server.js';
import { onOwnRedis, placeOf, PLACES } from '../http/places.js';
import { get, serveFastify, statuses } from '../http/serve.js';

const redis = redisForFile(test);

type PluginOptions = NonNullable<Parameters<typeof fastifyRateLimit>[1]>;

async function limited(
  t: ExecutionContext,
  caching: Caching,
  options: Partial<PluginOptions> = {},
  routes: (app: FastifyInstance) => void = (app) => void app.get('/', async () => 'hello'),
): Promise<string> {
  const app = fastify();
  app.setErrorHandler((error, _request, reply) => {
    const refusal = errorResponse(error);
    if (refusal === undefined) return reply.send(error);
    return reply.status(refusal.status).headers(refusal.headers).send(refusal.body);
  });
  await app.register(fastifyRateLimit, {
    timeWindow: 60_000,
    max: 5,
    keyGenerator: (request) => String(request.headers['x-user'] ?? 'everybody'),
    store: fastifyRateLimitStore({ caching }),
    ...options,
  });
  routes(app);
  return serveFastify(t, app);
}

for (const kind of PLACES) {
  const on = (title: string, run: (t: ExecutionContext, instance: () => Caching) => Promise<void>): void => {
    test(`${title} (${kind})`, async (t) => run(t, placeOf(t, kind, () => redis().url).instance));
  };

  on('G9 rate limits: exactly as many requests as max are allowed', async (t, instance) => {
    const url = await limited(t, instance());
    t.deepEqual(await statuses(12, url), [...Array<number>(5).fill(200), ...Array<number>(7).fill(429)]);
  });

  on('responses have the headers of @fastify/rate-limit', async (t, instance) => {
    const url = await limited(t, instance(), { max: 1 });
    const first = await get(url);
    t.is(first.headers.get('x-ratelimit-limit'), '1');
    t.is(first.headers.get('x-ratelimit-remaining'), '0');
    t.regex(first.headers.get('x-ratelimit-reset') ?? '', /^(60|5\d)$/);
    const refused = await get(url);
    t.is(refused.status, 429);
    t.regex(refused.headers.get('retry-after') ?? '', /^(60|5\d)$/);
  });

  on('after the window requests are allowed again', async (t, instance) => {
    const url = await limited(t, instance(), { max: 1, timeWindow: 300 });
    await eventually('a refusal', async () => (await get(url)).status === 429);
    await eventually('the end of the window', async () => (await get(url)).status === 200);
    t.pass();
  });

  on('instances share one count', async (t, instance) => {
    const urls = await Promise.all([limited(t, instance()), limited(t, instance())]);
    const seen = await statuses(12, ...urls);
    t.is(seen.filter((status) => status === 200).length, 5);
  });

  on('clients, and applications of different names, count separately', async (t, instance) => {
    const caching = instance();
    const one = await limited(t, caching, { max: 1 });
    const other = await limited(t, caching, {
      max: 1,
      store: fastifyRateLimitStore({ caching, name: 'other' }),
    });
    t.deepEqual([(await get(one)).status, (await get(one)).status], [200, 429]);
    t.is((await get(one, { 'x-user': 'ada' })).status, 200);
    t.is((await get(other)).status, 200);
  });

  on('a route with its own limits counts separately', async (t, instance) => {
    const url = await limited(t, instance(), { max: 1 }, (app) => {
      app.get('/a', { config: { rateLimit: { max: 2 } } }, async () => 'a');
      app.get('/b', { config: { rateLimit: { max: 2 } } }, async () => 'b');
      app.get('/c', async () => 'c');
    });
    for (const path of ['/a', '/b']) t.deepEqual(await statuses(3, `${url}${path}`), [200, 200, 429], path);
    t.deepEqual(await statuses(2, `${url}/c`), [200, 429]);
  });

  on('routes of one groupId count together', async (t, instance) => {
    const url = await limited(t, instance(), {}, (app) => {
      for (const [path, groupId] of [
        ['/send', 'otp'],
        ['/resend', 'otp'],
        ['/other', 'mail'],
      ] as const) {
        app.get(path, { config: { rateLimit: { max: 3, groupId } } }, async () => path);
      }
    });
    t.deepEqual(await statuses(6, `${url}/send`, `${url}/resend`), [200, 200, 200, 429, 429, 429]);
    t.is((await get(`${url}/other`)).status, 200);
  });

  on('a client beyond max + ban is banned', async (t, instance) => {
    const url = await limited(t, instance(), { max: 1, ban: 2 });
    const seen: number[] = [];
    for (let request = 0; request < 5; request++) seen.push((await get(url)).status);
    t.deepEqual(seen, [200, 429, 429, 403, 403]);
  });

  on('createRateLimit can check without counting', async (t, instance) => {
    const url = await limited(t, instance(), { global: false }, (app) => {
      const check = app.createRateLimit({ max: 2 });
      app.get('/look', async (request) => check(request, { increment: false }));
      app.get('/hit', async (request) => check(request));
    });
    const ask = async (path: string): Promise<Record<string, unknown>> =>
      JSON.parse((await get(`${url}${path}`)).body) as Record<string, unknown>;
    t.like(await ask('/look'), { remaining: 2, ttl: 0, isExceeded: false });
    t.like(await ask('/hit'), { remaining: 1 });
    for (let look = 0; look < 2; look++) t.like(await ask('/look'), { remaining: 1, isExceeded: false });
    t.like(await ask('/hit'), { remaining: 0, isExceeded: false });
    t.like(await ask('/hit'), { remaining: 0, isExceeded: true });
    const last = await ask('/look');
    t.like(last, { isExceeded: true });
    t.true((last['ttl'] as number) > 50_000);
  });
}

test('two processes share one count', async (t) => {
  const init = { url: redis().url, namespace: 'http-processes', framework: 'fastify', limit: 5 } as const;
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

for (const [skipOnError, status] of [
  [false, 503],
  [true, 200],
] as const) {
  test(`while Redis is down requests get ${status} with skipOnError ${skipOnError}`, async (t) => {
    const { caching, server } = await onOwnRedis(t);
    const url = await limited(t, caching, { max: 1, skipOnError });
    t.deepEqual(await statuses(2, url), [200, 429]);
    await server.kill();
    t.deepEqual(await statuses(4, url), [status, status, status, status]);
    await server.restart();
    await eventually('the limit holds again', async () => (await get(url)).status === 429);
  });
}

test('with enabled: false every request is allowed', async (t) => {
  const caching = new Caching({ adapter: memory(), enabled: false });
  t.teardown(() => caching.close());
  const url = await limited(t, caching, { max: 1 });
  t.deepEqual(await statuses(3, url), [200, 200, 200]);
});

test('invalid options are refused', (t) => {
  const caching = new Caching({ adapter: memory() });
  t.teardown(() => caching.close());
  const refuses = (options: object, message: RegExp): void => {
    t.throws(() => fastifyRateLimitStore(options as { caching: Caching }), {
      instanceOf: OptionsError,
      message,
    });
  };
  refuses(
    { caching: {} },
    /^caching of fastifyRateLimitStore\({ ... }\) is a Caching, and a plain object was given/,
  );
  refuses({ caching, name: 1 }, /^name of/);
  refuses({ caching, algorithm: 'gcra' }, /no option 'algorithm'/);
});
