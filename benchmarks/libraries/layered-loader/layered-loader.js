import { Redis } from 'ioredis';
import {
  createGroupNotificationPair,
  createNotificationPair,
  GroupLoader,
  Loader,
  RedisCache,
  RedisGroupCache,
} from 'layered-loader';

export const name = 'layered-loader';
export const packages = ['layered-loader', 'ioredis'];

/** Its groups are what others call tags: an entry has one. */
export async function open({ url, prefix, ttlSeconds, tag, near }) {
  const clients = [new Redis(url)];
  const connect = () => {
    const client = new Redis(url);
    clients.push(client);
    return client;
  };
  const ttlInMsecs = ttlSeconds * 1_000;
  const grouped = tag !== undefined;
  const cacheOptions = { prefix, ttlInMsecs, json: true };
  const pair = !near
    ? undefined
    : (grouped ? createGroupNotificationPair : createNotificationPair)({
        channel: `${prefix}:notifications`,
        consumerRedis: connect(),
        publisherRedis: connect(),
      });
  const loads = new Map();
  const config = {
    inMemoryCache: near ? { ttlInMsecs, maxItems: 10_000 } : false,
    asyncCache: grouped
      ? new RedisGroupCache(clients[0], cacheOptions)
      : new RedisCache(clients[0], cacheOptions),
    dataSources: [
      {
        name: 'rows',
        isCache: false,
        get: (key) => loads.get(key)(),
        getFromGroup: (key) => loads.get(key)(),
      },
    ],
    ...(pair === undefined
      ? {}
      : { notificationConsumer: pair.consumer, notificationPublisher: pair.publisher }),
  };
  const loader = grouped ? new GroupLoader(config) : new Loader(config);
  await loader.init();
  return {
    read: (key, load) => {
      loads.set(key, load);
      return grouped ? loader.get(key, tag) : loader.get(key);
    },
    /** Without the loader, which a hit does not need. */
    hit: (key) => (grouped ? loader.get(key, tag) : loader.get(key)),
    invalidate: {
      key: async (key, update) => {
        await update();
        await (grouped ? loader.invalidateCacheFor(key, tag) : loader.invalidateCacheFor(key));
      },
      tag: async (_key, update) => {
        await update();
        await loader.invalidateCacheForGroup(tag);
      },
      clear: async (_key, update) => {
        await update();
        await loader.invalidateCache();
      },
    },
    close: async () => {
      for (const client of clients) client.disconnect();
    },
  };
}
