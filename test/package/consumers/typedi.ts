import 'reflect-metadata';
import { Cached, Caching } from 'cachement';
import { memory } from 'cachement/memory';
import { registerCaching } from 'cachement/typedi';
import { Container } from 'typedi';

class Users {
  @Cached({ key: 'user:{0}' })
  async find(id: string): Promise<string> {
    return id;
  }
}

async function main(): Promise<void> {
  const caching = new Caching({ adapter: memory(), namespace: 'consumer', defaults: { ttl: '1m' } });
  registerCaching(Container.of(), caching);
  Container.set({ id: Users, type: Users });
  const users = Container.get(Users);
  await users.find('1');
  console.log(`keys: ${Number(await caching.cache.has('user:1'))}`);
  await caching.close();
}

void main();
