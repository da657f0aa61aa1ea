import { Buffer } from 'node:buffer';
import { nodeCrypto } from './builtin-modules.js';

const BYTES = 12;
const pool = Buffer.alloc(BYTES * 256);
let used = pool.length;

/**
 * 96 random bits as 16 ASCII characters: a lease's owner, a nonce. Random and never a counter or a clock, so
 * that losing any key of the store cannot bring an old one back.
 */
export function newToken(): string {
  if (used === pool.length) {
    nodeCrypto().randomFillSync(pool);
    used = 0;
  }
  return pool.toString('base64url', used, (used += BYTES));
}
