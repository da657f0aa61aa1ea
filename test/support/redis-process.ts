import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from './free-port.js';
import { keepAlive, spawnGuarded } from './guarded-process.js';
import { commonArgs, redisUrl, type RedisServer, type StartRedisOptions } from './redis-server.js';
import { temporaryFolder, type TemporaryFolder } from './temporary-folder.js';

const HOST = '127.0.0.1';
const START_LIMIT_MS = 20_000;

export interface LocalOptions extends StartRedisOptions {
  readonly port?: number;
  /** Leaves out the arguments that all servers of the tests get: a sentinel takes none of them. */
  readonly bare?: boolean;
  /**
   * Makes what must stand in the server's folder before it starts; returns arguments that come before all
   * others.
   */
  readonly prepare?: (place: {
    readonly folder: string;
    readonly port: number;
  }) => Promise<readonly string[]>;
}

/**
 * Starts the program, a `redis-server` or its like, as a process of this machine on a free port of 127.0.0.1.
 */
export async function startRedisProcess(program: string, options: LocalOptions = {}): Promise<RedisServer> {
  const folder = await temporaryFolder();
  try {
    for (let attempt = 1; ; attempt += 1) {
      const port = options.port ?? (await freePort());
      try {
        const server = new RedisProcess(program, folder, port, options);
        await server.restart();
        return server;
      } catch (error) {
        if (!isPortTaken(error) || options.port !== undefined || attempt === 5) throw error;
      }
    }
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

/** Somebody else was faster: ask for another port. */
export function isPortTaken(error: unknown): boolean {
  return error instanceof Error && error.message.includes('Address already in use');
}

class RedisProcess implements RedisServer {
  readonly kind = 'local';
  readonly host = HOST;
  readonly port: number;
  readonly url: string;
  readonly password: string | undefined;
  readonly #program: string;
  readonly #folder: TemporaryFolder;
  readonly #options: LocalOptions;
  #running: Running | undefined;

  constructor(program: string, folder: TemporaryFolder, port: number, options: LocalOptions) {
    this.#program = program;
    this.#folder = folder;
    this.#options = options;
    this.port = port;
    this.password = options.password;
    this.url = redisUrl(HOST, port, options.password);
  }

  get pid(): number | undefined {
    return this.#running?.pid;
  }

  async stop(): Promise<void> {
    // Nothing is kept, so there is nothing that a gentler signal would save, and a paused server hears only
    // this one.
    await this.kill();
    await this.#folder.remove();
  }

  async kill(): Promise<void> {
    const running = this.#running;
    if (!running) return;
    this.#signal(running, 'SIGKILL');
    keepAlive(running.guard, true);
    await running.exited;
  }

  async pause(): Promise<void> {
    this.#signal(this.#up('pause'), 'SIGSTOP');
  }

  async resume(): Promise<void> {
    this.#signal(this.#up('resume'), 'SIGCONT');
  }

  async restart(): Promise<void> {
    await this.kill();
    const folder = this.#folder.path;
    const first = (await this.#options.prepare?.({ folder, port: this.port })) ?? [];
    const guard = spawnGuarded(this.#program, [
      ...first,
      ...['--port', String(this.port), '--bind', HOST, '--dir', folder, '--daemonize', 'no'],
      ...(this.#options.bare === true ? (this.#options.args ?? []) : commonArgs(this.#options)),
    ]);
    const running = await waitUntilReady(this.#program, guard);
    this.#running = running;
    void running.exited.then(() => {
      if (this.#running === running) this.#running = undefined;
    });
    keepAlive(guard, false);
  }

  #up(verb: string): Running {
    if (!this.#running)
      throw new Error(`Cannot ${verb} the Redis server on port ${this.port}: it is not running.`);
    return this.#running;
  }

  #signal({ pid }: Running, signal: NodeJS.Signals): void {
    try {
      process.kill(pid, signal);
    } catch (error) {
      // It ended in this very moment: its guard is about to say so.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

interface Running {
  readonly guard: ChildProcess;
  readonly pid: number;
  readonly exited: Promise<void>;
}

/**
 * Reads the server's own log: only that tells our server from another one on the same port, needs no password
 * and takes none of its connections. The log is read on, so that the server never blocks on a full pipe.
 */
async function waitUntilReady(program: string, guard: ChildProcess): Promise<Running> {
  let output = '';
  let pid: number | undefined;
  let noticeReady = (): void => {};
  const ready = new Promise<void>((resolve) => {
    noticeReady = resolve;
  });
  const read = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-8_192);
    pid ??= output.includes('\n') ? Number.parseInt(output, 10) : undefined;
    // The second line is the one that a sentinel writes.
    if (output.includes('Ready to accept connections') || output.includes('Sentinel ID is')) noticeReady();
  };
  guard.stdout?.on('data', read);
  guard.stderr?.on('data', read);
  // The guard may be gone, with the server, before we let go of its input.
  guard.stdin?.on('error', () => {});

  const exited = once(guard, 'close').then(() => {});
  const limit = new AbortController();
  const failed = Promise.race([
    exited.then(() => 'ended before it was ready'),
    delay(START_LIMIT_MS, limit.signal).then(() => `was not ready within ${START_LIMIT_MS / 1_000} s`),
  ]);
  const outcome = await Promise.race([ready, failed]);
  limit.abort();
  if (outcome === undefined && pid !== undefined) return { guard, pid, exited };

  guard.stdin?.destroy();
  throw new Error(`Expected "${program}" to start a Redis server, but it ${outcome}. Its output:\n${output}`);
}

function delay(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  });
}
