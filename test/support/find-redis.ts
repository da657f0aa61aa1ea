import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * The `redis-server` of this machine: the path in `REDIS_SERVER`, else the one on the PATH, else undefined.
 * A `REDIS_SERVER` that cannot be run is an error, never passed over in silence.
 */
export async function findRedisServer(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  const named = env['REDIS_SERVER'];
  if (named === undefined || named === '') return onPath('redis-server', env);
  const found = named.includes('/') ? await executable(named) : await onPath(named, env);
  if (found !== undefined) return found;
  throw new Error(
    `REDIS_SERVER is "${named}", and that is not a program that can be run. Correct it or unset it.`,
  );
}

/** Installs Debian's or Ubuntu's package `redis-server` if we may: as root, with apt-get. Else undefined. */
export async function installRedisServer(): Promise<string | undefined> {
  if (process.getuid?.() !== 0 || (await onPath('apt-get', process.env)) === undefined) return undefined;
  process.stderr.write(
    'No Docker engine and no redis-server found: installing the package redis-server ...\n',
  );
  try {
    await run('/bin/sh', ['-c', INSTALL], { maxBuffer: 64 * 1_024 * 1_024 });
  } catch (error) {
    const output = (error as { stderr?: string }).stderr ?? '';
    throw new Error(`Installing the package redis-server failed: ${String(error)}\n${output}`, {
      cause: error,
    });
  }
  return executable('/usr/bin/redis-server');
}

// Test files run in parallel, each in a process of its own: the first to hold the lock installs, the others
// then find it done. The kernel frees the lock when its holder ends. The package starts a service on port
// 6379 and enables it; nobody asked for that one.
const INSTALL = `
set -e
exec 9>/run/cachement-install-redis.lock
flock 9
if [ -x /usr/bin/redis-server ]; then exit 0; fi
export DEBIAN_FRONTEND=noninteractive
apt-get update >&2
apt-get install -y --no-install-recommends redis-server >&2 9>&-
if [ -d /run/systemd/system ]; then
  systemctl disable --now redis-server >&2 || true
else
  service redis-server stop >&2 || true
  update-rc.d redis-server disable >&2 || true
fi
`;

async function onPath(program: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const candidates = await Promise.all(folders.map((folder) => executable(join(folder, program))));
  return candidates.find((candidate) => candidate !== undefined);
}

async function executable(path: string): Promise<string | undefined> {
  return access(path, constants.X_OK).then(
    () => path,
    () => undefined,
  );
}
