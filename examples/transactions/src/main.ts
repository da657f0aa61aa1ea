import 'reflect-metadata';
import { Caching } from 'cachement';
import { ioredis } from 'cachement/ioredis';
import { memory } from 'cachement/memory';
import { withKysely } from './with-kysely.js';
import { withTypeorm } from './with-typeorm.js';

const url = process.env['REDIS_URL'];
const caching = new Caching({
  adapter: url === undefined ? memory() : ioredis(url),
  namespace: 'example-transactions',
  defaults: { ttl: '5m' },
});
Caching.setDefault(caching);

console.log('--- TypeORM');
await withTypeorm(caching);
console.log('--- Kysely');
await withKysely(caching);

await caching.close();
