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
  /** The masters at the start, in the order of the nodes: the first has the lowest slots. */
  readonly servers: readonly RedisServer[];
  /** The replicas at the start: those of the first master, then those of the second one. */
  readonly replicas: readonly RedisServer[];
  stop(): Promise<void>;
}

export interface ClusterOptions {
  readonly args?: readonly string[];
  /** For each master. @default 0 */
  readonly replicas?: number;
}

/**
 * Starts masters, each with an equal share of the slots; resolves when every one knows them all, and the replicas are in
 * step.
 */
export async function startClusterOf(
  program: string,
  masters: number,
  { args = [], replicas = 0 }: ClusterOptions = {},
): Promise<RedisCluster> {
  const all = await startAll(
    Array.from({ length: masters * (1 + replicas) }, () => () => startNode(program, args)),
  );
  const servers = all.slice(0, masters);
  const stop = async (): Promise<void> => void (await Promise.all(all.map((server) => server.stop())));
  const clients = all.map(({ url }) => new Redis(url));
  try {
    await shareSlots(clients.slice(0, masters));
    await meet(clients, all);
    await agree(clients);
    for (const [index, client] of clients.slice(masters).entries()) {
      await follow(client, clients[Math.floor(index / replicas)]!);
    }
  } catch (error) {
    await stop();
    throw error;
  } finally {
    for (const client of clients) client.disconnect();
  }
  return {
    nodes: servers.map(({ host, port }) => ({ host, port })),
    servers,
    replicas: all.slice(masters),
    stop,
  };
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

async function shareSlots(clients: readonly Redis[]): Promise<void> {
  await Promise.all(
    clients.map(async (client, index) => {
      const first = Math.floor((SLOTS * index) / clients.length);
      const last = Math.floor((SLOTS * (index + 1)) / clients.length) - 1;
      // Different epochs from the start: the nodes need not settle who has which.
      await client.call('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
      await client.call('CLUSTER', 'ADDSLOTSRANGE', String(first), String(last));
    }),
  );
}

async function meet(clients: readonly Redis[], servers: readonly RedisServer[]): Promise<void> {
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

async function follow(replica: Redis, master: Redis): Promise<void> {
  await replica.call('CLUSTER', 'REPLICATE', String(await master.call('CLUSTER', 'MYID')));
  await eventually('a replica of the cluster is in step with its master', async () =>
    (await replica.info('replication')).includes('master_link_status:up'),
  );
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
  // A message to a node whose link is not open yet is lost.
  await eventually('every node of the cluster is linked with all others', async () => {
    const tables = await Promise.all(
      clients.map(async (client) => String(await client.call('CLUSTER', 'NODES'))),
    );
    return tables.every((table) => !/disconnected|handshake|noaddr/.test(table));
  });
}
