import type { Caching } from '../../core/caching.js';
import type { Adapter } from '../../core/ports/adapter.js';
import type { ClientRole, ClientSource, OwnClient } from '../../core/ports/own-client.js';
import { StoreSetupError } from '../../core/shared/errors.js';
import { queuePrefix } from '../../core/keys/store-keys.js';
import { warnOnce } from '../../core/shared/registry.js';

/** How long the check of the server waits for it, in ms. */
const CHECK_TIMEOUT_MS = 60_000;

/**
 * The connections of the jobs of one `Caching`: one that all its queues share, on which a request never hangs; and one for
 * workers, whose requests wait for the server. Of the latter, BullMQ makes one more for each worker and each `events`, which
 * blocks until there is something. They are opened when they are needed.
 */
export class JobConnections {
  readonly #caching: Caching;
  readonly #adapter: Adapter | undefined;
  readonly #open = new Map<ClientRole, OwnClient>();
  #source: ClientSource | undefined;

  /** @param adapter the servers of the jobs; undefined: those of the `Caching` */
  constructor(caching: Caching, adapter: Adapter | undefined) {
    this.#caching = caching;
    this.#adapter = adapter;
  }

  /** @throws StoreSetupError if the adapter is not one of Redis */
  get source(): ClientSource {
    const { namespace, clock, backend } = this.#caching;
    this.#source ??=
      this.#adapter === undefined ? backend.clients : this.#adapter.clients?.({ namespace, clock });
    if (this.#source !== undefined) return this.#source;
    throw new StoreSetupError(
      `jobs(caching) needs Redis, because BullMQ keeps its queues there, and the adapter of the Caching '${namespace}' is ` +
        "not one of Redis. Give the Caching ioredis('redis://...') from 'cachement/ioredis', or give only its jobs one: " +
        "jobs(caching, { connection: ioredis('redis://...') }). In tests without Redis, new Caching({ enabled: false }) " +
        'enqueues nothing and starts no workers.',
    );
  }

  /** The prefix of all keys of all queues. */
  get prefix(): string {
    // BullMQ accepts no client that adds a prefix.
    return this.source.keyPrefix + queuePrefix(this.#caching.namespace);
  }

  /** @throws StoreSetupError */
  get(role: ClientRole): OwnClient {
    const known = this.#open.get(role);
    if (known !== undefined) return known;
    const client = this.source.open(role);
    if (this.#open.size === 0) void this.#warnOfEviction(client);
    this.#open.set(role, client);
    return client;
  }

  async end(): Promise<void> {
    await Promise.all([...this.#open.values()].map((client) => client.end()));
  }

  async #warnOfEviction(own: OwnClient): Promise<void> {
    const { info } = own.client as { info?(section: string): Promise<string> };
    let memory: string;
    try {
      memory = (await own.run('INFO', CHECK_TIMEOUT_MS, async () => info?.call(own.client, 'memory'))) ?? '';
    } catch {
      return; // Requests report a server that cannot be used.
    }
    const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1] ?? 'noeviction';
    if (policy === 'noeviction' || /^maxmemory:0\b/m.test(memory)) return;
    const { where } = this.source;
    warnOnce(
      'CACHEMENT_EVICTED_JOBS',
      where,
      `${where} has the maxmemory-policy ${policy}: when its memory is full, it evicts ` +
        (policy.startsWith('volatile')
          ? 'the locks of running jobs, which are then run twice, '
          : 'jobs, which are then lost, ') +
        "and never reports it. Set 'noeviction', or give jobs a Redis of their own: " +
        "jobs(caching, { connection: ioredis('redis://...') }).",
    );
  }
}
