/**
 * An injectable class with cached methods. With REDIS_URL set it uses that Redis, otherwise this process.
 *
 *     npm run build && npx tsc -p examples && REDIS_URL=redis://localhost:6379 node build/examples/tsyringe.js
 */
import 'reflect-metadata';
import { Cached, Caching, Invalidates, useContainer } from 'cachement';
import { ioredis } from 'cachement/ioredis';
import { memory } from 'cachement/memory';
import { container, injectable } from 'tsyringe';

interface User {
  readonly id: string;
  readonly name: string;
  readonly orgId: string;
}

class Db {
  readonly #users = new Map<string, User>([
    ['42', { id: '42', name: 'Ada', orgId: 'a' }],
    ['43', { id: '43', name: 'Alan', orgId: 'a' }],
  ]);

  async user(id: string): Promise<User | undefined> {
    console.log(`  (the database reads ${id})`);
    return this.#users.get(id);
  }

  async save(user: User): Promise<void> {
    this.#users.set(user.id, user);
  }
}

@injectable()
class Users {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  @Cached({ key: 'user:{0}', ttl: '15m', tags: (user) => ['users', `org:${user?.orgId ?? 'none'}`] })
  async find(id: string): Promise<User | undefined> {
    return this.#db.user(id);
  }

  @Invalidates({ keys: 'user:{0.id}', tags: ['org:{0.orgId}'] })
  async save(user: User): Promise<void> {
    await this.#db.save(user);
  }
}

const url = process.env['REDIS_URL'];
const caching = new Caching({ adapter: url === undefined ? memory() : ioredis(url), namespace: 'example' });
await caching.ready(); // rejects with the reason and a remedy if Redis cannot be used
await caching.cache.clear(); // removes the entries of an earlier run

container.registerInstance(Caching, caching); // the class is its own token
useContainer(container);

const users = container.resolve(Users);

console.log('both users, twice:');
for (let i = 0; i < 2; i++) await Promise.all([users.find('42'), users.find('43')]);

console.log('a save invalidates the user, and by tag all users of the organisation:');
await users.save({ id: '42', name: 'Grace', orgId: 'a' });
console.log((await users.find('42'))?.name);
console.log((await users.find('43'))?.name);

await caching.close();
