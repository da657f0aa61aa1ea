import { openRedlock } from './redlock.js';

export { packages, rootPackages } from './redlock.js';
export const name = 'redlock (using)';

export async function open({ url, prefix, leaseMs }) {
  const { redlock, close } = await openRedlock(url);
  return {
    hold: (key, work) => redlock.using([`${prefix}:${key}`], leaseMs, work),
    close,
  };
}
