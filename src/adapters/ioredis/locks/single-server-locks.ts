import type { LockGrant, LockReply, LockRequest } from '../../../core/ports/lock-store.js';
import type { StoreUnavailableError } from '../../../core/shared/errors.js';
import { newOwner, type LockAuthority } from './lock-authority.js';
import type { LockServer } from './lock-server.js';

/** Locks on one server or Cluster. It grants them alone, so it can issue fencing tokens. */
export class SingleServerLocks implements LockAuthority {
  readonly #server: LockServer;

  constructor(server: LockServer) {
    this.#server = server;
  }

  async acquire(request: LockRequest, timeout: number | undefined): Promise<LockReply> {
    const owner = newOwner();
    const until = this.#server.endOf(request.leaseMs);
    const reply = await this.#server.acquire(request, owner, timeout);
    if (reply instanceof Error) {
      this.#server.cleanUp(request, owner, reply, until);
      return { status: 'unavailable', servers: [{ server: this.#server.where, answer: reply }] };
    }
    if (!reply.granted) return { status: 'held', forMs: reply.forMs };
    return { status: 'granted', grant: this.#grant(request, owner, until, reply.token) };
  }

  async abandon(request: LockRequest): Promise<void> {
    await this.#server.abandon(request).catch(() => {});
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  #grant(
    request: LockRequest,
    owner: string,
    grantedUntil: number,
    fencingToken: bigint | undefined,
  ): LockGrant {
    let until = grantedUntil;
    return {
      fencingToken,
      extend: async (leaseMs) => {
        until = this.#server.endOf(leaseMs);
        return this.#server.extend(request, owner, leaseMs).then(
          (isExtended) => (isExtended ? 'extended' : 'lost'),
          (_error: StoreUnavailableError) => 'unavailable',
        );
      },
      release: () => this.#server.release(request, owner, until),
    };
  }
}
