/** The Redis of a benchmark: the servers are those of the tests, always as processes of this machine. */
import process from 'node:process';
import { findOrInstallRedisServer, LOCAL_WAYS } from '../../test/support/find-redis.js';
import { startRedisProcess } from '../../test/support/redis-process.js';
import { fromRoot } from './from-root.js';

const { Redis } = fromRoot('ioredis');

const WAYS = [
  'The benchmarks need a real Redis. There are four ways to have one, tried in this order:',
  '  1. REDIS_URL, the address of one with an empty database (redis://localhost:6379/9);',
  ...LOCAL_WAYS.map((way, i) => `  ${i + 2}. ${way}`),
].join('\n');

/**
 * The Redis of one run: that of `REDIS_URL`, whose database must be empty, else a server of its own.
 *
 * @returns {Promise<{ url: string, client: import('ioredis').Redis, version: string, where: string, stop: () => Promise<void> }>}
 */
export async function startRedis() {
  const given = process.env.REDIS_URL ?? '';
  const server = given === '' ? await startLocalRedis() : undefined;
  const url = server?.url ?? given;
  const client = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0 });
  client.on('error', () => {});
  try {
    await client.ping();
  } catch (error) {
    throw new Error(`No Redis answers at ${url.replace(/\/\/[^@/]*@/, '//***@')}.\n${WAYS}`, {
      cause: error,
    });
  }
  if (server === undefined && (await client.dbsize()) > 0) {
    client.disconnect();
    throw new Error(
      'REDIS_URL names a database that has keys in it, and the benchmarks empty the one they use. ' +
        'Name an empty one: redis://localhost:6379/9',
    );
  }
  const stop = async () => {
    await client.flushdb().catch(() => {});
    client.disconnect();
    await server?.stop();
  };
  const where = server === undefined ? 'REDIS_URL' : 'this machine';
  return { url, client, version: await versionOf(client), where, stop };
}

/**
 * A server of this machine that can be killed, paused and restarted. It ends with this process.
 *
 * @returns {Promise<import('../../test/support/redis-server.ts').RedisServer>}
 */
export async function startLocalRedis() {
  const program = await findOrInstallRedisServer();
  if (program === undefined) throw new Error(WAYS);
  return startRedisProcess(program);
}

async function versionOf(client) {
  return /redis_version:(\S+)/.exec(await client.info('server'))?.[1] ?? 'unknown';
}
