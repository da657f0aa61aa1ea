import { Caching } from 'cachement';
import { ioredis } from 'cachement/ioredis';
import { memory } from 'cachement/memory';
import { provideCaching } from 'cachement/typed-inject';
import express from 'express';
import { createInjector } from 'typed-inject';
import { Books, Db } from './books.js';

const url = process.env['REDIS_URL'];
const caching = new Caching({
  adapter: url === undefined ? memory() : ioredis(url),
  namespace: 'typed-inject',
});
await caching.ready();

// First: what the injectors below make is bound to it.
const injector = provideCaching(createInjector(), caching)
  .provideClass('db', Db)
  .provideClass('books', Books);

const app = express();
app.use(express.text());
app.get('/books/:id', async (request, response) => {
  const title = await injector.resolve('books').title(request.params.id);
  response.json({ title, reads: injector.resolve('db').reads });
});
app.put('/books/:id', async (request, response) => {
  await injector.resolve('books').save(request.params.id, request.body as string);
  response.sendStatus(204);
});

const server = app.listen(Number(process.env['PORT'] ?? 3000), () => {
  const address = server.address();
  console.log(`listening on http://localhost:${typeof address === 'object' ? address?.port : address}`);
});
process.once('SIGTERM', () => {
  server.close(() => void caching.close());
});
