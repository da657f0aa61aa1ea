/**
 * A reference of price.js: the GETs of one tick as one pipeline for each master, grouped by hand, and `JSON.parse`. It
 * follows no slot that moves.
 */
import { fromRoot } from '../support/from-root.js';

const { Cluster } = fromRoot('ioredis');
const slotOf = fromRoot('cluster-key-slot');

export const name = 'ioredis 6 Cluster: a pipeline for each master, by hand';
export const rootPackages = ['ioredis'];

export async function open({ url, prefix, ttlSeconds }) {
  const cluster = new Cluster([url]);
  await cluster.get(prefix);
  const clients = new Map(
    cluster.nodes('master').map((node) => [`${node.options.host}:${node.options.port}`, node]),
  );
  let batch;
  const send = async (client, calls) => {
    const pipeline = client.pipeline();
    for (const { key } of calls) pipeline.get(key);
    const replies = await pipeline.exec();
    replies.forEach(([error, value], i) => (error ? calls[i].reject(error) : calls[i].resolve(value)));
  };
  const flush = () => {
    const begun = batch;
    batch = undefined;
    for (const [master, calls] of begun) void send(clients.get(master), calls);
  };
  const get = (key) =>
    new Promise((resolve, reject) => {
      if (batch === undefined) {
        batch = new Map();
        process.nextTick(flush);
      }
      const [master] = cluster.slots[slotOf(key)];
      const calls = batch.get(master);
      if (calls === undefined) batch.set(master, [{ key, resolve, reject }]);
      else calls.push({ key, resolve, reject });
    });
  return {
    read: async (key, load) => {
      const cached = await get(`${prefix}:${key}`);
      if (cached !== null) return JSON.parse(cached);
      const row = await load();
      await cluster.set(`${prefix}:${key}`, JSON.stringify(row), 'EX', ttlSeconds);
      return row;
    },
    close: async () => cluster.disconnect(),
  };
}
