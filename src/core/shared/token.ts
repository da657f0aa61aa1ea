import { Buffer } from 'node:buffer';
import { nodeCrypto } from './builtin-modules.js';

const BYTES = 12;
const pool = Buffer.alloc(BYTES * 512);
let used = pool.length;

/**
 * A new token of 96 random bits as 16 ASCII characters, for the owner of a lease or a nonce. It is random and not a counter
 * or a time, so that a key that is lost and created again never has an earlier value.
 *
 * @param bytes a multiple of 3: the token has 4 characters for every 3 bytes
 */
export function newToken(bytes = BYTES): string {
  if (used + bytes > pool.length) {
    nodeCrypto().randomFillSync(pool);
    used = 0;
  }
  return pool.toString('base64url', used, (used += bytes));
}
