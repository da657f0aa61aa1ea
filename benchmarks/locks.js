/**
 * What does a free lock cost, and how soon does the next caller have one that twenty wait for?
 */
import process from 'node:process';
import { fileOf, namesOf } from './libraries/all.js';
import { inTurns, measureSlice, summarize } from './support/in-turns.js';
import { startMember } from './support/members.js';
import { bars } from './support/plots.js';
import { median, percentile } from './support/statistics.js';
import { table } from './support/table.js';

const REFERENCE = 'bare-lock';
const UNCONTENDED = [
  REFERENCE,
  'cachement-acquire',
  'cachement-with-lease',
  'redis-semaphore',
  'redlock',
  'redlock-using',
];
const CALLERS = [1, 16];
/** Without `bare-lock`, which does not wait; one module of each library, since both of its modules wait in the same way. */
const HAND_OVER = ['cachement-with-lease', 'cachement-fair', 'redis-semaphore', 'redlock'];
const SHAPES = [
  { processes: 4, waiters: 5 },
  { processes: 1, waiters: 20 },
];
const LIBRARIES = [...new Set([...UNCONTENDED, ...HAND_OVER])];
const LEASE_MS = 10_000;
const HELD_MS = 5;
/** Not counted: a few thousand locks are too few for the just-in-time compiler. */
const WARM_UP = [
  { callers: 16, ms: 800 },
  { callers: 1, ms: 100 },
];
/** How long before the common start the processes are asked, so that none is late. */
const LEAD_MS = 30;

export const title = 'A lock, and its next holder';
const explanation = `**Lock and unlock**, in one process: how often in a second one caller, or 16 callers on keys of their own,
acquire a lock and release it with nothing in between, and the ratio to bare \`SET NX PX\` and a compare-and-delete script in the
same round. The libraries take turns in short slices, in an order that changes; median over the rounds. With one caller
much depends on the scheduler of the machine: the same program measured twice differs by a tenth.

**Hand-over**: 20 callers ask for one lock at the same time, and each holds it once, for ${HELD_MS} ms. The figure is the time from
the call that releases it to the start of the next holder's work, over all processes, on the monotonic clock that they
share: 19 hand-overs a run. All libraries have their default settings: redis-semaphore retries every 10 ms; redlock every
200 ms, 100 ms more or less, ten times (a caller that fails then asks again); cachement is woken by a message.
Lease ${LEASE_MS / 1_000} s everywhere, Redis on the same machine.`;

export async function ask({ redis, quick, say }) {
  const first = new Map();
  say(`starting ${LIBRARIES.length} processes`);
  for (const library of LIBRARIES) first.set(library, await open(redis, library));
  const uncontended = await askUncontended(first, quick, say);

  const fleets = new Map();
  for (const library of HAND_OVER) {
    say(`starting three more processes for ${library}`);
    const more = await Promise.all([1, 2, 3].map(() => open(redis, library)));
    fleets.set(library, [first.get(library), ...more]);
  }
  const handOver = await askHandOver(fleets, quick, say);

  const names = await namesOf(LIBRARIES);
  await Promise.all([...first.values(), ...[...fleets.values()].flat()].map(({ stop }) => stop()));
  return {
    ...(await present(uncontended, handOver, names)),
    data: { uncontended, handOver },
    explanation,
    libraries: LIBRARIES,
  };
}

async function open(redis, library) {
  const started = await startMember(import.meta.url, fileOf(library));
  await started.call('open', { url: redis.url, library });
  return started;
}

async function askUncontended(members, quick, say) {
  const rounds = quick ? 5 : 30;
  const sliceMs = quick ? 60 : 100;
  for (const library of UNCONTENDED) {
    say(`warming up ${library}`);
    for (const slice of WARM_UP) await members.get(library).call('slice', slice);
  }
  const data = [];
  for (const callers of CALLERS) {
    const slices = await inTurns(UNCONTENDED, rounds, (library, round) => {
      say(`lock and unlock, ${callers} callers, round ${round + 1} of ${rounds}`);
      return members.get(library).call('slice', { callers, ms: sliceMs });
    });
    data.push(...summarize(slices, REFERENCE).map((one) => ({ ...one, callers })));
  }
  return data;
}

async function askHandOver(fleets, quick, say) {
  const runs = quick ? 2 : 25;
  const data = [];
  for (const shape of SHAPES) {
    const gaps = new Map(HAND_OVER.map((library) => [library, []]));
    for (let run = 0; run <= runs; run += 1) {
      say(`hand-over, ${nameOf(shape)}, run ${run} of ${runs}`);
      for (const library of run % 2 === 0 ? HAND_OVER : HAND_OVER.toReversed()) {
        const found = await handOver(fleets.get(library), library, shape, `${shape.processes}-${run}`);
        // The first run warms up, and is not counted.
        if (run > 0) gaps.get(library).push(...found);
      }
    }
    for (const [library, list] of gaps) {
      data.push({
        library,
        ...shape,
        median: median(list),
        p99: percentile(list, 0.99),
        worst: Math.max(...list),
        handOvers: list.length,
      });
    }
  }
  return data;
}

/** The times from the end of one holder's work to the start of the next one's, in ms. */
export async function handOver(fleet, library, { processes, waiters }, key) {
  const at = String(process.hrtime.bigint() + BigInt(LEAD_MS * 1_000_000));
  const lists = await Promise.all(
    fleet.slice(0, processes).map(({ call }) => call('wait', { key, waiters, at })),
  );
  const held = lists.flat().toSorted((a, b) => a.begin - b.begin);
  return held.slice(1).map(({ begin }, i) => {
    const gap = begin - held[i].end;
    if (gap < 0) throw new Error(`${library}: two held the lock at once.`);
    return gap;
  });
}

/** What one of the processes does. */
export function member({ open }) {
  let lock;
  return {
    open: async ({ url, library }) => {
      lock = await open({ url, prefix: `locks-${library}`, leaseMs: LEASE_MS });
    },
    slice: async ({ callers, ms }) => {
      const nothing = async () => {};
      const keys = Array.from({ length: callers }, (_, caller) => `alone-${process.pid}-${caller}`);
      return measureSlice(callers, ms, (caller) => lock.hold(keys[caller], nothing));
    },
    wait: async ({ key, waiters, at }) => {
      const start = BigInt(at);
      /** Ms since the common start. */
      const now = () => Number(process.hrtime.bigint() - start) / 1e6;
      await delay(-now());
      const one = async () => {
        for (;;) {
          try {
            return await lock.hold(key, async () => {
              const begin = now();
              await delay(HELD_MS);
              return { begin, end: now() };
            });
          } catch (error) {
            // redlock rejects after its last retry: ask again.
            if (error.name !== 'ExecutionError') throw error;
          }
        }
      };
      return Promise.all(Array.from({ length: waiters }, one));
    },
  };
}

function delay(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function nameOf({ processes, waiters }) {
  return `${processes} ${processes === 1 ? 'process' : 'processes'} x ${waiters} waiters`;
}

async function present(uncontended, handOver, names) {
  const callersOf = (callers) => `${callers} ${callers === 1 ? 'caller' : 'callers'}`;
  const alone = (library, callers) =>
    uncontended.find((one) => one.library === library && one.callers === callers);
  const shared = (library, shape) =>
    handOver.find((one) => one.library === library && one.processes === shape.processes);
  const head = ['', ...CALLERS.flatMap((callers) => [callersOf(callers), 'processor time'])];
  const rows = UNCONTENDED.map((library) => [
    names.get(library),
    ...CALLERS.flatMap((callers) => {
      const { perSecond, ratio, microseconds } = alone(library, callers);
      return [
        `${Math.round(perSecond).toLocaleString('en')}/s  ${ratio.toFixed(2)}x`,
        `${microseconds.toFixed(0)} us`,
      ];
    }),
  ]);
  const waitHead = ['', ...SHAPES.flatMap((shape) => [`${nameOf(shape)}: median`, 'p99', 'worst'])];
  const waitRows = HAND_OVER.map((library) => [
    names.get(library),
    ...SHAPES.flatMap((shape) => {
      const found = shared(library, shape);
      return [found.median, found.p99, found.worst].map((ms) => `${ms.toFixed(1)} ms`);
    }),
  ]);
  const bar = (library, value, text) => ({
    label: names.get(library),
    value,
    text,
    ours: library.startsWith('cachement'),
  });
  const panels = [
    ...CALLERS.map((callers) => ({
      title: `Lock and unlock, ${callersOf(callers)}`,
      unit: 'a second, as a multiple of the bare client',
      mark: 1,
      bars: UNCONTENDED.map((library) => {
        const { ratio } = alone(library, callers);
        return bar(library, ratio, `${ratio.toFixed(2)}x`);
      }),
    })),
    ...SHAPES.map((shape) => ({
      title: `Hand-over, ${shape.processes} x ${shape.waiters} waiters`,
      unit: 'median and 99th percentile, ms',
      bars: HAND_OVER.map((library) => {
        const found = shared(library, shape);
        return bar(library, found.median, `${found.median.toFixed(1)}  (${found.p99.toFixed(1)})`);
      }),
    })),
  ];
  return {
    table: [
      'Lock and unlock, without contention',
      '',
      table(head, rows),
      '',
      'From one holder to the next, 20 waiting',
      '',
      table(waitHead, waitRows),
    ].join('\n'),
    picture: await bars(title, panels),
  };
}
