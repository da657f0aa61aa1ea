import { Buffer } from 'node:buffer';
import type { Caching } from '../caching.js';
import { sessionKey } from '../keys/store-keys.js';
import type {
  SessionChange,
  SessionInfo,
  SessionOwner,
  SessionStore,
  StoredSession,
} from '../ports/session-store.js';
import { EventPublisher } from '../shared/event-publisher.js';
import { defaultsOf, parseOptions, resolveOptions, type Resolved } from '../shared/option-schema.js';
import { Serializer } from '../values/serializer.js';
import { MAX_DEPTH } from '../values/value-limits.js';
import { checkCaching } from './check-caching.js';
import { Session, type SessionSummary } from './session.js';
import { isHandle, newSessionId, parseSessionId, type SessionReference } from './session-id.js';
import {
  createOptions,
  getOptions,
  revokeAllOptions,
  rotateOptions,
  sessionsOptions,
  type CreateSessionOptions,
  type GetSessionOptions,
  type RevokeAllOptions,
  type RotateSessionOptions,
  type SessionsOptions,
} from './session-options.js';
import { UserSessions } from './user-sessions.js';

const LABEL = 'new Sessions(caching, { ... })';
const NO_OWNER: SessionOwner = { user: '', epoch: '' };

/** A session that was found, with the data that the schema returned for it. */
interface Found<Data> {
  readonly reference: SessionReference;
  readonly stored: StoredSession;
  readonly data: Data;
}

/**
 * Sessions in the store of a `Caching`, on one server, Sentinel, Cluster or in memory. Ids are made here; how a client gets
 * one (a cookie) is up to the caller. Every session has a ttl. What does not exist, has expired or is revoked is undefined or
 * false; a store that does not answer is always an error.
 *
 * @see docs/sessions.md
 * @throws StoreUnavailableError from every verb
 * @example
 * const sessions = new Sessions<{ cart: string[] }>(caching, { ttl: '30m', maxAge: '12h' });
 * const session = await sessions.create({ cart: [] });
 * const loggedIn = await sessions.rotate(session.id, { user: 'u42' });
 */
export class Sessions<Data> {
  readonly #store: SessionStore;
  readonly #users: UserSessions;
  readonly #events: EventPublisher;
  readonly #namespace: string;
  readonly #name: string;
  readonly #options: Resolved<typeof sessionsOptions>;
  readonly #serializer: Serializer;

  /**
   * @param caching whose store keeps the sessions, also if it is not `enabled`. It is not closed with them
   * @throws OptionsError
   */
  constructor(caching: Caching, options: SessionsOptions<Data> = {}) {
    const parsed = parseOptions(sessionsOptions, options, LABEL);
    checkCaching(caching, LABEL);
    this.#options = resolveOptions(parsed, defaultsOf(sessionsOptions));
    this.#store = caching.backend.sessions;
    this.#namespace = caching.namespace;
    this.#name = this.#options.name;
    this.#users = new UserSessions(this.#store, this.#namespace, this.#name);
    this.#events = new EventPublisher(this.#namespace);
    this.#serializer = new Serializer(this.#options, undefined, []);
  }

  /**
   * Creates a session with a new id.
   *
   * @throws ValueError for data that cannot be stored, or that the schema rejects. Nothing is stored
   * @throws OptionsError for invalid options; StoreUnavailableError
   * @example
   * const { id } = await sessions.create({ cart: [] });
   * const header = `sid=${id}; Path=/; HttpOnly; Secure; SameSite=Lax`;
   */
  async create(data: Data, options: CreateSessionOptions = {}): Promise<Session<Data>> {
    const { user } = parseOptions(createOptions, options, 'create');
    const { ttl, maxAge } = this.#options;
    const payload = this.#encode(data);
    for (;;) {
      const id = newSessionId();
      const { handle, proof } = parseSessionId(id)!;
      const owner = user === undefined ? NO_OWNER : await this.#users.bind(user, handle, ttl, 'create');
      const draft = { proof, ...owner, ttlMs: ttl, maxAgeMs: maxAge, meta: '', payload };
      if (!(await this.#store.create(this.#key(handle), draft))) continue;
      const expiresInMs = Math.min(ttl, maxAge ?? Infinity);
      const { value } = this.#decode(payload)!;
      return new Session(id, { handle, data: value, ageMs: 0, expiresInMs }, owner.user);
    }
  }

  /**
   * Returns the session; undefined if there is none: the id is unknown, has the wrong form or was rotated, the session was
   * destroyed or revoked, or has expired.
   *
   * @throws OptionsError for invalid options; StoreUnavailableError
   * @example
   * const session = await sessions.get(id);
   */
  async get(id: string | undefined, options: GetSessionOptions = {}): Promise<Session<Data> | undefined> {
    const { rolling = this.#options.rolling } = parseOptions(getOptions, options, 'get');
    const found = await this.#find(id, rolling ? this.#options.ttl : undefined);
    return found === undefined ? undefined : this.#session(id as string, found);
  }

  /**
   * Extends the session by its ttl, also if it is not `rolling`. Never beyond `maxAge`.
   *
   * @returns false if there is no session
   * @throws StoreUnavailableError
   */
  async touch(id: string | undefined): Promise<boolean> {
    const reference = parseSessionId(id);
    if (reference === undefined) return false;
    const { ttl } = this.#options;
    const { handle, proof } = reference;
    const info = await this.#store.touch(this.#key(handle), { proof }, { ttlMs: ttl });
    return info !== undefined && this.#users.isCurrent(info, handle, ttl);
  }

  /**
   * Replaces the data of the session. Data: the last write wins. A function: it gets the data and returns new data; if another
   * request has changed the session meanwhile, it runs again on what that has written, so no write is lost. Never creates a
   * session that was destroyed.
   *
   * @returns the session; undefined if there is none
   * @throws ValueError for data that cannot be stored, or that the schema rejects. The session stays as it was
   * @throws StoreUnavailableError; what the function throws
   * @example
   * await sessions.update(id, (data) => ({ ...data, cart: [...data.cart, 'book'] }));
   */
  async update(
    id: string | undefined,
    change: Data | ((data: Data) => Data),
  ): Promise<Session<Data> | undefined> {
    if (typeof change !== 'function') {
      const payload = this.#encode(change);
      return this.#change(id, parseSessionId(id), { payload, ttlMs: this.#renewal() });
    }
    for (;;) {
      const found = await this.#find(id, undefined);
      if (found === undefined) return undefined;
      const payload = this.#encode((change as (data: Data) => Data)(found.data));
      const { version } = found.stored;
      const updated = await this.#tryChange(id, found.reference, {
        version,
        payload,
        ttlMs: this.#renewal(),
      });
      if (updated !== 'conflict') return updated;
    }
  }

  /**
   * Gives the session a new id, in one step: the old one is not valid any more when the new one is. Do it at each login and
   * each change of rights, or an attacker who has planted the id in the browser of his victim has a session of the victim
   * (session fixation). With `user` it binds the session to the user who has logged in.
   *
   * @returns the session with its new id; undefined if there is none, or if another `rotate` was faster
   * @throws ValueError for data that cannot be stored, or that the schema rejects
   * @throws OptionsError for invalid options; StoreUnavailableError
   * @example
   * const session = await sessions.rotate(id, { user: user.id });
   */
  async rotate(
    id: string | undefined,
    options: RotateSessionOptions<Data> = {},
  ): Promise<Session<Data> | undefined> {
    const { user, data } = parseOptions(rotateOptions, options, 'rotate');
    const payload = data === undefined ? undefined : this.#encode(data as Data);
    // A revoked session cannot be bound again.
    const found = await this.#find(id, undefined);
    if (found === undefined) return undefined;
    const { handle } = found.reference;
    const { ttl, maxAge } = this.#options;
    const owner = user === undefined ? undefined : await this.#users.bind(user, handle, ttl, 'rotate');
    const nextId = newSessionId(handle);
    return this.#change(nextId, found.reference, {
      proof: parseSessionId(nextId)!.proof,
      login: owner && { ...owner, maxAgeMs: maxAge },
      payload,
      ttlMs: ttl,
    });
  }

  /**
   * Ends the session.
   *
   * @returns false if there was none
   * @throws StoreUnavailableError: the session may still be valid
   */
  async destroy(id: string | undefined): Promise<boolean> {
    const reference = parseSessionId(id);
    if (reference === undefined) return false;
    const { handle, proof } = reference;
    return this.#store.remove(this.#key(handle), { proof }, 0);
  }

  /**
   * Returns the valid sessions of a user, without their ids. Does not extend them.
   *
   * @throws StoreUnavailableError
   * @example
   * const devices = await sessions.list(user.id);
   */
  async list(user: string): Promise<SessionSummary<Data>[]> {
    const handles = await this.#users.handles(user, 'list');
    const sessions = await Promise.all(
      handles.map(async (handle) => {
        const stored = await this.#store.read(this.#key(handle), { user });
        if (stored === undefined || !(await this.#users.isCurrent(stored, handle))) return [];
        const data = this.#decode(stored.payload);
        return data === undefined ? [] : [summaryOf(handle, data.value, stored)];
      }),
    );
    return sessions.flat();
  }

  /**
   * Ends one session of a user, by its handle.
   *
   * @param handle from `list`
   * @returns false if the user has no such session
   * @throws StoreUnavailableError
   */
  async revoke(user: string, handle: string): Promise<boolean> {
    if (!isHandle(handle) || typeof user !== 'string' || user === '') return false;
    return this.#store.remove(this.#key(handle), { user }, 0);
  }

  /**
   * Ends all sessions of a user, on all servers, at once: "log out everywhere", also after a change of the password. A session
   * that is being created is either ended, too, or was created after this.
   *
   * @throws OptionsError for invalid options; StoreUnavailableError: the sessions may still be valid
   * @example
   * await sessions.revokeAll(user.id, { except: id });
   */
  async revokeAll(user: string, options: RevokeAllOptions = {}): Promise<void> {
    const { except } = parseOptions(revokeAllOptions, options, 'revokeAll');
    const reference = parseSessionId(except);
    if (reference === undefined) return this.#users.revoke(user, 'revokeAll');
    const { handle, proof } = reference;
    const owner = await this.#store.read(this.#key(handle), { proof });
    await this.#users.revoke(user, 'revokeAll', owner && { handle, owner });
  }

  #key(handle: string): string {
    return sessionKey(this.#namespace, this.#name, handle);
  }

  #renewal(): number | undefined {
    return this.#options.rolling ? this.#options.ttl : undefined;
  }

  async #find(id: string | undefined, ttlMs: number | undefined): Promise<Found<Data> | undefined> {
    const reference = parseSessionId(id);
    if (reference === undefined) return undefined;
    const { handle, proof } = reference;
    const renewal = ttlMs === undefined ? undefined : { ttlMs };
    const stored = await this.#store.read(this.#key(handle), { proof }, renewal);
    if (stored === undefined || !(await this.#users.isCurrent(stored, handle, ttlMs))) return undefined;
    const data = this.#decode(stored.payload);
    return data && { reference, stored, data: data.value };
  }

  /** @param id of the session after the change */
  async #change(
    id: string | undefined,
    reference: SessionReference | undefined,
    change: SessionChange,
  ): Promise<Session<Data> | undefined> {
    const changed = await this.#tryChange(id, reference, change);
    return changed === 'conflict' ? undefined : changed;
  }

  async #tryChange(
    id: string | undefined,
    reference: SessionReference | undefined,
    change: SessionChange,
  ): Promise<Session<Data> | 'conflict' | undefined> {
    if (reference === undefined) return undefined;
    const { handle, proof } = reference;
    const stored = await this.#store.update(this.#key(handle), { proof }, change);
    if (stored === undefined || stored === 'conflict') return stored;
    if (!(await this.#users.isCurrent(stored, handle, change.ttlMs))) return undefined;
    const data = this.#decode(stored.payload);
    return data && this.#session(id as string, { reference, stored, data: data.value });
  }

  #session(id: string, { reference: { handle }, stored, data }: Found<Data>): Session<Data> {
    return new Session(id, summaryOf(handle, data, stored), stored.user);
  }

  /** @throws ValueError */
  #encode(data: Data): Buffer {
    const limits = { maxBytes: this.#options.maxValueBytes, maxDepth: MAX_DEPTH };
    const { codec, payload } = this.#serializer.encode(this.#serializer.accept(data).stored, limits);
    return Buffer.concat([Buffer.of(codec), payload]);
  }

  /** @returns undefined for data that cannot be decoded, or that the schema rejects */
  #decode(payload: Buffer): { readonly value: Data } | undefined {
    const restored = this.#serializer.decode(
      payload[0] ?? 0,
      payload.subarray(1),
      this.#options.maxValueBytes,
    );
    if (restored.cause === undefined) return { value: restored.value as Data };
    const { cause, error } = restored;
    const problem = cause === 'rejected' ? 'the schema rejects' : 'cannot be decoded';
    this.#events.error('session', {}, error ?? new Error(`The data of a stored session ${problem}.`));
    return undefined;
  }
}

function summaryOf<Data>(
  handle: string,
  data: Data,
  { ageMs, expiresInMs }: SessionInfo,
): SessionSummary<Data> {
  return { handle, data, ageMs, expiresInMs };
}
