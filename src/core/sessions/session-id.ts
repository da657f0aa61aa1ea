import { nodeCrypto } from '../shared/builtin-modules.js';

/**
 * A session id is 48 random bytes as 64 characters of base64url. Its first 20 characters are the handle: public, the same for
 * the whole life of the session. The other 44, 264 random bits, are the secret, which `rotate` replaces.
 */
const HANDLE_BYTES = 15;
const SECRET_BYTES = 33;
const HANDLE_LENGTH = 20;

/** A session id as the store sees it. */
export interface SessionReference {
  readonly handle: string;
  /** The SHA-256 of the whole id. The secret has too many bits for guessing, so a slow hash would only cost time. */
  readonly proof: string;
}

/** @param handle of the session whose id is replaced @default a new one */
export function newSessionId(handle = randomText(HANDLE_BYTES)): string {
  return handle + randomText(SECRET_BYTES);
}

/** @returns undefined for anything that cannot be an id of this library, so that the store is not asked for it */
export function parseSessionId(id: unknown): SessionReference | undefined {
  // guard: bad-session-id-is-not-found
  if (typeof id !== 'string' || !/^[\w-]{64}$/.test(id)) return undefined;
  return { handle: id.slice(0, HANDLE_LENGTH), proof: digestOf(id) };
}

export function isHandle(handle: unknown): handle is string {
  return typeof handle === 'string' && /^[\w-]{20}$/.test(handle);
}

/** The SHA-256 of a text, as 43 characters of base64url. */
export function digestOf(text: string): string {
  return nodeCrypto().createHash('sha256').update(text).digest('base64url');
}

function randomText(bytes: number): string {
  return nodeCrypto().randomBytes(bytes).toString('base64url');
}
