import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Caching } from 'cachement';
import { ioredis } from 'cachement/ioredis';
import { memory } from 'cachement/memory';
import { invalidateOnNotify } from 'cachement/postgres';
import pg from 'pg';
import { Shop } from './shop.js';

const {
  DATABASE_URL = 'postgres://postgres@localhost:5432/postgres',
  REDIS_URL,
  PORT = '3000',
} = process.env;

const pool = new pg.Pool({ connectionString: DATABASE_URL });
await pool.query(await readFile('schema.sql', 'utf8'));

const caching = new Caching({
  adapter: REDIS_URL === undefined ? memory() : ioredis(REDIS_URL),
  namespace: 'shop',
});
await caching.ready();
Caching.setDefault(caching);

const listener = invalidateOnNotify({
  caching,
  client: () => new pg.Client(DATABASE_URL),
  tables: {
    users: { tag: 'users', row: ({ id }) => ({ keys: [['user', id]] }) },
    prices: 'prices',
  },
});
await listener.ready();

const shop = new Shop(pool);
async function find(path: string): Promise<unknown> {
  const [, kind, id = ''] = path.split('/');
  return kind === 'users' ? shop.user(id) : shop.prices();
}

const server = createServer((request, response) => {
  find(request.url ?? '').then(
    (found) => response.end(`${JSON.stringify(found ?? null)} reads: ${shop.reads}\n`),
    (error: unknown) => response.writeHead(500).end(`${String(error)}\n`),
  );
});
server.listen(Number(PORT), () => {
  console.log(`listening on http://localhost:${(server.address() as AddressInfo).port}`);
});

process.once('SIGTERM', () => {
  server.close();
  void Promise.all([listener.close(), pool.end()]).then(() => caching.close());
});
