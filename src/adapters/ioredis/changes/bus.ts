import type { ChangeListener } from '../../../core/ports/change-feed.js';
import type { RedisClient } from '../connection/client-types.js';
import type { Subscription } from '../connection/subscriber.js';
import { changeChannel, decodeChanges } from './change-message.js';

/** Subscribes to the messages that the scripts of this library publish. */
export function bus(
  namespace: string,
  keyPrefix: string,
  sender: string,
  listener: ChangeListener,
): Subscription {
  return {
    listen(client: RedisClient) {
      client.on('message', (_channel: string, payload: string) => {
        const storeKeys = decodeChanges(payload, sender, keyPrefix);
        // It may be of a newer version, and name a key that is in memory.
        // guard: unreadable-message-may-be-about-everything
        if (storeKeys === undefined) listener.interrupted();
        else if (storeKeys.length > 0) listener.changed(storeKeys);
      });
    },
    subscribe: (client: RedisClient) => client.subscribe(changeChannel(namespace)),
  };
}
