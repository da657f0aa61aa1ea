import { isIP } from 'node:net';
import { OptionsError } from '../../core/shared/errors.js';
import { integer, parseOptions, type Option } from '../../core/shared/option-schema.js';

/** What is read of a request: Node's own, and those of Express and Fastify, are such. */
export interface RequestWithAddress {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

export interface ClientIpOptions {
  /**
   * How many proxies of yours a request passes on its way, each of which appends whom it was called by to
   * `X-Forwarded-For`. Whatever stands left of their entries was written by the caller.
   * @default 0
   */
  readonly trustedProxies?: number | undefined;
}

/** The same as a schema: names, checks and defaults. */
export const clientIpOptions = {
  trustedProxies: integer({ min: 0, default: 0, of: 'proxies' }),
} satisfies Record<keyof ClientIpOptions, Option<unknown>>;

/**
 * Who calls: the address at the other end of the connection, or, behind proxies of yours, the one that the farthest
 * of them was called by. An entry that is no address (`unknown`, a forgery past your proxies) ends the way: then it
 * is the nearest address that is to be trusted.
 *
 * @throws OptionsError, and where the connection has no address (it is closed, or a Unix socket)
 */
export function clientIp(request: RequestWithAddress, options: ClientIpOptions = {}): string {
  const { trustedProxies = 0 } = parseOptions(clientIpOptions, options, 'clientIp(request, { ... })');
  const forwarded = trustedProxies === 0 ? [] : forwardedFor(request);
  let client = request.socket.remoteAddress;
  for (const entry of forwarded.slice(0, trustedProxies)) {
    const address = withoutPort(entry);
    if (isIP(address) === 0) break;
    client = address;
  }
  if (client !== undefined) return client;
  throw new OptionsError(
    'This request has no client address: its connection is closed, or is a Unix socket. Behind a proxy on a Unix ' +
      'socket, say clientIp(request, { trustedProxies: 1 }).',
  );
}

/** The entries, the nearest first. */
function forwardedFor({ headers }: RequestWithAddress): readonly string[] {
  const header = headers['x-forwarded-for'] ?? '';
  return String(header).split(',').reverse();
}

/** Some proxies write the port too: `203.0.113.7:4711`, `[2001:db8::1]:4711`. */
function withoutPort(entry: string): string {
  const found = /^(?:\[(.+)\]|([\d.]+))(?::\d+)?$/.exec(entry.trim());
  return found?.[1] ?? found?.[2] ?? entry.trim();
}
