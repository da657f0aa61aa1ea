import type { AdapterHost } from '../../../core/ports/adapter.js';
import type { LockReply, LockRequest, LockStore } from '../../../core/ports/lock-store.js';
import { StoreUnavailableError } from '../../../core/shared/errors.js';
import { ScriptRunner } from '../commands/script.js';
import { channelOf, openTopology } from '../connection/redis-connection.js';
import type { Target } from '../connection/target.js';
import type { Topology } from '../connection/topology.js';
import type { IoredisSettings } from '../ioredis-options.js';
import type { LockAuthority } from './lock-authority.js';
import { LockServer } from './lock-server.js';
import { LockServers } from './lock-servers.js';
import { Quorum } from './quorum.js';
import { SingleServerLocks } from './single-server-locks.js';

/**
 * Locks in Redis: on the Redis of the cache, over a connection of their own that the first lock opens, or on
 * independent servers. Validity, waiting and renewal are in core/locks.
 *
 * @see G8 in docs/coherence.md
 */
export class RedisLockStore implements LockStore {
  readonly hasSingleAuthority: boolean;
  readonly #target: Target;
  readonly #settings: IoredisSettings;
  readonly #host: AdapterHost;
  /** The independent servers, if `lockServers` is given. */
  readonly #servers: LockServers | undefined;
  #authority: LockAuthority | undefined;
  #closeConnections: () => Promise<void> = async () => {};
  #isClosed = false;

  constructor(target: Target, settings: IoredisSettings, host: AdapterHost) {
    this.#target = target;
    this.#settings = settings;
    this.#host = host;
    this.hasSingleAuthority = settings.lockServers === undefined;
    if (settings.lockServers === undefined) return;
    const servers = new LockServers(settings.lockServers, settings, host);
    this.#servers = servers;
    this.#authority = new Quorum(
      servers.connections.map(({ topology, scripts }) => this.#lockServer(topology, scripts)),
    );
    this.#closeConnections = () => servers.close();
    servers.open();
  }

  acquire(request: LockRequest, timeout?: number): Promise<LockReply> {
    if (this.#isClosed && this.#authority === undefined) return Promise.resolve(this.#closedReply());
    this.#authority ??= this.#openOnTarget();
    return this.#authority.acquire(request, timeout);
  }

  async abandon(request: LockRequest): Promise<void> {
    // Only tickets and pending writers leave a record behind.
    if (request.ticket === undefined && request.permits !== 1) return;
    await this.#authority?.abandon(request);
  }

  /** Receives the wakeups for a lock from the independent servers. Undefined: they come from the Redis of the cache. */
  listen(name: string): (() => void) | undefined {
    return this.#servers?.listen(name);
  }

  /** Resolves when a majority of the independent servers can be used. @throws StoreSetupError */
  async ready(): Promise<void> {
    await this.#servers?.ready();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#authority?.close();
    await this.#closeConnections();
  }

  /** Opens a connection of its own, so that a large value on the other connection does not delay a lock. */
  #openOnTarget(): LockAuthority {
    const { clock, namespace } = this.#host;
    // No events: the connection for commands publishes those of this server.
    const settings = { ...this.#settings, clock, namespace, changed: () => {} };
    const topology = openTopology(this.#target, 'locks', settings, { ready() {}, disconnected() {} });
    topology.open();
    this.#closeConnections = () => topology.close();
    const scripts = new ScriptRunner(topology);
    return new SingleServerLocks(this.#lockServer(topology, scripts));
  }

  #lockServer(topology: Topology, scripts: ScriptRunner): LockServer {
    const { clock, namespace } = this.#host;
    return new LockServer(topology, scripts, {
      clock,
      timeout: this.#settings.timeout,
      channel: channelOf(namespace),
      isFenced: this.hasSingleAuthority,
    });
  }

  #closedReply(): LockReply {
    const error = new StoreUnavailableError(`The store on ${this.#target.where} is closed.`, 'refused');
    return { status: 'unavailable', servers: [{ server: this.#target.where, answer: error }] };
  }
}
