import { Buffer } from 'node:buffer';
import { types } from 'node:util';
import { OptionsError } from '../shared/errors.js';
import { oneOf, parseOptions, unchecked, type Option } from '../shared/option-schema.js';

/** A key of `seal`: 32 random bytes, or base64 text of them, or a secret `KeyObject` of node:crypto with them. */
export type SealKey = string | Uint8Array | SecretKeyObject;

/** What is used of a secret `KeyObject` of node:crypto. */
export interface SecretKeyObject {
  readonly type: 'secret' | 'public' | 'private';
  export(): Uint8Array;
}

/** How stored values are protected from whoever can read or write the store (docs/encryption.md). */
export interface SealOptions {
  /**
   * The keys: 32 random bytes each, as base64 text (`openssl rand -base64 32`), as bytes, or as a secret `KeyObject`. What is
   * stored is sealed by the first one. What any of them has sealed can be read, so that a key can be replaced.
   */
  readonly keys: readonly SealKey[];
  /**
   * `encrypt`: values can be neither read nor altered in the store. `sign`: they can be read there, and not altered. Either
   * way, what is not sealed in this mode by one of the keys is a miss.
   * @default 'encrypt'
   */
  readonly mode?: SealMode | undefined;
}

export type SealMode = 'encrypt' | 'sign';

/** The schema of `SealOptions`. */
export const sealOptions = {
  keys: unchecked<readonly SealKey[]>('a list of keys'),
  mode: oneOf(['encrypt', 'sign'], 'encrypt'),
} satisfies Record<keyof SealOptions, Option<unknown>>;

export interface SealSettings {
  /** 32 bytes each, at least one. */
  readonly keys: readonly Buffer[];
  readonly mode: SealMode;
}

const KEY_BYTES = 32;
const BASE64 = /^[A-Za-z0-9+/_-]{43}=?$/;
/** A random key has fewer with a probability of 2^-60. */
const MIN_DISTINCT_BYTES = 16;

/**
 * Checks the option `seal`. No message has any part of a key.
 *
 * @param label names the call in errors
 * @throws OptionsError
 */
export function readSealOptions(options: SealOptions, label: string): SealSettings {
  if (typeof options !== 'object' || options === null) {
    throw new OptionsError(
      `seal of ${label} is an object: { keys: ['32 random bytes as base64'] }, and ${kindOf(options)} was given.`,
    );
  }
  const { keys, mode = 'encrypt' } = parseOptions(sealOptions, options, `seal of ${label}`);
  if (!Array.isArray(keys) || keys.length === 0) {
    throw new OptionsError(
      `keys of seal of ${label} is a list with one key or more, the one that seals first, and ${kindOf(keys)} was given.`,
    );
  }
  // Not map, which leaves out holes.
  const read = Array.from(keys, (key, i) => readKey(key, `keys[${i}] of seal of ${label}`));
  read.forEach((key, i) => {
    const first = read.findIndex((one) => one.equals(key));
    if (first === i) return;
    throw new OptionsError(
      `keys[${first}] and keys[${i}] of seal of ${label} are the same key. Leave one of them out.`,
    );
  });
  return { keys: read, mode };
}

/** @throws OptionsError */
function readKey(key: unknown, label: string): Buffer {
  const bytes = bytesOf(key);
  if (bytes?.length !== KEY_BYTES) {
    const found = bytes === undefined ? kindOf(key) : `a key of ${bytes.length} bytes`;
    throw new OptionsError(
      `${label} is ${KEY_BYTES} random bytes: as base64 text (openssl rand -base64 ${KEY_BYTES}), as a Uint8Array, or as a ` +
        `secret KeyObject; ${found} was given.`,
    );
  }
  // guard: weak-key-is-refused
  if (new Set(bytes).size < MIN_DISTINCT_BYTES || bytes.every(isPrintable)) {
    throw new OptionsError(
      `${label} can be guessed: its bytes repeat, or are text. Take ${KEY_BYTES} random bytes: openssl rand -base64 ${KEY_BYTES}.`,
    );
  }
  return bytes;
}

/** Returns a copy; undefined for what is no key. */
function bytesOf(key: unknown): Buffer | undefined {
  if (typeof key === 'string') return BASE64.test(key) ? Buffer.from(key, 'base64') : undefined;
  if (types.isUint8Array(key)) return Buffer.from(key);
  return types.isKeyObject(key) && key.type === 'secret' ? key.export() : undefined;
}

function isPrintable(byte: number): boolean {
  return byte >= 0x20 && byte < 0x7f;
}

/** What a value is, without its content. */
function kindOf(value: unknown): string {
  if (typeof value === 'string') return `a string of ${value.length} characters`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value === null || value === undefined) return String(value);
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}
