import { execFile } from 'node:child_process';
import { access, constants, readdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const WAYS = [
  'The tests of PostgreSQL need its programs, and they were not found. There are three ways to have them:',
  '  1. the folder of initdb, postgres and psql, of version 12 or later, in POSTGRES_BIN;',
  '  2. /usr/lib/postgresql/<version>/bin, or initdb on the PATH;',
  '  3. Debian or Ubuntu, as root: then the package postgresql is installed.',
].join('\n');

/** The folder of `initdb`, `postgres` and `psql`. @throws Error that lists the ways to have them */
export async function findOrInstallPostgres(): Promise<string> {
  const found = (await findPostgres()) ?? ((await install()) ? await findPostgres() : undefined);
  if (found === undefined) throw new Error(WAYS);
  return found;
}

async function findPostgres(): Promise<string | undefined> {
  const named = process.env['POSTGRES_BIN'];
  if (named !== undefined && named !== '') {
    if (await isBin(named)) return named;
    throw new Error(`POSTGRES_BIN is "${named}", and initdb is not in it. Correct it or unset it.`);
  }
  const folder = '/usr/lib/postgresql';
  const versions = (await readdir(folder).catch(() => [])).sort((a, b) => Number(b) - Number(a));
  const candidates = [
    ...versions.map((version) => path.join(folder, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(path.delimiter).filter((one) => one !== ''),
  ];
  for (const candidate of candidates) if (await isBin(candidate)) return candidate;
  return undefined;
}

function isBin(folder: string): Promise<boolean> {
  return access(path.join(folder, 'initdb'), constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function install(): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  const hasApt = await run('apt-get', ['--version']).then(
    () => true,
    () => false,
  );
  if (!hasApt) return false;
  process.stderr.write('No PostgreSQL found: installing the package postgresql ...\n');
  await run('/bin/sh', ['-c', INSTALL], { maxBuffer: 64 * 1_024 * 1_024 });
  return true;
}

// The package would make a cluster and start it as a service: nothing here needs it. Test files run in parallel: the first
// to hold the lock installs.
const INSTALL = `
set -e
exec 9>/run/cachement-install.lock
flock 9
if ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1; then exit 0; fi
export DEBIAN_FRONTEND=noninteractive
mkdir -p /etc/postgresql-common
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
  echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
fi
apt-get -o DPkg::Lock::Timeout=300 update >&2
apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends -o Dpkg::Options::=--force-confold postgresql >&2 9>&-
`;
