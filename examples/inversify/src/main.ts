import 'reflect-metadata';
import { Caching } from 'cachement';
import { registerCaching } from 'cachement/inversify';
import { ioredis } from 'cachement/ioredis';
import { memory } from 'cachement/memory';
import express from 'express';
import { Container } from 'inversify';
import { Books, Db } from './books.js';

const url = process.env['REDIS_URL'];
const caching = new Caching({ adapter: url === undefined ? memory() : ioredis(url), namespace: 'inversify' });
await caching.ready();

const container = new Container();
container.bind(Db).toSelf().inSingletonScope();
container.bind(Books).toSelf();
registerCaching(container, caching);

const app = express();
app.use(express.text());
app.get('/books/:id', async (request, response) => {
  // A request container: what it makes uses the Caching of its parent.
  const books = new Container({ parent: container }).get(Books);
  const title = await books.title(request.params.id);
  response.json({ title, reads: container.get(Db).reads });
});
app.put('/books/:id', async (request, response) => {
  await container.get(Books).save(request.params.id, request.body as string);
  response.sendStatus(204);
});

const server = app.listen(Number(process.env['PORT'] ?? 3000), () => {
  const address = server.address();
  console.log(`listening on http://localhost:${typeof address === 'object' ? address?.port : address}`);
});
process.once('SIGTERM', () => {
  server.close(() => void caching.close());
});
