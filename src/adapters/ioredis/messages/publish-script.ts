import type { Buffer } from 'node:buffer';
import { script } from '../commands/script.js';

/**
 * Publishes a message. A script, because in a Cluster ioredis sends PUBLISH to a random node, and messages that take
 * different ways may overtake each other. A script goes to the node of its key, so all messages of a channel take one way.
 */
export const publishScript = script<[key: string, channel: string, payload: Buffer], number>({
  name: 'PUBLISH',
  lua: `
-- KEYS[1] decides the node; it is neither read nor written
-- ARGV[1] channel
-- ARGV[2] payload
-- Returns how many connections of this node have received it
return redis.call('PUBLISH', ARGV[1], ARGV[2])
`,
  // guard: messages-of-a-channel-take-one-way
  encode: (key, channel, payload) => ({ keys: [key], values: [channel, payload] }),
  decode: (reply) => reply as number,
});
