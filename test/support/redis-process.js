import { once } from 'node:events';
import process from 'node:process';
import { freePort } from './free-port.js';
import { keepAlive, spawnGuarded } from './guarded-process.js';
import { commonArgs, redisUrl } from './redis-args.js';
import { temporaryFolder } from './temporary-folder.js';

/**
 * @import { ChildProcess } from 'node:child_process'
 * @import { RedisServer, StartRedisOptions } from './redis-server.js'
 * @import { TemporaryFolder } from './temporary-folder.js'
 */

/**
 * @typedef {object} OwnLocalOptions
 * @property {number} [port]
 * @property {boolean} [bare] leaves out the arguments that all servers get: a sentinel takes none of them
 * @property {(place: { readonly folder: string, readonly port: number }) => Promise<readonly string[]>} [prepare]
 *   writes what the server needs in its folder before it starts; returns arguments that precede all others
 *
 * @typedef {StartRedisOptions & Readonly<OwnLocalOptions>} LocalOptions
 */

/**
 * @typedef {object} Running
 * @property {ChildProcess} guard
 * @property {number} pid
 * @property {Promise<void>} exited
 */

const HOST = '127.0.0.1';
const START_LIMIT_MS = 20_000;

/**
 * Starts the program, a `redis-server` or its like, as a process of this machine on a free port of 127.0.0.1. It ends
 * by `stop`, or when this process ends, whatever ends it.
 *
 * @param {string} program
 * @param {LocalOptions} options
 * @returns {Promise<RedisServer>}
 */
export async function startRedisProcess(program, options = {}) {
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

/**
 * Whether another process took the port first: try again with another port.
 *
 * @param {unknown} error
 */
export function isPortTaken(error) {
  return error instanceof Error && error.message.includes('Address already in use');
}

/** @implements {RedisServer} */
class RedisProcess {
  /**
   * @readonly
   * @type {'local'}
   */
  kind = 'local';
  /** @readonly */
  host = HOST;
  /** @readonly */
  port;
  /** @readonly */
  url;
  /** @readonly */
  password;
  #program;
  #folder;
  #options;
  /** @type {Running | undefined} */
  #running;

  /**
   * @param {string} program
   * @param {TemporaryFolder} folder
   * @param {number} port
   * @param {LocalOptions} options
   */
  constructor(program, folder, port, options) {
    this.#program = program;
    this.#folder = folder;
    this.#options = options;
    this.port = port;
    this.password = options.password;
    this.url = redisUrl(HOST, port, options.password);
  }

  get pid() {
    return this.#running?.pid;
  }

  async stop() {
    // Nothing is kept, so a gentler signal would save nothing, and a paused server receives only this one.
    await this.kill();
    await this.#folder.remove();
  }

  async kill() {
    const running = this.#running;
    if (!running) return;
    this.#signal(running, 'SIGKILL');
    keepAlive(running.guard, true);
    await running.exited;
  }

  async pause() {
    this.#signal(this.#up('pause'), 'SIGSTOP');
  }

  async resume() {
    this.#signal(this.#up('resume'), 'SIGCONT');
  }

  async restart() {
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

  /** @param {string} verb */
  #up(verb) {
    if (!this.#running)
      throw new Error(`Cannot ${verb} the Redis server on port ${this.port}: it is not running.`);
    return this.#running;
  }

  /**
   * @param {Running} running
   * @param {NodeJS.Signals} signal
   */
  #signal({ pid }, signal) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      // It has just ended: its guard is about to report that.
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ESRCH') throw error;
    }
  }
}

/**
 * Reads the server's own log: only that distinguishes our server from another one on the same port, needs no password
 * and takes none of its connections. The log is read on, so that the server never blocks on a full pipe.
 *
 * @param {string} program
 * @param {ChildProcess} guard
 * @returns {Promise<Running>}
 */
async function waitUntilReady(program, guard) {
  let output = '';
  /** @type {number | undefined} */
  let pid;
  let noticeReady = () => {};
  /** @type {Promise<void>} */
  const ready = new Promise((resolve) => {
    noticeReady = resolve;
  });
  /** @param {Buffer} chunk */
  const read = (chunk) => {
    output = (output + chunk.toString()).slice(-8_192);
    pid ??= output.includes('\n') ? Number.parseInt(output, 10) : undefined;
    // A sentinel writes the second line.
    if (output.includes('Ready to accept connections') || output.includes('Sentinel ID is')) noticeReady();
  };
  guard.stdout?.on('data', read);
  guard.stderr?.on('data', read);
  // The guard may end, with the server, before we close its input.
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

/**
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function delay(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  });
}
