import type { Caching } from '../../core/caching.js';
import { OptionsError } from '../../core/shared/errors.js';
import { parseOptions } from '../../core/shared/option-schema.js';
import type { Limits } from '../../core/limits/limits.js';
import type { WindowRule } from '../../core/limits/rules.js';
import { checkCaching, hitsOf, UNLIMITED, DENY_ON_ERROR } from '../http/hit-counter.js';
import { expressRateLimitStoreOptions, type ExpressRateLimitStoreOptions } from './store-options.js';

export type { ExpressRateLimitStoreOptions } from './store-options.js';

/** The hits of one client, in the shape that express-rate-limit expects. */
export interface HitInfo {
  /** Hits in the window, including the present one. */
  totalHits: number;
  /** When the window ends. */
  resetTime: Date;
}

/** The `Store` of express-rate-limit 7 and 8. */
export interface ExpressRateLimitStore {
  /** By it, express-rate-limit distinguishes limiters. */
  readonly prefix: string;
  /** False: all instances share the counts. */
  readonly localKeys: boolean;
  /** Called by express-rate-limit with the window, in ms. */
  init(options: { readonly windowMs: number }): void;
  /** Returns the hits without counting one; undefined if there are none. @throws StoreUnavailableError */
  get(key: string): Promise<HitInfo | undefined>;
  /** Counts one hit. @throws StoreUnavailableError */
  increment(key: string): Promise<HitInfo>;
  /** Takes one hit back. @throws StoreUnavailableError */
  decrement(key: string): Promise<void>;
  /** Removes all hits. @throws StoreUnavailableError */
  resetKey(key: string): Promise<void>;
}

const LABEL = 'expressRateLimitStore({ ... })';

/**
 * Creates a store for express-rate-limit 7 and 8 that counts for all processes together. If the store of the `Caching`
 * does not answer, it rejects with a StoreUnavailableError; then the option `passOnStoreError` of express-rate-limit
 * decides.
 *
 * @throws OptionsError for an invalid option; also (rejection) if the store is used before `rateLimit` has received it
 * @example
 * app.use(rateLimit({ windowMs: 60_000, limit: 100, store: expressRateLimitStore({ caching }) }));
 */
export function expressRateLimitStore(options: ExpressRateLimitStoreOptions): ExpressRateLimitStore {
  const parsed = parseOptions(expressRateLimitStoreOptions, options, LABEL);
  checkCaching(options.caching, LABEL);
  return new CachementStore(options.caching, parsed.algorithm ?? 'fixed-window', parsed.name ?? 'express');
}

class CachementStore implements ExpressRateLimitStore {
  readonly prefix: string;
  readonly localKeys = false;
  readonly #limits: Limits;
  readonly #algorithm: 'fixed-window' | 'sliding-window-counter';
  readonly #name: string;
  #rule: WindowRule | undefined;

  constructor(caching: Caching, algorithm: 'fixed-window' | 'sliding-window-counter', name: string) {
    // The keys of the plugin are complete, and it may count before a request has a context.
    this.#limits = caching.verbs({ context: false }).limits;
    this.#algorithm = algorithm;
    this.#name = name;
    this.prefix = `${name}:`;
  }

  init({ windowMs }: { readonly windowMs: number }): void {
    this.#rule = { algorithm: this.#algorithm, limit: UNLIMITED, per: windowMs };
  }

  async get(key: string): Promise<HitInfo | undefined> {
    const { hits, resetMs } = hitsOf(
      await this.#limits.peek(this.#key(key), this.#ruleOrThrow(), DENY_ON_ERROR),
    );
    return hits === 0 ? undefined : hitInfo(hits, resetMs);
  }

  async increment(key: string): Promise<HitInfo> {
    const { hits, resetMs } = hitsOf(
      await this.#limits.penalty(this.#key(key), this.#ruleOrThrow(), 1, DENY_ON_ERROR),
    );
    // A Caching that is not enabled counts nothing. Report at least the present hit.
    return hitInfo(Math.max(1, hits), resetMs);
  }

  async decrement(key: string): Promise<void> {
    await this.#limits.refund(this.#key(key), this.#ruleOrThrow(), 1, DENY_ON_ERROR);
  }

  async resetKey(key: string): Promise<void> {
    await this.#limits.reset(this.#key(key), this.#ruleOrThrow());
  }

  #key(key: string): readonly string[] {
    return [this.#name, key];
  }

  #ruleOrThrow(): WindowRule {
    if (this.#rule !== undefined) return this.#rule;
    throw new OptionsError(
      'This store of express-rate-limit has no window yet: pass it to rateLimit({ windowMs, store }) before you use it.',
    );
  }
}

function hitInfo(totalHits: number, resetMs: number): HitInfo {
  return { totalHits, resetTime: new Date(Date.now() + resetMs) };
}
