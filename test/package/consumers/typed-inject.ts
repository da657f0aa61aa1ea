import { Cached, Caching } from 'cachement';
import { memory } from 'cachement/memory';
import { provideCaching } from 'cachement/typed-inject';
import { createInjector } from 'typed-inject';

class Users {
  @Cached({ key: 'user:{0}' })
  async find(id: string): Promise<string> {
    return id;
  }
}

async function main(): Promise<void> {
  const caching = new Caching({ adapter: memory(), namespace: 'consumer', defaults: { ttl: '1m' } });
  const injector = provideCaching(createInjector(), caching).provideClass('users', Users);
  const users = injector.resolve('users');
  await users.find('1');
  console.log(`keys: ${Number(await caching.cache.has('user:1'))}`);
  await caching.close();
}

void main();
