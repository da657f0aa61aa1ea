import { asClass, createContainer } from 'awilix';
import { Caching } from 'cachement';
import { registerCaching } from 'cachement/awilix';
import { ioredis } from 'cachement/ioredis';
import { memory } from 'cachement/memory';
import express from 'express';
import { Books, Db } from './books.js';

const url = process.env['REDIS_URL'];
const caching = new Caching({ adapter: url === undefined ? memory() : ioredis(url), namespace: 'awilix' });
await caching.ready();

const container = createContainer().register({
  db: asClass(Db).singleton(),
  books: asClass(Books).scoped(),
});
registerCaching(container, caching);

const app = express();
app.use(express.text());
app.get('/books/:id', async (request, response) => {
  // The scope of a request: what it makes uses the Caching of the container.
  const { books, db } = container.createScope().cradle;
  response.json({ title: await books.title(request.params.id), reads: db.reads });
});
app.put('/books/:id', async (request, response) => {
  await container.createScope().cradle.books.save(request.params.id, request.body as string);
  response.sendStatus(204);
});

const server = app.listen(Number(process.env['PORT'] ?? 3000), () => {
  const address = server.address();
  console.log(`listening on http://localhost:${typeof address === 'object' ? address?.port : address}`);
});
process.once('SIGTERM', () => {
  server.close(() => void caching.close());
});
