/** A Redis for one run: REDIS_URL, else a redis-server of this machine, else (root on Debian) one that is installed. */
import { execFileSync, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fromRoot } from './from-root.js';

const { Redis } = fromRoot('ioredis');

const WAYS = `The benchmarks need a real Redis. There are four ways to have one, tried in this order:
  1. REDIS_URL, the address of one with an empty database (redis://localhost:6379/9);
  2. REDIS_SERVER, the path of a redis-server of version 6 or later;
  3. a redis-server on the PATH;
  4. Debian or Ubuntu, and you are root: then the package redis-server is installed.`;

/** @returns {Promise<{ url: string, client: import('ioredis').Redis, version: string, stop: () => Promise<void> }>} */
export async function startRedis() {
  const given = process.env.REDIS_URL ?? '';
  const server = given === '' ? await startServer(findServer() ?? installServer()) : undefined;
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
  const version = /redis_version:(\S+)/.exec(await client.info('server'))?.[1] ?? 'unknown';
  const stop = async () => {
    await client.flushdb().catch(() => {});
    client.disconnect();
    await server?.stop();
  };
  return { url, client, version, where: server === undefined ? 'REDIS_URL' : 'this machine', stop };
}

function findServer() {
  const named = process.env.REDIS_SERVER ?? '';
  const candidates = named.includes('/')
    ? [named]
    : (process.env.PATH ?? '')
        .split(path.delimiter)
        .map((folder) => path.join(folder, named === '' ? 'redis-server' : named));
  const found = candidates.find(isExecutable);
  if (found === undefined && named !== '') {
    throw new Error(`REDIS_SERVER is "${named}", and that is not a program that can be run.`);
  }
  return found;
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function installServer() {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) throw new Error(WAYS);
  console.log('No redis-server found: installing the package redis-server ...');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  execFileSync('apt-get', ['update'], { env, stdio: 'ignore' });
  execFileSync('apt-get', ['install', '-y', '--no-install-recommends', 'redis-server'], {
    env,
    stdio: 'ignore',
  });
  // The package starts a service on port 6379, and nobody asked for that one.
  execFileSync('sh', ['-c', 'service redis-server stop || true; update-rc.d redis-server disable || true'], {
    env,
    stdio: 'ignore',
  });
  return '/usr/bin/redis-server';
}

/** The server ends when this process does, whatever ends it: the shell beside it waits for the end of its input. */
const GUARD = '"$@" & server=$!; cat >/dev/null; kill -9 $server; wait $server 2>/dev/null; rm -rf "$FOLDER"';

async function startServer(program) {
  const folder = mkdtempSync(path.join(tmpdir(), 'cachement-benchmark-'));
  const port = await freePort();
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    '--save',
    '',
    '--appendonly',
    'no',
  ];
  const guard = spawn('/bin/sh', ['-c', GUARD, 'guard', program, ...args], {
    env: { ...process.env, FOLDER: folder },
    stdio: ['pipe', 'pipe', 'inherit'],
    // Interrupting the benchmark must not end the guard before it has cleaned up.
    detached: true,
  });
  await new Promise((resolve, reject) => {
    let output = '';
    guard.stdout.on('data', (chunk) => {
      output += chunk;
      if (output.includes('Ready to accept connections')) resolve();
    });
    guard.once('exit', () => reject(new Error(`${program} ended before it was ready:\n${output}`)));
  });
  guard.stdout.resume();
  guard.unref();
  guard.stdout.unref();
  guard.stdin.unref();
  const stop = async () => {
    const gone = new Promise((resolve) => guard.once('exit', resolve));
    guard.ref();
    guard.stdin.end();
    await gone;
  };
  return { url: `redis://127.0.0.1:${port}`, stop };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
