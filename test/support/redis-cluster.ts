import { Redis } from 'ioredis';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';
import { isPortTaken, startRedisProcess } from './redis-process.js';
import type { RedisServer } from './redis-server.js';
import { startAll } from './start-all.js';

const SLOTS = 16_384;

export interface RedisCluster {
  /** To be given to `new Cluster(nodes)`. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  /** In the order of the nodes: the first has the lowest slots. */
  readonly servers: readonly RedisServer[];
  stop(): Promise<void>;
}

/**
 * Starts masters without replicas, each with an equal share of the slots; resolves when every one knows them
 * all.
 */
export async function startClusterOf(
  program: string,
  masters: number,
  args: readonly string[],
): Promise<RedisCluster> {
  const servers = await startAll(Array.from({ length: masters }, () => () => startNode(program, args)));
  const stop = async (): Promise<void> => void (await Promise.all(servers.map((server) => server.stop())));
  const clients = servers.map(({ url }) => new Redis(url));
  try {
    await join(clients, servers);
    await agree(clients);
  } catch (error) {
    await stop();
    throw error;
  } finally {
    for (const client of clients) client.disconnect();
  }
  return { nodes: servers.map(({ host, port }) => ({ host, port })), servers, stop };
}

async function startNode(program: string, args: readonly string[]): Promise<RedisServer> {
  for (let attempt = 1; ; attempt += 1) {
    // The bus would else be 10,000 above the port, and that may be taken. So may this one, by the time it is used.
    const cluster = ['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())];
    try {
      return await startRedisProcess(program, {
        args: [...cluster, '--cluster-node-timeout', '2000', ...args],
      });
    } catch (error) {
      if (!isPortTaken(error) || attempt === 5) throw error;
    }
  }
}

async function join(clients: readonly Redis[], servers: readonly RedisServer[]): Promise<void> {
  await Promise.all(
    clients.map(async (client, index) => {
      const first = Math.floor((SLOTS * index) / clients.length);
      const last = Math.floor((SLOTS * (index + 1)) / clients.length) - 1;
      // Different epochs from the start: the nodes need not settle who has which.
      await client.call('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
      await client.call('CLUSTER', 'ADDSLOTSRANGE', String(first), String(last));
    }),
  );
  const busPorts = await Promise.all(clients.map(busPort));
  // Everybody meets everybody, which is faster than to wait for the gossip.
  for (const [index, client] of clients.entries()) {
    for (let other = index + 1; other < servers.length; other += 1) {
      const server = servers[other];
      if (server)
        await client.call('CLUSTER', 'MEET', server.host, String(server.port), busPorts[other] ?? '');
    }
  }
}

async function busPort(client: Redis): Promise<string> {
  const answer = (await client.call('CONFIG', 'GET', 'cluster-port')) as string[];
  return answer[1] ?? '';
}

/** A master of a new cluster waits two seconds before it calls the cluster well: nothing can hurry it. */
async function agree(clients: readonly Redis[]): Promise<void> {
  const wanted = ['cluster_state:ok', `cluster_slots_ok:${SLOTS}`, `cluster_known_nodes:${clients.length}`];
  await eventually('every node of the cluster knows all nodes and slots', async () => {
    const views = await Promise.all(
      clients.map(async (client) => String(await client.call('CLUSTER', 'INFO'))),
    );
    return views.every((view) => wanted.every((line) => view.split('\r\n').includes(line)));
  });
}
