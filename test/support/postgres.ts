import { execFile } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { promisify } from 'node:util';
import { findOrInstallPostgres } from './find-postgres.js';
import { freePort } from './free-port.js';
import { keepAlive, spawnGuarded } from './guarded-process.js';
import { temporaryFolder } from './temporary-folder.js';

const run = promisify(execFile);

/** A PostgreSQL server that belongs to the caller. */
export interface PostgresServer {
  readonly host: string;
  readonly port: number;
  /** `postgres://...`, of a superuser without a password. */
  url(database?: string): string;
  /** Runs statements by the program `psql`, and returns what it prints without headings. @throws what psql says */
  psql(sql: string, database?: string): Promise<string>;
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
const START_LIMIT_MS = 60_000;
/** Nothing is kept, and tests need few connections. */
const SETTINGS = [
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'shared_buffers=8MB',
  'max_connections=40',
];

/**
 * Starts a PostgreSQL server on a free port of 127.0.0.1, with an empty database. It ends by `stop`, or when this process
 * ends, whatever ends it. `find-postgres.ts` says where its programs come from.
 */
export async function startPostgres(): Promise<PostgresServer> {
  const bin = await findOrInstallPostgres();
  const folder = await temporaryFolder();
  try {
    const data = path.join(folder.path, 'data');
    const asUser = await unprivileged(folder.path);
    const [program = '', ...args] = [
      ...asUser,
      ...[path.join(bin, 'initdb'), '-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8'],
      ...['--no-locale', '--no-sync'],
    ];
    await run(program, args, { cwd: folder.path });
    const port = await freePort();
    const [command = '', ...rest] = [
      ...asUser,
      ...[path.join(bin, 'postgres'), '-D', data, '-h', HOST, '-p', String(port), '-k', folder.path],
      ...SETTINGS.flatMap((setting) => ['-c', setting]),
    ];
    const guard = spawnGuarded(command, rest);
    const exited = once(guard, 'close');
    const pid = await untilReady(guard.stdout!, guard.stderr!, exited);
    keepAlive(guard, false);
    const url = (database = 'postgres'): string => `postgres://postgres@${HOST}:${port}/${database}`;
    return {
      host: HOST,
      port,
      url,
      async psql(sql, database) {
        const { stdout } = await run(path.join(bin, 'psql'), [
          url(database),
          '-XqAt',
          '-v',
          'ON_ERROR_STOP=1',
          '-c',
          sql,
        ]);
        return stdout.trim();
      },
      async stop() {
        keepAlive(guard, true);
        process.kill(pid, 'SIGQUIT');
        await exited;
        await folder.remove();
      },
    };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

/** How to run a program as a user other than root, which PostgreSQL refuses. The folder becomes that user's. */
async function unprivileged(folder: string): Promise<readonly string[]> {
  if (process.getuid?.() !== 0) return [];
  const exists = await run('id', ['postgres']).then(
    () => true,
    () => false,
  );
  const user = exists ? 'postgres' : 'nobody';
  const { stdout } = await run('id', ['-g', user]);
  const group = stdout.trim();
  await run('chown', [`${user}:${group}`, folder]);
  return ['setpriv', `--reuid=${user}`, `--regid=${group}`, '--clear-groups'];
}

/** @returns the process id of the server */
async function untilReady(
  stdout: NodeJS.ReadableStream,
  stderr: NodeJS.ReadableStream,
  exited: Promise<unknown>,
): Promise<number> {
  let pid = '';
  let output = '';
  const ready = new Promise<void>((resolve) => {
    const read = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-8_192);
      if (output.includes('ready to accept connections')) resolve();
    };
    // The guard writes the process id of the server first, and the server writes to stderr.
    stdout.on('data', (chunk: Buffer) => (pid += chunk.toString()));
    stderr.on('data', read);
  });
  let timer: NodeJS.Timeout | undefined;
  const failed = Promise.race([
    exited.then(() => 'ended before it was ready'),
    new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve('was not ready in time'), START_LIMIT_MS);
    }),
  ]);
  const outcome = await Promise.race([ready, failed]);
  clearTimeout(timer);
  if (outcome !== undefined)
    throw new Error(`Expected PostgreSQL to start, but it ${outcome}. Its output:\n${output}`);
  return Number.parseInt(pid, 10);
}
