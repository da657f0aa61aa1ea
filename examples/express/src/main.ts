import { Caching } from 'cachement';
import { cacheResponse, cachingErrorHandler } from 'cachement/express';
import { ioredis } from 'cachement/ioredis';
import { memory } from 'cachement/memory';
import express from 'express';
import { Catalogue } from './catalogue.js';

const url = process.env['REDIS_URL'];
const caching = new Caching({
  adapter: url === undefined ? memory() : ioredis(url),
  namespace: 'example-express',
});
await caching.ready(); // Rejects with the reason and a remedy if Redis cannot be used.

const catalogue = new Catalogue(caching);
const app = express();

const cached = cacheResponse({ caching, ttl: '1m', tags: (request) => [`product:${request.params['id']}`] });
app.get('/products/:id', cached, async (request, response) => {
  response.json(await catalogue.find(request.params.id));
});
app.post('/products/:id/orders', async (request, response) => {
  response.status(201).json(await catalogue.order(request.params.id));
});
app.use(cachingErrorHandler());

const server = app.listen(Number(process.env['PORT'] ?? 3000), () => {
  const address = server.address();
  console.log(`listening on http://localhost:${typeof address === 'object' ? address?.port : address}`);
});
process.once('SIGTERM', () => {
  server.close(() => void caching.close());
});
