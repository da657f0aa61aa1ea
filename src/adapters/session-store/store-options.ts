import type { Caching } from '../../core/caching.js';
import { sessionTimes, type SessionTimes } from '../../core/sessions/session-options.js';
import type { Duration } from '../../core/shared/duration.js';
import { callback, unchecked, type Option } from '../../core/shared/option-schema.js';

/** The options that the stores of express-session and @fastify/session have in common. */
export interface SessionStoreOptions<Session> extends Omit<SessionTimes, 'ttl' | 'name'> {
  /** The `Caching` whose store keeps the sessions, also if it is not `enabled`. It is not closed with the store. */
  readonly caching: Caching;
  /**
   * The ttl of a session whose cookie has neither `maxAge` nor `expires`. Otherwise the session ends with its cookie.
   * @default '1d'
   */
  readonly ttl?: Duration | undefined;
  /**
   * Returns whose session it is, for `revokeAll`; undefined or null: nobody's.
   * @default sessions have no user
   */
  readonly user?: ((session: Session) => string | null | undefined) | undefined;
}

/** The schema of `SessionStoreOptions`, with the default of `name`. */
export function sessionStoreOptions(name: string) {
  return {
    caching: unchecked<Caching>('a Caching'),
    ...sessionTimes('1d', name),
    user: callback<(session: never) => string | null | undefined>(),
  } satisfies Record<keyof SessionStoreOptions<unknown>, Option<unknown>>;
}
