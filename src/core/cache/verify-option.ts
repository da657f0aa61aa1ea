import { readDuration, type Duration } from '../shared/duration.js';

/** How hits are verified (docs/verify.md). */
export interface VerifyOptions {
  /** The share of hits that are verified: from 0 to 1. */
  readonly share: number;
  /**
   * How long an entry must stand, after a load has returned something else, to count as forgotten: 1 ms or more. Longer than
   * writers take from their commit to their invalidation, and longer than the lag of a replica that loaders read.
   * @default '5s'
   */
  readonly after?: Duration | undefined;
  /**
   * Returns what is compared of a value, for values with parts that may be old.
   * @default the value
   */
  // Written as a method, so that it may take a narrower type than unknown.
  readonly part?: { part(value: unknown): unknown }['part'] | undefined;
}

/** The option `verify`, parsed. */
export interface VerifyPolicy {
  readonly share: number;
  /** In ms. */
  readonly after: number;
  readonly part: ((value: unknown) => unknown) | undefined;
}

const AFTER_MS = 5_000;
const NAMES = ['share', 'after', 'part'];

/** Reads the option `verify`. Returns false for a share of 0, and undefined for a value that it does not accept. */
export function readVerify(value: unknown): VerifyPolicy | false | undefined {
  if (typeof value === 'number') return readVerify({ share: value });
  if (typeof value !== 'object' || value === null) return undefined;
  if (!Object.keys(value).every((name) => NAMES.includes(name))) return undefined;
  const { share, after = AFTER_MS, part } = value as { share?: unknown; after?: unknown; part?: unknown };
  if (typeof share !== 'number' || !(share >= 0 && share <= 1)) return undefined;
  if (part !== undefined && typeof part !== 'function') return undefined;
  const afterMs = readDuration(after, { min: 1 });
  if (afterMs === undefined) return undefined;
  return share > 0 && { share, after: afterMs, part: part as VerifyPolicy['part'] };
}
