import type { ExecutionContext } from 'ava';
import type { TopologyRun } from './run-topology.js';

/** Prints what a run has counted. */
export function say(t: ExecutionContext, made: TopologyRun): void {
  t.log(`${counts(made.done)}; ${made.losses.length} times writes may have been lost`);
  for (const one of made.entries) {
    t.log(
      `L1 ${one.mode}: ${one.reads} reads, ${one.fromMemory} from memory; ${one.updates} updates, ${one.queued} of them queued, ${one.replicated} confirmed by a replica; ` +
        `${one.staleFromMemory} reads stale within the bound, the worst ${one.worstStaleMs.toFixed(1)} ms`,
    );
    t.log(
      `  ${one.wrong} wrong reads (${one.own} own, ${one.backwards} backwards) of ${one.lost} lost updates (${one.lostInStep} with the replica in step), the first ` +
        `acknowledged ${Math.round(one.earliestLostMs)} ms before the end of its master; ${one.unexplained} are no case of loss`,
    );
  }
  for (const [name, { calls, admitted, wrong, violations }] of Object.entries({
    limits: made.limits,
    slots: made.slots,
    locks: made.locks,
  })) {
    t.log(
      `${name}: ${calls} calls, ${admitted} admitted; ${wrong} wrong, ${violations.length} are no case of loss`,
    );
  }
  t.log(`failed calls: ${counts(made.failed as unknown as Record<string, number>)}`);
}

function counts(of: Readonly<Record<string, number>>): string {
  return Object.entries(of)
    .map(([name, count]) => `${name}: ${count}`)
    .join(', ');
}

/** Nothing was wrong at all, unless the servers have failed over by themselves. */
export function assertNothingWrong(
  t: ExecutionContext,
  { entries, limits, slots, locks, losses }: TopologyRun,
): void {
  if (losses.length > 0) return t.log(`${losses.length} failovers that nobody has ordered`);
  for (const { wrong } of [...entries, limits, slots, locks]) t.is(wrong, 0);
}

/** Whatever was wrong is a case of loss, no call has failed, and nothing was left uncaught. */
export function assertNothingUnexplained(t: ExecutionContext, made: TopologyRun): void {
  for (const { violations, reads } of made.entries) {
    t.true(reads > 20);
    t.deepEqual(violations, []);
  }
  for (const { violations } of [made.limits, made.slots, made.locks]) t.deepEqual(violations, []);
  t.is(made.locks.tokensBackwards, 0);
  t.is(made.failed.calls, 0);
  t.deepEqual(made.errors, []);
}
