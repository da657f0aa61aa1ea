import type { Session } from 'fastify';
import type { Option } from '../../core/shared/option-schema.js';
import { sessionStoreOptions, type SessionStoreOptions } from '../session-store/store-options.js';

export interface FastifySessionStoreOptions extends SessionStoreOptions<Session> {
  /**
   * Separates the sessions of one `Caching`. 1 to 32 characters out of A-Z a-z 0-9 _ -.
   * @default 'fastify'
   */
  readonly name?: string | undefined;
}

/** The schema of `FastifySessionStoreOptions`. */
export const fastifySessionStoreOptions = sessionStoreOptions('fastify') satisfies Record<
  keyof FastifySessionStoreOptions,
  Option<unknown>
>;
