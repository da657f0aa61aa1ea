import { Buffer } from 'node:buffer';
import type { KeyObject } from 'node:crypto';
import { nodeCrypto } from '../shared/builtin-modules.js';
import type { Sealer } from './sealer.js';

const MAC_BYTES = 32;

/** Signature by HMAC-SHA-256: the bytes, then the code of head and bytes. The head says how long the bytes are. */
export class HmacSha256 implements Sealer {
  readonly overhead = MAC_BYTES;
  readonly #key: KeyObject;

  /** @param key 32 bytes */
  constructor(key: Buffer) {
    this.#key = nodeCrypto().createSecretKey(key);
  }

  seal(bytes: Buffer, head: Buffer): Buffer {
    return Buffer.concat([bytes, this.#mac(bytes, head)]);
  }

  open(sealed: Buffer, head: Buffer): Buffer | undefined {
    if (sealed.length < MAC_BYTES) return undefined;
    const bytes = sealed.subarray(0, sealed.length - MAC_BYTES);
    // guard: signed-bytes-are-authentic
    if (!nodeCrypto().timingSafeEqual(this.#mac(bytes, head), sealed.subarray(bytes.length)))
      return undefined;
    return bytes;
  }

  #mac(bytes: Buffer, head: Buffer): Buffer {
    return nodeCrypto().createHmac('sha256', this.#key).update(head).update(bytes).digest();
  }
}
