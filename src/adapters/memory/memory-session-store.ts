import { Buffer } from 'node:buffer';
import type { Clock } from '../../core/ports/clock.js';
import type {
  KeptSession,
  SaveReply,
  SessionChange,
  SessionDraft,
  SessionInfo,
  SessionMatch,
  SessionRenewal,
  SessionStore,
  StoredSession,
} from '../../core/ports/session-store.js';

interface MemorySession {
  proof: string;
  user: string;
  epoch: string;
  version: number;
  createdAt: number;
  /** Infinity: not bounded. */
  latestEnd: number;
  expiresAt: number;
  meta: string;
  payload: Buffer;
}

interface User {
  epoch: string;
  kept: KeptSession | undefined;
  expiresAt: number;
  /** By handle: when it expires. */
  readonly sessions: Map<string, number>;
}

/** The number of writes after which expired sessions and users are removed. */
const SWEEP_INTERVAL = 1_024;

/**
 * Sessions in this process. A verb runs synchronously, so it is atomic. Nothing is evicted: an evicted session would log its
 * user out.
 */
export class MemorySessionStore implements SessionStore {
  readonly #clock: Clock;
  readonly #sessions = new Map<string, MemorySession>();
  readonly #users = new Map<string, User>();
  /** By key of a removed session: until when it must not be saved. */
  readonly #removed = new Map<string, number>();
  #writes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async create(key: string, draft: SessionDraft): Promise<boolean> {
    // guard: session-is-not-overwritten-memory
    if (this.#find(key, undefined) !== undefined) return false;
    this.#add(key, draft);
    return true;
  }

  async read(key: string, match: SessionMatch, renewal?: SessionRenewal): Promise<StoredSession | undefined> {
    const session = this.#find(key, match);
    if (session === undefined) return undefined;
    if (renewal !== undefined) this.#renew(session, renewal);
    return this.#whole(session);
  }

  async touch(key: string, match: SessionMatch, renewal: SessionRenewal): Promise<SessionInfo | undefined> {
    return this.read(key, match, renewal);
  }

  async update(
    key: string,
    match: SessionMatch,
    { version, proof, login, payload, ttlMs }: SessionChange,
  ): Promise<StoredSession | 'conflict' | undefined> {
    const session = this.#find(key, match);
    if (session === undefined) return undefined;
    // guard: session-has-the-version-memory
    if (version !== undefined && version !== session.version) return 'conflict';
    session.version += 1;
    session.proof = proof ?? session.proof;
    if (login !== undefined) {
      session.user = login.user;
      session.epoch = login.epoch;
      session.createdAt = this.#clock.now();
      session.latestEnd = session.createdAt + (login.maxAgeMs ?? Infinity);
    }
    if (payload !== undefined) session.payload = Buffer.from(payload);
    if (ttlMs !== undefined) this.#expire(session, ttlMs);
    return this.#whole(session);
  }

  async save(key: string, draft: SessionDraft, boundEpoch = ''): Promise<SaveReply> {
    const now = this.#clock.now();
    // guard: removed-session-is-not-saved-memory
    if ((this.#removed.get(key) ?? now) > now) return { status: 'removed' };
    const session = this.#find(key, undefined);
    if (session === undefined) {
      this.#add(key, draft);
      return { status: 'saved' };
    }
    const { user, epoch } = session;
    if (user !== draft.user) {
      // guard: revoked-session-is-not-bound-again-memory
      if (user !== '' && epoch !== boundEpoch) return { status: 'bound', owner: { user, epoch } };
      session.user = draft.user;
      session.epoch = draft.epoch;
    }
    session.version += 1;
    session.payload = Buffer.from(draft.payload);
    this.#renew(session, draft);
    return { status: 'saved' };
  }

  async remove(key: string, match: SessionMatch | undefined, blockedMs: number): Promise<boolean> {
    const existed = this.#find(key, match) !== undefined;
    if (!existed && match !== undefined) return false;
    if (blockedMs > 0) this.#removed.set(key, this.#clock.now() + blockedMs);
    this.#sweepSometimes();
    return this.#sessions.delete(key);
  }

  async bind(userKey: string, handle: string, epoch: string, ttlMs: number): Promise<string> {
    let user = this.#user(userKey);
    if (user === undefined) {
      user = { epoch, kept: undefined, expiresAt: 0, sessions: new Map() };
      this.#users.set(userKey, user);
    }
    const now = this.#clock.now();
    for (const [other, expiresAt] of user.sessions) if (expiresAt <= now) user.sessions.delete(other);
    this.#addTo(user, handle, ttlMs);
    return user.epoch;
  }

  async isCurrent(userKey: string, handle: string, epoch: string, ttlMs?: number): Promise<boolean> {
    const user = this.#user(userKey);
    if (user === undefined || !isCurrent(user, handle, epoch)) return false;
    if (ttlMs !== undefined) this.#addTo(user, handle, ttlMs);
    return true;
  }

  async revoke(userKey: string, epoch: string, kept?: KeptSession): Promise<void> {
    const user = this.#user(userKey);
    if (user === undefined) return;
    // guard: revoked-session-is-not-kept-memory
    user.kept = kept !== undefined && isCurrent(user, kept.handle, kept.epoch) ? kept : undefined;
    user.epoch = epoch;
    for (const handle of user.sessions.keys()) if (handle !== user.kept?.handle) user.sessions.delete(handle);
  }

  async handles(userKey: string): Promise<readonly string[]> {
    const now = this.#clock.now();
    const sessions = [...(this.#user(userKey)?.sessions ?? [])];
    return sessions.filter(([, expiresAt]) => expiresAt > now).map(([handle]) => handle);
  }

  async keys(prefix: string): Promise<readonly string[]> {
    const keys = [...this.#sessions.keys()];
    return keys.filter((key) => key.startsWith(`${prefix}{`) && this.#find(key, undefined) !== undefined);
  }

  #find(key: string, match: SessionMatch | undefined): MemorySession | undefined {
    const session = this.#sessions.get(key);
    if (session === undefined) return undefined;
    if (session.expiresAt <= this.#clock.now()) {
      this.#sessions.delete(key);
      return undefined;
    }
    if (match === undefined) return session;
    // guard: session-matches-memory
    const matches = 'proof' in match ? match.proof === session.proof : match.user === session.user;
    return matches ? session : undefined;
  }

  #add(key: string, { proof, user, epoch, ttlMs, maxAgeMs, meta, payload }: SessionDraft): void {
    const now = this.#clock.now();
    const session = {
      ...{ proof, user, epoch, meta },
      version: 1,
      createdAt: now,
      latestEnd: now + (maxAgeMs ?? Infinity),
      expiresAt: now,
      payload: Buffer.from(payload),
    };
    this.#expire(session, ttlMs);
    this.#sessions.set(key, session);
    this.#sweepSometimes();
  }

  #renew(session: MemorySession, { ttlMs, meta }: SessionRenewal): void {
    session.meta = meta ?? session.meta;
    this.#expire(session, ttlMs);
  }

  #expire(session: MemorySession, ttlMs: number): void {
    // guard: session-ends-at-the-latest-memory
    session.expiresAt = Math.min(this.#clock.now() + ttlMs, session.latestEnd);
  }

  #whole({ version, user, epoch, createdAt, expiresAt, meta, payload }: MemorySession): StoredSession {
    const now = this.#clock.now();
    return {
      ...{ version, user, epoch, meta },
      ageMs: now - createdAt,
      expiresInMs: expiresAt - now,
      payload: Buffer.from(payload),
    };
  }

  #user(userKey: string): User | undefined {
    const user = this.#users.get(userKey);
    return user !== undefined && user.expiresAt > this.#clock.now() ? user : undefined;
  }

  #addTo(user: User, handle: string, ttlMs: number): void {
    const expiresAt = this.#clock.now() + ttlMs;
    user.sessions.set(handle, expiresAt);
    // guard: user-key-outlives-sessions-memory
    user.expiresAt = Math.max(user.expiresAt, expiresAt);
  }

  #sweepSometimes(): void {
    if (++this.#writes % SWEEP_INTERVAL !== 0) return;
    const now = this.#clock.now();
    for (const [key, { expiresAt }] of this.#sessions) if (expiresAt <= now) this.#sessions.delete(key);
    for (const [key, { expiresAt }] of this.#users) if (expiresAt <= now) this.#users.delete(key);
    for (const [key, until] of this.#removed) if (until <= now) this.#removed.delete(key);
  }
}

/** True for a session that no revocation has ended. */
function isCurrent({ epoch: current, kept }: User, handle: string, epoch: string): boolean {
  // guard: revoked-session-is-refused-memory
  return epoch === current || (kept?.handle === handle && kept.epoch === epoch);
}
