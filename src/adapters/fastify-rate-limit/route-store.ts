import type { Limits } from '../../core/limits/limits.js';
import type { WindowRule } from '../../core/limits/rules.js';
import { hitsOf, UNLIMITED, DENY_ON_ERROR } from '../http/hit-counter.js';

/** The hits of one client, in the shape that @fastify/rate-limit expects. */
export interface Hits {
  /** Hits in the window, including the present one. */
  readonly current: number;
  /** Ms until the window ends. */
  readonly ttl: number;
}

export type HitsCallback = (error: Error | null, hits?: Hits) => void;

/** The options of the plugin, or of a route, that this store reads. */
export interface RouteLimitOptions {
  readonly continueExceeding?: boolean;
  readonly exponentialBackoff?: boolean;
  readonly groupId?: string;
  readonly routeInfo?: { readonly method?: string | readonly string[]; readonly url?: string };
}

/** The store of @fastify/rate-limit 10 and 11. Each route with own limits has one. */
export interface FastifyRateLimitStore {
  /** Counts one hit. `timeWindow` is in ms. The error is a StoreUnavailableError. */
  incr(key: string, callback: HitsCallback, timeWindow: number, max: number): void;
  /** Reads the hits without counting one. */
  read(key: string, callback: HitsCallback, timeWindow: number, max: number): void;
  /** Returns the store of a route. */
  child(routeOptions: object): FastifyRateLimitStore;
}

/** The longest block of `exponentialBackoff`, and the longest time for which hits over the limit are remembered. */
const MAX_BLOCK_MS = 30 * 86_400_000;

/** Counts the hits over the limit. It is reset by a hit that is not blocked any more. */
const EXCEEDING: WindowRule = {
  name: 'exceeding',
  algorithm: 'fixed-window',
  limit: UNLIMITED,
  per: MAX_BLOCK_MS,
};

export class RouteHits implements FastifyRateLimitStore {
  readonly #limits: Limits;
  readonly #name: readonly string[];
  readonly #options: RouteLimitOptions;

  constructor(limits: Limits, name: readonly string[], options: RouteLimitOptions) {
    this.#limits = limits;
    this.#name = name;
    this.#options = options;
  }

  incr(key: string, callback: HitsCallback, timeWindow: number, max: number): void {
    reply(this.#count([...this.#name, key], timeWindow, max), callback);
  }

  read(key: string, callback: HitsCallback, timeWindow: number, max: number): void {
    reply(this.#peek([...this.#name, key], timeWindow, max), callback);
  }

  /** Routes with the same `groupId` count together; every other route counts alone. */
  child(routeOptions: RouteLimitOptions): FastifyRateLimitStore {
    const { groupId, routeInfo = {} } = routeOptions;
    const route = `${String(routeInfo.method ?? '')}${routeInfo.url ?? ''}`;
    const name = groupId === undefined ? ['route', route] : ['group', groupId];
    return new RouteHits(this.#limits, [...this.#name, ...name], routeOptions);
  }

  async #count(key: readonly string[], timeWindow: number, max: number): Promise<Hits> {
    const decision = await this.#limits.penalty(key, window(timeWindow), 1, DENY_ON_ERROR);
    const { hits, resetMs } = hitsOf(decision);
    const isBlocked = decision.rule === 'block';
    const isExtended = this.#options.continueExceeding === true || this.#options.exponentialBackoff === true;
    if (isExtended && (isBlocked || hits > max)) {
      return this.#extendBlock(key, { hits, isBlocked, timeWindow, max });
    }
    // A Caching that is not enabled counts nothing. Report at least the present hit.
    return { current: Math.max(1, hits), ttl: resetMs };
  }

  /**
   * `continueExceeding` and `exponentialBackoff` refuse beyond the end of the window, counted from the latest hit. That
   * is a block of the key. The hits over the limit have a counter of their own, because the window may end during the
   * block.
   */
  async #extendBlock(
    key: readonly string[],
    hit: {
      readonly hits: number;
      readonly isBlocked: boolean;
      readonly timeWindow: number;
      readonly max: number;
    },
  ): Promise<Hits> {
    const limits = this.#limits;
    if (!hit.isBlocked) await limits.reset(key, EXCEEDING);
    const exceeding = hitsOf(await limits.penalty(key, EXCEEDING, 1, DENY_ON_ERROR)).hits;
    const current = Math.max(hit.hits, hit.max + exceeding);
    const windows = this.#options.continueExceeding === true ? 1 : 2 ** (current - hit.max - 1);
    const ttl = Math.min(hit.timeWindow * windows, MAX_BLOCK_MS);
    await limits.block(key, ttl);
    return { current, ttl };
  }

  async #peek(key: readonly string[], timeWindow: number, max: number): Promise<Hits> {
    const decision = await this.#limits.peek(key, [window(timeWindow), EXCEEDING], DENY_ON_ERROR);
    const { hits, resetMs } = hitsOf(decision);
    if (decision.rule !== 'block') return { current: hits, ttl: hits === 0 ? 0 : resetMs };
    const exceeding = decision.rules[1]?.used ?? 0;
    return { current: Math.max(hits, max + exceeding), ttl: decision.retryAfterMs };
  }
}

/** The plugin accepts a window of 0 ms; a rule has at least 1 ms. */
function window(timeWindow: number): WindowRule {
  return { algorithm: 'fixed-window', limit: UNLIMITED, per: Math.max(1, timeWindow) };
}

function reply(hits: Promise<Hits>, callback: HitsCallback): void {
  hits.then(
    (counted) => callback(null, counted),
    (error: Error) => callback(error),
  );
}
