/**
 * What do the hand-made containers LinkedSet and FixedHashMap save, beside Set and Map? Alone, in the way in which the
 * package uses them, and inside the package: its compiled modules, once as they are and once with Set and Map in place
 * of them. On Node.js 20 and on Node.js 24, in processes of their own that take turns.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { PerformanceObserver } from 'node:perf_hooks';
import { inTurns, measureSlice, summarize } from './support/in-turns.js';
import { startMember } from './support/members.js';
import { bars } from './support/plots.js';
import { table } from './support/table.js';

const NODES = ['20', '24'];
/** What `npm run build` compiled, and where the variants of it are. */
const COMPILED = new URL('../build/tsc/', import.meta.url);
const VARIANTS = new URL('../build/containers/', import.meta.url);

const SET = `export class LinkedSet {
  #items = new Set();
  get oldest() { return this.#items.values().next().value; }
  add(item) { this.#items.add(item); }
  delete(item) { return this.#items.delete(item); }
  values() { return [...this.#items]; }
}`;
const MAP = `export class FixedHashMap {
  #values = new Map();
  get(key) { return this.#values.get(key); }
  add(key, value) { this.#values.set(key, value); }
  delete(key) { this.#values.delete(key); }
}`;
const FILES = { LinkedSet: 'core/shared/linked-set.js', FixedHashMap: 'core/shared/fixed-hash-map.js' };

const REFERENCE = 'Set and Map';
/** The files that each variant replaces. */
const REPLACED = {
  [REFERENCE]: { [FILES.LinkedSet]: SET, [FILES.FixedHashMap]: MAP },
  'Set and FixedHashMap': { [FILES.LinkedSet]: SET },
  'LinkedSet and Map': { [FILES.FixedHashMap]: MAP },
  'LinkedSet and FixedHashMap': {},
};
const NAMES = Object.keys(REPLACED);

/** `work` of the member, and how many callers do it at once. */
const MEASURES = [
  { work: 'linkedSet', callers: 32, title: 'LinkedSet alone, 32 items' },
  { work: 'linkedSet', callers: 1_000, title: 'LinkedSet alone, 1,000 items' },
  { work: 'fixedHashMap', callers: 32, title: 'FixedHashMap alone, 32 keys' },
  { work: 'fixedHashMap', callers: 1_000, title: 'FixedHashMap alone, 1,000 keys' },
  { work: 'lock', callers: 1, title: 'lock and unlock, 1 caller' },
  { work: 'lock', callers: 32, title: 'lock and unlock, 32 callers' },
  { work: 'lock', callers: 256, title: 'lock and unlock, 256 callers' },
  { work: 'hit', callers: 64, title: 'hits, 64 callers' },
];

export const title = 'LinkedSet and FixedHashMap, beside Set and Map';
const explanation = `The processor time of one call, and in brackets its ratio to that with Set and Map in the same round: below 1.00 the
hand-made containers save time. **Alone**: an item or key is added and the oldest one deleted, with so many in the container.
The others are calls of the package on a Redis of the same machine, built with these containers. The processes, one for
each column and version of Node.js, take turns in short slices, in an order that changes; medians over the rounds, with the
middle half of the ratios in square brackets. **gc**: the part of the time that the garbage collector took.`;

export async function ask({ redis, quick, say }) {
  const rounds = quick ? 5 : 40;
  const ms = quick ? 60 : 120;
  writeVariants();
  const data = [];
  for (const node of NODES) {
    const members = new Map();
    const execPath = execPathOf(node);
    for (const name of NAMES) {
      say(`Node.js ${node}: warming up ${name}`);
      const started = await startMember(import.meta.url, undefined, { execPath });
      await started.call('open', { url: redis.url, folder: urlOf(name) });
      for (const { work, callers } of MEASURES) await started.call('slice', { work, callers, ms: 300 });
      members.set(name, started);
    }
    for (const { work, callers, title } of MEASURES) {
      const slices = await inTurns(NAMES, rounds, (name, round) => {
        say(`Node.js ${node}: ${title}, round ${round + 1} of ${rounds}`);
        return members.get(name).call('slice', { work, callers, ms });
      });
      for (const { library, ...summary } of summarize(slices, REFERENCE)) {
        const gc = slices.get(library).reduce((sum, slice) => sum + slice.gcPart, 0) / rounds;
        data.push({ node, containers: library, title, callers, ...summary, gc });
      }
    }
    for (const { stop } of members.values()) await stop();
  }
  rmSync(VARIANTS, { recursive: true, force: true });
  return { ...(await present(data)), data, explanation, packages: ['cachement', 'redlock', 'ioredis'] };
}

function writeVariants() {
  rmSync(VARIANTS, { recursive: true, force: true });
  for (const name of NAMES) {
    mkdirSync(new URL(urlOf(name)), { recursive: true });
    cpSync(COMPILED, new URL(urlOf(name)), { recursive: true });
    for (const [file, code] of Object.entries(REPLACED[name]))
      writeFileSync(new URL(file, urlOf(name)), code);
  }
}

/** The folder of a variant. */
function urlOf(name) {
  return new URL(`${NAMES.indexOf(name)}/`, VARIANTS).href;
}

/** The Node.js of this process where its version is the one asked for, else that of the npm package `node`. */
function execPathOf(major) {
  if (process.versions.node.split('.')[0] === major) return process.execPath;
  const args = ['--yes', `--package=node@${major}`, 'node', '-p', 'process.execPath'];
  return execFileSync('npx', args, { encoding: 'utf8' }).trim();
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
      const { LinkedSet } = await import(new URL(FILES.LinkedSet, folder));
      const { FixedHashMap } = await import(new URL(FILES.FixedHashMap, folder));
      const { Caching } = await import(new URL('index.js', folder));
      const { ioredis } = await import(new URL('adapters/ioredis/index.js', folder));
      const namespace = `containers-${process.pid}`;
      const caching = new Caching({ adapter: ioredis(url, { timeout: '2s' }), namespace });
      await caching.ready();
      works = {
        linkedSet: (size) => linkedSetWork(LinkedSet, size),
        fixedHashMap: (size) => fixedHashMapWork(FixedHashMap, size),
        lock: () => (caller) => caching.locks.withLease(`lock-${caller}`, {}, async () => {}),
        hit: () => async (caller) => {
          await caching.cache.getOrSet(`row-${caller}`, async () => ({ caller }), { ttl: '1h' });
        },
      };
    },
    slice: async ({ work, callers, ms }) => {
      gcMs = 0;
      const isAlone = work === 'linkedSet' || work === 'fixedHashMap';
      const slice = await measureSlice(isAlone ? 1 : callers, ms, works[work](callers));
      // Entries reach the observer a moment later.
      await new Promise((resolve) => setTimeout(resolve, 5));
      return { ...slice, gcPart: gcMs / ms };
    },
  };
}

/** How many operations one call does: a single one would be shorter than what measures it. */
const OPERATIONS = 1_000;

/** Items that are added, and deleted in about the order of adding, as commands that wait for their replies. */
function linkedSetWork(LinkedSet, size) {
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

/** Keys that are added, looked up and deleted, each a new string, as those of locks and of waiting calls. */
function fixedHashMapWork(FixedHashMap, size) {
  const map = new FixedHashMap();
  const keys = Array.from({ length: size }, (_, i) => `lock:${i}`);
  for (const key of keys) map.add(key, {});
  let next = 0;
  let last = size;
  return async () => {
    for (let i = 0; i < OPERATIONS; i += 1) {
      map.delete(keys[next]);
      const key = `lock:${last}`;
      last += 1;
      if (map.get(key) === undefined) map.add(key, {});
      keys[next] = key;
      next = (next + 1) % size;
    }
  };
}

async function present(data) {
  const at = (node, title, containers) =>
    data.find((one) => one.node === node && one.title === title && one.containers === containers);
  const alone = MEASURES.filter(({ work }) => work === 'linkedSet' || work === 'fixedHashMap');
  const time = ({ title, microseconds }) =>
    alone.some((measure) => measure.title === title)
      ? `${((microseconds * 1_000) / OPERATIONS).toFixed(0)} ns`
      : `${microseconds.toFixed(1)} us`;
  const quarter = ({ cpuRatioQuartiles: { lower, upper } }) => `${lower.toFixed(2)}-${upper.toFixed(2)}`;
  const cell = (one) =>
    one.containers === REFERENCE
      ? `${time(one)} (gc ${(one.gc * 100).toFixed(0)} %)`
      : `${time(one)} ${one.cpuRatio.toFixed(2)}x [${quarter(one)}] (gc ${(one.gc * 100).toFixed(0)} %)`;
  const rows = NODES.flatMap((node) =>
    MEASURES.map(({ title }) => [
      `Node.js ${node}, ${title}`,
      ...NAMES.map((name) => cell(at(node, title, name))),
    ]),
  );
  const panels = NODES.flatMap((node) =>
    MEASURES.map(({ title }) => ({
      title: `Node.js ${node}`,
      unit: `${title}: processor time, as a multiple of that with Set and Map`,
      mark: 1,
      bars: NAMES.map((name) => {
        const { cpuRatio } = at(node, title, name);
        const ours = name === 'LinkedSet and FixedHashMap';
        return { label: name, value: cpuRatio, text: `${cpuRatio.toFixed(2)}x`, ours };
      }),
    })),
  );
  return { table: table(['', ...NAMES], rows), picture: await bars(title, panels) };
}
