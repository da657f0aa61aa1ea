import { CLOCK_GRAIN_MS, type Call, type CheckedRule, type Verdict, type Violation } from './calls.js';
import { mostUnits } from './densest.js';
import type { Judge } from './judge.js';
import { judgeOf } from './judge-of.js';
import { mostWithin } from './most-within.js';

/** What lies between two replies beyond this is no pressure. */
const LONGEST_PAUSE_MS = 10;

/**
 * Is this history of calls on one key possible, if all of these rules hold? Five questions:
 *
 * - over the limit: no interval holds more units than a rule admits in its length. Only calls that lie in it as a
 *   whole count, so that this is certain whatever the moment of each was;
 * - refused with room: each refusal has a rule that may have had no room. A limiter that admits less than it should
 *   is found by this, as its callers never stop asking;
 * - told to wait too long: nor would there have been room just before the time that it told (times are rounded up);
 * - told to wait too short: nothing that surely was taken before stands in the way at the time that it told;
 * - wrong window: the windows of a fixed window and of a sliding counter begin and end as the rule says, by their resets.
 *
 * A refusal by a block cache is another matter: it repeats a refusal of the store in the same process, and must lie
 * within the time that was told then.
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

/** Refusals of the block cache, against those of the store in the same process for the same cost or less. */
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

/** Units in all: what pressure without a pause must bring about, and what the rules allow. */
function expected(calls: readonly Call[], rules: readonly CheckedRule[]): Verdict['expected'] {
  const [begin, end] = rangeOf(calls.flatMap(({ sent, received }) => [sent, received]));
  const each = rules.map((rule) => {
    const { limit, perMs, algorithm, burst = limit } = rule;
    const windows = (end - begin) / perMs;
    const isSmooth = algorithm === 'gcra' || algorithm === 'token-bucket';
    const most = isSmooth ? burst + limit * windows : limit * (Math.floor(windows) + 2);
    // The counter never quite fills a window: the last unit has room only when that window is over.
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

/** The time in which replies came one upon the other: where they do not, the machine did something else. */
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
