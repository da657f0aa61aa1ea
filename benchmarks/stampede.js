/**
 * Many callers in several processes want one key that is not in the cache, at the same moment. How often is it
 * loaded, and how long after the end of the load does the last caller have it?
 */
import { fileOf, namesOf } from './libraries/all.js';
import { startMember } from './support/members.js';
import { bars } from './support/plots.js';
import { median, wallClock } from './support/statistics.js';
import { table } from './support/table.js';

const LIBRARIES = [
  'cachement-decorated',
  'bentocache',
  'cacheable',
  'layered-loader',
  'type-cacheable',
  'by-hand',
];
const SHAPES = [
  { processes: 1, callers: 1_000 },
  { processes: 2, callers: 100 },
  { processes: 4, callers: 100 },
];
const WARM_UP = { processes: 4, callers: 500 };
const LOAD_MS = 200;
/** How long before the common start the processes are asked, so that none is late. */
const LEAD_MS = 30;

export const title = 'A thousand callers, one cold key';
const explanation = `Processes x callers ask at the same time for one key that is not in Redis; a load takes ${LOAD_MS} ms.
**Loads**: how often the row was loaded. **Last caller**: when the last caller had its value, counted from the end of the
load (of the last load, if there are several). Median of the runs, worst in brackets. Libraries take turns within a run.`;

export async function ask({ redis, quick, say }) {
  const runs = quick ? 5 : 15;
  const members = new Map();
  say(`starting ${4 * LIBRARIES.length} processes`);
  for (const library of LIBRARIES) {
    const started = Array.from({ length: 4 }, () => startMember(import.meta.url, fileOf(library)));
    members.set(library, await Promise.all(started));
    await Promise.all(members.get(library).map(({ call }) => call('open', { url: redis.url, library })));
  }
  // Not counted: the just-in-time compiler warms up.
  for (const library of LIBRARIES) {
    say(`warming up ${library}`);
    for (const key of ['warm-1', 'warm-2']) await stampede(members.get(library), WARM_UP, key);
  }
  const data = [];
  for (const shape of SHAPES) {
    const results = new Map(LIBRARIES.map((library) => [library, []]));
    for (let run = 1; run <= runs; run += 1) {
      say(`${shape.processes} x ${shape.callers} callers, run ${run} of ${runs}`);
      for (const library of LIBRARIES) {
        const key = `key-${shape.processes}-${run}`;
        results.get(library).push(await stampede(members.get(library), shape, key));
      }
    }
    for (const [library, list] of results) data.push({ library, ...shape, ...summary(list), runs: list });
  }
  const names = await namesOf(LIBRARIES);
  await Promise.all([...members.values()].flat().map(({ stop }) => stop()));
  return { ...(await present(data, names)), data, explanation, libraries: LIBRARIES };
}

/** What one of the processes does. */
export function member({ open }) {
  let cache;
  return {
    open: async ({ url, library }) => {
      cache = await open({ url, prefix: `stampede-${library}`, ttlSeconds: 600, near: false });
      await cache.read('warm', async () => ({ warm: true }));
    },
    run: async ({ key, callers, at }) => {
      const loads = [];
      const load = async () => {
        await new Promise((resolve) => setTimeout(resolve, LOAD_MS));
        loads.push(wallClock());
        return { id: key, text: 'x'.repeat(200) };
      };
      await new Promise((resolve) => setTimeout(resolve, at - wallClock()));
      let last = 0;
      await Promise.all(
        Array.from({ length: callers }, async () => {
          const row = await cache.read(key, load);
          if (row.id !== key) throw new Error(`Asked for ${key} and got ${JSON.stringify(row)}.`);
          last = wallClock();
        }),
      );
      return { loads, last };
    },
  };
}

async function stampede(members, { processes, callers }, key) {
  const at = wallClock() + LEAD_MS;
  const answers = await Promise.all(
    members.slice(0, processes).map(({ call }) => call('run', { key, callers, at })),
  );
  const ends = answers.flatMap(({ loads }) => loads);
  const last = Math.max(...answers.map((answer) => answer.last));
  return { loads: ends.length, afterLoad: last - Math.max(...ends), afterStart: last - at };
}

function summary(list) {
  const afterLoad = list.map((run) => run.afterLoad);
  return {
    loads: median(list.map((run) => run.loads)),
    mostLoads: Math.max(...list.map((run) => run.loads)),
    afterLoad: median(afterLoad),
    worstAfterLoad: Math.max(...afterLoad),
    afterStart: median(list.map((run) => run.afterStart)),
  };
}

async function present(data, names) {
  const libraries = [...names.keys()];
  const at = (library, shape) =>
    data.find((one) => one.library === library && one.processes === shape.processes);
  const shapeName = ({ processes, callers }) => `${processes} x ${callers}`;
  const head = ['', ...SHAPES.flatMap((shape) => [`${shapeName(shape)}: loads`, 'last caller'])];
  const rows = libraries.map((library) => [
    names.get(library),
    ...SHAPES.flatMap((shape) => {
      const { loads, afterLoad, worstAfterLoad } = at(library, shape);
      return [String(loads), `${afterLoad.toFixed(1)} ms (${worstAfterLoad.toFixed(1)})`];
    }),
  ]);
  const bar = (library, value, text) => ({
    label: names.get(library),
    value,
    text,
    ours: library.startsWith('cachement'),
  });
  // Its loads, one for each caller, would make all other bars invisible.
  const shown = libraries.filter((library) => library !== 'by-hand');
  const panels = SHAPES.flatMap((shape) => [
    {
      title: `${shapeName(shape)} callers`,
      unit: 'loads of the one row',
      mark: 1,
      bars: shown.map((library) => bar(library, at(library, shape).loads, String(at(library, shape).loads))),
    },
    {
      title: `${shapeName(shape)} callers`,
      unit: 'the last caller, in ms after the end of the load',
      bars: shown.map((library) =>
        bar(library, at(library, shape).afterLoad, at(library, shape).afterLoad.toFixed(1)),
      ),
    },
  ]);
  return { table: table(head, rows), picture: await bars(title, panels) };
}
