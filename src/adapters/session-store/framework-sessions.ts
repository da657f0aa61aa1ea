import { Buffer } from 'node:buffer';
import type { Caching } from '../../core/caching.js';
import { sessionKey, sessionPrefix } from '../../core/keys/store-keys.js';
import type { SessionStore, StoredSession } from '../../core/ports/session-store.js';
import { digestOf } from '../../core/sessions/session-id.js';
import { UserSessions } from '../../core/sessions/user-sessions.js';
import { describe } from '../../core/shared/describe.js';
import { KeyError, ValueError } from '../../core/shared/errors.js';
import { EventPublisher } from '../../core/shared/event-publisher.js';
import { decodeValue, JSON_CODEC } from '../../core/values/value-codec.js';

/** What the frameworks have in a session. */
export interface FrameworkSession {
  readonly cookie?: { readonly expires?: Date | string | boolean | null | undefined } | undefined;
}

export interface FrameworkSessionSettings<Session> {
  readonly name: string;
  /** Of a session whose cookie has no end, in ms. */
  readonly ttl: number;
  /** In ms. */
  readonly maxAge: number | undefined;
  readonly maxValueBytes: number;
  readonly user: ((session: Session) => string | null | undefined) | undefined;
}

/**
 * For how long a session that was destroyed cannot be saved again, in ms. A request that has read it before may still run, and
 * saves it at its end.
 */
const BLOCKED_MS = 10 * 60_000;
const MAX_ID_LENGTH = 1_024;
/** How many sessions `all` and `clear` ask for at once. */
const PAGE = 100;
/** The key is a digest of the whole id already: a session needs no second one. */
const PROOF = { proof: '' };

/**
 * The sessions of a framework, which makes their ids and their data. The id is stored as its SHA-256 only: the `handle`. The
 * cookie is stored apart from the data, so that `touch` replaces it and not the data that another request may have written.
 *
 * @throws StoreUnavailableError from every verb
 */
export class FrameworkSessions<Session extends FrameworkSession> {
  readonly events: EventPublisher;
  readonly #store: SessionStore;
  readonly #users: UserSessions;
  readonly #namespace: string;
  readonly #settings: FrameworkSessionSettings<Session>;

  constructor(caching: Caching, settings: FrameworkSessionSettings<Session>) {
    this.#store = caching.backend.sessions;
    this.#namespace = caching.namespace;
    this.#settings = settings;
    this.#users = new UserSessions(this.#store, caching.namespace, settings.name);
    this.events = new EventPublisher(caching.namespace);
  }

  async get(id: string): Promise<Session | null> {
    const handle = handleOf(id);
    return handle === undefined ? null : this.#read(handle);
  }

  /**
   * Stores a session, or ends it if its cookie has ended. A session that was destroyed a short time ago is not stored, and one
   * that is revoked stays revoked.
   *
   * @throws KeyError for an id that `get` would not look for; ValueError for a session that JSON cannot hold
   */
  async set(id: string, session: Session): Promise<void> {
    const handle = handleOf(id);
    if (handle === undefined) {
      throw new KeyError(
        `A session id is a string of 1 to ${MAX_ID_LENGTH} characters without control characters. Correct the function ` +
          'that generates ids.',
      );
    }
    const { maxAge, user } = this.#settings;
    const payload = this.#encode(session);
    const ttlMs = this.#ttlOf(session);
    if (ttlMs <= 0) return this.#destroy(handle);
    const name = user?.(session) ?? undefined;
    const owner =
      name === undefined
        ? { user: '', epoch: '' }
        : await this.#users.bind(name, handle, ttlMs, 'user of the session store');
    const draft = { ...PROOF, ...owner, ttlMs, maxAgeMs: maxAge, meta: cookieText(session), payload };
    const key = this.#key(handle);
    const reply = await this.#store.save(key, draft);
    // A session of another user: that one's, if it is not revoked, becomes this one's.
    if (reply.status !== 'bound' || !(await this.#users.isCurrent(reply.owner, handle))) return;
    await this.#store.save(key, draft, reply.owner.epoch);
  }

  /** Extends a session, and replaces its cookie. Does nothing if there is none. */
  async touch(id: string, session: Session): Promise<void> {
    const handle = handleOf(id);
    if (handle === undefined) return;
    const ttlMs = this.#ttlOf(session);
    if (ttlMs <= 0) return this.#destroy(handle);
    const info = await this.#store.touch(this.#key(handle), PROOF, { ttlMs, meta: cookieText(session) });
    if (info !== undefined) await this.#users.isCurrent(info, handle, ttlMs);
  }

  async destroy(id: string): Promise<void> {
    const handle = handleOf(id);
    if (handle !== undefined) await this.#destroy(handle);
  }

  /** The handles of all sessions. Those that are revoked are among them until they expire. */
  async handles(): Promise<string[]> {
    const prefix = sessionPrefix(this.#namespace, this.#settings.name);
    const keys = await this.#store.keys(prefix);
    return keys.map((key) => key.slice(prefix.length + '{'.length, -'}'.length));
  }

  async all(): Promise<Session[]> {
    const found = await inPages(await this.handles(), (handle) => this.#read(handle));
    return found.filter((session) => session !== null);
  }

  async clear(): Promise<void> {
    await inPages(await this.handles(), (handle) => this.#destroy(handle));
  }

  /** @param except the id of a session that stays valid. @throws OptionsError for anything but a user */
  async revokeAll(user: string, except: string | undefined): Promise<void> {
    const handle = handleOf(except);
    const owner = handle === undefined ? undefined : await this.#store.read(this.#key(handle), PROOF);
    await this.#users.revoke(user, 'revokeAll', owner && { handle: handle!, owner });
  }

  async #destroy(handle: string): Promise<void> {
    await this.#store.remove(this.#key(handle), undefined, BLOCKED_MS);
  }

  async #read(handle: string): Promise<Session | null> {
    const stored = await this.#store.read(this.#key(handle), PROOF);
    if (stored === undefined || !(await this.#users.isCurrent(stored, handle))) return null;
    return this.#decode(stored);
  }

  #key(handle: string): string {
    return sessionKey(this.#namespace, this.#settings.name, handle);
  }

  /** The ms until the cookie ends. */
  #ttlOf({ cookie }: Session): number {
    const expires = cookie?.expires;
    const end = expires instanceof Date || typeof expires === 'string' ? new Date(expires).getTime() : NaN;
    return Number.isNaN(end) ? this.#settings.ttl : end - Date.now();
  }

  /** @throws ValueError */
  #encode(session: Session): Buffer {
    const payload = Buffer.from(jsonOf(session));
    const { maxValueBytes } = this.#settings;
    if (payload.length > maxValueBytes) {
      throw new ValueError(
        `Expected a session of at most ${maxValueBytes} bytes; this one has ${payload.length}. It is not stored. Keep large ` +
          'data elsewhere and their key in the session, or raise maxValueBytes of the session store.',
        'too-large',
      );
    }
    // guard: session-can-be-read-again
    if (decodeValue(JSON_CODEC, payload) === undefined) {
      throw new ValueError(
        'Expected a session without keys __proto__ and with at most 1,000 levels. It is not stored.',
        'unsupported',
      );
    }
    return payload;
  }

  /** @returns null for bytes that are not a session */
  #decode({ payload, meta }: StoredSession): Session | null {
    const session = decodeValue(JSON_CODEC, payload)?.value;
    const cookie = meta === '' ? {} : decodeValue(JSON_CODEC, Buffer.from(meta))?.value;
    if (typeof session === 'object' && session !== null && cookie !== undefined) {
      return meta === '' ? (session as Session) : ({ ...session, cookie } as Session);
    }
    this.events.error('session', {}, new Error('The data of a stored session cannot be decoded.'));
    return null;
  }
}

/** @returns undefined for anything that no framework makes, so that the store is not asked for it */
function handleOf(id: unknown): string | undefined {
  // guard: bad-framework-id-is-not-found
  if (typeof id !== 'string' || id === '' || id.length > MAX_ID_LENGTH || /\p{Cc}/u.test(id))
    return undefined;
  return digestOf(id);
}

function cookieText({ cookie }: FrameworkSession): string {
  return cookie === undefined || cookie === null ? '' : JSON.stringify(cookie);
}

/** The session without its cookie. @throws ValueError */
function jsonOf(session: FrameworkSession): string {
  if (typeof session !== 'object' || session === null) {
    throw new ValueError(`Expected a session; found ${describe(session)}. It is not stored.`, 'unsupported');
  }
  try {
    return JSON.stringify(session, function (this: unknown, key, value: unknown) {
      return this === session && key === 'cookie' ? undefined : value;
    });
  } catch (cause) {
    throw new ValueError(
      'Expected a session that JSON can hold: no BigInt, and no object that contains itself (see cause). It is not stored.',
      'unsupported',
      { cause },
    );
  }
}

async function inPages<T>(handles: readonly string[], work: (handle: string) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let start = 0; start < handles.length; start += PAGE) {
    results.push(...(await Promise.all(handles.slice(start, start + PAGE).map(work))));
  }
  return results;
}
