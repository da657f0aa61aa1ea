import type { AddressInfo } from 'node:net';
import fastifyRateLimit from '@fastify/rate-limit';
import express from 'express';
import { rateLimit } from 'express-rate-limit';
import { fastify } from 'fastify';
import { expressRateLimitStore } from '../../../src/adapters/express-rate-limit/index.js';
import { fastifyRateLimitStore } from '../../../src/adapters/fastify-rate-limit/index.js';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { Caching } from '../../../src/index.js';
import { serveWorker, type ServedBy, type WorkerContext } from '../../support/process.js';

interface Init {
  readonly url: string;
  readonly namespace: string;
  readonly framework: 'express' | 'fastify';
  readonly limit: number;
}

// An instance of an application: a server with a limit, in a process of its own.
async function serve({ init, onStop }: WorkerContext<Init>) {
  const { url, namespace, framework, limit } = init;
  const caching = new Caching({
    adapter: ioredis(url, { timeout: '20s' }),
    namespace,
    limits: { storeTimeout: '20s' },
  });
  await caching.ready();
  onStop(() => caching.close());
  return {
    listen: (): Promise<string> =>
      framework === 'express' ? onExpress(caching, limit) : onFastify(caching, limit),
  };
}

function onExpress(caching: Caching, limit: number): Promise<string> {
  const app = express()
    .use(rateLimit({ windowMs: 60_000, limit, store: expressRateLimitStore({ caching }) }))
    .get('/', (_request, response) => void response.send('hello'));
  return new Promise((resolve) => {
    const server = app.listen(0, '127.0.0.1', () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    );
  });
}

async function onFastify(caching: Caching, limit: number): Promise<string> {
  const app = fastify();
  await app.register(fastifyRateLimit, {
    timeWindow: 60_000,
    max: limit,
    store: fastifyRateLimitStore({ caching }),
  });
  app.get('/', async () => 'hello');
  return app.listen({ port: 0, host: '127.0.0.1' });
}

export type LimitedServer = ServedBy<typeof serve>;

await serveWorker(serve);
