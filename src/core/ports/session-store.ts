import type { Buffer } from 'node:buffer';

/** A user's sessions that are valid have an epoch of that user: a random token. */
export interface SessionOwner {
  /** The user, as the application names it; '' for a session without a user. */
  readonly user: string;
  /** The epoch of the user when the session was bound to it; '' without a user. */
  readonly epoch: string;
}

/** A stored session without its data. */
export interface SessionInfo extends SessionOwner {
  /** 1 for a new session, and 1 more with every change of it. */
  readonly version: number;
  /** The time since it was created, or since its last login, in ms. */
  readonly ageMs: number;
  /** The time until it ends, in ms. */
  readonly expiresInMs: number;
  /** A short text that `touch` and `save` may replace. */
  readonly meta: string;
}

export interface StoredSession extends SessionInfo {
  readonly payload: Buffer;
}

/** How a session is recognized: by the digest of its secret, or by its user. */
export type SessionMatch = { readonly proof: string } | { readonly user: string };

/** What a new session has. */
export interface SessionDraft extends SessionOwner {
  readonly proof: string;
  /** In ms, 1 or more. */
  readonly ttlMs: number;
  /** It ends after this time whatever extends it, in ms. Undefined: it is not bounded. */
  readonly maxAgeMs: number | undefined;
  readonly meta: string;
  readonly payload: Buffer;
}

/** What is changed in a session. What is undefined stays. */
export interface SessionChange {
  /** Change it only if it has this version. */
  readonly version?: number | undefined;
  readonly proof?: string | undefined;
  /** The user and epoch of a login. `maxAgeMs` then counts from now. */
  readonly login?: (SessionOwner & Pick<SessionDraft, 'maxAgeMs'>) | undefined;
  readonly payload?: Buffer | undefined;
  readonly ttlMs?: number | undefined;
}

export type SaveReply =
  | { readonly status: 'saved' }
  /** The session was removed a short time ago. Nothing is stored. */
  | { readonly status: 'removed' }
  /** It is bound to another user. Nothing is stored; `save` with the epoch of this user does it. */
  | { readonly status: 'bound'; readonly owner: SessionOwner };

/** What `touch` and `read` extend. */
export interface SessionRenewal {
  readonly ttlMs: number;
  readonly meta?: string | undefined;
}

/** A session that a revocation leaves valid. */
export interface KeptSession {
  readonly handle: string;
  readonly epoch: string;
}

/**
 * The store of sessions. A verb about one key is atomic. A session ends by its ttl and by `maxAgeMs`, by the store's clock; it
 * is never stored without a ttl. All times are in ms. Keys are complete store keys.
 *
 * Whether a session of a user is valid is a second question, to another key, which may be on another server: the session has
 * the epoch that its user had when it was bound, and the user key has the present one. `revoke` replaces it. A session that is
 * created meanwhile has read the old epoch, and is revoked, or the new one, and was created after that. A lost user key
 * revokes all sessions of the user.
 *
 * @throws StoreUnavailableError from every verb
 */
export interface SessionStore {
  /** Stores a new session. @returns false if there is one */
  create(key: string, draft: SessionDraft): Promise<boolean>;
  /** @param renewal extends it by the same request */
  read(key: string, match: SessionMatch, renewal?: SessionRenewal): Promise<StoredSession | undefined>;
  touch(key: string, match: SessionMatch, renewal: SessionRenewal): Promise<SessionInfo | undefined>;
  /** Changes a session; never creates one. `conflict`: it has another version. @returns what is stored now */
  update(
    key: string,
    match: SessionMatch,
    change: SessionChange,
  ): Promise<StoredSession | 'conflict' | undefined>;
  /**
   * Creates a session, or replaces its data. It keeps its age, and its epoch if it has the same user. Stores nothing if it
   * was removed a short time ago.
   *
   * @param boundEpoch the epoch of the other user that it may be bound to
   */
  save(key: string, draft: SessionDraft, boundEpoch?: string): Promise<SaveReply>;
  /**
   * Removes a session. @returns false if there was none that matches
   *
   * @param match undefined: any session
   * @param blockedMs for how long `save` must not create it again. It is blocked also if there was none
   */
  remove(key: string, match: SessionMatch | undefined, blockedMs: number): Promise<boolean>;

  /**
   * Returns the epoch of the user, which becomes `epoch` if it has none, and adds a session to its list.
   *
   * @param ttlMs for which the user key lives at least, in ms
   */
  bind(userKey: string, handle: string, epoch: string, ttlMs: number): Promise<string>;
  /** True if a session with this epoch was not revoked. @param ttlMs extends the user key, in ms */
  isCurrent(userKey: string, handle: string, epoch: string, ttlMs?: number): Promise<boolean>;
  /** Gives the user a new epoch, which revokes all sessions but `kept`, if that is valid. */
  revoke(userKey: string, epoch: string, kept?: KeptSession): Promise<void>;
  /** The handles of the sessions that were bound to the user and have not expired. Some of them may not exist any more. */
  handles(userKey: string): Promise<readonly string[]>;

  /**
   * The keys of all sessions with this prefix, revoked ones included. A session that is created or removed meanwhile may be
   * among them or not.
   */
  keys(prefix: string): Promise<readonly string[]>;
}
