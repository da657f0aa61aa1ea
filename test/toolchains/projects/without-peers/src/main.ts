import { Cached, createDecorators, currentLease, Caching } from 'cachement';
import { ipKey } from 'cachement/http';
import { memory } from 'cachement/memory';
import { recordingCaching } from 'cachement/testing';

const defaults = { storeTimeout: '10s' } as const; // The machine may be busy: no call is to give up its store.
const caching = new Caching({ adapter: memory(), namespace: 'books', defaults });
const { Locked, RateLimited } = createDecorators(caching);

class Books {
  reads = 0;

  @Cached({ cache: caching, ttl: '1m' })
  async find(id: string): Promise<string> {
    this.reads++;
    return `Book ${id}`;
  }

  @Locked({ key: 'stock:{0}' })
  async count(_id: string): Promise<readonly string[]> {
    return currentLease().keys;
  }

  @RateLimited({ key: 'order:{0}', limit: 2, per: '1m' })
  async order(_client: string): Promise<void> {}
}

const books = new Books();
await books.find('1');
await books.find('1');
await books.order(ipKey('192.0.2.1'));
const recording = recordingCaching();
await recording.close();
console.log(JSON.stringify({ reads: books.reads, lease: await books.count('7') }));
await caching.close();

// Only who imports a subpath with a peer needs the peer.
const subpath: string = 'cachement/ioredis'; // A name that the compiler does not follow: its types need the peer.
const { code, message } = await import(subpath).then(
  () => ({ code: undefined, message: '' }),
  (error: NodeJS.ErrnoException) => error,
);
console.log(`${code}: ${/'([^']+)'/.exec(message)?.[1]}`);
