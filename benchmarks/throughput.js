/**
 * How many hits in Redis does one process get in a second, with one caller and with 64? No library answers from memory
 * alone, and the bare clients run beside them, so that the difference is the cost of the library.
 */
import { isDeepStrictEqual } from 'node:util';
import { namesOf } from './libraries/all.js';
import { inTurns, measureSlice, summarize } from './support/in-turns.js';
import { startMembers } from './support/members.js';
import { bars } from './support/plots.js';
import { table } from './support/table.js';

const REFERENCE = 'bare-get';
const LIBRARIES = [
  REFERENCE,
  'bare-get-ioredis5',
  'bare-mget',
  'cachement-decorated',
  'cachement-imperative',
  'cachement-validate',
  'bentocache',
  'cacheable',
  'cache-manager',
  'async-cache-dedupe',
  'cachified',
  'layered-loader',
  'type-cacheable',
];
const SIZES = { small: '200 B', large: '21 kB' };
const CALLERS = [1, 64];
/** Each caller reads its own keys in turn, so that no two callers read one key at once. */
const KEYS_EACH = 4;
/** Mostly with many callers: one alone would need longer for as many reads. */
const WARM_UP = [
  { size: 'large', callers: 64, ms: 100 },
  { size: 'small', callers: 64, ms: 300 },
  { size: 'small', callers: 1, ms: 100 },
];

export const title = 'Hits in Redis, against the bare client';
const explanation = `Hits per second of one process, and the ratio to bare \`ioredis.get\` with \`JSON.parse\` in the same round.
Each library runs in a process of its own with memory in front of Redis switched off; only "l1 that asks Redis" keeps values in
memory, and asks Redis at each hit whether they still stand. The processes take turns in short
slices, in an order that changes, and each figure is the median over the rounds, so that a machine that gets slower gets
slower for all of them. Redis runs on the same machine. Every read is checked to be a hit. The second table is the
processor time of the process for one hit: it depends least on what else the machine does.`;

export async function ask({ redis, quick, say }) {
  const rounds = quick ? 5 : 30;
  const sliceMs = quick ? 60 : 100;
  say(`starting ${LIBRARIES.length} processes`);
  const members = await startMembers(import.meta.url, LIBRARIES);
  for (const library of LIBRARIES) {
    say(`filling Redis through ${library}`);
    await members.get(library).call('open', { url: redis.url, library });
  }
  // Not counted: the just-in-time compiler warms up.
  for (const library of LIBRARIES) {
    say(`warming up ${library}`);
    for (const slice of WARM_UP) await members.get(library).call('slice', slice);
  }
  const data = [];
  for (const size of Object.keys(SIZES)) {
    for (const callers of CALLERS) {
      const slices = await inTurns(LIBRARIES, rounds, (library, round) => {
        say(`${SIZES[size]}, ${callers} callers, round ${round + 1} of ${rounds}`);
        return hitsOnly(members.get(library), library, { size, callers, ms: sliceMs });
      });
      data.push(...summarize(slices, REFERENCE).map((one) => ({ ...one, size, callers })));
    }
  }
  const names = await namesOf(LIBRARIES);
  await Promise.all([...members.values()].map(({ stop }) => stop()));
  return { ...(await present(data, names)), data, explanation, libraries: LIBRARIES };
}

/** Measures a slice again if some of its reads were no hits: on a busy machine a deadline may pass. */
async function hitsOnly({ call }, library, ask) {
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    const slice = await call('slice', ask);
    if (slice.loads === 0) return slice;
  }
  throw new Error(`${library}: reads of what is in Redis are no hits. This would measure loads.`);
}

/** What one of the processes does. */
export function member({ open }) {
  let cache;
  let loads = 0;
  const load = (size, key) => async () => {
    loads += 1;
    return row(size, key);
  };
  return {
    open: async ({ url, library }) => {
      cache = await open({ url, prefix: `throughput-${library}`, ttlSeconds: 3_600, near: false });
      const fill = async (size, key) => {
        const name = `${size}:${key}`;
        const expected = row(size, key);
        let own = 0;
        const count = async () => {
          own += 1;
          return expected;
        };
        // On a busy machine a write may fail: only a read without a load shows that the entry is stored.
        for (let before = -1; before !== own;) {
          if (own > 20) throw new Error(`${library} does not keep ${name}.`);
          before = own;
          const read = await cache.read(name, count);
          // As JSON: one library turns every text that looks like a date into a Date.
          if (!isDeepStrictEqual(JSON.parse(JSON.stringify(read)), expected)) {
            throw new Error(
              `${library} returned something else for ${name}: ${JSON.stringify(read).slice(0, 200)}`,
            );
          }
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      for (const size of Object.keys(SIZES)) {
        for (const callers of CALLERS) {
          await Promise.all(
            keysOf(callers).map(async (own) => {
              for (const key of own) await fill(size, key);
            }),
          );
        }
      }
    },
    slice: async ({ size, callers, ms }) => {
      loads = 0;
      const reads = keysOf(callers).map((own) =>
        own.map((key) => ({ key: `${size}:${key}`, load: load(size, key) })),
      );
      const slice = await measureSlice(callers, ms, async (caller, i) => {
        const read = reads[caller][i % KEYS_EACH];
        await cache.read(read.key, read.load);
      });
      return { loads, ...slice };
    },
  };
}

/** The keys of each caller. */
function keysOf(callers) {
  return Array.from({ length: callers }, (_, caller) =>
    Array.from({ length: KEYS_EACH }, (_, i) => `${callers}-${caller}-${i}`),
  );
}

/** A row of about 200 bytes as JSON, or a list of rows of 21 kB. */
function row(size, key) {
  const one = (id) => ({
    id,
    name: 'Ada Lovelace',
    email: 'ada@example.org',
    organisation: 'analytical-engines',
    roles: ['admin', 'author'],
    active: true,
    score: 0.8125,
    createdAt: '2026-01-31T08:15:30.000Z',
  });
  return size === 'small'
    ? one(key)
    : { id: key, rows: Array.from({ length: 106 }, (_, i) => one(`${key}-${i}`)) };
}

async function present(data, names) {
  const libraries = [...names.keys()];
  const configurations = Object.keys(SIZES).flatMap((size) => CALLERS.map((callers) => ({ size, callers })));
  const nameOf = ({ size, callers }) => `${SIZES[size]}, ${callers} ${callers === 1 ? 'caller' : 'callers'}`;
  const at = (library, { size, callers }) =>
    data.find((one) => one.library === library && one.size === size && one.callers === callers);
  const cell = ({ perSecond, ratio }) =>
    `${Math.round(perSecond).toLocaleString('en')}/s  ${ratio.toFixed(2)}x`;
  const rows = libraries.map((library) => [
    names.get(library),
    ...configurations.map((configuration) => cell(at(library, configuration))),
  ]);
  const panels = configurations.map((configuration) => ({
    title: nameOf(configuration),
    unit: 'hits per second, as a multiple of the bare client',
    mark: 1,
    bars: libraries.map((library) => {
      const { ratio } = at(library, configuration);
      return {
        label: names.get(library),
        value: ratio,
        text: `${ratio.toFixed(2)}x`,
        ours: library.startsWith('cachement'),
      };
    }),
  }));
  const head = ['', ...configurations.map(nameOf)];
  const costs = libraries.map((library) => [
    names.get(library),
    ...configurations.map((configuration) => `${at(library, configuration).microseconds.toFixed(1)} us`),
  ]);
  return {
    table: [
      'Hits per second, and as a multiple of the bare client',
      '',
      table(head, rows),
      '',
      'Processor time for one hit, in the process that asks',
      '',
      table(head, costs),
    ].join('\n'),
    picture: await bars(title, panels),
  };
}
