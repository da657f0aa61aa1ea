/** What callers do, and when: the same plan runs in the simulation and in real processes. */

/** How long a load takes, in ms. */
export const LOAD_MS = 35;
/** The deadline of a command, in ms: the default of `ioredis(...)`. */
const TIMEOUT_MS = 200;
/** The pause after `before`, in ms. After it, no process is subscribed to what it has waited for. */
export const QUIET_MS = 1_500;
const HOT_CALLERS = 10;
/** How many processes want a contended key at the same time. */
export const WANTED_BY = 4;
const STORM_KEYS = 100;

/**
 * @typedef {{ at: number, on: number, does: 'read' | 'invalidate', key: string }} Step `at`: ms after the start
 * @typedef {{ l1: boolean, seconds: number, loadMs: number, timeoutMs: number, before: readonly Step[],
 *   steps: readonly Step[] }} Plan `before`: done first, and not counted
 */

const USUAL = { l1: false, loadMs: LOAD_MS, timeoutMs: TIMEOUT_MS, before: [] };

/** Ten callers in each process want one cold key. */
export function hotKey(processes, { random, keys = 1, everyMs = 0, spreadMs = 5 }) {
  const steps = range(keys).flatMap((i) =>
    range(processes * HOT_CALLERS).map((caller) => ({
      ...{ at: i * everyMs + random() * spreadMs, on: caller % processes, does: 'read', key: `hot:${i}` },
    })),
  );
  return { ...USUAL, seconds: (keys * everyMs) / 1_000, steps };
}

/** Each key is cold, and wanted by four processes (or all) at the same time. */
export function contendedKeys(processes, { random, perSecond, seconds, spreadMs = 2 }) {
  const steps = range(perSecond * seconds).flatMap((i) => {
    const first = Math.floor(random() * processes);
    return range(Math.min(WANTED_BY, processes)).map((other) => ({
      at: (i * 1_000) / perSecond + random() * spreadMs,
      on: (first + other) % processes,
      does: 'read',
      key: `contended:${i}`,
    }));
  });
  return { ...USUAL, seconds, steps };
}

/** Every process has a hundred keys in its L1, and reads one of them every 100 ms. They are invalidated by all processes. */
export function storm(processes, { random, perSecond, seconds }) {
  const key = () => `row:${Math.floor(random() * STORM_KEYS)}`;
  const on = () => Math.floor(random() * processes);
  const before = range(processes * STORM_KEYS).map((i) => ({
    // One process loads them, and the others find them in Redis.
    at: i < STORM_KEYS ? i : 200 + Math.floor(i / STORM_KEYS) * 2,
    on: Math.floor(i / STORM_KEYS),
    does: 'read',
    key: `row:${i % STORM_KEYS}`,
  }));
  const invalidations = range(perSecond * seconds).map((i) => ({
    ...{ at: (i * 1_000) / perSecond, on: on(), does: 'invalidate', key: key() },
  }));
  const reads = range(processes * seconds * 10).map(() => ({
    ...{ at: random() * seconds * 1_000, on: on(), does: 'read', key: key() },
  }));
  return { ...USUAL, l1: true, seconds, before, steps: [...invalidations, ...reads] };
}

function range(length) {
  return Array.from({ length: Math.round(length) }, (_, i) => i);
}
