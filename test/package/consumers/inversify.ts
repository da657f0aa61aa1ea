import 'reflect-metadata';
import { Cached, Caching } from 'cachement';
import { memory } from 'cachement/memory';
import { registerCaching } from 'cachement/inversify';
import { Container } from 'inversify';

class Users {
  @Cached({ key: 'user:{0}' })
  async find(id: string): Promise<string> {
    return id;
  }
}

async function main(): Promise<void> {
  const caching = new Caching({ adapter: memory(), namespace: 'consumer', defaults: { ttl: '1m' } });
  const container = new Container();
  registerCaching(container, caching);
  container.bind(Users).toDynamicValue(() => new Users());
  const users = container.get(Users);
  await users.find('1');
  console.log(`keys: ${Number(await caching.cache.has('user:1'))}`);
  await caching.close();
}

void main();
