import type { RedisServer } from './redis-server.js';

/** Starts all of them at once, or, if one fails, none. */
export async function startAll(starts: readonly (() => Promise<RedisServer>)[]): Promise<RedisServer[]> {
  const outcomes = await Promise.allSettled(starts.map((start) => start()));
  const servers = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) {
    await Promise.all(servers.map((server) => server.stop()));
    throw failed.reason;
  }
  return servers;
}
