import { isDenied } from '../commands/redis-errors.js';

/** The explanation of an error. */
export interface Diagnosis {
  /** What the error means. */
  readonly meaning: string;
  /** What to do about it. */
  readonly fix: string;
}

/** Meaning and fix for a replica, which reports its role in INFO, or replies with READONLY. */
export const READ_ONLY = [
  'It is a replica, which accepts no writes.',
  'Expected the master: give its address, or let Sentinels find it (`sentinels` and `name` in the options).',
] as const;

export const CHECK_ADDRESS =
  'Check host and port, the firewalls in between, and whether the server requires TLS (rediss://) or has none (redis://).';

/** The messages of Node.js and ioredis for a closed connection. */
const CLOSED = /EPIPE|ECONNRESET|[Cc]onnection (is|was) closed|Stream isn't writeable|max retries|aborted/;

/** The known errors: a pattern of code and message, the meaning, and the fix. The first match is used. */
const KNOWN: readonly (readonly [pattern: RegExp, meaning: string, fix: string])[] = [
  [
    /WRONGPASS|invalid password|invalid username/i,
    'It does not accept the user name and password.',
    'Check them in the URL, redis://user:password@host, where special characters are percent-encoded.',
  ],
  [
    /NOAUTH|called without any password/,
    'It requires a password, and none was given.',
    'Give one in the URL, redis://:password@host or redis://user:password@host, or in the options.',
  ],
  [/READONLY/, ...READ_ONLY],
  [
    /DB index is out of range|SELECT is not allowed/,
    'It has no database with this number.',
    'Give a number below `databases` in its configuration, or none.',
  ],
  [/OOM/, 'It has no memory left and evicts nothing.', 'Raise its maxmemory, or set a maxmemory-policy.'],
  [/LOADING/, 'It is still loading its data.', 'Wait until it has loaded them, and try again.'],
  [
    /MISCONF/,
    'It refuses writes because it cannot save to disk.',
    "Repair its disk, or set 'stop-writes-on-bgsave-error no'.",
  ],
  [
    /Protocol error|Unknown RESP type/,
    'It does not speak the protocol of Redis.',
    'Expected a Redis server: check host and port. The server there may be a web server, or require TLS (rediss://).',
  ],
  [
    /ERR_SSL|EPROTO|SSL routines|wrong version number|ECONNRESET.*TLS|before secure TLS/,
    'The TLS handshake failed.',
    'Use redis:// if the server has no TLS on this port, rediss:// if it has.',
  ],
  [
    /CERT|certificate/i,
    'Its certificate was not accepted.',
    'Pass the authority that signed it as `tls: { ca }` in the options, and the name in the certificate as the host.',
  ],
  [/ECONNREFUSED/, 'Nothing listens there.', 'Start a Redis server there, or check host and port.'],
  [
    /ENOTFOUND|EAI_AGAIN/,
    'There is no host with this name.',
    'Check the host name, and the DNS of this machine.',
  ],
  [/ETIMEDOUT/, 'The connection attempt timed out.', CHECK_ADDRESS],
  [
    /accepted the connection and then sent nothing/,
    'It accepts connections and then does not answer.',
    'Expected a Redis server: check host and port. The server may hang, or require TLS (rediss://).',
  ],
  [
    /cluster support disabled/,
    'It is not a Redis Cluster.',
    'Pass a URL, or a Redis client instead of a Cluster.',
  ],
  [
    /max number of clients/,
    'It accepts no more connections.',
    'Raise its maxclients, or close other clients.',
  ],
  [
    CLOSED,
    'It closes every connection.',
    'Expected a Redis server with room for more clients (its maxclients): check host and port, and whether it requires TLS (rediss://).',
  ],
];

/** Explains an error. @param error the root cause */
export function diagnose(error: Error): Diagnosis {
  const known = KNOWN.find(([pattern]) => pattern.test(`${codeOf(error)} ${error.message}`));
  return {
    meaning: known?.[1] ?? 'It could not be used.',
    fix: known?.[2] ?? 'Check the address and the server.',
  };
}

/**
 * Ranks errors, so that the most informative one is reported: 2 is permanent, 0 only means that the connection was
 * closed.
 */
export function informativeness(error: Error): number {
  if (isPermanent(error)) return 2;
  const { message } = rootCause(error);
  return CLOSED.test(message) ? 0 : 1;
}

/** True if the database does not exist. ioredis then stays connected, on database 0. */
export function isOfDatabase(error: Error): boolean {
  return /DB index is out of range|SELECT is not allowed/.test(rootCause(error).message);
}

/** True if the error does not go away by waiting. */
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

/** Returns the innermost cause: the error of the socket or of the server, which ioredis and this adapter wrap. */
export function rootCause(error: unknown): Error {
  let current = error instanceof Error ? error : new Error(String(error));
  for (;;) {
    const inner: unknown = current.cause ?? Reflect.get(current, 'lastNodeError');
    if (!(inner instanceof Error)) return current;
    current = inner;
  }
}

function codeOf(error: Error): string {
  const code: unknown = Reflect.get(error, 'code');
  return typeof code === 'string' ? code : '';
}
