import { Caching, createDecorators, currentLease } from 'cachement';
import { ioredis } from 'cachement/ioredis';

const [url, namespace] = process.argv.slice(2);
const defaults = { storeTimeout: '10s' } as const; // The machine may be busy: no call is to give up its store.
const caching = new Caching({ adapter: ioredis(url!), namespace: namespace!, defaults });
await caching.ready();
const { Cached, Invalidates, Locked, RateLimited } = createDecorators(caching);

class Books {
  reads = 0;

  @Cached({ ttl: '1m', tags: ['books'] })
  async find(id: string): Promise<string> {
    this.reads++;
    return `Book ${id}`;
  }

  @Invalidates({ tags: ['books'] })
  async save(_id: string): Promise<void> {}

  @Locked({ key: 'stock:{0}', wait: '10s' })
  async count(_id: string): Promise<readonly string[]> {
    return currentLease().keys;
  }

  @RateLimited({ key: 'order:{0}', limit: 2, per: '1m' })
  async order(client: string): Promise<string> {
    return client;
  }
}

const books = new Books();
await books.find('1');
await books.find('1');
const readsBefore = books.reads;
await books.save('1');
await books.find('1');
const lease = await books.count('7');
const ordered = await books.order('ada');
console.log(JSON.stringify({ readsBefore, reads: books.reads, lease, ordered }));
await caching.close();
