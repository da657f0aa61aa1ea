import { isIP } from 'node:net';
import { describe } from '../../core/shared/describe.js';
import { OptionsError } from '../../core/shared/errors.js';
import { integer, parseOptions, type Option } from '../../core/shared/option-schema.js';

export interface IpKeyOptions {
  /**
   * How many leading bits of an IPv6 address name the client, from 1 to 128. Whoever has one address of a /64 has all
   * of them; providers give their customers a /56 or a /48.
   * @default 64
   */
  readonly v6Prefix?: number | undefined;
}

/** The same as a schema: names, checks and defaults. */
export const ipKeyOptions = {
  v6Prefix: integer({ min: 1, max: 128, default: 64, of: 'bits' }),
} satisfies Record<keyof IpKeyOptions, Option<unknown>>;

/**
 * An address as part of a key, one text for each client: `203.0.113.7`, `2001:db8:0:1::/64`. An IPv4 address that is
 * written as IPv6 (`::ffff:203.0.113.7`, `::ffff:cb00:7107`) is the IPv4 address. Zones (`%eth0`) do not count.
 *
 * @throws OptionsError for what is no address: a name, brackets, a port, a prefix
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
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  return mapped ? [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.') : undefined;
}

/** The group with all but its first `bits` bits put to zero. */
function masked(group: number, bits: number): number {
  const kept = Math.min(Math.max(bits, 0), 16);
  return group & (0xffff << (16 - kept));
}

/** The one text that URLs have for an IPv6 address (RFC 5952, and never with dots). */
function canonical(groups: readonly (number | string)[]): string {
  const text = groups.map((group) => (typeof group === 'string' ? group : group.toString(16))).join(':');
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}
