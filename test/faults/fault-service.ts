import { ioredis } from '../../src/adapters/ioredis/index.js';
import { Caching, createDecorators, type Duration, type EventName } from '../../src/index.js';
import { recordEvents } from '../../src/testing/record-events.js';
import { eventually } from '../support/eventually.js';

export interface FaultService {
  readonly caching: Caching;
  /** The value in the database. A load returns it. */
  version: number;
  readonly loads: number;
  find(id: string): Promise<number>;
  save(id: string): Promise<string>;
  /** Returns how many events of this name this service has published. */
  count(name: EventName): number;
  /** Resolves when two consecutive calls return without a load, so Redis is in use again. */
  cached(id: string): Promise<void>;
  close(): Promise<void>;
}

export interface FaultServiceOptions {
  readonly namespace?: string;
  /** How long calls may wait for Redis. Longer for faults that delay replies. @default '1s' */
  readonly patience?: Duration;
}

let services = 0;

/** A decorated service on a real Redis in which a test injects faults. */
export function faultService(url: string, options: FaultServiceOptions = {}): FaultService {
  const namespace = options.namespace ?? `faults-${process.pid}-${++services}`;
  const { patience = '1s' } = options;
  const caching = new Caching({
    adapter: ioredis(url, { timeout: patience }),
    namespace,
    defaults: { ttl: '1m', storeTimeout: patience },
  });
  const { Cached, Invalidates } = createDecorators(caching);
  const { of, stop } = recordEvents(namespace);
  let version = 1;
  let loads = 0;
  class Items {
    @Cached({ key: 'item:{0}' })
    async find(_id: string): Promise<number> {
      loads++;
      return version;
    }

    @Invalidates({ keys: 'item:{0}' })
    async save(_id: string): Promise<string> {
      version++;
      return 'saved';
    }
  }
  const items = new Items();
  return {
    caching,
    get version() {
      return version;
    },
    set version(next) {
      version = next;
    },
    get loads() {
      return loads;
    },
    find: (id) => items.find(id),
    save: (id) => items.save(id),
    count: (name) => of(name).length,
    cached: async (id) => {
      await eventually('calls are served from Redis', async () => {
        await items.find(id);
        const before = loads;
        await items.find(id);
        return loads === before;
      });
    },
    close: async () => {
      await caching.close();
      stop();
    },
  };
}
