import { Cached, Caching } from 'cachement';
import { memory } from 'cachement/memory';
import { msgpackr } from 'cachement/msgpackr';

const codec = msgpackr();

class Users {
  @Cached({ key: 'user:{0}', codec })
  async find(id: string): Promise<{ readonly id: string }> {
    return { id };
  }
}

async function main(): Promise<void> {
  const caching = new Caching({ adapter: memory(), namespace: 'consumer', defaults: { ttl: '1m' } });
  Caching.setDefault(caching);
  const users = new Users();
  await users.find('1');
  const { id } = await users.find('1');
  console.log(`user ${id}, byte 0x${codec.encode({ id })?.[0]?.toString(16)}`);
  await caching.close();
}

void main();
