import fc from 'fast-check';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import type { GetOrSetOptions } from '../../src/core/cache/cache.js';
import { StoreKeys } from '../../src/core/keys/store-keys.js';
import { decodeEntry } from '../../src/core/ports/entry-format.js';
import { LoadTimeoutError } from '../../src/core/shared/errors.js';
import { fakeClock } from '../../src/testing/fake-clock.js';
import { chaosAdapter } from '../../src/testing/chaos-adapter.js';
import { settled } from '../support/settled.js';

const TTL = 1_000;
const GRACE = 4_000;
const FAILED = 'the load failed';

const OPTIONS: readonly Partial<GetOrSetOptions<Row>>[] = [
  {},
  { softTimeout: 0 },
  { softTimeout: 200 },
  { hardTimeout: 500 },
  { softTimeout: 100, hardTimeout: 300 },
  { refreshAhead: 0.5 },
  { refreshAhead: { beta: 1 }, softTimeout: 0 },
  { grace: 0 },
  { grace: 0, hardTimeout: 400 },
  { graceBackoff: 0 },
  { grace: 1_000, graceBackoff: 300 },
  { abortOnLostLease: true, lease: 400 },
  { idleTtl: TTL, grace: 0 },
  { ttl: 3 * TTL, idleTtl: TTL, grace: 0 },
  { ttl: 3 * TTL, idleTtl: TTL },
  { ttl: 2 * TTL, idleTtl: 1_500, refreshAhead: 0.5, l1: { ttl: 100 } },
];
const OF_IDLE_VALUES = OPTIONS.flatMap((options, i) => ('idleTtl' in options ? [i] : []));

/** One step of a schedule. Openers are chosen by number. */
export type Step =
  | { readonly do: 'call'; readonly opener: number; readonly options: number }
  | { readonly do: 'finish' | 'fail'; readonly load: number }
  | { readonly do: 'write'; readonly opener: number; readonly by: 'key' | 'tag' | 'all' }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'down'; readonly opener: number; readonly isDown: boolean };

const opener = fc.nat(1);

export const schedules: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant('call' as const), opener, options: fc.nat(OPTIONS.length - 1) }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('finish' as const), load: fc.nat(5) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('fail' as const), load: fc.nat(5) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('write' as const),
        opener,
        by: fc.constantFrom('key' as const, 'tag' as const, 'all' as const),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('advance' as const),
        ms: fc.constantFrom(1, 99, 100, 200, 499, 501, 999, 1_000, 1_001, 3_999, 4_001),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('down' as const), opener, isDown: fc.boolean() }) },
  ),
  { minLength: 3, maxLength: 40 },
);

/** Schedules that mostly read values with `idleTtl`, often enough that only their ttl ends them. */
export const idleSchedules: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('call' as const),
        opener,
        options: fc.constantFrom(...OF_IDLE_VALUES),
      }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('finish' as const), load: fc.constant(0) }) },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('advance' as const),
        ms: fc.constantFrom(99, 251, 499, 501, 999, 1_001),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('write' as const),
        opener,
        by: fc.constantFrom('key' as const, 'tag' as const, 'all' as const),
      }),
    },
  ),
  { minLength: 20, maxLength: 60 },
);

interface Row {
  readonly version: number;
  readonly loadedAt: number;
  /** When the load has returned. */
  readonly finishedAt: number;
  /** That of the call that has loaded it, in ms. */
  readonly ttl: number;
}

interface Load {
  readonly row: Row;
  resolve(row: Row): void;
  reject(error: Error): void;
}

let worlds = 0;

/**
 * Runs a schedule with two Caching on one store, on virtual time, and throws if a call returns what it must not: a value past
 * its age bound, one that an acknowledged invalidation had ended before the call, or an error that no load has thrown. At the
 * end nothing may be left.
 *
 * @returns what the calls returned
 */
export async function runSchedule(
  steps: readonly Step[],
  l1: boolean,
): Promise<{ readonly stale: number; readonly fresh: number; readonly rejected: number }> {
  const clock = fakeClock();
  const namespace = `staleness-${++worlds}`;
  const inner = memory();
  const backend = inner.open({ namespace, clock, wake() {}, degraded() {}, recovered() {} });
  const openers = [0, 1].map(() => {
    const chaos = chaosAdapter(inner);
    const defaults = {
      ttl: TTL,
      grace: GRACE,
      graceBackoff: 500,
      jitter: 0,
      lease: 2_000,
      lockTimeout: 1_500,
    } as const;
    return {
      chaos,
      caching: new Caching({ adapter: chaos, namespace, clock, defaults, ...(l1 ? { l1: true } : {}) }),
    };
  });
  const counts = { stale: 0, fresh: 0, rejected: 0 };
  const loads: Load[] = [];
  const calls: Promise<void>[] = [];
  const problems: string[] = [];
  let version = 1;
  /** The least version that every call must return that starts now, and that of each opener. */
  let acknowledged = 1;
  const own = [1, 1];

  const call = async (opener: number, options: Partial<GetOrSetOptions<Row>>): Promise<void> => {
    const least = Math.max(acknowledged, own[opener]!);
    const startedAt = clock.now();
    const loader = (): Promise<Row> =>
      new Promise((resolve, reject) => {
        const ttl = Number(options.ttl ?? TTL);
        loads.push({ row: { version, loadedAt: clock.now(), finishedAt: Infinity, ttl }, resolve, reject });
      });
    try {
      const row = await openers[opener]!.caching.cache.getOrSet('key', loader, { tags: ['tag'], ...options });
      const age = clock.now() - row.loadedAt;
      counts[age > row.ttl ? 'stale' : 'fresh'] += 1;
      if (row.version < least) problems.push(`${row.version} was returned, and ${least} was due`);
      // A load that ends during the call may take as long as it likes.
      const wasStored = row.finishedAt < startedAt;
      if (wasStored && age > row.ttl + Number(options.grace ?? GRACE)) {
        problems.push(`a value of the age ${age} was returned`);
      }
    } catch (error) {
      counts.rejected += 1;
      if (error instanceof LoadTimeoutError || (error as Error).message === FAILED) return;
      problems.push(`a call rejected with ${String(error)}`);
    }
  };
  const take = (index: number): Load | undefined => loads.splice(index, 1)[0];

  for (const step of steps) {
    switch (step.do) {
      case 'call':
        calls.push(call(step.opener, OPTIONS[step.options]!));
        break;
      case 'finish': {
        const load = take(step.load);
        load?.resolve({ ...load.row, finishedAt: clock.now() });
        break;
      }
      case 'fail':
        take(step.load)?.reject(new Error(FAILED));
        break;
      case 'write': {
        const written = ++version;
        const target = {
          keys: step.by === 'key' ? ['key'] : [],
          tags: step.by === 'tag' ? ['tag'] : [],
          all: step.by === 'all',
        };
        const { cache } = openers[step.opener]!.caching;
        calls.push(
          cache.invalidate(target).then((reply) => {
            own[step.opener] = Math.max(own[step.opener]!, written);
            if (reply.acknowledged) acknowledged = Math.max(acknowledged, written);
          }),
        );
        break;
      }
      case 'advance':
        await clock.advance(step.ms);
        break;
      case 'down':
        openers[step.opener]!.chaos.setDown(step.isDown);
        break;
    }
    await settled();
    if (problems.length > 0) throw new Error(problems.join('; '));
  }

  // Everything comes to its end.
  for (const { chaos } of openers) chaos.setDown(false);
  for (let round = 0; round < 40; round++) {
    for (const load of loads.splice(0)) load.resolve({ ...load.row, finishedAt: clock.now() });
    await clock.advance(1_000);
    await settled();
  }
  await Promise.all(calls);
  const { record } = await backend.entries.read(new StoreKeys(namespace).entry('key'), []);
  const entry = record === null ? undefined : decodeEntry('key', record);
  if (record !== null && entry === undefined) problems.push('a lease is left');
  if ((entry?.refreshable?.refreshingUntil ?? 0) > clock.now())
    problems.push('the lease of a refresh is left');
  for (const { caching, chaos } of openers) {
    if (chaos.pending > 0) problems.push(`${chaos.pending} commands are left`);
    await caching.close();
  }
  if (clock.timers > 0) problems.push(`${clock.timers} timers are left`);
  if (problems.length > 0) throw new Error(problems.join('; '));
  return counts;
}
