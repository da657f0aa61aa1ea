import type { KnownOptions } from './client-types.js';

/** Where a server is, for messages: `redis://user:***@host:6379/2`. Never holds a password. */
export function addressOf(options: KnownOptions): string {
  const { path, sentinels, host, port } = options;
  if (sentinels) {
    const places = sentinels.map((one) => hostAndPort(one.host, one.port ?? 26_379));
    return `${options.name ?? 'a master'} of the sentinels ${places.join(', ')}`;
  }
  const scheme = options.tls ? 'rediss' : 'redis';
  const database = options.db ? `/${options.db}` : '';
  if (path) return `unix:${path}${database}`;
  return `${scheme}://${credentials(options)}${hostAndPort(host, port)}${database}`;
}

/** Which server it is, whoever asks and for whichever database. */
export function serverOf({ path, sentinels, name, host, port }: KnownOptions): string {
  if (sentinels)
    return `${name ?? ''} of ${sentinels
      .map((one) => hostAndPort(one.host, one.port))
      .sort()
      .join()}`;
  if (path) return `unix:${path}`;
  const address = (host ?? '127.0.0.1').toLowerCase();
  return hostAndPort(LOCAL.includes(address) ? '127.0.0.1' : address, port);
}

const LOCAL = ['localhost', '::1', '0.0.0.0', '::'];

export function clusterAddressOf(startupNodes: readonly unknown[], nodes: KnownOptions): string {
  const places = startupNodes.map((node) => {
    if (typeof node === 'string') return maskUrl(node);
    return addressOf({ ...nodes, ...(typeof node === 'number' ? { port: node } : (node as KnownOptions)) });
  });
  return `the Cluster of ${places.join(', ')}`;
}

/** `host:port`, with brackets around what has colons itself. */
function hostAndPort(host: string | null | undefined, port: number | null | undefined): string {
  const name = host ?? '127.0.0.1';
  return `${name.includes(':') ? `[${name}]` : name}:${port ?? 6379}`;
}

/** Takes the password out of a URL, in the query string too, and also if it is no good as a URL. */
export function maskUrl(text: string): string {
  return text
    .replace(/^([a-z][a-z0-9+.-]*:\/\/|\/\/)?([^/?#@]*:)[^/]*@/i, '$1$2***@')
    .replace(/([?&](?:sentinelP|p)assword=)[^&#]*/gi, '$1***');
}

function credentials({ username, password }: KnownOptions): string {
  if (!username && !password) return '';
  return `${encodeURIComponent(username ?? '')}${password ? ':***' : ''}@`;
}
