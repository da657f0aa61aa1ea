import type { TestFn } from 'ava';
import { prepareImage, startRedisContainer } from './docker-redis.js';
import { dockerAnswers } from './find-docker.js';
import { findOrInstallRedisServer, findRedisServer, LOCAL_WAYS } from './find-redis.js';
import { startClusterOf, type ClusterOptions, type RedisCluster } from './redis-cluster.js';
import { startRedisProcess } from './redis-process.js';
import { startSentinelOf, type SentinelOptions, type SentinelSetup } from './redis-sentinel.js';
import type { RedisServer, StartRedisOptions } from './redis-server.js';
import { startAll } from './start-all.js';

export type { RedisCluster } from './redis-cluster.js';
export type { SentinelSetup } from './redis-sentinel.js';
export type { RedisServer, StartRedisOptions } from './redis-server.js';

const DEFAULT_IMAGE = 'redis:7-alpine';

const WAYS = [
  'There are four ways to have one, tried in this order:',
  `  1. a Docker engine that answers: the image is ${DEFAULT_IMAGE}, or what REDIS_IMAGE names;`,
  ...LOCAL_WAYS.map((way, i) => `  ${i + 2}. ${way}`),
].join('\n');

/**
 * Starts a Redis server that belongs to the caller, found in the first of the ways above. It is empty, keeps
 * nothing, and is gone when `stop` is called or the test process ends, whatever ends it.
 */
export async function startRedis(options: StartRedisOptions = {}): Promise<RedisServer> {
  const program = options.local === true ? await findRedisServer() : undefined;
  if (program !== undefined) return startRedisProcess(program, options);
  const image = await dockerImage();
  if (image !== undefined) return startRedisContainer(image, options);
  return startRedisProcess(await localServer(), options);
}

/** Servers that know nothing of each other, as Redlock wants them. */
export function startIndependent(count: number, options: StartRedisOptions = {}): Promise<RedisServer[]> {
  return startAll(Array.from({ length: count }, () => () => startRedis(options)));
}

/**
 * Starts a cluster. Always local processes, as the nodes tell clients each other's addresses, and
 * a container knows only its own inner one.
 */
export async function startCluster(masters = 3, options: ClusterOptions = {}): Promise<RedisCluster> {
  return startClusterOf(await localServer('A cluster'), masters, options);
}

/** Starts a primary with a replica and sentinels. Always local processes, for the same reason. */
export async function startSentinel(options: SentinelOptions = {}): Promise<SentinelSetup> {
  return startSentinelOf(await localServer('A sentinel'), options);
}

/**
 * One server for all tests of a file, started before the first and ended after the last, whatever became of
 * them.
 */
export function redisForFile<Context>(
  test: TestFn<Context>,
  options: StartRedisOptions = {},
): () => RedisServer {
  let server: RedisServer | undefined;
  test.before('start Redis', async () => {
    server = await startRedis(options);
  });
  test.after.always('stop Redis', async () => {
    await server?.stop();
  });
  return () => {
    if (!server)
      throw new Error('The server of this file exists only while its tests run: call this inside a test.');
    return server;
  };
}

async function localServer(who?: string): Promise<string> {
  const program = await findOrInstallRedisServer();
  if (program !== undefined) return program;
  if (who === undefined) throw new Error(`The tests need a real Redis server, and none was found. ${WAYS}`);
  throw new Error(
    `${who} needs a redis-server of this machine, and none was found; a Docker engine is no help here, as nodes in ` +
      `containers announce addresses that the tests cannot reach. Way 2, 3 or 4 is needed. ${WAYS}`,
  );
}

/** The image to use, or undefined where Docker is of no use. Found once in each test process. */
let found: Promise<string | undefined> | undefined;

function dockerImage(): Promise<string | undefined> {
  return (found ??= findImage());
}

async function findImage(): Promise<string | undefined> {
  const named = process.env['REDIS_IMAGE'];
  const isNamed = named !== undefined && named !== '';
  if (!(await dockerAnswers())) {
    if (isNamed)
      process.stderr.write('REDIS_IMAGE is set, but no Docker engine answers: looking for a redis-server.\n');
    return undefined;
  }
  const image = isNamed ? named : DEFAULT_IMAGE;
  try {
    await prepareImage(image);
    return image;
  } catch (error) {
    if (isNamed) {
      throw new Error(
        `REDIS_IMAGE is "${image}", and the Docker engine cannot get that image: ${String(error)}`,
        {
          cause: error,
        },
      );
    }
    process.stderr.write(`The Docker engine cannot get the image ${image}: looking for a redis-server.\n`);
    return undefined;
  }
}
