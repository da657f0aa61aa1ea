import Redlock from 'redlock';
import { fromRoot } from '../support/from-root.js';

const { Redis } = fromRoot('ioredis');

export const name = 'redlock (using)';
export const packages = ['redlock'];
export const rootPackages = ['ioredis'];

/** Its defaults: 10 retries, 200 ms apart, 100 ms more or less. */
export async function open({ url, prefix, leaseMs }) {
  const redis = new Redis(url);
  const redlock = new Redlock([redis]);
  redlock.on('error', () => {});
  await redis.ping();
  return {
    hold: (key, work) => redlock.using([`${prefix}:${key}`], leaseMs, work),
    close: async () => redis.disconnect(),
  };
}
