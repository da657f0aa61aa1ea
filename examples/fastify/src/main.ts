import { Caching } from 'cachement';
import { cacheResponse, cachingErrorHandler } from 'cachement/fastify';
import { ioredis } from 'cachement/ioredis';
import { memory } from 'cachement/memory';
import { fastify, type FastifyRequest } from 'fastify';
import { Catalogue } from './catalogue.js';

const url = process.env['REDIS_URL'];
const caching = new Caching({
  adapter: url === undefined ? memory() : ioredis(url),
  namespace: 'example-fastify',
});
await caching.ready(); // Rejects with the reason and a remedy if Redis cannot be used.

const catalogue = new Catalogue(caching);
const app = fastify();
type Params = { Params: { id: string } };

const tags = (request: FastifyRequest) => [`product:${(request as FastifyRequest<Params>).params.id}`];
const cached = cacheResponse({ caching, ttl: '1m', tags });
app.get<Params>('/products/:id', cached, async ({ params }) => catalogue.find(params.id));
app.post<Params>('/products/:id/orders', async ({ params }, reply) => {
  reply.code(201);
  return catalogue.order(params.id);
});
app.setErrorHandler(cachingErrorHandler());
app.addHook('onClose', () => caching.close());

await app.listen({ port: Number(process.env['PORT'] ?? 3000), host: '::' });
const address = app.server.address();
console.log(`listening on http://localhost:${typeof address === 'object' ? address?.port : address}`);
process.once('SIGTERM', () => void app.close());
