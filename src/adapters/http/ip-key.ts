import { isIP } from 'node:net';
import { describe } from '../../core/shared/describe.js';
import { OptionsError } from '../../core/shared/errors.js';
import { integer, parseOptions, type Option } from '../../core/shared/option-schema.js';

export interface IpKeyOptions {
  /**
   * The number of leading bits of an IPv6 address that identify the client, from 1 to 128. A host can use every address
   * of its /64; providers assign a /56 or a /48 to a customer.
   * @default 64
   */
  readonly v6Prefix?: number | undefined;
}

/** The schema of `IpKeyOptions`: names, checks and defaults. */
export const ipKeyOptions = {
  v6Prefix: integer({ min: 1, max: 128, default: 64, of: 'bits' }),
} satisfies Record<keyof IpKeyOptions, Option<unknown>>;

/**
 * Returns the text for a client address in a key: `203.0.113.7` for IPv4, the prefix for IPv6, `2001:db8:0:1::/64`. So
 * a client cannot avoid a limit with another address of its network, or with another spelling of the same address. An
 * IPv4-mapped IPv6 address (`::ffff:203.0.113.7`, `::ffff:cb00:7107`) becomes the IPv4 address. Zones (`%eth0`) are
 * dropped.
 *
 * @param address an IPv4 or IPv6 address without brackets, port or prefix
 * @throws OptionsError for anything else
 * @example
 * await caching.limits.consume(['login', ipKey(clientIp(request))], { limit: 5, per: '1m' });
 */
export function ipKey(address: string, options: IpKeyOptions = {}): string {
  const { v6Prefix = 64 } = parseOptions(ipKeyOptions, options, 'ipKey(address, { ... })');
  const family = typeof address === 'string' ? isIP(address) : 0;
  if (family === 0) {
    throw new OptionsError(
      "ipKey takes an IP address such as '203.0.113.7' or '2001:db8::1', without brackets, port or prefix, " +
        `and ${describe(address)} was given.`,
    );
  }
  if (family === 4) return address;
  const groups = groupsOf(address);
  return (
    mappedAddress(groups) ??
    `${canonical(groups.map((group, i) => masked(group, v6Prefix - 16 * i)))}/${v6Prefix}`
  );
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): readonly number[] {
  const [bare = ''] = address.split('%');
  const [left = [], right = []] = canonical([bare])
    .split('::')
    .map((half) => (half === '' ? [] : half.split(':')));
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16));
}

/** IPv4-mapped IPv6 addresses (`::ffff:0:0/96`). */
function mappedAddress(groups: readonly number[]): string | undefined {
  const [high, low] = groups.slice(6) as [number, number];
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  return isMapped ? [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.') : undefined;
}

/** Sets all but the first `bits` bits of a group to zero. */
function masked(group: number, bits: number): number {
  const kept = Math.min(Math.max(bits, 0), 16);
  return group & (0xffff << (16 - kept));
}

/** The text of an IPv6 address in a URL: RFC 5952, but never with a dotted IPv4 part. */
function canonical(groups: readonly (number | string)[]): string {
  const text = groups.map((group) => (typeof group === 'string' ? group : group.toString(16))).join(':');
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}
