import type { LockReply, LockRequest } from '../../../core/ports/lock-store.js';
import { newToken } from '../../../core/shared/token.js';

/** Grants locks: one server, or a majority of several. */
export interface LockAuthority {
  /** Never rejects because of a server. @param timeout the caller's own deadline for each server, in ms */
  acquire(request: LockRequest, timeout: number | undefined): Promise<LockReply>;
  /** Removes the ticket of the request from its queue, or its pending writer. Never rejects. */
  abandon(request: LockRequest): Promise<void>;
  /** Stops retries of releases, and resolves when those in progress are settled. */
  close(): Promise<void>;
}

/** Returns a random id for the owner of one grant: 32 characters. */
export function newOwner(): string {
  return newToken(24);
}
