import { isDenied } from '../commands/redis-errors.js';

/** What a failure to use a server means, and what to do about it. */
export interface Diagnosis {
  readonly meaning: string;
  readonly fix: string;
}

/** For what a server says of itself without an error. */
export const READ_ONLY = [
  'It is a replica, and a replica takes no writes.',
  'Expected the master: give its address, or let Sentinels find it (`sentinels` and `name` in the options).',
] as const;

export const CHECK_ADDRESS =
  'Check host and port, the firewalls in between, and whether the server wants TLS (rediss://) or has none (redis://).';

/** The many ways to say that there is no connection any more. */
const CLOSED = /EPIPE|ECONNRESET|[Cc]onnection (is|was) closed|Stream isn't writeable|max retries|aborted/;

/** What is said, what it means, what to do. */
const KNOWN: readonly (readonly [pattern: RegExp, came: string, mend: string])[] = [
  [
    /WRONGPASS|invalid password|invalid username/i,
    'It does not accept the user name and password.',
    'Check them in the URL, redis://user:password@host, where special characters are percent-encoded.',
  ],
  [
    /NOAUTH|called without any password/,
    'It wants a password, and none was given.',
    'Give one in the URL, redis://:password@host or redis://user:password@host, or in the options.',
  ],
  [/READONLY/, ...READ_ONLY],
  [
    /DB index is out of range|SELECT is not allowed/,
    'It has no database of that number.',
    'Give one that it has (`databases` in its configuration), or none.',
  ],
  [/OOM/, 'It has no memory left and evicts nothing.', 'Raise its maxmemory, or set a maxmemory-policy.'],
  [/LOADING/, 'It is still loading its data.', 'Try again when it has.'],
  [
    /MISCONF/,
    'It takes no writes because it cannot save to disk.',
    "Mend its disk, or set 'stop-writes-on-bgsave-error no'.",
  ],
  [
    /Protocol error|Unknown RESP type/,
    'It does not speak the protocol of Redis.',
    'Expected a Redis server: check host and port; what answers there may be a web server, or want TLS (rediss://).',
  ],
  [
    /ERR_SSL|EPROTO|SSL routines|wrong version number|ECONNRESET.*TLS|before secure TLS/,
    'TLS could not be agreed on.',
    'Use redis:// if the server has no TLS on this port, rediss:// if it has.',
  ],
  [
    /CERT|certificate/i,
    'Its certificate was not accepted.',
    'Pass the authority that signed it as `tls: { ca }` in the options, and the name it was made for as the host.',
  ],
  [/ECONNREFUSED/, 'Nothing listens there.', 'Start a Redis server there, or check host and port.'],
  [
    /ENOTFOUND|EAI_AGAIN/,
    'There is no host of that name.',
    'Check the host name, and the DNS of this machine.',
  ],
  [/ETIMEDOUT/, 'No connection came about in time.', CHECK_ADDRESS],
  [
    /said nothing/,
    'It accepts connections and then does not answer.',
    'Expected a Redis server: check host and port; a server that hangs, or one that wants TLS (rediss://), looks like this.',
  ],
  [
    /cluster support disabled/,
    'It is no Redis Cluster.',
    'Pass a URL, or a Redis client instead of a Cluster.',
  ],
  [/max number of clients/, 'It takes no more connections.', 'Raise its maxclients, or close other clients.'],
  [
    CLOSED,
    'It closes every connection.',
    'Expected a Redis server with room for more clients (its maxclients): check host and port, and whether it wants TLS (rediss://).',
  ],
];

/** @param error the innermost one */
export function diagnose(error: Error): Diagnosis {
  const known = KNOWN.find(([pattern]) => pattern.test(`${codeOf(error)} ${error.message}`));
  return {
    meaning: known?.[1] ?? 'It could not be used.',
    fix: known?.[2] ?? 'Check the address and the server.',
  };
}

/** How much an error tells. */
export function informativeness(error: Error): number {
  if (isPermanent(error)) return 2;
  const { message } = rootCause(error);
  return CLOSED.test(message) ? 0 : 1;
}

/** The connection is there all the same, on database 0. */
export function isOfDatabase(error: Error): boolean {
  return /DB index is out of range|SELECT is not allowed/.test(rootCause(error).message);
}

/** Waiting would not help. */
export function isPermanent(error: Error): boolean {
  const cause = rootCause(error);
  const text = `${codeOf(cause)} ${cause.message}`;
  return (
    isDenied(cause.message) ||
    isOfDatabase(cause) ||
    /WRONGPASS|invalid password|NOAUTH|Protocol error|Unknown RESP type|ERR_SSL|EPROTO|CERT/.test(text) ||
    /cluster support disabled/.test(text)
  );
}

/** What was said: ioredis and this adapter wrap it. */
export function rootCause(error: unknown): Error {
  let found = error instanceof Error ? error : new Error(String(error));
  for (;;) {
    const inner: unknown = found.cause ?? Reflect.get(found, 'lastNodeError');
    if (!(inner instanceof Error)) return found;
    found = inner;
  }
}

function codeOf(error: Error): string {
  const code: unknown = Reflect.get(error, 'code');
  return typeof code === 'string' ? code : '';
}
