import { serve } from '@hono/node-server';
import { Caching } from 'cachement';
import { cacheResponse, cachingErrorHandler } from 'cachement/hono';
import { ioredis } from 'cachement/ioredis';
import { memory } from 'cachement/memory';
import { Hono } from 'hono';
import { Catalogue } from './catalogue.js';

const url = process.env['REDIS_URL'];
const caching = new Caching({
  adapter: url === undefined ? memory() : ioredis(url),
  namespace: 'example-hono',
});
await caching.ready(); // Rejects with the reason and a remedy if Redis cannot be used.

const catalogue = new Catalogue(caching);
const app = new Hono();

const cached = cacheResponse({ caching, ttl: '1m', tags: (c) => [`product:${c.req.param('id')}`] });
app.get('/products/:id', cached, async (c) => c.json(await catalogue.find(c.req.param('id'))));
app.post('/products/:id/orders', async (c) => c.json(await catalogue.order(c.req.param('id')), 201));
app.onError(cachingErrorHandler());

const server = serve({ fetch: app.fetch, port: Number(process.env['PORT'] ?? 3000) }, ({ port }) => {
  console.log(`listening on http://localhost:${port}`);
});
process.once('SIGTERM', () => {
  server.close(() => void caching.close());
});
