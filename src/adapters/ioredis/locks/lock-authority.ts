import type { LockReply, LockRequest } from '../../../core/ports/lock-store.js';
import { newToken } from '../../../core/shared/token.js';

/** Who decides about locks: one server, or a majority of several. */
export interface LockAuthority {
  /** Never rejects because of a server. */
  acquire(request: LockRequest, timeout: number | undefined): Promise<LockReply>;
  /** Leaves a queue, and withdraws a pending writer. Never rejects. */
  abandon(request: LockRequest): Promise<void>;
  /** Resolves when every release in progress has been answered; it starts no more. */
  close(): Promise<void>;
}

/** The name of the owner of one grant. */
export function newOwner(): string {
  return newToken() + newToken();
}
