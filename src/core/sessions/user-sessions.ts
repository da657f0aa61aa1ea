import { sessionUserKey } from '../keys/store-keys.js';
import { logicalKey } from '../keys/key.js';
import type { SessionOwner, SessionStore } from '../ports/session-store.js';
import { describe } from '../shared/describe.js';
import { OptionsError } from '../shared/errors.js';
import { newToken } from '../shared/token.js';

/** What is known of a user lives longer than the sessions by this: the two ttls are set one after the other. In ms. */
const USER_KEY_MARGIN_MS = 60_000;

/** The sessions of users: which there are, and which were revoked. */
export class UserSessions {
  readonly #store: SessionStore;
  readonly #namespace: string;
  readonly #name: string;

  constructor(store: SessionStore, namespace: string, name: string) {
    this.#store = store;
    this.#namespace = namespace;
    this.#name = name;
  }

  /** Called before the session is stored: a revocation after this also revokes the session. @throws OptionsError */
  async bind(user: string, handle: string, ttlMs: number, label: string): Promise<SessionOwner> {
    const key = this.#key(user, label);
    const epoch = await this.#store.bind(key, handle, newToken(), ttlMs + USER_KEY_MARGIN_MS);
    return { user, epoch };
  }

  /** True for a session without a user, and for one that was not revoked. @param ttlMs if the session was extended */
  async isCurrent({ user, epoch }: SessionOwner, handle: string, ttlMs?: number): Promise<boolean> {
    if (user === '') return true;
    const keepMs = ttlMs === undefined ? undefined : ttlMs + USER_KEY_MARGIN_MS;
    return this.#store.isCurrent(this.#key(user, 'session'), handle, epoch, keepMs);
  }

  /** @throws OptionsError */
  async handles(user: string, label: string): Promise<readonly string[]> {
    return this.#store.handles(this.#key(user, label));
  }

  /** @param kept the handle and owner of the session to keep. One of another user is not kept. @throws OptionsError */
  async revoke(
    user: string,
    label: string,
    kept?: { readonly handle: string; readonly owner: SessionOwner },
  ): Promise<void> {
    const isOfUser = kept !== undefined && kept.owner.user === user;
    await this.#store.revoke(
      this.#key(user, label),
      newToken(),
      isOfUser ? { handle: kept.handle, epoch: kept.owner.epoch } : undefined,
    );
  }

  #key(user: string, label: string): string {
    // guard: user-is-a-text
    if (typeof user !== 'string' || user === '') {
      throw new OptionsError(
        `user of ${label} is a string that is not empty, such as 'u42', and ${describe(user)} was given.`,
      );
    }
    return sessionUserKey(this.#namespace, this.#name, logicalKey([user], label));
  }
}
