import { Redis } from 'ioredis';
import { eventually } from '../../support/eventually.js';
import type { RedisServer } from '../../support/servers.js';
import { now } from './calls.js';

/** What a failover may have lost: what a master executed after it had lost its replica, or just before it was killed. */
export interface Loss {
  readonly from: number;
  readonly to: number;
  /** From when on a read may show what was lost: before that the old master answers, which has it. */
  readonly shownFrom: number;
  /** The replica was in step: only what was under way can be lost. */
  readonly inStep: boolean;
  /** Whether this key was on that master. */
  covers(record: string): boolean;
}

/** Who moves slots and lets replicas take over. */
export interface Operator {
  /** Of this run. Also of failovers that nobody has ordered: on a busy machine a master may seem to be away. */
  readonly losses: readonly Loss[];
  /** Looks who is master, and adds the losses of failovers that nobody has ordered. */
  notice(): Promise<void>;
}

/** For how long a master goes on without its replica before it is killed. */
const ALONE_MS = 600;

export function adminOf({ url }: Pick<RedisServer, 'url'>): Redis {
  const client = new Redis(url, { maxRetriesPerRequest: 0, retryStrategy: () => 50 });
  client.on('error', () => {});
  return client;
}

/** The fields of a section of INFO. */
export async function info(client: Redis, section: string): Promise<ReadonlyMap<string, string>> {
  const lines = (await client.info(section)).split('\r\n');
  return new Map(
    lines.filter((line) => line.includes(':')).map((line) => line.split(':', 2) as [string, string]),
  );
}

export async function isInStep(replica: Redis): Promise<boolean> {
  return (await info(replica, 'replication')).get('master_link_status') === 'up';
}

/** Waits until a replica has everything that its master confirmed until now. @returns when that was */
export async function replicatedUntil(master: RedisServer, replica: RedisServer): Promise<number> {
  const [from, to] = [adminOf(master), adminOf(replica)];
  try {
    const at = now();
    const offset = Number((await info(from, 'replication')).get('master_repl_offset'));
    await eventually('the replica has everything', async () => {
      return Number((await info(to, 'replication')).get('slave_repl_offset')) >= offset;
    });
    return at;
  } finally {
    for (const client of [from, to]) client.disconnect();
  }
}

/**
 * Kills a master by SIGKILL.
 *
 * @param alone its link to the replica is cut first: for a while the master then confirms what nobody else has
 * @returns when what it confirmed may have been lost
 */
export async function killMaster(
  master: RedisServer,
  replica: RedisServer,
  alone: boolean,
  wait: (ms: number) => Promise<unknown>,
): Promise<Omit<Loss, 'covers'>> {
  const from = await replicatedUntil(master, replica);
  if (alone) {
    await replica.pause();
    const admin = adminOf(master);
    await admin.call('CLIENT', 'KILL', 'TYPE', 'replica');
    admin.disconnect();
    await wait(ALONE_MS);
  }
  await master.kill();
  const to = now();
  if (alone) await replica.resume();
  return { from, to, shownFrom: to, inStep: !alone };
}

/** Removes everything: what was left by an earlier run would count as its own. */
export async function flush(servers: readonly RedisServer[]): Promise<void> {
  for (const server of servers) {
    const admin = adminOf(server);
    if ((await admin.role())[0] === 'master') await admin.flushall();
    admin.disconnect();
  }
}

export async function untilInStep(server: RedisServer): Promise<void> {
  const admin = adminOf(server);
  try {
    await eventually(
      `the server on port ${server.port} is a replica in step`,
      () => isInStep(admin).catch(() => false),
      40_000,
    );
  } finally {
    admin.disconnect();
  }
}
