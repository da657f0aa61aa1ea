import type { Call, CheckedRule } from './calls.js';

/** A limiter that gets the exact time of each call. */
export type IdealLimiter = (now: number, cost: number) => IdealDecision;

interface IdealDecision {
  readonly allowed: boolean;
  readonly retryAfterMs: number;
  readonly resetMs: number;
}

/** Implements each algorithm by its definition. The checker must find no violation in its history. */
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

/** Rounds up. Differences below a microsecond are rounding errors. */
function wholeMs(ms: number): number {
  return Math.ceil(Math.round(ms * 1_000) / 1_000);
}

function slidingLog(limit: number, perMs: number): IdealLimiter {
  let taken: number[] = [];
  return (now, cost) => {
    taken = taken.filter((at) => at > now - perMs);
    const allowed = taken.length + cost <= limit;
    if (allowed) for (let i = 0; i < cost; i++) taken.push(now);
    // The call fits once the units up to this one have left the window.
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
    // Nothing counts after a window without an admission: the next window starts with this call.
    if (now >= start + 2 * perMs || (isOver && current === 0)) [start, before, current] = [now, 0, 0];
    else if (isOver) [start, before, current] = [start + perMs, current, 0];
    const elapsed = now - start;
    const allowed = before * (1 - elapsed / perMs) + current + cost <= limit;
    if (allowed) current += cost;
    const resetMs = wholeMs((current > 0 ? 2 : 1) * perMs - elapsed);
    return { allowed, retryAfterMs: allowed ? 0 : wholeMs(wait(elapsed, cost)), resetMs };
  };

  /** The time until the previous window counts little enough; if that does not suffice, until this window does. */
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
  /** The longest stall, in ms. Stalls stop the server, one process, or all processes. @default none */
  readonly stallMs?: number;
  /** One reply of this many is lost. @default none */
  readonly lostOneIn?: number;
}

/**
 * Generates the history of callers in three processes that call repeatedly over a slow network. The same seed generates
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

/** The number of one process, all processes, or the server. */
type Stalled = number | 'callers' | 'server';

interface Stall {
  readonly who: Stalled;
  readonly from: number;
  readonly until: number;
}

/** Generates stalls that do not overlap. */
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

/** Returns the time, or, if it lies in a stall, a time within 0.5 ms after the stall. The order of times is kept. */
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
