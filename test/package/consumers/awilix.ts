import { asClass, createContainer } from 'awilix';
import { Cached, Caching } from 'cachement';
import { registerCaching } from 'cachement/awilix';
import { memory } from 'cachement/memory';

class Users {
  @Cached({ key: 'user:{0}' })
  async find(id: string): Promise<string> {
    return id;
  }
}

async function main(): Promise<void> {
  const caching = new Caching({ adapter: memory(), namespace: 'consumer', defaults: { ttl: '1m' } });
  const container = createContainer().register({ users: asClass(Users) });
  registerCaching(container, caching);
  const { users } = container.cradle;
  await users.find('1');
  console.log(`keys: ${Number(await caching.cache.has('user:1'))}`);
  await caching.close();
}

void main();
