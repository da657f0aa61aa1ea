/** The limits of one encoding. */
export interface ValueLimits {
  /** The maximum size of an encoded value, in bytes. */
  readonly maxBytes: number;
  /** The maximum nesting of arrays, objects, Maps and Sets, at most `MAX_DEPTH`. */
  readonly maxDepth: number;
}

/** The maximum depth of a decoded value. A recursive walk over a deeper value could overflow the stack. */
export const MAX_DEPTH = 1000;

/**
 * The maximum length of an array with holes. A few bytes can encode a length of four billion, over which a loop by index
 * would practically not end.
 */
export const MAX_SPARSE_LENGTH = 1_000_000;
