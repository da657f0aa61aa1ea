import { integer, type Option } from '../../core/shared/option-schema.js';

export interface MemoryOptions {
  /**
   * The maximum number of records: values, leases and tags together. The least recently used are evicted first.
   * @default 100_000
   */
  readonly maxEntries?: number | undefined;
  /**
   * The maximum size of all keys and records together, in bytes. The least recently used are evicted first.
   * @default 268_435_456
   */
  readonly maxBytes?: number | undefined;
}

/** The schema of `MemoryOptions`: names, checks and defaults. */
export const memoryOptions = {
  maxEntries: integer({ min: 1, default: 100_000 }),
  maxBytes: integer({ min: 1, default: 256 * 1024 * 1024, of: 'bytes' }),
} satisfies Record<keyof MemoryOptions, Option<unknown>>;
