import 'reflect-metadata';
import { Caching } from 'cachement';
import { ioredis } from 'cachement/ioredis';
import { memory } from 'cachement/memory';
import { registerCaching } from 'cachement/typedi';
import express from 'express';
import { Container } from 'typedi';
import { Books, Db } from './books.js';

const url = process.env['REDIS_URL'];
const cachings: Caching[] = [];
// A container and a Caching for each library. Their entries are apart, by their namespaces.
for (const library of ['oxford', 'zurich']) {
  const adapter = url === undefined ? memory() : ioredis(url);
  const caching = new Caching({ adapter, namespace: `typedi-${library}` });
  await caching.ready();
  registerCaching(Container.of(library), caching);
  cachings.push(caching);
}

const app = express();
app.use(express.text());
app.get('/:library/books/:id', async (request, response) => {
  const container = Container.of(request.params.library);
  const title = await container.get(Books).title(request.params.id);
  response.json({ title, reads: container.get(Db).reads });
});
app.put('/:library/books/:id', async (request, response) => {
  await Container.of(request.params.library)
    .get(Books)
    .save(request.params.id, request.body as string);
  response.sendStatus(204);
});

const server = app.listen(Number(process.env['PORT'] ?? 3000), () => {
  const address = server.address();
  console.log(`listening on http://localhost:${typeof address === 'object' ? address?.port : address}`);
});
process.once('SIGTERM', () => {
  server.close(() => void Promise.all(cachings.map((caching) => caching.close())));
});
