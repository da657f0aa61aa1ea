import type { Call, CheckedRule } from './calls.js';

/** A limiter without doubt: it is told the time, and has it to the microsecond. */
export type IdealLimiter = (now: number, cost: number) => IdealDecision;

interface IdealDecision {
  readonly allowed: boolean;
  readonly retryAfterMs: number;
  readonly resetMs: number;
}

/** Each algorithm by its definition, for the checker to find nothing in. */
export function idealLimiter({ algorithm, limit, perMs, burst = limit }: CheckedRule): IdealLimiter {
  switch (algorithm) {
    case 'sliding-window-log':
      return slidingLog(limit, perMs);
    case 'gcra':
    case 'token-bucket':
      return smooth(limit / perMs, burst);
    case 'fixed-window':
      return fixedWindow(limit, perMs);
    case 'sliding-window-counter':
      return slidingCounter(limit, perMs);
    case 'concurrency':
      throw new Error('Slots are not a matter of time.');
  }
}

/** Rounded up. Less than a microsecond is an error of the sums. */
function wholeMs(ms: number): number {
  return Math.ceil(Math.round(ms * 1_000) / 1_000);
}

function slidingLog(limit: number, perMs: number): IdealLimiter {
  let taken: number[] = [];
  return (now, cost) => {
    taken = taken.filter((at) => at > now - perMs);
    const allowed = taken.length + cost <= limit;
    if (allowed) for (let i = 0; i < cost; i++) taken.push(now);
    // So many have to leave before there is room.
    const last = taken[taken.length + cost - limit - 1];
    const wait = allowed || last === undefined ? 0 : last + perMs - now;
    return {
      allowed,
      retryAfterMs: wholeMs(wait),
      resetMs: wholeMs((taken.at(-1) ?? now) + perMs - now),
    };
  };
}

function smooth(rate: number, burst: number): IdealLimiter {
  let level = burst;
  let since = 0;
  return (now, cost) => {
    level = Math.min(burst, level + (now - since) * rate);
    since = now;
    const allowed = level + 1e-9 >= cost;
    if (allowed) level -= cost;
    return {
      allowed,
      retryAfterMs: allowed ? 0 : wholeMs((cost - level) / rate),
      resetMs: wholeMs((burst - level) / rate),
    };
  };
}

function fixedWindow(limit: number, perMs: number): IdealLimiter {
  let taken = 0;
  let end = 0;
  return (now, cost) => {
    if (now >= end) [taken, end] = [0, now + perMs];
    const allowed = taken + cost <= limit;
    if (allowed) taken += cost;
    return { allowed, retryAfterMs: allowed ? 0 : wholeMs(end - now), resetMs: wholeMs(end - now) };
  };
}

function slidingCounter(limit: number, perMs: number): IdealLimiter {
  let [start, current, before] = [Number.NEGATIVE_INFINITY, 0, 0];
  return (now, cost) => {
    const isOver = now >= start + perMs;
    // After a window without an admission there is nothing to count: the next one begins with this call.
    if (now >= start + 2 * perMs || (isOver && current === 0)) [start, before, current] = [now, 0, 0];
    else if (isOver) [start, before, current] = [start + perMs, current, 0];
    const elapsed = now - start;
    const allowed = before * (1 - elapsed / perMs) + current + cost <= limit;
    if (allowed) current += cost;
    const resetMs = wholeMs((current > 0 ? 2 : 1) * perMs - elapsed);
    return { allowed, retryAfterMs: allowed ? 0 : wholeMs(wait(elapsed, cost)), resetMs };
  };

  /** Until the window before weighs little enough; if never, until the same is true of this one. */
  function wait(elapsed: number, cost: number): number {
    const room = limit - cost - current;
    if (room >= 0) return (1 - room / before) * perMs - elapsed;
    return perMs - elapsed + (1 - (limit - cost) / current) * perMs;
  }
}

interface Play {
  readonly seed: number;
  readonly callers: number;
  readonly ms: number;
  readonly costs?: readonly number[];
  /** The longest stall: now and then the server, or one process of callers, or all of them do nothing. */
  readonly stallMs?: number;
  /** One in so many replies is lost. */
  readonly lostOneIn?: number;
}

/**
 * A history of callers in three processes who ask again and again, over a network that takes its time. The same seed,
 * the same history.
 */
export function playHistory(limiter: IdealLimiter, play: Play): Call[] {
  const { seed, callers, ms, costs = [1], stallMs = 0, lostOneIn = Infinity } = play;
  const random = randomOf(seed);
  const stalls = stallMs > 0 ? playStalls(random, ms, stallMs) : [];
  const calls: Call[] = [];
  const next = (from: number, process: number) => {
    const awake = (time: number, who: Stalled): number => afterStalls(stalls, time, who);
    const sent = awake(from + random() * 4, process);
    const decided = awake(sent + 0.02 + random() * 2, 'server');
    return { sent, decided, received: awake(decided + 0.02 + random() * 2, process) };
  };
  const waiting = Array.from({ length: callers }, (_, caller) => next(BEGIN, caller % PROCESSES));
  for (;;) {
    const caller = waiting.reduce((first, one, i) => (one.decided < waiting[first]!.decided ? i : first), 0);
    const { sent, decided, received } = waiting[caller]!;
    if (decided > BEGIN + ms) return calls;
    const process = caller % PROCESSES;
    const cost = costs[caller % costs.length]!;
    const { allowed, ...times } = limiter(Math.floor(decided * 1_000) / 1_000, cost);
    const isLost = lostOneIn < Infinity && random() * lostOneIn < 1;
    const outcome = isLost ? 'unknown' : allowed ? 'admitted' : 'refused';
    calls.push({ process, sent, received, cost, outcome, source: 'store', ...times });
    waiting[caller] = next(received, process);
  }
}

const BEGIN = 1_000;
const PROCESSES = 3;

/** One process of callers, all of them, or the server. */
type Stalled = number | 'callers' | 'server';

interface Stall {
  readonly who: Stalled;
  readonly from: number;
  readonly until: number;
}

/** One after the other. */
function playStalls(random: () => number, ms: number, longestMs: number): readonly Stall[] {
  const stalls: Stall[] = [];
  let from = BEGIN + random() * longestMs;
  while (from < BEGIN + ms) {
    const who = (['callers', 'server', 0, 1, 2] as const)[Math.floor(random() * 5)]!;
    const until = from + random() * longestMs;
    stalls.push({ who, from, until });
    from = until + random() * 2 * longestMs;
  }
  return stalls;
}

/** A time, or soon after the stall that it is in: within half a millisecond, in the same order. */
function afterStalls(stalls: readonly Stall[], time: number, who: Stalled): number {
  const stall = stalls.find(
    (one) =>
      (one.who === who || (one.who === 'callers' && who !== 'server')) &&
      one.from <= time &&
      time < one.until,
  );
  return stall === undefined ? time : stall.until + ((time - stall.from) / (stall.until - stall.from)) * 0.5;
}

function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
