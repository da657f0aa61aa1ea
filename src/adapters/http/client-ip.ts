import { isIP } from 'node:net';
import { OptionsError } from '../../core/shared/errors.js';
import { integer, parseOptions, type Option } from '../../core/shared/option-schema.js';

/**
 * The properties of a request that `clientIp` reads. Requests of Node.js, Express and Fastify have them; in Koa it is
 * `ctx.req`.
 */
export interface RequestWithAddress {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

export interface ClientIpOptions {
  /**
   * The number of own proxies between client and server, 0 or more. Each of them appends the address of its caller to
   * `X-Forwarded-For`, so that many entries are read, from the right. The caller can write the others, and they are
   * ignored.
   * @default 0
   */
  readonly trustedProxies?: number | undefined;
}

/** The schema of `ClientIpOptions`: names, checks and defaults. */
export const clientIpOptions = {
  trustedProxies: integer({ min: 0, default: 0, of: 'proxies' }),
} satisfies Record<keyof ClientIpOptions, Option<unknown>>;

/**
 * Returns the IP address of the client, without brackets or port: the remote address of the connection, or behind own
 * proxies the entry of `X-Forwarded-For` that the outermost of them has appended. If an entry is not an address
 * (`unknown`), the last valid one before it is returned, counted from the connection.
 *
 * For servers on bare `node:http` or Koa, and where a `trust proxy` setting is not wanted. Express and Fastify have
 * `request.ip`, with a setting for trusted proxies (`trust proxy`, `trustProxy`) that also takes address ranges.
 *
 * @throws OptionsError for an invalid option, and if there is no address: the connection is closed, or it is a Unix
 * socket
 * @example
 * const client = clientIp(request, { trustedProxies: 1 });
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
      'socket, call clientIp(request, { trustedProxies: 1 }).',
  );
}

/** The entries of `X-Forwarded-For`, the one of the nearest proxy first. */
function forwardedFor({ headers }: RequestWithAddress): readonly string[] {
  const header = headers['x-forwarded-for'] ?? '';
  return String(header).split(',').reverse();
}

/** Some proxies append the port, too: `203.0.113.7:4711`, `[2001:db8::1]:4711`. */
function withoutPort(entry: string): string {
  const match = /^(?:\[(.+)\]|([\d.]+))(?::\d+)?$/.exec(entry.trim());
  return match?.[1] ?? match?.[2] ?? entry.trim();
}
