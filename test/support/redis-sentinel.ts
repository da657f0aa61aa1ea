import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { eventually } from './eventually.js';
import { startRedisProcess } from './redis-process.js';
import type { RedisServer } from './redis-server.js';
import { startAll } from './start-all.js';

const NAME = 'primary';

export interface SentinelSetup {
  /** To be given to `new Redis({ sentinels, name })`. */
  readonly sentinels: { readonly host: string; readonly port: number }[];
  readonly name: string;
  /** The roles at the start: after a failover the replica is the primary. */
  readonly primary: RedisServer;
  readonly replica: RedisServer;
  /** The first sentinel's own process. */
  readonly sentinel: RedisServer;
  stop(): Promise<void>;
}

export interface SentinelOptions {
  /** How many. A majority decides. @default 1 */
  readonly sentinels?: number;
  /** After how long without an answer a server is down. On a busy machine that is short. @default 500 */
  readonly downAfterMs?: number;
  /** Of the sentinels. @default none */
  readonly password?: string;
}

/**
 * Starts a primary, a replica that has caught up, and sentinels.
 */
export async function startSentinelOf(
  program: string,
  { sentinels: count = 1, downAfterMs = 500, password }: SentinelOptions = {},
): Promise<SentinelSetup> {
  const started: RedisServer[] = [];
  const start = async (options: Parameters<typeof startRedisProcess>[1]): Promise<RedisServer> => {
    const server = await startRedisProcess(program, options);
    started.push(server);
    return server;
  };
  const stop = async (): Promise<void> => void (await Promise.all(started.map((server) => server.stop())));
  try {
    const primary = await start({ args: ['--repl-diskless-sync-delay', '0'] });
    const replica = await start({ args: ['--replicaof', primary.host, String(primary.port)] });
    await until(replica, 'is in step with its primary', async (client) =>
      (await client.info('replication')).includes('master_link_status:up'),
    );
    const quorum = Math.floor(count / 2) + 1;
    const guards = await startAll(
      Array.from({ length: count }, () => () => start(sentinelOf(primary, quorum, downAfterMs, password))),
    );
    for (const guard of guards) {
      await until(guard, 'knows the replica', knowsReplica);
      await until(guard, 'knows the other sentinels', async (client) => {
        return ((await client.call('SENTINEL', 'SENTINELS', NAME)) as unknown[]).length === count - 1;
      });
    }
    const sentinels = guards.map(({ host, port }) => ({ host, port }));
    const sentinel = guards[0]!;
    return { sentinels, name: NAME, primary, replica, sentinel, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function sentinelOf(
  primary: RedisServer,
  quorum: number,
  downAfterMs: number,
  password: string | undefined,
): Parameters<typeof startRedisProcess>[1] {
  const lines = [
    `sentinel monitor ${NAME} ${primary.host} ${primary.port} ${quorum}`,
    `sentinel down-after-milliseconds ${NAME} ${downAfterMs}`,
    `sentinel failover-timeout ${NAME} 5000`,
    `sentinel parallel-syncs ${NAME} 1`,
    ...(password === undefined ? [] : [`requirepass ${password}`, `sentinel sentinel-pass ${password}`]),
  ];
  return {
    bare: true,
    ...(password === undefined ? {} : { password }),
    // A sentinel writes what it learns into its configuration, so it must have one of its own.
    prepare: async ({ folder }) => {
      const file = join(folder, 'sentinel.conf');
      await writeFile(file, `${lines.join('\n')}\n`);
      return [file, '--sentinel'];
    },
  };
}

/** Whether a sentinel could promote the replica now. It asks the servers every ten seconds. */
export async function knowsReplica(client: Redis): Promise<boolean> {
  const replicas = (await client.call('SENTINEL', 'REPLICAS', NAME)) as string[][];
  const fields = replicas[0];
  if (!fields) return false;
  const value = (name: string): string | undefined => fields[fields.indexOf(name) + 1];
  // Only a replica that the sentinel has heard from can be promoted.
  return value('flags') === 'slave' && value('master-link-status') === 'ok';
}

async function until(
  server: RedisServer,
  what: string,
  check: (client: Redis) => Promise<boolean>,
): Promise<void> {
  const client = new Redis(server.url);
  try {
    await eventually(`the server on port ${server.port} ${what}`, () => check(client));
  } finally {
    client.disconnect();
  }
}
