import type { Caching } from '../../core/caching.js';
import type { WindowRule } from '../../core/limits/rules.js';
import { hitsOf, UNLIMITED, DENY_ON_ERROR } from '../http/hit-counter.js';

/** Hits that count, this one included, and the ms until they do not. */
export interface Hits {
  readonly current: number;
  readonly ttl: number;
}

export type HitsCallback = (error: Error | null, hits?: Hits) => void;

/** What is read of the options of the plugin, and of a route. */
export interface RouteLimitOptions {
  readonly continueExceeding?: boolean;
  readonly exponentialBackoff?: boolean;
  readonly groupId?: string;
  readonly routeInfo?: { readonly method?: string | readonly string[]; readonly url?: string };
}

/** The store of @fastify/rate-limit 10 and 11, one for each route that has limits of its own. */
export interface FastifyRateLimitStore {
  incr(key: string, callback: HitsCallback, timeWindow: number, max: number): void;
  /** What `incr` has counted. Counts nothing. */
  read(key: string, callback: HitsCallback, timeWindow: number, max: number): void;
  child(routeOptions: object): FastifyRateLimitStore;
}

/** The longest that `exponentialBackoff` refuses for, and the longest that hits beyond the limit are remembered. */
const LONGEST = 30 * 86_400_000;

/** Hits beyond the limit, as long as each comes while the one before still refuses. */
const EXCEEDING: WindowRule = {
  name: 'exceeding',
  algorithm: 'fixed-window',
  limit: UNLIMITED,
  per: LONGEST,
};

export class RouteHits implements FastifyRateLimitStore {
  readonly #caching: Caching;
  readonly #name: readonly string[];
  readonly #options: RouteLimitOptions;

  constructor(caching: Caching, name: readonly string[], options: RouteLimitOptions) {
    this.#caching = caching;
    this.#name = name;
    this.#options = options;
  }

  incr(key: string, callback: HitsCallback, timeWindow: number, max: number): void {
    answer(this.#hit([...this.#name, key], timeWindow, max), callback);
  }

  read(key: string, callback: HitsCallback, timeWindow: number, max: number): void {
    answer(this.#look([...this.#name, key], timeWindow, max), callback);
  }

  /** Routes of one group count together, all others by themselves. */
  child(routeOptions: RouteLimitOptions): FastifyRateLimitStore {
    const { groupId, routeInfo = {} } = routeOptions;
    const route = `${String(routeInfo.method ?? '')}${routeInfo.url ?? ''}`;
    const name = groupId === undefined ? ['route', route] : ['group', groupId];
    return new RouteHits(this.#caching, [...this.#name, ...name], routeOptions);
  }

  async #hit(key: readonly string[], timeWindow: number, max: number): Promise<Hits> {
    const decision = await this.#caching.limits.penalty(key, window(timeWindow), 1, DENY_ON_ERROR);
    const { hits, resetMs } = hitsOf(decision);
    const blocked = decision.rule === 'block';
    const extended = this.#options.continueExceeding === true || this.#options.exponentialBackoff === true;
    if (extended && (blocked || hits > max)) return this.#extend(key, { hits, blocked, timeWindow, max });
    // A Caching that is not enabled counts nothing, and there is at least this one.
    return { current: Math.max(1, hits), ttl: resetMs };
  }

  /**
   * `continueExceeding` and `exponentialBackoff` refuse beyond the end of the window, from the last hit on. That is a
   * block, while the hits beyond the limit are counted by themselves: the window may have ended since.
   */
  async #extend(
    key: readonly string[],
    of: {
      readonly hits: number;
      readonly blocked: boolean;
      readonly timeWindow: number;
      readonly max: number;
    },
  ): Promise<Hits> {
    const { limits } = this.#caching;
    if (!of.blocked) await limits.reset(key, EXCEEDING);
    const exceeding = hitsOf(await limits.penalty(key, EXCEEDING, 1, DENY_ON_ERROR)).hits;
    const current = Math.max(of.hits, of.max + exceeding);
    const windows = this.#options.continueExceeding === true ? 1 : 2 ** (current - of.max - 1);
    const ttl = Math.min(of.timeWindow * windows, LONGEST);
    await limits.block(key, ttl);
    return { current, ttl };
  }

  async #look(key: readonly string[], timeWindow: number, max: number): Promise<Hits> {
    const decision = await this.#caching.limits.peek(key, [window(timeWindow), EXCEEDING], DENY_ON_ERROR);
    const { hits, resetMs } = hitsOf(decision);
    if (decision.rule !== 'block') return { current: hits, ttl: hits === 0 ? 0 : resetMs };
    const exceeding = decision.rules[1]?.used ?? 0;
    return { current: Math.max(hits, max + exceeding), ttl: decision.retryAfterMs };
  }
}

/** The plugin allows a window of 0, which ends as it begins. */
function window(timeWindow: number): WindowRule {
  return { algorithm: 'fixed-window', limit: UNLIMITED, per: Math.max(1, timeWindow) };
}

function answer(hits: Promise<Hits>, callback: HitsCallback): void {
  hits.then(
    (found) => callback(null, found),
    (error: Error) => callback(error),
  );
}
