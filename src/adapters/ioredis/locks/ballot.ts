import type { StoreUnavailableError } from '../../../core/errors.js';
import type { LockRequest } from '../../../core/ports.js';
import type { AcquireReply } from './acquire-scripts.js';

/** One request for locks, as its voters see it. */
export interface Ballot {
  readonly request: LockRequest;
  /** A shorter deadline for each vote, in ms. */
  readonly budget: number | undefined;
  /** How each has voted, or failed to, by its place; undefined: not yet. */
  readonly votes: (Vote | undefined)[];
  /** By place, of those who were asked. */
  readonly asked: Promise<Vote>[];
  /** A majority has granted it: a release is its holder's, and no clean-up. */
  won: boolean;
  /** How long it may stand on a server, in ms of the clock. */
  until: number;
}

/** What an error means is said by its `outcome`. */
export type Vote = AcquireReply | StoreUnavailableError;

/** Something of the request may be in Redis, or may yet come there. */
export function mayStand(vote: Vote | undefined): boolean {
  if (vote === undefined) return true;
  return vote instanceof Error ? vote.outcome === 'unknown' : vote.granted;
}
