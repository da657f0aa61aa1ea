import { Buffer } from 'node:buffer';
import type { ChangeListener } from '../../../core/ports/change-feed.js';
import { clearKey, entryKey, tagKey } from '../../../core/keys/store-keys.js';
import type { RedisClient } from '../connection/client-types.js';
import type { Subscription } from '../connection/subscriber.js';

const CHANNEL = '__redis__:invalidate';

/**
 * Lets the server report every write to the keys of the cache, whoever makes it, and their expiry and eviction
 * (`CLIENT TRACKING ... BCAST`). The connection redirects the messages to itself, because in RESP2 they arrive as those of
 * a channel.
 */
export function tracking(namespace: string, keyPrefix: string, listener: ChangeListener): Subscription {
  const prefixes = [entryKey(namespace, ''), tagKey(namespace, ''), clearKey(namespace)];
  return {
    listen(client: RedisClient) {
      // As text, the keys of one message would be joined with commas.
      client.on('messageBuffer', (_channel: unknown, redisKeys: unknown) => {
        // guard: flush-is-about-everything
        if (!Array.isArray(redisKeys)) return listener.interrupted();
        listener.changed(redisKeys.map((key) => (key as Buffer).toString().slice(keyPrefix.length)));
      });
    },
    async subscribe(client: RedisClient) {
      const id = await client.call('CLIENT', 'ID');
      const options = prefixes.flatMap((prefix) => ['PREFIX', keyPrefix + prefix]);
      await client.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', String(id), 'BCAST', ...options);
      await client.subscribe(CHANNEL);
    },
  };
}
