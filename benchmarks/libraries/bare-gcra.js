/** The reference of limits.js: one GCRA script by `defineCommand`, with TIME, GET and SET, and no library. */
import { fromRoot } from '../support/from-root.js';

const { Redis } = fromRoot('ioredis');

export const name = 'ioredis 6: a GCRA script';
export const rootPackages = ['ioredis'];

/** KEYS[1]; ARGV[1] microseconds for one unit, ARGV[2] the units of a burst. Returns 0, or microseconds to wait. */
const GCRA = `local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local spacing = tonumber(ARGV[1])
local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + spacing
local wait = arrival - spacing * ARGV[2] - now
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) / 1000))
return 0`;

export async function open({ url, prefix, limit, perSeconds }) {
  const redis = new Redis(url);
  redis.defineCommand('gcra', { numberOfKeys: 1, lua: GCRA });
  await redis.ping();
  const spacing = (perSeconds * 1_000_000) / limit;
  return {
    consume: async (subject) => (await redis.gcra(`${prefix}:${subject}`, spacing, limit)) === 0,
    close: async () => redis.disconnect(),
  };
}
