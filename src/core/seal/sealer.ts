import type { Buffer } from 'node:buffer';

/** Protects bytes with one key. The head is protected with them, and is not part of what is sealed. */
export interface Sealer {
  /** How much longer sealed bytes are. */
  readonly overhead: number;
  seal(bytes: Buffer, head: Buffer): Buffer;
  /** Returns undefined for what this key has not sealed with this head. Never throws. */
  open(sealed: Buffer, head: Buffer): Buffer | undefined;
}
