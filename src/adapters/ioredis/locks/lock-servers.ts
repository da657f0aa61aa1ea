import type { AdapterHost } from '../../../core/ports/adapter.js';
import { StoreSetupError } from '../../../core/shared/errors.js';
import { RedisConnection } from '../connection/redis-connection.js';
import type { SingleTarget } from '../connection/target.js';
import { majorityOf } from './quorum.js';
import { QuorumWakeups } from './quorum-wakeups.js';

/** The connections to several independent lock servers. */
export class LockServers {
  readonly connections: readonly RedisConnection[];
  readonly #namespace: string;
  readonly #wakeups: QuorumWakeups;

  constructor(
    targets: readonly SingleTarget[],
    { timeout, connectTimeout }: { readonly timeout: number; readonly connectTimeout: number },
    { namespace, clock, wake }: AdapterHost,
  ) {
    this.#namespace = namespace;
    this.#wakeups = new QuorumWakeups(clock, targets.length, majorityOf(targets.length), wake);
    // No event if one server is down, because the others suffice. If too few answer, the calls fail.
    const settings = { clock, namespace, timeout, connectTimeout, changed: () => {} };
    this.connections = targets.map(
      (target, server) =>
        new RedisConnection(target, 'locks', settings, (name) => this.#wakeups.received(server, name)),
    );
  }

  open(): void {
    for (const connection of this.connections) connection.open();
  }

  /** Receives the wakeups for a lock until the returned function is called. */
  listen(name: string): () => void {
    const ends = this.connections.map((connection) => connection.listen(name));
    return () => {
      for (const end of ends) end();
    };
  }

  /** Resolves when a majority can be used. @throws StoreSetupError */
  async ready(): Promise<void> {
    const count = this.connections.length;
    const needed = majorityOf(count);
    const reasons: string[] = [];
    let usable = 0;
    await new Promise<void>((resolve, reject) => {
      for (const connection of this.connections) {
        connection.check().then(
          () => {
            usable += 1;
            if (usable === needed) resolve();
          },
          (error: Error) => {
            reasons.push(error.message);
            if (reasons.length !== count - needed + 1) return;
            reject(
              new StoreSetupError(
                `Of the ${count} lock servers of namespace '${this.#namespace}', ${needed} are needed, and ` +
                  `${reasons.length} cannot be used: ${reasons.join(' ')}`,
                { cause: error },
              ),
            );
          },
        );
      }
    });
  }

  async close(): Promise<void> {
    this.#wakeups.close();
    await Promise.all(this.connections.map((connection) => connection.close()));
  }
}
