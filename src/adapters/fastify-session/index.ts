import type { SessionStore } from '@fastify/session';
import type { Session } from 'fastify';
import { checkCaching } from '../../core/sessions/check-caching.js';
import { defaultsOf, parseOptions, resolveOptions } from '../../core/shared/option-schema.js';
import { callBack } from '../session-store/call-back.js';
import { FrameworkSessions } from '../session-store/framework-sessions.js';
import { fastifySessionStoreOptions, type FastifySessionStoreOptions } from './store-options.js';

export type { FastifySessionStoreOptions } from './store-options.js';
export type { SessionStoreOptions } from '../session-store/store-options.js';

const LABEL = 'fastifySessionStore({ ... })';

/**
 * Creates a store for @fastify/session 11. Sessions end with their cookie, else after `ttl`; every save extends them. If the
 * store of the `Caching` does not answer, requests fail with a StoreUnavailableError.
 *
 * @throws OptionsError
 * @example
 * await fastify.register(session, { secret, store: fastifySessionStore({ caching }) });
 */
export function fastifySessionStore(options: FastifySessionStoreOptions): FastifySessionStore {
  return new FastifySessionStore(options);
}

/** The store of `fastifySessionStore`. */
export class FastifySessionStore implements SessionStore {
  readonly #sessions: FrameworkSessions<Session>;

  /** @throws OptionsError */
  constructor(options: FastifySessionStoreOptions) {
    const parsed = parseOptions(fastifySessionStoreOptions, options, LABEL);
    checkCaching(options.caching, LABEL);
    const settings = resolveOptions(parsed, defaultsOf(fastifySessionStoreOptions));
    this.#sessions = new FrameworkSessions(options.caching, { ...settings, user: options.user });
  }

  /** Finds a session. `null`: there is none. */
  get(sid: string, callback: (error: unknown, session?: Session | null) => void): void {
    callBack(this.#sessions.get(sid), callback, this.#sessions.events);
  }

  /**
   * Stores a session. One that was destroyed in the last 10 minutes stays destroyed: a request that has read it before saves
   * it at its end.
   */
  set(sid: string, session: Session, callback?: (error?: unknown) => void): void {
    callBack(this.#sessions.set(sid, session), callback, this.#sessions.events);
  }

  /** Ends a session. */
  destroy(sid: string, callback?: (error?: unknown) => void): void {
    callBack(this.#sessions.destroy(sid), callback, this.#sessions.events);
  }

  /**
   * Ends all sessions of a user, in all processes, at once: "log out everywhere". Which user a session has is the option `user`.
   *
   * @param except the id of a session that stays valid
   * @throws OptionsError for anything but a user; StoreUnavailableError: the sessions may still be valid
   * @example
   * await store.revokeAll(request.session.userId, request.session.sessionId);
   */
  async revokeAll(user: string, except?: string): Promise<void> {
    await this.#sessions.revokeAll(user, except);
  }
}
