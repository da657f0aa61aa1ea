import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { ContainerRuntimeClient } from 'testcontainers';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';
import { commonArgs, redisUrl } from './redis-args.js';
import type { RedisServer, StartRedisOptions } from './redis-server.js';

const REDIS_PORT = 6_379;
const START_LIMIT_MS = 20_000;

type Container = ReturnType<ContainerRuntimeClient['container']['getById']>;

/**
 * Makes sure that the engine has the image, and the one of Testcontainers' reaper, and pulls what is missing.
 * Throws what the engine says if that fails. Testcontainers is loaded here and not above: without an engine
 * nobody needs it.
 */
export async function prepareImage(image: string): Promise<void> {
  const { getContainerRuntimeClient, getReaper, ImageName } = await import('testcontainers');
  const client = await getContainerRuntimeClient();
  await client.image.pull(ImageName.fromString(image));
  await getReaper(client);
}

/** Starts a container with a Redis server. The image must be there: see `prepareImage`. */
export async function startRedisContainer(image: string, options: StartRedisOptions): Promise<RedisServer> {
  const { GenericContainer, getContainerRuntimeClient, Wait } = await import('testcontainers');
  const client = await getContainerRuntimeClient();
  for (let attempt = 1; ; attempt += 1) {
    // Docker would give a container another port at each start; `restart` promises the same.
    const port = await freePort();
    const container = new GenericContainer(image)
      .withCommand(['redis-server', '--protected-mode', 'no', ...commonArgs(options)])
      .withExposedPorts({ container: REDIS_PORT, host: port })
      .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/))
      .withStartupTimeout(START_LIMIT_MS);
    try {
      const started = await container.start();
      guard(started.getId());
      const host = started.getHost() === 'localhost' ? '127.0.0.1' : started.getHost();
      const server = new RedisContainer(
        client.container.getById(started.getId()),
        host,
        port,
        options.password,
      );
      await answers(host, port);
      return server;
    } catch (error) {
      if (!/port is already allocated|address already in use/i.test(String(error)) || attempt === 5)
        throw error;
    }
  }
}

class RedisContainer implements RedisServer {
  readonly kind = 'docker';
  readonly pid = undefined;
  readonly host: string;
  readonly port: number;
  readonly url: string;
  readonly password: string | undefined;
  readonly #container: Container;
  #state: 'up' | 'down' | 'gone' = 'up';

  constructor(container: Container, host: string, port: number, password: string | undefined) {
    this.#container = container;
    this.host = host;
    this.port = port;
    this.password = password;
    this.url = redisUrl(host, port, password);
  }

  async stop(): Promise<void> {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    await this.#container.remove({ force: true, v: true });
  }

  async kill(): Promise<void> {
    if (this.#state !== 'up') return;
    this.#state = 'down';
    const gone = this.#container.wait();
    await this.#container.kill({ signal: 'SIGKILL' });
    await gone;
  }

  async pause(): Promise<void> {
    await this.#container.pause();
  }

  async resume(): Promise<void> {
    await this.#container.unpause();
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.#container.start();
    this.#state = 'up';
    await answers(this.host, this.port);
  }
}

/**
 * Waits until Redis itself replies, be it with an error: the port that Docker maps accepts before Redis does.
 */
async function answers(host: string, port: number): Promise<void> {
  await eventually(`the Redis server in a container at ${host}:${port} replies`, () => repliesTo(host, port));
}

function repliesTo(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1_000 });
    const settle = (reply: boolean) => (): void => {
      socket.destroy();
      resolve(reply);
    };
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', settle(true));
    for (const event of ['timeout', 'error', 'close']) socket.once(event, settle(false));
  });
}

let guarding: ReturnType<typeof spawn> | undefined;

/** Testcontainers' reaper removes what a killed test process leaves behind; where it is disabled, we do. */
function guard(id: string): void {
  if (process.env['TESTCONTAINERS_RYUK_DISABLED'] !== 'true') return;
  if (!guarding) {
    const script = fileURLToPath(new URL('./docker-guard.js', import.meta.url));
    guarding = spawn(process.execPath, [script], { detached: true, stdio: ['pipe', 'ignore', 'inherit'] });
    guarding.unref();
    guarding.stdin?.on('error', () => {});
    const input = guarding.stdin as { unref?: () => void } | null;
    input?.unref?.();
  }
  guarding.stdin?.write(`${id}\n`);
}
