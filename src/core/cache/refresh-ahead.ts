import { readDuration } from '../shared/duration.js';

/** When a value is loaded again before the end of its ttl. */
export type RefreshAhead =
  | { readonly by: 'never' }
  /** After this part of the ttl. */
  | { readonly by: 'age'; readonly part: number }
  /** So many ms before the end of the ttl. */
  | { readonly by: 'time-left'; readonly ms: number }
  /** At random. */
  | { readonly by: 'chance'; readonly beta: number };

/** Beyond so many times `beta` and the duration of the load, a refresh is unlikelier than 1 in 1,000. */
const UNLIKELY = 7;

/** Reads the option `refreshAhead`. Returns undefined for a value that it does not accept. */
export function readRefreshAhead(value: unknown): RefreshAhead | undefined {
  if (value === false) return { by: 'never' };
  if (typeof value === 'number') {
    if (value > 0 && value < 1) return { by: 'age', part: value };
  } else if (typeof value === 'object' && value !== null) {
    const { beta } = value as { beta?: unknown };
    const isBeta = typeof beta === 'number' && beta > 0 && Number.isFinite(beta);
    return isBeta && Object.keys(value).join() === 'beta' ? { by: 'chance', beta } : undefined;
  }
  const ms = readDuration(value, { min: 1 });
  return ms === undefined ? undefined : { by: 'time-left', ms };
}

/**
 * How long before the end of its ttl a value is loaded again, in ms; 0: it is not.
 *
 * By chance: `beta * loadMs * -ln(random)`, decided anew by each call (Vattani, Chierichetti, Lowenstein: Optimal
 * Probabilistic Cache Stampede Prevention, VLDB 2015).
 *
 * @param random a number in [0, 1)
 */
export function refreshLead(
  refreshAhead: RefreshAhead,
  { ttl, loadMs }: { readonly ttl: number; readonly loadMs: number },
  random: number,
): number {
  switch (refreshAhead.by) {
    case 'never':
      return 0;
    case 'age':
      return (1 - refreshAhead.part) * ttl;
    case 'time-left':
      return refreshAhead.ms;
    case 'chance':
      return refreshAhead.beta * loadMs * -Math.log(1 - random);
  }
}

/** From when on calls must ask the store, which decides whether to refresh: so many ms before the end of the ttl. */
export function longestRefreshLead(
  refreshAhead: RefreshAhead,
  entry: { readonly ttl: number; readonly loadMs: number },
): number {
  return refreshLead(refreshAhead, entry, 1 - Math.exp(-UNLIKELY));
}
