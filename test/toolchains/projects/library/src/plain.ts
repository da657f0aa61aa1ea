import { Cached, Caching, subscribe } from 'cachement';
import { memory } from 'cachement/memory';

const defaults = { storeTimeout: '10s' } as const; // The machine may be busy: no call is to give up its store.

/** Without a container: for legacy and for standard decorators. */
class Magazines {
  reads = 0;
  readonly caching = new Caching({ adapter: memory(), namespace: 'library', defaults });

  @Cached({ ttl: '1m' })
  async find(id: string): Promise<string> {
    this.reads++;
    return `Magazine ${id}`;
  }
}

/** Reads a magazine twice. */
export async function report(): Promise<object> {
  const keys: string[] = [];
  const end = subscribe('fill', ({ key }) => keys.push(key));
  const magazines = new Magazines();
  await magazines.find('1');
  await magazines.find('1');
  end();
  return { reads: [magazines.reads], keys, warnings: [], errors: [] };
}
