import type { Clock } from '../../../core/ports/clock.js';
import { unavailable } from '../commands/redis-errors.js';
import type { ScriptRunner } from '../commands/script.js';
import { ScriptBatcher } from '../commands/script-batcher.js';
import type { Topology } from '../connection/topology.js';
import { lockScript, type LockOperation, type OperationReply } from './lock-script.js';

const MAX_OPERATIONS = 8;

export type LockBatcher = ScriptBatcher<LockOperation, Exclude<OperationReply, Error>>;

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
    start: (operations, resolve, reject) =>
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
      ),
  });
}
