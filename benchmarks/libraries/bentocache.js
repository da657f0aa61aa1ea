import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { redisBusDriver, redisDriver } from 'bentocache/drivers/redis';
import { Redis } from 'ioredis';

export const name = 'bentocache';
export const packages = ['bentocache', 'ioredis'];

export async function open({ url, prefix, ttlSeconds, tag, near }) {
  const redis = new Redis(url);
  const bus = near ? new Redis(url) : undefined;
  const store = near
    ? bentostore()
        .useL1Layer(memoryDriver({ maxItems: 10_000 }))
        .useL2Layer(redisDriver({ connection: redis }))
        .useBus(redisBusDriver({ connection: bus }))
    : bentostore().useL2Layer(redisDriver({ connection: redis }));
  const bento = new BentoCache({ default: 'rows', prefix, ttl: ttlSeconds * 1_000, stores: { rows: store } });
  await redis.ping();
  return {
    read: (key, load) =>
      bento.getOrSet({ key, factory: load, ...(tag === undefined ? {} : { tags: [tag] }) }),
    invalidate: {
      key: async (key, update) => {
        await update();
        await bento.delete({ key });
      },
      tag: async (_key, update) => {
        await update();
        await bento.deleteByTag({ tags: [tag] });
      },
      clear: async (_key, update) => {
        await update();
        await bento.clear();
      },
    },
    close: () => bento.disconnectAll(),
  };
}
