import { Caching, createDecorators } from 'cachement';
import { memory } from 'cachement/memory';

interface User {
  readonly id: string;
  readonly name: string;
}

const caching = new Caching({ adapter: memory(), namespace: 'plain', defaults: { ttl: '5m' } });
const { Cached, Invalidates } = createDecorators(caching);

class Users {
  readonly #rows = new Map<string, User>([['42', { id: '42', name: 'Ada' }]]);

  @Cached({ key: 'user:{0}' })
  async find(id: string): Promise<User | undefined> {
    console.log(`  (reads ${id})`);
    return this.#rows.get(id);
  }

  @Invalidates({ keys: 'user:{0.id}' })
  async save(user: User): Promise<void> {
    this.#rows.set(user.id, user);
  }
}

const users = new Users();

console.log('ten callers at once:');
await Promise.all(Array.from({ length: 10 }, () => users.find('42')));

console.log('once more:');
console.log((await users.find('42'))?.name);

console.log('after a save:');
await users.save({ id: '42', name: 'Grace' });
console.log((await users.find('42'))?.name);

await caching.close();
