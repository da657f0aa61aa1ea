import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Where a `redis-server` of this machine is looked for, in this order. For error messages. */
export const LOCAL_WAYS = [
  'the path of a redis-server of version 7 or later in REDIS_SERVER;',
  'a redis-server on the PATH;',
  'Debian or Ubuntu, as root: then the package redis-server is installed.',
];

/** @type {Promise<string | undefined> | undefined} */
let found;

/**
 * The `redis-server` of this machine, by the first of `LOCAL_WAYS`, or undefined. The search runs once in each
 * process.
 *
 * @returns {Promise<string | undefined>}
 */
export function findOrInstallRedisServer() {
  return (found ??= findRedisServer().then(async (program) => program ?? installRedisServer()));
}

/**
 * The path in `REDIS_SERVER`, else the `redis-server` on the PATH, else undefined. A `REDIS_SERVER` that is no
 * program is an error.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<string | undefined>}
 */
export async function findRedisServer(env = process.env) {
  const named = env['REDIS_SERVER'];
  if (named === undefined || named === '') return onPath('redis-server', env);
  const program = named.includes('/') ? await executable(named) : await onPath(named, env);
  if (program !== undefined) return program;
  throw new Error(
    `REDIS_SERVER is "${named}", and that is not a program that can be run. Correct it or unset it.`,
  );
}

/**
 * Installs the package `redis-server` of Debian or Ubuntu. Undefined without root or without apt-get.
 *
 * @returns {Promise<string | undefined>}
 */
async function installRedisServer() {
  if (process.getuid?.() !== 0 || (await onPath('apt-get', process.env)) === undefined) return undefined;
  process.stderr.write('No redis-server found: installing the package redis-server ...\n');
  try {
    await run('/bin/sh', ['-c', INSTALL], { maxBuffer: 64 * 1_024 * 1_024 });
  } catch (error) {
    const output = /** @type {{ stderr?: string }} */ (error).stderr ?? '';
    throw new Error(`Installing the package redis-server failed: ${String(error)}\n${output}`, {
      cause: error,
    });
  }
  return executable('/usr/bin/redis-server');
}

// Test files run in parallel, each in its own process: the first to hold the lock installs, and the others find the
// program afterwards. The kernel frees the lock when its holder ends. The package starts a service on port 6379, and
// enables it: nothing here needs it.
const INSTALL = `
set -e
exec 9>/run/cachement-install.lock
flock 9
if [ -x /usr/bin/redis-server ]; then exit 0; fi
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=300 update >&2
apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends redis-server >&2 9>&-
if [ -d /run/systemd/system ]; then
  systemctl disable --now redis-server >&2 || true
else
  service redis-server stop >&2 || true
  update-rc.d redis-server disable >&2 || true
fi
`;

/**
 * @param {string} program
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<string | undefined>}
 */
async function onPath(program, env) {
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const candidates = await Promise.all(folders.map((folder) => executable(join(folder, program))));
  return candidates.find((candidate) => candidate !== undefined);
}

/**
 * @param {string} path
 * @returns {Promise<string | undefined>}
 */
async function executable(path) {
  return access(path, constants.X_OK).then(
    () => path,
    () => undefined,
  );
}
