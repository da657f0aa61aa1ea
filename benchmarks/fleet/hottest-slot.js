/** In a Cluster, entries spread over the nodes, and the nonces of a namespace are in one slot. What does its node get? */
import { setTimeout as delay } from 'node:timers/promises';
import { Caching } from '../../dist/index.js';
import { ioredis } from '../../dist/ioredis.js';
import { startCluster } from '../support/cluster.js';
import { fromRoot } from '../support/from-root.js';
import { serverWork, workBetween } from './costs.js';
import { countMessages } from './messages-heard.js';

const { Cluster } = fromRoot('ioredis');

/**
 * @returns `shares`: for each kind of call, the share of the busiest node, of processor time and of commands; `copies`: how many
 *   messages a process with an L1 hears for each invalidation
 */
export async function measureHottestSlot(masters, times) {
  const cluster = await startCluster(masters);
  const client = new Cluster([cluster.url]);
  const caching = new Caching({
    adapter: ioredis(client, { timeout: '2s' }),
    namespace: 'slots',
    defaults: { ttl: '1h', storeTimeout: '2s' },
  });
  const { cache } = caching;
  const load = async () => ({ rows: 10 });
  const all = Array.from({ length: times }, (_, i) => `key:${i}`);
  const oneByOne = async (act) => {
    for (const key of all) await act(key);
  };
  const inHundreds = async (act) => {
    for (let i = 0; i < times; i += 100) await Promise.all(all.slice(i, i + 100).map(act));
  };
  const read = (key) => cache.getOrSet(key, load);
  try {
    await caching.ready();
    const kinds = [
      ['misses, one at a time', () => oneByOne(read)],
      ['hits, one at a time', () => oneByOne(read)],
      ['hits, 100 in a tick', () => inHundreds(read)],
      ['invalidations, one at a time', () => oneByOne((key) => cache.invalidate({ keys: [key] }))],
    ];
    const shares = [];
    for (const [kind, act] of kinds) {
      const before = await Promise.all(cluster.clients.map(serverWork));
      await act();
      const after = await Promise.all(cluster.clients.map(serverWork));
      const work = before.map((one, i) => workBetween(one, after[i]));
      const commands = work.map(
        ({ commands }) => (commands.mget?.calls ?? 0) + (commands.evalsha?.calls ?? 0),
      );
      shares.push({
        ...{ masters, kind, ofTime: shareOf(work.map(({ ms }) => ms)), ofCommands: shareOf(commands) },
        perCallMs: Math.max(...work.map(({ ms }) => ms)) / times,
      });
    }
    return { shares, copies: { masters, messages: await messagesPerInvalidation(client, caching) } };
  } finally {
    await caching.close();
    client.disconnect();
    await cluster.stop();
  }
}

async function messagesPerInvalidation(client, caching) {
  const invalidations = 100;
  const listener = new Caching({ adapter: ioredis(client, { timeout: '2s' }), namespace: 'slots', l1: true });
  const messages = countMessages();
  try {
    await listener.ready();
    // What the checks of `ready` publish has arrived then.
    await delay(1_000);
    const before = messages();
    for (let i = 0; i < invalidations; i += 1) await caching.cache.invalidate({ keys: [`key:${i}`] });
    await delay(500);
    return (messages() - before) / invalidations;
  } finally {
    await listener.close();
  }
}

/** Of the greatest. */
function shareOf(numbers) {
  return Math.max(...numbers) / numbers.reduce((sum, one) => sum + one, 0);
}
