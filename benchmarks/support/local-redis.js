/** A Redis process of our own to be killed, stopped and restarted: `REDIS_SERVER`, or redis-server on the PATH. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { fromRoot } from './from-root.js';

const { Redis } = fromRoot('ioredis');

export async function startLocalRedis() {
  const port = await freePort();
  let child;
  const start = async () => {
    child = spawn(
      process.env.REDIS_SERVER ?? 'redis-server',
      ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
      { stdio: 'ignore' },
    );
    await once(child, 'spawn');
    await answers(port);
  };
  await start();
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    kill,
    restart: start,
    signal: async (name) => child.kill(name),
    stop: kill,
  };
}

async function answers(port) {
  for (let tries = 0; tries < 200; tries++) {
    const client = new Redis(port, '127.0.0.1', { lazyConnect: true, retryStrategy: () => null });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.ping();
      return;
    } catch {
      await delay(25);
    } finally {
      client.disconnect();
    }
  }
  throw new Error(`No redis-server came up on port ${port}. Is redis-server on the PATH?`);
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
