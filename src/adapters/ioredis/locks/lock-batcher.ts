import type { Clock } from '../../../core/ports/clock.js';
import { unavailable } from '../commands/redis-errors.js';
import type { ScriptRunner } from '../commands/script.js';
import { ScriptBatcher } from '../commands/script-batcher.js';
import type { Topology } from '../connection/topology.js';
import {
  acquireOneScript,
  lockScript,
  releaseOneScript,
  type LockOperation,
  type OperationReply,
} from './lock-script.js';

const MAX_OPERATIONS = 8;

export type LockBatcher = ScriptBatcher<LockOperation, OperationReply>;

/**
 * Sends the acquires and releases of one tick as one script, in their order: a release that is sent before an acquire frees its
 * lock for it.
 *
 * @param channel on which releases are published
 */
export function lockBatcher(
  scripts: ScriptRunner,
  topology: Topology,
  channel: string,
  { clock, timeout }: { readonly clock: Clock; readonly timeout: number },
): LockBatcher {
  const { where } = topology;
  return new ScriptBatcher(scripts, topology, {
    clock,
    timeout,
    label: `acquire on ${where}`,
    maxRequests: MAX_OPERATIONS,
    keyOf: ({ keys }) => keys[0]!,
    start: (operations, resolve, reject) => {
      const [operation] = operations;
      if (operations.length === 1 && isUsual(operation!)) {
        const resolveOne = (reply: OperationReply): void => resolve([reply]);
        if (operation.kind === 'acquire') scripts.start(acquireOneScript, [operation], resolveOne, reject);
        else scripts.start(releaseOneScript, [operation, channel], resolveOne, reject);
        return;
      }
      scripts.start(
        lockScript,
        [operations, channel],
        (replies) =>
          resolve(
            replies.map((reply, i) =>
              reply instanceof Error ? unavailable(operations[i]!.kind, where, reply) : reply,
            ),
          ),
        reject,
      );
    },
  });
}

/** True if a script for one lock can serve the operation. */
function isUsual(operation: LockOperation): operation is LockOperation {
  if (operation.keys.length !== 1) return false;
  return operation.kind === 'release' || (operation.ticket === undefined && operation.least === 0n);
}
