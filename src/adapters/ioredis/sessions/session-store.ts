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
} from '../../../core/ports/session-store.js';
import type { ScriptRunner } from '../commands/script.js';
import type { Topology } from '../connection/topology.js';
import {
  createScript,
  readScript,
  removeScript,
  saveScript,
  touchScript,
  updateScript,
} from './session-scripts.js';
import { bindScript, handlesScript, isCurrentScript, revokeScript } from './user-scripts.js';

/** How many keys the server looks at before it replies. */
const SCAN_COUNT = '1000';

/**
 * Sessions in Redis. In a Cluster each session is in the slot of its handle, and what is known of a user in a slot of the
 * user: a verb is about one of them, so each is one script on one server.
 */
export class RedisSessionStore implements SessionStore {
  readonly #scripts: ScriptRunner;
  readonly #topology: Topology;

  constructor(scripts: ScriptRunner, topology: Topology) {
    this.#scripts = scripts;
    this.#topology = topology;
  }

  create(key: string, draft: SessionDraft): Promise<boolean> {
    return this.#scripts.run(createScript, [key, draft]);
  }

  read(key: string, match: SessionMatch, renewal?: SessionRenewal): Promise<StoredSession | undefined> {
    return this.#scripts.run(readScript, [key, match, renewal]);
  }

  touch(key: string, match: SessionMatch, renewal: SessionRenewal): Promise<SessionInfo | undefined> {
    return this.#scripts.run(touchScript, [key, match, renewal]);
  }

  update(
    key: string,
    match: SessionMatch,
    change: SessionChange,
  ): Promise<StoredSession | 'conflict' | undefined> {
    return this.#scripts.run(updateScript, [key, match, change]);
  }

  save(key: string, draft: SessionDraft, boundEpoch?: string): Promise<SaveReply> {
    return this.#scripts.run(saveScript, [key, draft, boundEpoch]);
  }

  remove(key: string, match: SessionMatch | undefined, blockedMs: number): Promise<boolean> {
    return this.#scripts.run(removeScript, [key, match, blockedMs]);
  }

  bind(userKey: string, handle: string, epoch: string, ttlMs: number): Promise<string> {
    return this.#scripts.run(bindScript, [userKey, handle, epoch, ttlMs]);
  }

  isCurrent(userKey: string, handle: string, epoch: string, ttlMs?: number): Promise<boolean> {
    return this.#scripts.run(isCurrentScript, [userKey, handle, epoch, ttlMs]);
  }

  revoke(userKey: string, epoch: string, kept?: KeptSession): Promise<void> {
    return this.#scripts.run(revokeScript, [userKey, epoch, kept]);
  }

  handles(userKey: string): Promise<readonly string[]> {
    return this.#scripts.run(handlesScript, [userKey]);
  }

  async keys(prefix: string): Promise<readonly string[]> {
    const start = this.#scripts.storeKey('').length;
    // A session's key ends with the brace that its handle begins with.
    const pattern = `${escapeGlob(this.#scripts.storeKey(prefix))}{*}`;
    const masters = await this.#topology.masters();
    const found = await Promise.all(
      masters.map(async ({ client, breaker }) => {
        const keys: string[] = [];
        let cursor = '0';
        do {
          const page = await breaker.run('SCAN', () =>
            client.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT),
          );
          const [next, names] = page as [string, string[]];
          cursor = next;
          for (const name of names) keys.push(name.slice(start));
        } while (cursor !== '0');
        return keys;
      }),
    );
    // SCAN may return a key twice, and two masters may have it while its slot migrates.
    return [...new Set(found.flat())];
  }
}

/** The prefix of the user's client may have any characters. */
function escapeGlob(text: string): string {
  return text.replace(/[*?[\]\\]/g, '\\$&');
}
