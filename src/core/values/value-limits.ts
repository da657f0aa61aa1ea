export interface ValueLimits {
  /** The most bytes of an encoded value. */
  readonly maxBytes: number;
  /** The most arrays, objects, Maps and Sets inside each other; more than `MAX_DEPTH` is never allowed. */
  readonly maxDepth: number;
}

/**
 * What reading takes, whatever the limits were when it was written: whoever walks a deeper value by recursion
 * runs out of stack.
 */
export const MAX_DEPTH = 1000;

/**
 * The longest array with holes. A few bytes can claim a length of four billion, and whoever walks such an array
 * by index never ends.
 */
export const MAX_SPARSE_LENGTH = 1_000_000;
