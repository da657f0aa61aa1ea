import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import test, { type ExecutionContext } from 'ava';
import express from 'express';
import { fastify } from 'fastify';
import { Hono } from 'hono';
import * as expressAdapter from '../../../src/adapters/express/index.js';
import * as fastifyAdapter from '../../../src/adapters/fastify/index.js';
import * as honoAdapter from '../../../src/adapters/hono/index.js';
import { invalidationRoute, type InvalidationRouteOptions } from '../../../src/adapters/http/index.js';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { memory } from '../../../src/adapters/memory/index.js';
import { invalidationRoute as nestRoute } from '../../../src/adapters/nestjs/index.js';
import { Caching } from '../../../src/core/caching.js';
import { withContext } from '../../../src/core/keys/context.js';
import { startRedis } from '../../support/servers.js';
import { created } from '../nestjs/application.js';
import { serveExpress, serveFastify } from './serve.js';

const SECRET = 'correct-horse-battery-staple';
const PATH = '/cache/invalidate';

type Serve = (t: ExecutionContext, options: InvalidationRouteOptions) => Promise<string>;

async function serveNest(
  t: ExecutionContext,
  options: InvalidationRouteOptions,
  platform: 'express' | 'fastify',
): Promise<string> {
  const app = await created({}, platform);
  t.teardown(() => app.close());
  app.use(PATH, nestRoute(options));
  await app.listen(0, '127.0.0.1');
  return app.getUrl();
}

async function serveFetch(
  t: ExecutionContext,
  handler: (request: Request) => Response | Promise<Response>,
): Promise<string> {
  const listener = getRequestListener(handler);
  const server = createServer((request, response) => void listener(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const MOUNTS: Readonly<Record<string, Serve>> = {
  fetch: (t, options) => serveFetch(t, invalidationRoute(options)),
  Express: (t, options) => {
    const app = express();
    app.all(PATH, expressAdapter.invalidationRoute(options));
    return serveExpress(t, app);
  },
  'Express with express.json()': (t, options) => {
    const app = express();
    app.use(express.json());
    app.all(PATH, expressAdapter.invalidationRoute(options));
    return serveExpress(t, app);
  },
  'Express with express.text()': (t, options) => {
    const app = express();
    app.use(express.text({ type: '*/*' }));
    app.all(PATH, expressAdapter.invalidationRoute(options));
    return serveExpress(t, app);
  },
  Fastify: (t, options) => {
    const app = fastify();
    app.all(PATH, fastifyAdapter.invalidationRoute(options));
    return serveFastify(t, app);
  },
  Hono: (t, options) => {
    const app = new Hono();
    app.all(PATH, honoAdapter.invalidationRoute(options));
    return serveFetch(t, (request) => app.fetch(request));
  },
  'NestJS on Express': (t, options) => serveNest(t, options, 'express'),
  'NestJS on Fastify': (t, options) => serveNest(t, options, 'fastify'),
};

interface Sent {
  readonly body?: unknown;
  readonly authorization?: string | undefined;
  readonly method?: string;
}

async function send(url: string, { body, method = 'POST', ...sent }: Sent) {
  const authorization = 'authorization' in sent ? sent.authorization : `Bearer ${SECRET}`;
  const response = await fetch(url + PATH, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(authorization === undefined ? {} : { authorization }),
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const answer = (await response.json()) as { readonly detail?: string };
  return { status: response.status, headers: response.headers, answer };
}

function open(t: ExecutionContext): Caching {
  const caching = new Caching({ adapter: memory(), defaults: { ttl: '1m' } });
  t.teardown(() => caching.close());
  return caching;
}

for (const [mount, serve] of Object.entries(MOUNTS)) {
  test(`${mount}: a request invalidates by key, by parts of a key, by tag and all`, async (t) => {
    const caching = open(t);
    const url = await serve(t, { caching, secret: SECRET });
    for (const { body, ends } of [
      { body: { keys: ['user:42'] }, ends: ['user:42'] },
      { body: { keys: [['user', 'a:b']] }, ends: ['user:a%3Ab'] },
      { body: { tags: ['org'] }, ends: ['user:a%3Ab', 'tagged'] },
      { body: { keys: ['user:42'], tags: ['org'] }, ends: ['user:42', 'user:a%3Ab', 'tagged'] },
      { body: { all: true }, ends: ['user:42', 'user:a%3Ab', 'tagged', 'other'] },
    ]) {
      await caching.cache.set('user:42', 1);
      await caching.cache.set(['user', 'a:b'], 1, { tags: ['org'] });
      await caching.cache.set('tagged', 1, { tags: ['org'] });
      await caching.cache.set('other', 1);
      const { status, headers, answer } = await send(url, { body });
      t.is(status, 200);
      t.deepEqual(answer, { acknowledged: true });
      t.is(headers.get('cache-control'), 'no-store');
      const keys = ['user:42', 'user:a%3Ab', 'tagged', 'other'];
      const found = await caching.cache.getMany(keys);
      t.deepEqual(
        keys.filter((key) => !found.has(key)),
        keys.filter((key) => ends.includes(key)),
        JSON.stringify(body),
      );
    }
  });

  test(`${mount}: without the secret a request is 401, and invalidates nothing`, async (t) => {
    const caching = open(t);
    await caching.cache.set('user:42', 1);
    const url = await serve(t, { caching, secret: [SECRET, 'another-secret-of-mine'] });
    const body = { all: true };
    for (const authorization of [
      undefined,
      'Bearer',
      'Bearer wrong-horse-battery-staple',
      `Bearer ${SECRET}x`,
      `Bearer ${SECRET.slice(1)}`,
      `Basic ${SECRET}`,
      SECRET,
    ]) {
      const { status, headers } = await send(url, { body, authorization });
      t.is(status, 401, authorization);
      t.is(headers.get('www-authenticate'), 'Bearer');
    }
    t.true(await caching.cache.has('user:42'));
    t.is((await send(url, { body, authorization: 'bearer another-secret-of-mine' })).status, 200);
    t.false(await caching.cache.has('user:42'));
  });

  test(`${mount}: a request that is not understood is 400, and says what was expected`, async (t) => {
    const caching = open(t);
    await caching.cache.set('user:42', 1);
    const url = await serve(t, { caching, secret: SECRET });
    for (const { body, expected } of [
      { body: '[]', expected: /The body is not a JSON object\. The body is JSON, such as \{"keys":/ },
      { body: {}, expected: /names nothing to invalidate: no keys, no tags, and not all/ },
      { body: { keys: [], all: false }, expected: /names nothing to invalidate/ },
      {
        body: { key: 'user:42' },
        expected: /the body has no option 'key'\. It has: keys, tags, all, context\./,
      },
      { body: { keys: 'user:42' }, expected: /keys of the body is a list of keys, and 'user:42' was given/ },
      { body: { keys: [''] }, expected: /the key is an empty string/ },
      { body: { keys: [['user', {}]] }, expected: /part 2 of the key is a string, a number/ },
      { body: { tags: 'users' }, expected: /tags of invalidate is a list/ },
      { body: { tags: [7] }, expected: /tags of invalidate: a key is a string/ },
      { body: { all: 1 }, expected: /all of the body is true or false, and 1 was given/ },
      { body: { all: true, context: 'acme' }, expected: /an object of parts/ },
    ]) {
      const { status, answer } = await send(url, { body });
      t.is(status, 400, JSON.stringify(body));
      t.regex(answer.detail ?? '', expected);
    }
    t.true(await caching.cache.has('user:42'));
  });

  test(`${mount}: another method is 405`, async (t) => {
    const url = await serve(t, { caching: open(t), secret: SECRET });
    const { status, headers } = await send(url, { method: 'GET' });
    t.is(status, 405);
    t.is(headers.get('allow'), 'POST');
  });

  test(`${mount}: while Redis is away a request is 503 and not acknowledged`, async (t) => {
    const server = await startRedis();
    t.teardown(() => server.stop());
    const caching = new Caching({
      adapter: ioredis(server.url, { timeout: '5s', connectTimeout: '20s' }),
      namespace: 'away',
    });
    t.teardown(() => caching.close());
    await caching.ready();
    const url = await serve(t, { caching, secret: SECRET });
    t.is((await send(url, { body: { keys: ['user:42'] } })).status, 200);
    await server.kill();
    const { status, headers, answer } = await send(url, { body: { keys: ['user:42'] } });
    t.is(status, 503);
    t.like(answer, { title: 'Service Unavailable', acknowledged: false });
    t.is(headers.get('retry-after'), '1');
  });
}

for (const mount of ['fetch', 'Express', 'Hono', 'NestJS on Express'] as const) {
  test(`${mount}: a body that is no JSON is 400, and one that is too large 413`, async (t) => {
    const url = await MOUNTS[mount]!(t, { caching: open(t), secret: SECRET, maxBytes: 100 });
    for (const body of ['', '{', 'keys=user:42']) {
      const { status, answer } = await send(url, { body });
      t.is(status, 400);
      t.regex(answer.detail ?? '', /The body is not a JSON object/);
    }
    const { status, answer } = await send(url, { body: { keys: ['x'.repeat(100)] } });
    t.is(status, 413);
    t.is(answer.detail, 'The body has more than 100 bytes. Send less at a time.');
  });
}

test('a request names the context of its keys and tags', async (t) => {
  const caching = new Caching({ adapter: memory(), context: ['tenant'], defaults: { ttl: '1m' } });
  t.teardown(() => caching.close());
  const url = await MOUNTS['fetch']!(t, { caching, secret: SECRET });
  for (const tenant of ['acme', 'beta'])
    await withContext({ tenant }, () => caching.cache.set('user:42', tenant));
  t.is((await send(url, { body: { keys: ['user:42'], context: { tenant: 'acme' } } })).status, 200);
  t.false(await withContext({ tenant: 'acme' }, () => caching.cache.has('user:42')));
  t.true(await withContext({ tenant: 'beta' }, () => caching.cache.has('user:42')));
  const { status, answer } = await send(url, { body: { keys: ['user:42'] } });
  t.is(status, 400);
  t.regex(answer.detail ?? '', /tenant/);
});

test('a secret that is missing, short or unusual is refused, and is not in the message', (t) => {
  const caching = open(t);
  for (const secret of [
    undefined,
    '',
    'short',
    [],
    [SECRET, ''],
    `${SECRET} `,
    `${SECRET}\n`,
    'ä'.repeat(20),
    7,
  ]) {
    const error = t.throws(() => invalidationRoute({ caching, secret: secret as string }), {
      code: 'E_OPTIONS',
    });
    t.is(
      error.message,
      'secret of invalidationRoute({ ... }) is a string of 16 or more visible ASCII characters, or a list of them. ' +
        'Make one with: openssl rand -base64 32',
    );
  }
  t.throws(() => invalidationRoute({ caching: undefined as never, secret: SECRET }), {
    message: /needs the option caching: a Caching/,
  });
});
