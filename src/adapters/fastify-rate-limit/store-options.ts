import type { Caching } from '../../core/caching.js';
import { text, unchecked, type Option } from '../../core/shared/option-schema.js';

export interface FastifyRateLimitStoreOptions {
  /** Where hits are counted. It stays the caller's: it is not closed with the server. */
  readonly caching: Caching;
  /**
   * Keeps applications apart: two of the same name count together.
   * @default 'fastify'
   */
  readonly name?: string | undefined;
}

/** The same as a schema: names, checks and defaults. */
export const fastifyRateLimitStoreOptions = {
  caching: unchecked<Caching>('a Caching'),
  name: text('api', 'fastify'),
} satisfies Record<keyof FastifyRateLimitStoreOptions, Option<unknown>>;
