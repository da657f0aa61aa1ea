import { CLOCK_GRAIN_MS, type Call, type CheckedRule, type Verdict, type Violation } from './calls.js';
import { mostUnits } from './densest.js';
import type { Judge } from './judge.js';
import { judgeOf } from './judge-of.js';
import { mostWithin } from './most-within.js';

/** The part of a pause between two replies that is longer than this does not count as time under load. */
const LONGEST_PAUSE_MS = 10;

/**
 * Checks whether a history of calls on one key is possible under all of these rules. Five checks:
 *
 * - over the limit: no interval contains more units than a rule admits in its length. Only calls that lie in the
 *   interval as a whole count, so a violation is certain;
 * - refused with room: each denied call has a rule that may have been full. The callers retry without end, so this also
 *   finds a limiter that admits too few units;
 * - told to wait too long: a rule may also have been full just before the returned time (times are rounded up);
 * - told to wait too short: the units that were certainly taken before do not fill a rule at the returned time;
 * - wrong window: the windows of fixed-window and sliding-window-counter begin and end as the rule says, according to
 *   `resetMs`.
 *
 * A cached denial has its own check: it must repeat a denial of the store in the same process, within the time that the
 * store returned.
 */
export function checkAdmissions(calls: readonly Call[], rules: readonly CheckedRule[]): Verdict {
  const begin = Math.min(...rangeOf(calls.map(({ sent }) => sent)));
  const stored = calls.filter(({ source }) => source !== 'denialCache');
  const judges = rules.map((rule) => judgeOf(rule, stored));
  const violations: Violation[] = [
    ...judges.flatMap(({ excess }) => excess.map((one) => ({ ...one, rule: 'over the limit' as const }))),
    ...judges.flatMap(({ wrongWindows }) =>
      wrongWindows.map((one) => ({ ...one, rule: 'wrong window' as const })),
    ),
    ...stored.filter(({ outcome }) => outcome === 'refused').flatMap((call) => judgeRefusal(call, judges)),
    ...judgeRepeated(calls),
  ].map((violation) => ({ ...violation, at: violation.at - begin }));
  const admitted = calls.filter(({ outcome }) => outcome === 'admitted');
  const shortest = rules.reduce((one, other) => (other.perMs < one.perMs ? other : one));
  return {
    calls: calls.length,
    admitted: admitted.reduce((sum, { cost }) => sum + cost, 0),
    unknown: calls.filter(({ outcome }) => outcome === 'unknown').length,
    most: mostUnits(admitted, shortest.perMs),
    allowed: mostWithin(shortest).most(shortest.perMs - CLOCK_GRAIN_MS),
    expected: expected(calls, rules),
    violations,
  };
}

function judgeRefusal(call: Call, judges: readonly Judge[]): Violation[] {
  const { sent, received, retryAfterMs } = call;
  const may = (at: number): boolean => judges.some((judge) => judge.mayRefuse(call, at));
  const told = `told ${retryAfterMs} ms`;
  if (!may(sent)) return [{ rule: 'refused with room', at: sent, detail: told }];
  if (!may(sent + Math.max(0, retryAfterMs - 1))) {
    return [{ rule: 'told to wait too long', at: sent, detail: told }];
  }
  if (judges.some((judge) => judge.mustRefuse(call, received + retryAfterMs))) {
    return [{ rule: 'told to wait too short', at: sent, detail: told }];
  }
  return [];
}

/** Checks that each cached denial repeats a denial of the store in the same process for the same cost or less. */
function judgeRepeated(calls: readonly Call[]): Violation[] {
  const told = new Map<number, Call[]>();
  for (const call of calls.toSorted((a, b) => b.sent - a.sent)) {
    if (call.outcome !== 'refused' || call.source === 'denialCache') continue;
    const list = told.get(call.process);
    if (list === undefined) told.set(call.process, [call]);
    else list.push(call);
  }
  return calls
    .filter((call) => call.source === 'denialCache')
    .filter((call) => !(told.get(call.process) ?? []).some((refusal) => covers(refusal, call)))
    .map(({ sent }) => ({
      rule: 'refused with room',
      at: sent,
      detail: 'by the block cache, beyond what the store had told',
    }));
}

function covers(refusal: Call, { cost, sent, received }: Call): boolean {
  return refusal.cost <= cost && refusal.sent <= received && sent <= refusal.received + refusal.retryAfterMs;
}

/** The fewest units that calls without a pause must get admitted, and the most units that the rules admit. */
function expected(calls: readonly Call[], rules: readonly CheckedRule[]): Verdict['expected'] {
  const [begin, end] = rangeOf(calls.flatMap(({ sent, received }) => [sent, received]));
  const each = rules.map((rule) => {
    const { limit, perMs, algorithm, burst = limit } = rule;
    const windows = (end - begin) / perMs;
    const isSmooth = algorithm === 'gcra' || algorithm === 'token-bucket';
    const most = isSmooth ? burst + limit * windows : limit * (Math.floor(windows) + 2);
    // The sliding-window-counter does not fill a window: there is capacity for the last unit only after its end.
    const least = algorithm === 'sliding-window-counter' ? limit - 1 : limit;
    return {
      least: least * Math.floor(pressedMs(calls) / perMs),
      most: Math.floor(most),
    };
  });
  return {
    least: Math.min(...each.map(({ least }) => least)),
    most: Math.min(...each.map(({ most }) => most)),
  };
}

/** The time under load: the sum of all pauses between replies, each up to the longest that counts. */
function pressedMs(calls: readonly Call[]): number {
  const replies = calls.map(({ received }) => received).sort((a, b) => a - b);
  return replies.reduce((sum, at, i) => sum + Math.min(LONGEST_PAUSE_MS, at - (replies[i - 1] ?? at)), 0);
}

function rangeOf(times: readonly number[]): readonly [number, number] {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const time of times) {
    least = Math.min(least, time);
    most = Math.max(most, time);
  }
  return [least, most];
}
