/**
 * How many GET, MGET, HGET and scripts Redis has executed: a read that is a hit in memory makes none.
 *
 * @param {import('ioredis').Redis} client
 */
export async function readCommandsOf(client) {
  const stats = await client.info('commandstats');
  return [...stats.matchAll(/cmdstat_(?:get|mget|evalsha|eval|hget):calls=(\d+)/g)].reduce(
    (sum, [, calls]) => sum + Number(calls),
    0,
  );
}
