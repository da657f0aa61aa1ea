import { Buffer } from 'node:buffer';
import { messagePrefix } from '../../../core/keys/store-keys.js';
import type { MessageBus, MessageListener, MessageSubject } from '../../../core/ports/message-bus.js';
import { StoreUnavailableError } from '../../../core/shared/errors.js';
import { slotOf } from '../commands/cluster-slot.js';
import type { ScriptRunner } from '../commands/script.js';
import { connectionOptions, type ConnectionSettings } from '../connection/client-options.js';
import type { RedisClient } from '../connection/client-types.js';
import { ClusterTopology } from '../connection/cluster.js';
import type { Target } from '../connection/target.js';
import type { Topology } from '../connection/topology.js';
import { MessageConnection } from './message-connection.js';
import { isUnknownCommand, pubsubError } from './pubsub-error.js';
import { publishScript } from './publish-script.js';
import { Receiver } from './receiver.js';
import { ShardConnections } from './shard-connections.js';

/**
 * Messages by the pub/sub of Redis. Subscriptions have a connection of their own, which is opened by the first one and
 * closed after the last one. In a Cluster, those of sharded channels have one for each master (shard-connections.ts). On
 * one server there are no shards, and a sharded channel is a channel like others.
 */
export class RedisMessageBus implements MessageBus {
  readonly #target: Target;
  readonly #topology: Topology;
  readonly #scripts: ScriptRunner;
  readonly #settings: ConnectionSettings;
  readonly #shards: ShardConnections | undefined;
  #connection: MessageConnection | undefined;
  #closed = false;

  constructor(target: Target, topology: Topology, scripts: ScriptRunner, settings: ConnectionSettings) {
    this.#target = target;
    this.#topology = topology;
    this.#scripts = scripts;
    this.#settings = settings;
    if (topology instanceof ClusterTopology) this.#shards = new ShardConnections(topology.client, settings);
  }

  async publish(subject: MessageSubject, payload: Uint8Array): Promise<number | undefined> {
    const channel = this.#prefixOf(subject) + subject.name;
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    const isSharded = this.#isSharded(subject);
    if (isSharded) {
      const breaker = this.#topology.breakerFor(channel, slotOf(channel));
      try {
        return await breaker.run('SPUBLISH', () => this.#topology.client.spublish(channel, bytes));
      } catch (error) {
        const { cause } = error as Error;
        throw isUnknownCommand(cause) ? pubsubError('SPUBLISH', this.#topology.where, cause) : error;
      }
    }
    const receivers = await this.#scripts.run(publishScript, [channel, channel, bytes]);
    // The other nodes of a Cluster are not asked.
    return this.#target.kind === 'cluster' ? undefined : receivers;
  }

  subscribe(subject: MessageSubject, listener: MessageListener): () => void {
    if (this.#closed) {
      throw new StoreUnavailableError(`The store on ${this.#topology.where} is closed.`, 'refused');
    }
    const prefix = this.#prefixOf(subject);
    const isSharded = this.#isSharded(subject);
    const command = isSharded ? 'ssubscribe' : subject.kind === 'pattern' ? 'psubscribe' : 'subscribe';
    // The `*` of a pattern are the only characters in its name with a meaning in Redis; the prefix may have others.
    const name = (subject.kind === 'pattern' ? escapeGlob(prefix) : prefix) + subject.name;
    const receiver = new Receiver(command, name, prefix, listener, this.#settings.clock);
    if (isSharded) {
      this.#shards!.add(receiver);
      return () => this.#shards!.remove(receiver);
    }
    const connection = (this.#connection ??= this.#open());
    connection.add(receiver);
    return () => {
      connection.remove(receiver);
      if (!connection.isUnused || this.#connection !== connection) return;
      connection.close();
      this.#connection = undefined;
    };
  }

  /** Called when the connection for commands is usable. @param again true: the server may be another one */
  onReady(again: boolean): void {
    // guard: messages-follow-the-master
    if (again) this.#connection?.reconnect();
    else this.#connection?.retryNow();
    this.#shards?.follow();
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close();
    this.#connection = undefined;
    this.#shards?.close();
  }

  #isSharded({ kind }: MessageSubject): boolean {
    return kind === 'sharded' && this.#target.kind === 'cluster';
  }

  #prefixOf({ kind }: MessageSubject): string {
    return messagePrefix(this.#settings.namespace, this.#topology.keyPrefix, kind === 'sharded');
  }

  #open(): MessageConnection {
    const connection = new MessageConnection(
      () => this.#createClient(),
      this.#topology.where,
      this.#settings,
      { moved: () => {}, failed: () => {} },
    );
    connection.open();
    return connection;
  }

  #createClient(): RedisClient | undefined {
    const options = { ...connectionOptions('messages', this.#settings), retryStrategy: null };
    if (this.#target.kind === 'single') return this.#target.template.duplicate(options);
    // Every node of a Cluster forwards messages to all others, so any node will do.
    const nodes = this.#topology instanceof ClusterTopology ? this.#topology.client.nodes('all') : [];
    return nodes[Math.floor(this.#settings.clock.random() * nodes.length)]?.duplicate(options);
  }
}

function escapeGlob(text: string): string {
  return text.replace(/[*?[\]\\]/g, String.raw`\$&`);
}
