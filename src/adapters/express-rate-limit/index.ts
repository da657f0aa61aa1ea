import type { Caching } from '../../core/caching.js';
import { OptionsError } from '../../core/shared/errors.js';
import { parseOptions } from '../../core/shared/option-schema.js';
import type { WindowRule } from '../../core/limits/rules.js';
import { checkCaching, hitsOf, UNLIMITED, DENY_ON_ERROR } from '../http/hit-counter.js';
import { expressRateLimitStoreOptions, type ExpressRateLimitStoreOptions } from './store-options.js';

export type { ExpressRateLimitStoreOptions } from './store-options.js';

/** Hits of one client, as express-rate-limit wants them. */
export interface HitInfo {
  totalHits: number;
  resetTime: Date;
}

/** The `Store` of express-rate-limit 7 and 8. */
export interface ExpressRateLimitStore {
  /** Stands before every key, so that express-rate-limit tells limiters apart. */
  readonly prefix: string;
  /** False: what one instance counts, all see. */
  readonly localKeys: boolean;
  init(options: { readonly windowMs: number }): void;
  /** @throws StoreUnavailableError */
  get(key: string): Promise<HitInfo | undefined>;
  /** @throws StoreUnavailableError */
  increment(key: string): Promise<HitInfo>;
  /** @throws StoreUnavailableError */
  decrement(key: string): Promise<void>;
  /** @throws StoreUnavailableError */
  resetKey(key: string): Promise<void>;
}

const WHERE = 'expressRateLimitStore({ ... })';

/**
 * A store for express-rate-limit: one counter for all processes. Where the store of the `Caching` does not answer it
 * rejects with a StoreUnavailableError, and `passOnStoreError` decides what becomes of the request.
 *
 * @throws OptionsError
 * @example
 * app.use(rateLimit({ windowMs: 60_000, limit: 100, store: expressRateLimitStore({ caching }) }));
 */
export function expressRateLimitStore(options: ExpressRateLimitStoreOptions): ExpressRateLimitStore {
  const given = parseOptions(expressRateLimitStoreOptions, options, WHERE);
  checkCaching(options.caching, WHERE);
  return new CachementStore(options.caching, given.algorithm ?? 'fixed-window', given.name ?? 'express');
}

class CachementStore implements ExpressRateLimitStore {
  readonly prefix: string;
  readonly localKeys = false;
  readonly #caching: Caching;
  readonly #algorithm: 'fixed-window' | 'sliding-window-counter';
  readonly #name: string;
  #rule: WindowRule | undefined;

  constructor(caching: Caching, algorithm: 'fixed-window' | 'sliding-window-counter', name: string) {
    this.#caching = caching;
    this.#algorithm = algorithm;
    this.#name = name;
    this.prefix = `${name}:`;
  }

  init({ windowMs }: { readonly windowMs: number }): void {
    this.#rule = { algorithm: this.#algorithm, limit: UNLIMITED, per: windowMs };
  }

  async get(key: string): Promise<HitInfo | undefined> {
    const { hits, resetMs } = hitsOf(
      await this.#caching.limits.peek(this.#key(key), this.#hits(), DENY_ON_ERROR),
    );
    return hits === 0 ? undefined : hitInfo(hits, resetMs);
  }

  async increment(key: string): Promise<HitInfo> {
    const { hits, resetMs } = hitsOf(
      await this.#caching.limits.penalty(this.#key(key), this.#hits(), 1, DENY_ON_ERROR),
    );
    // A Caching that is not enabled counts nothing, and there is at least this one.
    return hitInfo(Math.max(1, hits), resetMs);
  }

  async decrement(key: string): Promise<void> {
    await this.#caching.limits.refund(this.#key(key), this.#hits(), 1, DENY_ON_ERROR);
  }

  async resetKey(key: string): Promise<void> {
    await this.#caching.limits.reset(this.#key(key), this.#hits());
  }

  #key(key: string): readonly string[] {
    return [this.#name, key];
  }

  #hits(): WindowRule {
    if (this.#rule !== undefined) return this.#rule;
    throw new OptionsError(
      'This store has no window yet: hand it to rateLimit({ windowMs, store }) before it is asked.',
    );
  }
}

function hitInfo(totalHits: number, resetMs: number): HitInfo {
  return { totalHits, resetTime: new Date(Date.now() + resetMs) };
}
