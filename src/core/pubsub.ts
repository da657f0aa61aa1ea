import { Caching } from './caching.js';
import { PubSub } from './messages/pubsub.js';
import { describe } from './shared/describe.js';
import { OptionsError } from './shared/errors.js';
import { shared } from './shared/registry.js';

/** By `Caching`: one for all copies of this package, so that `@Subscribes` and the verbs have one connection. */
const opened = shared('pubsub', () => new WeakMap<Caching, PubSub>());

/**
 * The messages of a `Caching`: always the same object for the same `Caching`. They have its namespace and its store.
 *
 * @throws OptionsError for anything but a `Caching`, and for one whose adapter has no messages
 * @example
 * await pubsub(caching).publish(userChanged, { id: '42' });
 */
export function pubsub(caching: Caching): PubSub {
  if (!Caching.is(caching)) {
    throw new OptionsError(`pubsub takes a Caching, and ${describe(caching)} was given.`);
  }
  const known = opened.get(caching);
  if (known !== undefined) return known;
  const { namespace, enabled, clock, backend } = caching;
  if (typeof backend.messages?.subscribe !== 'function') {
    throw new OptionsError('pubsub takes a Caching whose adapter has messages, as those of this package do.');
  }
  const { serializer } = caching.engines.cache.readPolicy(undefined);
  const created = new PubSub({ namespace, enabled, clock, bus: backend.messages, serializer });
  opened.set(caching, created);
  caching.onClose(() => created.close());
  return created;
}
