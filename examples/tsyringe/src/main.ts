import 'reflect-metadata';
import { Caching } from 'cachement';
import { ioredis } from 'cachement/ioredis';
import { memory } from 'cachement/memory';
import { registerCaching } from 'cachement/tsyringe';
import express from 'express';
import { container } from 'tsyringe';
import { Db, Users } from './users.js';

const url = process.env['REDIS_URL'];
const caching = new Caching({ adapter: url === undefined ? memory() : ioredis(url), namespace: 'tsyringe' });
await caching.ready(); // Rejects with the reason and a remedy if Redis cannot be used.

registerCaching(container, caching);

const users = container.resolve(Users);
const db = container.resolve(Db);
const app = express();
app.use(express.json());
app.get('/users/:id', async (request, response) => {
  const user = await users.find(request.params.id);
  response.status(user === undefined ? 404 : 200).json({ user, reads: db.reads });
});
app.put('/users/:id', async (request, response) => {
  await users.save({ id: request.params.id, ...(request.body as { name: string; orgId: string }) });
  response.sendStatus(204);
});

const server = app.listen(Number(process.env['PORT'] ?? 3000), () => {
  const address = server.address();
  console.log(`listening on http://localhost:${typeof address === 'object' ? address?.port : address}`);
});
process.once('SIGTERM', () => {
  server.close(() => void caching.close());
});
