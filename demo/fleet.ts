import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Caching } from 'cachement';
import { ioredis } from 'cachement/ioredis';
import { memory } from 'cachement/memory';
import { connect } from './calls.js';
import type { CityDatabase } from './city-database.js';
import { startInstance, type Instance } from './instance.js';
import { plainMemory } from './naive-cities.js';

export interface Fleet {
  readonly where: string;
  readonly instances: readonly Instance[];
  stop(): Promise<void>;
}

const SIZE = 4;

/** Four instances of the application: processes on Redis, or in this process on one embedded adapter. */
export async function startFleet(redisUrl: string | undefined, database: CityDatabase): Promise<Fleet> {
  const namespace = `demo-${process.pid}`;
  if (redisUrl !== undefined) return startProcesses(redisUrl, namespace, database);
  const [adapter, plain] = [memory(), plainMemory()];
  const instances = await Promise.all(
    Array.from({ length: SIZE }, () => startInstance({ adapter, namespace, plain, database })),
  );
  return {
    where: 'in one process, on one embedded adapter; with REDIS_URL set, they are processes on Redis',
    instances,
    stop: async () => void (await Promise.all(instances.map((instance) => instance.close()))),
  };
}

async function startProcesses(redisUrl: string, namespace: string, database: CityDatabase): Promise<Fleet> {
  await check(redisUrl, namespace);
  const program = fileURLToPath(new URL('instance-process.js', import.meta.url));
  const children = Array.from({ length: SIZE }, () => fork(program, [redisUrl, namespace]));
  await Promise.all(children.map((child) => once(child, 'message')));
  const instances = children.map((child) => connect<Instance>(child, database));
  return {
    where: 'each in a process of its own, on Redis',
    instances,
    stop: async () => {
      await Promise.all(instances.map((instance) => instance.close()));
      await Promise.all(
        children.map((child) => {
          child.disconnect();
          return once(child, 'exit');
        }),
      );
    },
  };
}

/** Checks Redis once, before four processes report the same error. @throws StoreSetupError */
async function check(redisUrl: string, namespace: string): Promise<void> {
  await using caching = new Caching({ adapter: ioredis(redisUrl), namespace });
  await caching.ready();
}
