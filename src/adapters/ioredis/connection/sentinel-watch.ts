import { connectionOptions, type ConnectionSettings } from './client-options.js';
import type { KnownOptions, RedisClient } from './client-types.js';
import { Subscriber } from './subscriber.js';

const CHANNEL = '+switch-master';

/**
 * Listens at all sentinels for a new primary. An old one that still runs goes on confirming what is written to it, for some
 * ten seconds, until a sentinel makes it a replica: all of that is lost. ioredis has a detector of its own, which writes to
 * the console when a sentinel is away.
 */
export class SentinelWatch {
  readonly #subscribers: readonly Subscriber[];

  /** @param client the connection to the primary, which is ended when it is another one, so that the client makes a new one */
  constructor(client: RedisClient, settings: ConnectionSettings, cut: () => void) {
    const { name, sentinels } = client.options as KnownOptions;
    const switched = (_channel: string, message: string): void => {
      const [of, , , host, port] = message.split(' ');
      const { remoteAddress, remotePort } = client.stream ?? {};
      // guard: new-primary-ends-the-connection
      if (of === name && !(remoteAddress === host && remotePort === Number(port))) cut();
    };
    this.#subscribers = (sentinels ?? []).map(
      (sentinel) =>
        new Subscriber(
          () => client.duplicate(sentinelOptions(client.options, sentinel, settings)),
          {
            listen: (subscriber) => subscriber.on('message', switched),
            subscribe: (subscriber) => subscriber.subscribe(CHANNEL),
          },
          settings,
          // As long as one of them answers, nothing is wrong.
          { subscribed() {}, error() {} },
        ),
    );
  }

  open(): void {
    for (const subscriber of this.#subscribers) subscriber.open();
  }

  close(): void {
    for (const subscriber of this.#subscribers) subscriber.close();
  }
}

/** How ioredis itself connects to a sentinel. */
function sentinelOptions(
  { sentinelUsername, sentinelPassword, sentinelTLS }: KnownOptions,
  { host, port }: { readonly host?: string; readonly port?: number },
  settings: ConnectionSettings,
): object {
  return {
    ...connectionOptions('sentinel', settings),
    sentinels: null,
    host,
    port: port ?? 26_379,
    username: sentinelUsername ?? null,
    password: sentinelPassword ?? null,
    tls: sentinelTLS,
    db: 0,
    enableReadyCheck: false,
    retryStrategy: null,
  };
}
