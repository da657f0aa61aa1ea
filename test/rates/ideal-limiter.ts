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
    case 'sliding-log':
      return slidingLog(limit, perMs);
    case 'gcra':
    case 'token-bucket':
      return smooth(limit / perMs, burst);
    case 'fixed-window':
      return fixedWindow(limit, perMs);
    case 'sliding-counter':
      return slidingCounter(limit, perMs);
    case 'concurrency':
      throw new Error('Slots are not a matter of time.');
  }
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
      retryAfterMs: Math.ceil(wait),
      resetMs: Math.ceil((taken.at(-1) ?? now) + perMs - now),
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
      retryAfterMs: allowed ? 0 : Math.ceil((cost - level) / rate),
      resetMs: Math.ceil((burst - level) / rate),
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
    return { allowed, retryAfterMs: allowed ? 0 : Math.ceil(end - now), resetMs: Math.ceil(end - now) };
  };
}

function slidingCounter(limit: number, perMs: number): IdealLimiter {
  let [window, current, before] = [0, 0, 0];
  return (now, cost) => {
    const here = Math.floor(now / perMs);
    if (here > window) [before, current, window] = [here === window + 1 ? current : 0, 0, here];
    const elapsed = now - here * perMs;
    const allowed = before * (1 - elapsed / perMs) + current + cost <= limit;
    if (allowed) current += cost;
    const resetMs = Math.ceil((current > 0 ? 2 : 1) * perMs - elapsed);
    return { allowed, retryAfterMs: allowed ? 0 : Math.ceil(wait(elapsed, cost)), resetMs };
  };

  /** Until the window before weighs little enough; if never, until the same is true of this one. */
  function wait(elapsed: number, cost: number): number {
    const room = limit - cost - current;
    if (room >= 0) return (1 - room / before) * perMs - elapsed;
    return perMs - elapsed + (1 - (limit - cost) / current) * perMs;
  }
}

/** A history of callers who never stop asking, over a network that takes its time. The same seed, the same history. */
export function playHistory(
  limiter: IdealLimiter,
  {
    seed,
    callers,
    ms,
    costs = [1],
  }: {
    readonly seed: number;
    readonly callers: number;
    readonly ms: number;
    readonly costs?: readonly number[];
  },
): Call[] {
  const random = randomOf(seed);
  const calls: Call[] = [];
  const next = (from: number) => {
    const sent = from + random() * 4;
    const decided = sent + 0.02 + random() * 2;
    return { sent, decided, received: decided + 0.02 + random() * 2 };
  };
  const waiting = Array.from({ length: callers }, () => next(1_000));
  for (;;) {
    const caller = waiting.reduce((first, one, i) => (one.decided < waiting[first]!.decided ? i : first), 0);
    const { sent, decided, received } = waiting[caller]!;
    if (decided > 1_000 + ms) return calls;
    const cost = costs[caller % costs.length]!;
    const { allowed, ...times } = limiter(Math.floor(decided * 1_000) / 1_000, cost);
    const outcome = allowed ? 'admitted' : 'refused';
    calls.push({ process: caller % 3, sent, received, cost, outcome, source: 'store', ...times });
    waiting[caller] = next(received);
  }
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
