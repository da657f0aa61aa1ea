import type { Caching } from '../../core/caching.js';
import { text, unchecked, type Option } from '../../core/shared/option-schema.js';

export interface FastifyRateLimitStoreOptions {
  /** The `Caching` whose store counts the hits. It is not closed with the server. */
  readonly caching: Caching;
  /**
   * The first part of the keys. Two servers with the same name count together.
   * @default 'fastify'
   */
  readonly name?: string | undefined;
}

/** The schema of `FastifyRateLimitStoreOptions`: names, checks and defaults. */
export const fastifyRateLimitStoreOptions = {
  caching: unchecked<Caching>('a Caching'),
  name: text('api', 'fastify'),
} satisfies Record<keyof FastifyRateLimitStoreOptions, Option<unknown>>;
