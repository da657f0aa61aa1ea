/** A Cluster of masters on this machine, for one question. */
import { findOrInstallRedisServer } from '../../test/support/find-redis.js';
import { freePort } from '../../test/support/free-port.js';
import { isPortTaken, startRedisProcess } from '../../test/support/redis-process.js';
import { fromRoot } from './from-root.js';

const { Redis } = fromRoot('ioredis');
const SLOTS = 16_384;

/** @returns {Promise<{ url: string, clients: readonly import('ioredis').Redis[], stop: () => Promise<void> }>} */
export async function startCluster(masters = 3) {
  const program = await findOrInstallRedisServer();
  if (program === undefined) throw new Error('A Cluster needs a redis-server of this machine.');
  const servers = [];
  const clients = [];
  const stop = async () => {
    for (const client of clients) client.disconnect();
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    while (servers.length < masters) servers.push(await startNode(program));
    for (const { url } of servers) clients.push(new Redis(url));
    for (const [i, client] of clients.entries()) {
      const [first, end] = [i, i + 1].map((share) => Math.floor((SLOTS * share) / masters));
      await client.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
      await client.call('CLUSTER', 'ADDSLOTSRANGE', first, end - 1);
      const [, busPort] = await client.call('CONFIG', 'GET', 'cluster-port');
      for (const other of clients.slice(0, i)) {
        await other.call('CLUSTER', 'MEET', servers[i].host, servers[i].port, busPort);
      }
    }
    while (!(await Promise.all(clients.map((client) => knowsAll(client, masters)))).every(Boolean)) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: servers[0].url, clients, stop };
}

async function startNode(program) {
  for (let attempt = 1; ; attempt += 1) {
    const args = ['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())];
    try {
      return await startRedisProcess(program, { args });
    } catch (error) {
      if (!isPortTaken(error) || attempt === 5) throw error;
    }
  }
}

async function knowsAll(client, masters) {
  const info = String(await client.call('CLUSTER', 'INFO')).split('\r\n');
  return ['cluster_state:ok', `cluster_slots_ok:${SLOTS}`, `cluster_known_nodes:${masters}`].every((line) =>
    info.includes(line),
  );
}
