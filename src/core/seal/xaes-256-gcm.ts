import { Buffer } from 'node:buffer';
import type { KeyObject } from 'node:crypto';
import { nodeCrypto } from '../shared/builtin-modules.js';
import type { Sealer } from './sealer.js';

const NONCE_BYTES = 24;
/** The part of the nonce from which a key is derived. The rest is the nonce of AES-GCM. */
const DERIVED_FROM = 12;
const TAG_BYTES = 16;
const BLOCK_BYTES = 16;

/**
 * Encryption by [XAES-256-GCM](https://github.com/C2SP/C2SP/blob/main/XAES-256-GCM.md): AES-256-GCM under a key that is
 * derived from the given one and from half of a random nonce of 192 bits. Random nonces of AES-256-GCM alone, of 96 bits,
 * are safe for 2^32 values of a key; these are for 2^80.
 *
 *     0    nonce, 24 bytes
 *     24   the encrypted bytes, of the length of the bytes
 *     ...  the authentication tag, 16 bytes
 */
export class Xaes256Gcm implements Sealer {
  readonly overhead = NONCE_BYTES + TAG_BYTES;
  readonly #key: KeyObject;
  /** The first subkey of CMAC, which the derivation of a key is. */
  readonly #subkey: Buffer;

  /** @param key 32 bytes */
  constructor(key: Buffer) {
    this.#key = nodeCrypto().createSecretKey(key);
    this.#subkey = doubled(this.#encryptBlocks(Buffer.alloc(BLOCK_BYTES)));
  }

  /** @param nonce 24 bytes that no other call has had: random ones, but for the test vectors */
  seal(bytes: Buffer, head: Buffer, nonce: Buffer = nodeCrypto().randomBytes(NONCE_BYTES)): Buffer {
    const cipher = nodeCrypto().createCipheriv(
      'aes-256-gcm',
      this.#keyFor(nonce),
      nonce.subarray(DERIVED_FROM),
      { authTagLength: TAG_BYTES },
    );
    cipher.setAAD(head);
    return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
  }

  open(sealed: Buffer, head: Buffer): Buffer | undefined {
    if (sealed.length < this.overhead) return undefined;
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const tagAt = sealed.length - TAG_BYTES;
    const decipher = nodeCrypto().createDecipheriv(
      'aes-256-gcm',
      this.#keyFor(nonce),
      nonce.subarray(DERIVED_FROM),
      { authTagLength: TAG_BYTES },
    );
    decipher.setAAD(head);
    decipher.setAuthTag(sealed.subarray(tagAt));
    const bytes = decipher.update(sealed.subarray(NONCE_BYTES, tagAt));
    try {
      // guard: encrypted-bytes-are-authentic
      decipher.final();
    } catch {
      return undefined;
    }
    return bytes;
  }

  /** NIST SP 800-108r1 in counter mode over CMAC: two blocks of counter, label `X`, and the first half of the nonce. */
  #keyFor(nonce: Buffer): Buffer {
    const blocks = Buffer.alloc(2 * BLOCK_BYTES);
    for (const [i, at] of [0, BLOCK_BYTES].entries()) {
      blocks[at + 1] = i + 1;
      blocks.write('X', at + 2);
      nonce.copy(blocks, at + BLOCK_BYTES - DERIVED_FROM, 0, DERIVED_FROM);
      for (let j = 0; j < BLOCK_BYTES; j++) blocks[at + j]! ^= this.#subkey[j]!;
    }
    return this.#encryptBlocks(blocks);
  }

  #encryptBlocks(blocks: Buffer): Buffer {
    return nodeCrypto().createCipheriv('aes-256-ecb', this.#key, null).setAutoPadding(false).update(blocks);
  }
}

/** Twice the block, in the field of CMAC (NIST SP 800-38B). */
function doubled(block: Buffer): Buffer {
  const result = Buffer.alloc(BLOCK_BYTES);
  for (let i = 0; i < BLOCK_BYTES; i++) result[i] = (block[i]! << 1) | ((block[i + 1] ?? 0) >> 7);
  if (block[0]! >= 0x80) result[BLOCK_BYTES - 1]! ^= 0x87;
  return result;
}
