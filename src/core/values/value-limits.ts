/** The limits of one encoding. */
export interface ValueLimits {
  /** The maximum size of an encoded value, in bytes. */
  readonly maxBytes: number;
  /** The maximum nesting of arrays, objects, Maps and Sets, at most `MAX_DEPTH`. */
  readonly maxDepth: number;
  /** The size from which an encoded value is compressed, in bytes. @default it is not */
  readonly compressFrom?: number | undefined;
}

/** The default of `maxValueBytes`. */
export const MAX_VALUE_BYTES = 8 * 1024 * 1024;

/** The maximum depth of a decoded value. A recursive walk over a deeper value could overflow the stack. */
export const MAX_DEPTH = 1000;

/**
 * The maximum length of an array with holes. A few bytes can encode a length of four billion, over which a loop by index
 * would practically not end.
 */
export const MAX_SPARSE_LENGTH = 1_000_000;
