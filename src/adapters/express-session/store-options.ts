import type { SessionData } from 'express-session';
import { oneOf, type Option } from '../../core/shared/option-schema.js';
import { sessionStoreOptions, type SessionStoreOptions } from '../session-store/store-options.js';

export interface ExpressSessionStoreOptions extends SessionStoreOptions<SessionData> {
  /**
   * Separates the sessions of one `Caching`. 1 to 32 characters out of A-Z a-z 0-9 _ -.
   * @default 'express'
   */
  readonly name?: string | undefined;
  /**
   * What happens to requests while the store does not answer. `error`: express-session passes the StoreUnavailableError to the
   * error handler. `no-session`: the store emits `disconnect` and later `connect`, and in between express-session runs
   * requests without `req.session`, as if nobody had logged in.
   * @default 'error'
   */
  readonly whileUnavailable?: 'error' | 'no-session' | undefined;
}

/** The schema of `ExpressSessionStoreOptions`. */
export const expressSessionStoreOptions = {
  ...sessionStoreOptions('express'),
  whileUnavailable: oneOf(['error', 'no-session'], 'error'),
} satisfies Record<keyof ExpressSessionStoreOptions, Option<unknown>>;
