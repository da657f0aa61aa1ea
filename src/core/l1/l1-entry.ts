import { Buffer } from 'node:buffer';
import type { Entry, TagVersion } from '../ports/entry-format.js';
import { ValueError } from '../shared/errors.js';
import type { RememberedKey } from '../keys/key-memo.js';
import { expandedLength } from '../values/compression.js';
import type { Serializer } from '../values/serializer.js';
import { decodeValue } from '../values/value-codec.js';
import { BoundedEntry } from './bounded-map.js';
import { deepFreeze } from './deep-freeze.js';
import type { L1Settings } from './l1-options.js';
import type { NonceState } from './nonces.js';

/**
 * What an entry takes beside its key and its value, in bytes. Measured by benchmarks/l1-memory.js: 600 for an entry with its
 * encoded value, and what the allocator adds to that. One with a decoded value takes 430.
 */
const ENTRY_BYTES = 700;
/** What a tag of an entry takes beside its name, in bytes. */
const TAG_BYTES = 250;
/** A decoded value takes more than its encoded text: 1.75 bytes for each, in rows with short strings. */
const DECODED_BYTES_PER_BYTE = 2;

/** A record of the store that the L1 may keep. */
export interface L1Record {
  readonly entry: Pick<Entry, 'token' | 'codec' | 'clearNonce' | 'tags' | 'payload'>;
  /** The decoded value, if it was decoded: the first hit decodes it otherwise. */
  readonly decoded: { readonly value: unknown } | undefined;
  /** The end of the ttl, by this process' clock. */
  readonly expiresAt: number;
  /** Of the value itself; undefined if nobody asks for them. */
  readonly times?: ValueTimes | undefined;
  /** What has decoded the value, and will again. Undefined: the standard codecs. */
  readonly serializer?: Serializer | undefined;
}

/** When a value was loaded, and when its ttl ends, by this process' clock; and its idle time in ms, if it has one. */
export interface ValueTimes {
  readonly loadedAt: number;
  readonly freshUntil: number;
  readonly idleTtl: number | undefined;
}

/** An entry in the memory of this process. */
export class L1Entry extends BoundedEntry {
  /** Of the load that stored it: two records with the same token are the same. */
  readonly token: string;
  readonly clearNonce: string;
  readonly tags: readonly TagVersion[];
  /** The state of the nonce of each tag, in the same order. */
  readonly nonces: readonly NonceState[];
  /** When it is dropped, by this process' clock. */
  readonly expiresAt: number;
  /** When it was read or stored, by this process' clock. */
  readonly keptAt: number;
  readonly times: ValueTimes | undefined;
  /** The memory that it is in. */
  readonly owner: object | undefined;
  /** What makes the value of the payload: only calls with the same one may have it. */
  readonly serializer: Serializer | undefined;
  /** The epoch in which its nonces were last compared. @see L1Cache */
  epoch: number;
  /** The decorated method that has found all tags of its calls in this entry: they follow from the key. */
  checkedBy: object | undefined;
  /** What `hasTags` was last called with, so that a list that is the same at every call is compared once. */
  #checkedTags: readonly string[] | undefined;
  /** The key that leads to this entry without a lookup. */
  #remembered: RememberedKey | undefined;
  readonly #codec: number;
  #payload: Buffer | undefined;
  #value: Promise<unknown> | undefined;
  readonly #isCloned: boolean;
  readonly #isFrozen: boolean;

  constructor(
    key: string,
    { entry, decoded, expiresAt, times, serializer }: L1Record,
    nonces: readonly NonceState[],
    { values }: Pick<L1Settings, 'values'>,
    kept: { readonly at: number; readonly epoch: number; readonly by?: object },
  ) {
    const { payload } = entry;
    super(key, bytesOf(key, entry, values));
    this.token = entry.token;
    this.clearNonce = entry.clearNonce;
    this.serializer = serializer;
    this.tags = entry.tags;
    this.nonces = nonces;
    this.expiresAt = expiresAt;
    this.keptAt = kept.at;
    this.times = times;
    this.epoch = kept.epoch;
    this.owner = kept.by;
    this.#codec = entry.codec;
    this.#isFrozen = values === 'frozen';
    this.#isCloned =
      values === 'cloned' || (this.#isFrozen && decoded !== undefined && !deepFreeze(decoded.value));
    if (decoded !== undefined && !this.#isCloned) this.#value = Promise.resolve(decoded.value);
    // Payloads of the store are slices of larger buffers, which would stay in memory as a whole.
    else this.#payload = ownBytes(payload);
  }

  /** True if it has these tags. An entry without a tag of the call would not be invalidated with it. */
  hasTags(tags: readonly string[]): boolean {
    if (tags.length === 0 || tags === this.#checkedTags) return true;
    // guard: l1-entry-has-the-tags-of-the-call
    if (!tags.every((tag) => this.tags.some((one) => one.tag === tag))) return false;
    this.#checkedTags = tags;
    return true;
  }

  /** Lets `key` lead to this entry, until the entry leaves the memory. */
  rememberIn(key: RememberedKey): void {
    this.removed();
    this.#remembered = key;
    key.found = this;
  }

  override removed(): void {
    // guard: remembered-key-keeps-no-removed-entry
    if (this.#remembered?.found === this) this.#remembered.found = undefined;
  }

  /** The value. Under `reference` and `frozen`, always the same promise, so that a hit allocates nothing. */
  read(): Promise<unknown> {
    return this.#value ?? this.#decode();
  }

  #decode(): Promise<unknown> {
    let value: unknown;
    try {
      value = this.#decoded();
    } catch (error) {
      return Promise.reject(error as ValueError);
    }
    const promise = Promise.resolve(value);
    if (this.#isCloned || (this.#isFrozen && !deepFreeze(value))) return promise;
    this.#payload = undefined;
    return (this.#value = promise);
  }

  /** Its bytes were encoded by this process, or have been decoded before. */
  #decoded(): unknown {
    if (this.serializer === undefined) return decodeValue(this.#codec, this.#payload!, Infinity)!.value;
    const restored = this.serializer.decode(this.#codec, this.#payload!, Infinity);
    if (restored.cause === undefined) return restored.value;
    throw new ValueError(
      'Expected revive, schema and codec to accept what they accepted before: a value in memory was refused now.',
      'rejected',
      { cause: restored.error },
    );
  }
}

/** An estimate for `maxBytes`: at least what the entry takes, for typical rows. */
function bytesOf(
  key: string,
  { tags, codec, payload }: L1Record['entry'],
  values: L1Settings['values'],
): number {
  let bytes = ENTRY_BYTES + 2 * key.length;
  for (const { tag } of tags) bytes += TAG_BYTES + 2 * tag.length;
  if (values === 'cloned') return bytes + payload.length;
  // guard: memory-counts-values-as-they-are-decoded
  return bytes + expandedLength(codec, payload) * DECODED_BYTES_PER_BYTE;
}

function ownBytes(bytes: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  return own;
}
