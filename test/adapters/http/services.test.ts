import test, { type ExecutionContext } from 'ava';
import express, { type ErrorRequestHandler } from 'express';
import { fastify } from 'fastify';
import { clientIp, ipKey, errorResponse } from '../../../src/adapters/http/index.js';
import { createDecorators } from '../../../src/index.js';
import { eventually } from '../../support/eventually.js';
import type { RedisServer } from '../../support/servers.js';
import { onOwnRedis } from './places.js';
import { get, serveExpress, serveFastify, statuses } from './serve.js';

interface Login {
  login(client: string): Promise<string>;
}

/** A decorated service that knows nothing of HTTP, on a Redis of its own. */
async function service(t: ExecutionContext): Promise<{ sessions: Login; server: RedisServer }> {
  const { caching, server } = await onOwnRedis(t, { onUnavailable: 'deny' });
  const { RateLimited } = createDecorators(caching);
  class Sessions {
    @RateLimited({
      key: 'login:{0}',
      rules: [
        { name: 'minute', algorithm: 'fixed-window', limit: 3, per: '1m' },
        { name: 'hour', algorithm: 'sliding-window-log', limit: 100, per: '1h' },
      ],
    })
    async login(client: string): Promise<string> {
      return `Hello ${client}`;
    }
  }
  return { sessions: new Sessions(), server };
}

const answerRefusal: ErrorRequestHandler = (error, _request, response, next) => {
  const refusal = errorResponse(error);
  if (refusal === undefined) return next(error);
  response.status(refusal.status).set(refusal.headers).json(refusal.body);
};

const FRAMEWORKS = {
  express: (t: ExecutionContext, sessions: Login): Promise<string> =>
    serveExpress(
      t,
      express()
        .get('/', async (request, response) => {
          response.send(await sessions.login(ipKey(clientIp(request, { trustedProxies: 1 }))));
        })
        .use(answerRefusal),
    ),
  fastify: (t: ExecutionContext, sessions: Login): Promise<string> => {
    const app = fastify();
    app.get('/', async (request) => sessions.login(ipKey(clientIp(request, { trustedProxies: 1 }))));
    app.setErrorHandler((error, _request, reply) => {
      const refusal = errorResponse(error);
      if (refusal === undefined) return reply.send(error);
      return reply.status(refusal.status).headers(refusal.headers).send(refusal.body);
    });
    return serveFastify(t, app);
  },
};

for (const framework of ['express', 'fastify'] as const) {
  test(`an exceeded limit of a method is 429 with its headers (${framework})`, async (t) => {
    const { sessions } = await service(t);
    const url = await FRAMEWORKS[framework](t, sessions);
    t.deepEqual(await statuses(5, url), [200, 200, 200, 429, 429]);
    const { status, headers, body } = await get(url);
    t.is(status, 429);
    t.is(headers.get('ratelimit-policy'), '"minute";q=3;w=60, "hour";q=100;w=3600');
    t.regex(headers.get('ratelimit') ?? '', /^"minute";r=0;t=(60|5\d), "hour";r=97;t=(3600|359\d)$/);
    t.regex(headers.get('retry-after') ?? '', /^(60|5\d)$/);
    t.is(/t=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1], headers.get('retry-after') ?? '');
    t.regex(headers.get('content-type') ?? '', /^application\/problem\+json/);
    t.like(JSON.parse(body), { status: 429, 'violated-policies': ['minute'] });
  });

  test(`each /64 has its own limit, and so has each mapped IPv4 address (${framework})`, async (t) => {
    const { sessions } = await service(t);
    const url = await FRAMEWORKS[framework](t, sessions);
    const from = async (address: string): Promise<number> =>
      (await get(url, { 'x-forwarded-for': `6.6.6.6, ${address}` })).status;
    for (let host = 1; host <= 3; host++) t.is(await from(`2001:db8::${host}`), 200);
    t.is(await from('2001:db8::ffff'), 429);
    t.is(await from('2001:db8:0:1::1'), 200);
    t.is(await from('::ffff:203.0.113.7'), 200);
    t.is(await from('203.0.113.7'), 200);
    t.is(await from('::ffff:cb00:7107'), 200);
    t.is(await from('203.0.113.7'), 429);
    t.is(await from('::ffff:203.0.113.8'), 200);
  });

  test(`while Redis is down a limit with onUnavailable 'deny' is 503 (${framework})`, async (t) => {
    const { sessions, server } = await service(t);
    const url = await FRAMEWORKS[framework](t, sessions);
    t.is((await get(url)).status, 200);
    await server.kill();
    t.deepEqual(await statuses(5, url), [503, 503, 503, 503, 503]);
    await server.restart();
    await eventually('Redis is used again', async () => (await get(url)).status === 200);
  });
}
