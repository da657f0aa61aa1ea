import { Store, type SessionData } from 'express-session';
import { checkCaching } from '../../core/sessions/check-caching.js';
import { subscribe } from '../../core/shared/events.js';
import { defaultsOf, parseOptions, resolveOptions } from '../../core/shared/option-schema.js';
import { callBack } from '../session-store/call-back.js';
import { FrameworkSessions } from '../session-store/framework-sessions.js';
import { expressSessionStoreOptions, type ExpressSessionStoreOptions } from './store-options.js';

export type { ExpressSessionStoreOptions } from './store-options.js';
export type { SessionStoreOptions } from '../session-store/store-options.js';

/** Called once, with an error or null. */
type Done = (error?: unknown) => void;

const LABEL = 'expressSessionStore({ ... })';

/**
 * Creates a store for express-session 1. Sessions end with their cookie, else after `ttl`; every save and every touch extends
 * them. If the store of the `Caching` does not answer, requests fail with a StoreUnavailableError.
 *
 * @throws OptionsError
 * @example
 * const store = expressSessionStore({ caching, user: (session) => session.userId });
 * app.use(session({ store, secret, resave: false, saveUninitialized: false, cookie: { maxAge: 1_800_000 } }));
 */
export function expressSessionStore(options: ExpressSessionStoreOptions): ExpressSessionStore {
  return new ExpressSessionStore(options);
}

/** The store of `expressSessionStore`: a `Store` of express-session. */
export class ExpressSessionStore extends Store {
  readonly #sessions: FrameworkSessions<SessionData>;

  /** @throws OptionsError */
  constructor(options: ExpressSessionStoreOptions) {
    super();
    const parsed = parseOptions(expressSessionStoreOptions, options, LABEL);
    checkCaching(options.caching, LABEL);
    const settings = resolveOptions(parsed, defaultsOf(expressSessionStoreOptions));
    this.#sessions = new FrameworkSessions(options.caching, { ...settings, user: options.user });
    if (settings.whileUnavailable === 'error') return;
    const { namespace } = options.caching;
    subscribe('degraded', (event) => event.namespace === namespace && this.emit('disconnect', event.error));
    subscribe('recovered', (event) => event.namespace === namespace && this.emit('connect'));
  }

  /** Finds a session. `null`: there is none. */
  override get(sid: string, callback: (error: unknown, session?: SessionData | null) => void): void {
    callBack(this.#sessions.get(sid), callback, this.#sessions.events);
  }

  /**
   * Stores a session. One that was destroyed in the last 10 minutes stays destroyed: a request that has read it before saves
   * it at its end.
   */
  override set(sid: string, session: SessionData, callback?: Done): void {
    callBack(this.#sessions.set(sid, session), callback, this.#sessions.events);
  }

  /** Ends a session. */
  override destroy(sid: string, callback?: Done): void {
    callBack(this.#sessions.destroy(sid), callback, this.#sessions.events);
  }

  /** Extends a session, and replaces its cookie but not its data. Does nothing if there is none. */
  override touch(sid: string, session: SessionData, callback?: Done): void {
    callBack(this.#sessions.touch(sid, session), callback, this.#sessions.events);
  }

  /** Returns all sessions. Walks over all keys of the Redis, with SCAN. */
  override all(callback: (error: unknown, sessions?: SessionData[] | null) => void): void {
    callBack(this.#sessions.all(), callback, this.#sessions.events);
  }

  /** Ends all sessions. Walks over all keys of the Redis, with SCAN. */
  override clear(callback?: Done): void {
    callBack(this.#sessions.clear(), callback, this.#sessions.events);
  }

  /** Counts the sessions, with those that are revoked and not expired. Walks over all keys of the Redis, with SCAN. */
  override length(callback: (error: unknown, length?: number) => void): void {
    const count = this.#sessions.handles().then((handles) => handles.length);
    callBack(count, callback, this.#sessions.events);
  }

  /** Returns the SHA-256 of the id of each session, in base64url: the ids themselves are not stored. Walks as `length`. */
  ids(callback: (error: unknown, digests?: string[]) => void): void {
    callBack(this.#sessions.handles(), callback, this.#sessions.events);
  }

  /**
   * Ends all sessions of a user, in all processes, at once: "log out everywhere". Which user a session has is the option `user`.
   *
   * @param except the id of a session that stays valid
   * @throws OptionsError for anything but a user; StoreUnavailableError: the sessions may still be valid
   * @example
   * await store.revokeAll(request.session.userId, request.sessionID);
   */
  async revokeAll(user: string, except?: string): Promise<void> {
    await this.#sessions.revokeAll(user, except);
  }
}
