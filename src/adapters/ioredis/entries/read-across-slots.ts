import type { Buffer } from 'node:buffer';
import type { RedisClient } from '../connection/client-types.js';
import { replyCode } from '../commands/redis-errors.js';
import { script } from '../commands/script.js';

/**
 * Reads keys of any slots of one node, which MGET refuses to do. The keys are no KEYS, because those of a script must be of
 * one slot, too. Redis 7 or later.
 */
const acrossSlots = script<[keys: readonly string[]], unknown>({
  name: 'MGET',
  lua: `#!lua flags=no-writes,allow-cross-slot-keys
-- ARGV keys
-- Returns for each key its value; nil if there is none, or if it is of another type; an error if this node does not have
-- the slot, or not all of it
local values = {}
for i, key in ipairs(ARGV) do
  local value = redis.pcall('GET', key)
  if type(value) == 'table' and string.sub(value.err, 1, 9) == 'WRONGTYPE' then value = false end
  values[i] = value
end
return values
`,
  encode: (keys) => ({ keys: [], values: keys }),
  decode: (reply) => reply,
});

/**
 * Reads keys of any slots of one node with one command.
 *
 * @returns for each key the value, null, or an Error: then the node does not have its slot, or not all of it
 * @throws the error of ioredis. With the code ERR the server is older than Redis 7
 */
export async function readAcrossSlots(
  node: RedisClient,
  keys: readonly string[],
): Promise<readonly (Buffer | null | Error)[]> {
  const { sha, lua } = acrossSlots;
  try {
    return (await node.evalshaBuffer(sha, 0, ...keys)) as (Buffer | null | Error)[];
  } catch (error) {
    if (replyCode(error) !== 'NOSCRIPT') throw error;
    return (await node.evalBuffer(lua, 0, ...keys)) as (Buffer | null | Error)[];
  }
}
