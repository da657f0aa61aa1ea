import type { KnownOptions } from './client-types.js';

/** The address of a server for messages, without password: `redis://user:***@host:6379/2`. */
export function addressOf(options: KnownOptions): string {
  const { path, sentinels, host, port } = options;
  if (sentinels) {
    const addresses = sentinels.map((sentinel) => hostAndPort(sentinel.host, sentinel.port ?? 26_379));
    return `${options.name ?? 'a master'} of the sentinels ${addresses.join(', ')}`;
  }
  const scheme = options.tls ? 'rediss' : 'redis';
  const database = options.db ? `/${options.db}` : '';
  if (path) return `unix:${path}${database}`;
  return `${scheme}://${credentials(options)}${hostAndPort(host, port)}${database}`;
}

/** Identifies a server: equal for all users and databases of it. */
export function serverOf({ path, sentinels, name, host, port }: KnownOptions): string {
  if (sentinels) {
    const addresses = sentinels.map((sentinel) => hostAndPort(sentinel.host, sentinel.port));
    return `${name ?? ''} of ${addresses.sort().join()}`;
  }
  if (path) return `unix:${path}`;
  const address = (host ?? '127.0.0.1').toLowerCase();
  return hostAndPort(LOCAL.includes(address) ? '127.0.0.1' : address, port);
}

const LOCAL = ['localhost', '::1', '0.0.0.0', '::'];

/** The address of a Cluster for messages, without passwords. */
export function clusterAddressOf(startupNodes: readonly unknown[], nodes: KnownOptions): string {
  const addresses = startupNodes.map((node) => {
    if (typeof node === 'string') return maskUrl(node);
    return addressOf({ ...nodes, ...(typeof node === 'number' ? { port: node } : (node as KnownOptions)) });
  });
  return `the Cluster of ${addresses.join(', ')}`;
}

/** `host:port`, with brackets around an IPv6 address. */
function hostAndPort(host: string | null | undefined, port: number | null | undefined): string {
  const name = host ?? '127.0.0.1';
  return `${name.includes(':') ? `[${name}]` : name}:${port ?? 6379}`;
}

/** Replaces the passwords in a URL by `***`, also those in the query string, and also if the URL is invalid. */
export function maskUrl(text: string): string {
  return text
    .replace(/^([a-z][a-z0-9+.-]*:\/\/|\/\/)?([^/?#@]*:)[^/]*@/i, '$1$2***@')
    .replace(/([?&](?:sentinelP|p)assword=)[^&#]*/gi, '$1***');
}

function credentials({ username, password }: KnownOptions): string {
  if (!username && !password) return '';
  return `${encodeURIComponent(username ?? '')}${password ? ':***' : ''}@`;
}
