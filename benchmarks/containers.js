/**
 * What does LinkedSet save, beside Set? Alone, in the way in which the package uses it, and inside the package: its
 * compiled modules, once as they are and once with Set in place of it. On Node.js 20 and on Node.js 24, in processes of
 * their own that take turns.
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { PerformanceObserver } from 'node:perf_hooks';
import { inTurns, measureSlice, summarize } from './support/in-turns.js';
import { startMember } from './support/members.js';
import { execPathOf } from './support/node-versions.js';
import { bars } from './support/plots.js';
import { table } from './support/table.js';

const NODES = ['20', '24'];
/** What `npm run build` compiled, and where the variants of it are. */
const COMPILED = new URL('../build/tsc/', import.meta.url);
const VARIANTS = new URL('../build/containers/', import.meta.url);

const FILE = 'core/shared/linked-set.js';
const REFERENCE = 'Set';
/** The code that each variant has in `FILE`; undefined: that of the package. */
const VARIANTS_OF_FILE = {
  [REFERENCE]: `export class LinkedSet {
    #items = new Set();
    get oldest() { return this.#items.values().next().value; }
    add(item) { this.#items.add(item); }
    delete(item) { return this.#items.delete(item); }
    values() { return [...this.#items]; }
  }`,
  LinkedSet: undefined,
};
const NAMES = Object.keys(VARIANTS_OF_FILE);
/** Of each variant: what the compiler of one process makes of the code is partly luck. */
const PROCESSES = 2;

/** `work` of the member, and how many callers do it at once. */
const MEASURES = [
  { work: 'alone', callers: 32, title: 'alone, 32 items' },
  { work: 'alone', callers: 1_000, title: 'alone, 1,000 items' },
  { work: 'lock', callers: 1, title: 'lock and unlock, 1 caller' },
  { work: 'lock', callers: 32, title: 'lock and unlock, 32 callers' },
  { work: 'lock', callers: 256, title: 'lock and unlock, 256 callers' },
  { work: 'hit', callers: 64, title: 'hits, 64 callers' },
];

export const title = 'LinkedSet, beside Set';
const explanation = `The processor time of one call; its ratio to that with Set in the same round, below 1.00 where LinkedSet saves time; in
square brackets the middle half of the ratios; and the part of the time that the garbage collector (gc) took. **Alone**: an
item is added and the oldest one deleted, with so many in the set. The others are calls of the package on a Redis of the
same machine. The processes, ${PROCESSES} for each column and version of Node.js, take turns in short slices, in an order that changes;
medians over the rounds.`;

export async function ask({ redis, quick, say }) {
  const rounds = quick ? 5 : 40;
  const ms = quick ? 60 : 120;
  const warmUpMs = quick ? 300 : 1_000;
  writeVariants();
  const data = [];
  for (const node of NODES) {
    const members = new Map();
    const execPath = execPathOf(node);
    for (const name of NAMES) {
      say(`Node.js ${node}: warming up ${name}`);
      const start = () => startMember(import.meta.url, undefined, { execPath });
      members.set(name, await Promise.all(Array.from({ length: PROCESSES }, start)));
      for (const { call } of members.get(name)) {
        await call('open', { url: redis.url, folder: urlOf(name) });
        for (const { work, callers } of MEASURES) await call('slice', { work, callers, ms: warmUpMs });
      }
    }
    for (const { work, callers, title } of MEASURES) {
      const slices = await inTurns(NAMES, rounds, (name, round) => {
        say(`Node.js ${node}: ${title}, round ${round + 1} of ${rounds}`);
        // Not by turns: `inTurns` changes the order by turns.
        return members.get(name)[(round >> 1) % PROCESSES].call('slice', { work, callers, ms });
      });
      for (const { library, ...summary } of summarize(slices, REFERENCE)) {
        const gc = slices.get(library).reduce((sum, slice) => sum + slice.gcPart, 0) / rounds;
        data.push({ node, containers: library, title, callers, ...summary, gc });
      }
    }
    await Promise.all([...members.values()].flat().map(({ stop }) => stop()));
  }
  rmSync(VARIANTS, { recursive: true, force: true });
  return { ...(await present(data)), data, explanation, packages: ['cachement', 'redlock', 'ioredis'] };
}

function writeVariants() {
  rmSync(VARIANTS, { recursive: true, force: true });
  for (const name of NAMES) {
    mkdirSync(new URL(urlOf(name)), { recursive: true });
    cpSync(COMPILED, new URL(urlOf(name)), { recursive: true });
    const code = VARIANTS_OF_FILE[name];
    if (code !== undefined) writeFileSync(new URL(FILE, urlOf(name)), code);
  }
}

/** The folder of a variant. */
function urlOf(name) {
  return new URL(`${NAMES.indexOf(name)}/`, VARIANTS).href;
}

/** What one of the processes does, with the modules of one variant. */
export function member() {
  let works;
  let gcMs = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) gcMs += duration;
  });
  observer.observe({ entryTypes: ['gc'] });
  return {
    open: async ({ url, folder }) => {
      const { LinkedSet } = await import(new URL(FILE, folder));
      const { Caching } = await import(new URL('index.js', folder));
      const { ioredis } = await import(new URL('adapters/ioredis/index.js', folder));
      const namespace = `containers-${process.pid}`;
      const caching = new Caching({ adapter: ioredis(url, { timeout: '2s' }), namespace });
      await caching.ready();
      works = {
        alone: (size) => addAndDelete(LinkedSet, size),
        lock: () => (caller) => caching.locks.withLease(`lock-${caller}`, {}, async () => {}),
        hit: () => async (caller) => {
          await caching.cache.getOrSet(`row-${caller}`, async () => ({ caller }), { ttl: '1h' });
        },
      };
    },
    slice: async ({ work, callers, ms }) => {
      gcMs = 0;
      const slice = await measureSlice(work === 'alone' ? 1 : callers, ms, works[work](callers));
      // Entries reach the observer a moment later.
      await new Promise((resolve) => setTimeout(resolve, 5));
      return { ...slice, gcPart: gcMs / ms };
    },
  };
}

/** How many operations one call does: a single one would be shorter than what measures it. */
const OPERATIONS = 1_000;

/** Items that are added, and deleted in about the order of adding, as commands that wait for their replies. */
function addAndDelete(LinkedSet, size) {
  const set = new LinkedSet();
  const item = () => ({ isLinked: false, before: undefined, after: undefined });
  const inOrder = Array.from({ length: size }, item);
  for (const one of inOrder) set.add(one);
  let next = 0;
  return async () => {
    for (let i = 0; i < OPERATIONS; i += 1) {
      set.delete(inOrder[next]);
      const added = item();
      set.add(added);
      inOrder[next] = added;
      next = (next + 1) % size;
    }
  };
}

async function present(data) {
  const at = (node, title, containers) =>
    data.find((one) => one.node === node && one.title === title && one.containers === containers);
  const cell = (work, { containers, microseconds, cpuRatio, cpuRatioQuartiles: { lower, upper }, gc }) => {
    const time =
      work === 'alone'
        ? `${((microseconds * 1_000) / OPERATIONS).toFixed(0)} ns`
        : `${microseconds.toFixed(1)} us`;
    const ratio = `${cpuRatio.toFixed(2)}x [${lower.toFixed(2)}-${upper.toFixed(2)}]`;
    return `${time}${containers === REFERENCE ? '' : ` ${ratio}`} (gc ${(gc * 100).toFixed(0)} %)`;
  };
  const lines = NODES.flatMap((node) =>
    MEASURES.map(({ title, work }) => ({ node, title, work, label: `Node.js ${node}, ${title}` })),
  );
  const rows = lines.map(({ node, title, work, label }) => [
    label,
    ...NAMES.map((name) => cell(work, at(node, title, name))),
  ]);
  const panels = lines.map(({ node, title, label }) => ({
    title: label,
    unit: 'processor time, as a multiple of that with Set',
    mark: 1,
    bars: NAMES.map((name) => {
      const { cpuRatio } = at(node, title, name);
      return { label: name, value: cpuRatio, text: `${cpuRatio.toFixed(2)}x`, ours: name !== REFERENCE };
    }),
  }));
  return { table: table(['', ...NAMES], rows), picture: await bars(title, panels) };
}
