import type { Duration } from '../shared/duration.js';
import { duration, integer, oneOf, type Option, type Resolved } from '../shared/option-schema.js';

/** The options of the L1: values in the memory of this process, in front of the store. */
export interface L1Options {
  /**
   * How many entries are kept: 1 or more. Beyond that, the least useful entry is dropped.
   * @default 10_000
   */
  readonly maxEntries?: number | undefined;
  /**
   * How much memory the entries may take, in bytes, 1 or more. The size of an entry is estimated from its encoded value.
   * @default 67_108_864
   */
  readonly maxBytes?: number | undefined;
  /**
   * How long an entry is kept after it was read from the store: 1 ms or more, and never beyond its own ttl. The bound for
   * changes that no message announces: an eviction, a FLUSHALL, a writer that does not use this library.
   * @default '30s'
   */
  readonly ttl?: Duration | undefined;
  /**
   * How this process learns that another one has invalidated an entry. `bus`: by messages of this library. `tracking`: by
   * messages of the server about every write, also of other programs. `validate`: by asking the store at each hit whether
   * the entry is unchanged; nothing stale is ever returned, and the value is neither sent nor decoded again.
   * @default 'bus'
   */
  readonly coherence?: 'bus' | 'tracking' | 'validate' | undefined;
  /**
   * What a hit returns. `reference`: the same object for all callers, which must not change it. `frozen`: the same object,
   * deeply frozen. `cloned`: a copy for each caller. Values that cannot be frozen (Map, Set, Date, bytes, instances of classes) are cloned under
   * `frozen`.
   * @default 'reference'
   */
  readonly values?: 'reference' | 'frozen' | 'cloned' | undefined;
}

/** The schema of `L1Options`. */
export const l1Options = {
  maxEntries: integer({ min: 1, default: 10_000 }),
  maxBytes: integer({ min: 1, default: 64 * 1024 * 1024, of: 'bytes' }),
  ttl: duration({ min: 1, default: '30s' }),
  coherence: oneOf(['bus', 'tracking', 'validate'], 'bus'),
  values: oneOf(['reference', 'frozen', 'cloned'], 'reference'),
} satisfies Record<keyof L1Options, Option<unknown>>;

/** The options, resolved. `ttl` is in ms. */
export type L1Settings = Resolved<typeof l1Options>;
