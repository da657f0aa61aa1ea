import type { StoreUnavailableError } from '../shared/errors.js';

export interface Acknowledgement {
  /**
   * True: the store has applied the invalidation, and no process returns the invalidated entries. False: it is queued, and
   * other processes may return them until a retry succeeds.
   */
  readonly acknowledged: boolean;
  /** True: the call was made within a transaction, and the invalidation waits for the commit. `acknowledged` is false. */
  readonly deferred?: boolean | undefined;
  /**
   * With `waitReplicas`: how many replicas have the invalidation; of several masters, the least. It may be less than was asked
   * for, and 0 if it is not known. Undefined if the store has no replicas (`memory()`), and if it is `deferred`.
   */
  readonly replicas?: number | undefined;
}

/** What has become of an invalidation. */
export interface SentInvalidation {
  /** The error of the store; undefined if it is acknowledged, or waits for a commit. */
  readonly failure: StoreUnavailableError | undefined;
  /** True if it waits for the commit of a transaction. */
  readonly isDeferred: boolean;
  /** How many replicas have it; undefined if they were not asked. */
  readonly replicas: number | undefined;
}

export function acknowledgementOf({ failure, isDeferred, replicas }: SentInvalidation): Acknowledgement {
  if (isDeferred) return { acknowledged: false, deferred: true };
  const acknowledged = failure === undefined;
  return replicas === undefined ? { acknowledged } : { acknowledged, replicas };
}
