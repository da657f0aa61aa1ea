import { once } from 'node:events';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { freePort } from './free-port.js';
import { ProxyFlow, resetSocket, type Side, type Toxics } from './proxy-flow.js';

/** `upstream` is from the client to the server, `downstream` from the server to the client. */
export type Direction = Side | 'both';

/** Takes a toxic away again. Doing it twice is harmless. */
export type Undo = () => Promise<void>;

/**
 * A TCP proxy that does on request what networks do. The toxics have the names and the meaning they have in
 * toxiproxy, except where they say otherwise. They act on open and on new connections, and several may be in
 * force at once; a toxic set again replaces its former self.
 */
export interface Proxy {
  readonly host: string;
  readonly port: number;
  /** `redis://`, without password. */
  readonly url: string;
  /**
   * How many clients are connected now. One that only stopped sending counts until the server has closed too.
   */
  readonly connections: number;
  /** How many clients were ever accepted. */
  readonly accepted: number;
  /**
   * Every chunk arrives `milliseconds` later, with a random `jitter` on top, in order. Default: downstream.
   */
  latency(milliseconds: number, options?: { readonly jitter?: number; readonly direction?: Direction }): Undo;
  /**
   * Closes all connections and refuses new ones; with `close`, accepts new ones and closes them at once, as a
   * load balancer does that has nothing behind it.
   */
  down(mode?: 'refuse' | 'close'): Undo;
  /**
   * A black hole: connections stay open and nothing passes, not even the end of a connection. As on a real
   * network, where both ends send again, what was held arrives when the hole is gone; toxiproxy drops it.
   * Default: both.
   */
  timeout(direction?: Direction): Undo;
  /**
   * A black hole for some connections alone: those whose client has sent this text among its first bytes, such as the name
   * that it gives itself. Default: both.
   */
  timeoutOf(text: string, direction?: Direction): Undo;
  /** Resets all connections, and new ones as soon as they are made. */
  resetPeer(): Undo;
  /** Resets the connections of this moment, and nothing after. */
  resetConnections(): void;
  /**
   * Writes chunks of at most `bytes` bytes, `delay` milliseconds apart (default 0: one turn of the event
   * loop).
   */
  slicer(bytes: number, options?: { readonly delay?: number; readonly direction?: Direction }): Undo;
  /**
   * Closes a connection as soon as `bytes` bytes, counted from now or from its start, have passed. Default:
   * downstream.
   */
  limitData(bytes: number, options?: { readonly direction?: Side }): Undo;
  /** At most so many bytes a second, for each connection. Default: both. */
  bandwidth(bytesPerSecond: number, options?: { readonly direction?: Direction }): Undo;
  /**
   * The next request is forwarded, and its connection reset when the server replies, before a byte of that
   * reply passes: the server did it and the client does not know. `matching` picks the first request that
   * contains this text. Whatever else was under way on that connection is done and lost too. `happened`
   * resolves when the client has been reset and the server has read all there was.
   */
  loseNextReply(matching?: string): { readonly happened: Promise<void>; readonly undo: Undo };
  /** Takes all toxics away. */
  heal(): Promise<void>;
  /** Heals nothing: closes everything, for good. */
  stop(): Promise<void>;
}

export async function startProxy(target: { readonly host: string; readonly port: number }): Promise<Proxy> {
  for (let attempt = 1; ; attempt += 1) {
    const proxy = new ToxicProxy(target, await freePort());
    try {
      await proxy.listen();
      return proxy;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === 5) throw error;
    }
  }
}

interface Connection {
  readonly client: Socket;
  readonly server: Socket;
  readonly flows: Record<Side, ProxyFlow>;
}

/** What `timeoutOf` has set. */
interface BlackHole {
  readonly text: string;
  readonly sides: readonly Side[];
}

/** Of so many bytes `timeoutOf` knows what a client has sent. */
const FIRST_BYTES = 4_096;

const HOST = '127.0.0.1';

class ToxicProxy implements Proxy {
  readonly host = HOST;
  readonly port: number;
  readonly url: string;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly #toxics: Record<Side, Toxics> = { upstream: {}, downstream: {} };
  readonly #blackHoles = new Set<BlackHole>();
  #onConnect: 'forward' | 'close' | 'reset' = 'forward';
  #losing: { readonly matching: string; readonly happened: () => void } | undefined;
  #accepted = 0;
  #stopped = false;

  constructor(target: { readonly host: string; readonly port: number }, port: number) {
    this.#target = target;
    this.port = port;
    this.url = `redis://${HOST}:${port}`;
    // Half-open connections are passed on as such.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
    // A forgotten proxy must not keep the test process alive.
    this.#server.unref();
  }

  get connections(): number {
    return [...this.#connections].filter(({ client }) => !client.destroyed).length;
  }

  get accepted(): number {
    return this.#accepted;
  }

  async listen(): Promise<void> {
    if (this.#server.listening || this.#stopped) return;
    this.#server.listen(this.port, HOST);
    await once(this.#server, 'listening');
  }

  latency(milliseconds: number, options: { jitter?: number; direction?: Direction } = {}): Undo {
    const latency = { milliseconds, jitter: options.jitter ?? 0 };
    return this.#set(options.direction ?? 'downstream', 'latency', latency);
  }

  down(mode: 'refuse' | 'close' = 'refuse'): Undo {
    if (mode === 'refuse') this.#server.close();
    const undo = this.#setOnConnect('close');
    for (const { client, server } of this.#connections) {
      client.destroy();
      server.destroy();
    }
    return undo;
  }

  timeout(direction: Direction = 'both'): Undo {
    return this.#set(direction, 'blackHole', true);
  }

  timeoutOf(text: string, direction: Direction = 'both'): Undo {
    const blackHole = { text, sides: sidesOf(direction) };
    this.#blackHoles.add(blackHole);
    this.#changed();
    return async () => {
      this.#blackHoles.delete(blackHole);
      this.#changed();
    };
  }

  resetPeer(): Undo {
    const undo = this.#setOnConnect('reset');
    this.resetConnections();
    return undo;
  }

  resetConnections(): void {
    for (const connection of this.#connections) reset(connection);
  }

  slicer(bytes: number, options: { delay?: number; direction?: Direction } = {}): Undo {
    return this.#set(options.direction ?? 'both', 'slicer', { bytes, delay: options.delay ?? 0 });
  }

  limitData(bytes: number, options: { direction?: Side } = {}): Undo {
    return this.#set(options.direction ?? 'downstream', 'limitData', { bytes });
  }

  bandwidth(bytesPerSecond: number, options: { direction?: Direction } = {}): Undo {
    return this.#set(options.direction ?? 'both', 'bandwidth', { bytesPerSecond });
  }

  loseNextReply(matching = ''): { happened: Promise<void>; undo: Undo } {
    let resolve = (): void => {};
    const happened = new Promise<void>((settle) => {
      resolve = settle;
    });
    const losing = { matching, happened: resolve };
    this.#losing = losing;
    const undo = async (): Promise<void> => {
      if (this.#losing === losing) this.#losing = undefined;
    };
    return { happened, undo };
  }

  async heal(): Promise<void> {
    this.#losing = undefined;
    this.#onConnect = 'forward';
    for (const side of sidesOf('both')) this.#toxics[side] = {};
    this.#blackHoles.clear();
    this.#changed();
    await this.listen();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { client, server } of this.#connections) {
      client.destroy();
      server.destroy();
    }
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  #set<Name extends keyof Toxics>(direction: Direction, name: Name, value: NonNullable<Toxics[Name]>): Undo {
    const sides = sidesOf(direction);
    for (const side of sides) this.#toxics[side] = { ...this.#toxics[side], [name]: value };
    this.#changed();
    return async () => {
      for (const side of sides) {
        // It may have been healed or replaced since.
        if (this.#toxics[side][name] !== value) continue;
        const { [name]: _, ...others } = this.#toxics[side];
        this.#toxics[side] = others;
      }
      this.#changed();
    };
  }

  #setOnConnect(what: 'close' | 'reset'): Undo {
    this.#onConnect = what;
    return async () => {
      // It may have been healed or replaced since.
      if (this.#onConnect !== what) return;
      this.#onConnect = 'forward';
      await this.listen();
    };
  }

  #changed(): void {
    for (const { flows } of this.#connections) {
      flows.upstream.toxicsChanged();
      flows.downstream.toxicsChanged();
    }
  }

  #accept(client: Socket): void {
    this.#accepted += 1;
    client.on('error', () => {});
    if (this.#onConnect === 'close') return void client.destroy();
    if (this.#onConnect === 'reset') return void resetSocket(client);

    const server = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    server.on('error', () => {});
    let sent = '';
    client.on('data', (chunk: Buffer) => {
      if (sent.length < FIRST_BYTES) sent += chunk.toString('latin1');
    });
    const toxicsOf = (side: Side): Toxics => {
      for (const { text, sides } of this.#blackHoles) {
        if (sides.includes(side) && sent.includes(text)) return { ...this.#toxics[side], blackHole: true };
      }
      return this.#toxics[side];
    };
    const connection: Connection = {
      client,
      server,
      flows: {
        upstream: new ProxyFlow(client, server, () => toxicsOf('upstream')),
        downstream: new ProxyFlow(server, client, () => toxicsOf('downstream')),
      },
    };
    this.#loseReplyOf(connection);
    this.#connections.add(connection);
    for (const socket of [client, server]) {
      socket.once('close', () => {
        // A server that is still to be told what a black hole holds keeps the connection.
        if (client.closed && server.closed) this.#connections.delete(connection);
      });
    }
  }

  /** Watches a connection for the request whose reply is to be lost. */
  #loseReplyOf({ client, server, flows: { upstream, downstream } }: Connection): void {
    let losing: { readonly happened: () => void } | undefined;
    upstream.afterChunk = (chunk) => {
      if (losing || !this.#losing || !chunk.includes(this.#losing.matching)) return;
      losing = this.#losing;
      this.#losing = undefined;
    };
    downstream.beforeChunk = () => {
      if (!losing) return;
      downstream.discard();
      // The server is only told the end: a reset would take away from it what it has not read yet.
      server.once('close', losing.happened);
      resetSocket(client);
      server.end();
    };
  }
}

function reset({ client, server }: Connection): void {
  resetSocket(client);
  resetSocket(server);
}

function sidesOf(direction: Direction): readonly Side[] {
  return direction === 'both' ? ['upstream', 'downstream'] : [direction];
}
