/**
 * Which entries does the map under the L1 keep, and what does it cost? `BoundedMap` of src/core/l1 beside lru-cache and
 * three published policies, written for this benchmark without limits of weight. On recorded accesses (traces/), and in
 * loops in processes of their own, on Node.js 20 and on Node.js 24.
 */
import process from 'node:process';
import v8 from 'node:v8';
import vm from 'node:vm';
import { open, POLICIES } from './policies/all.js';
import { inTurns, summarize } from './support/in-turns.js';
import { startMember } from './support/members.js';
import { execPathOf } from './support/node-versions.js';
import { bars } from './support/plots.js';
import { table } from './support/table.js';
import { readTrace } from './support/traces.js';

const NODES = ['20', '24'];
const OURS = 'cachement';
/** What one writes by hand: its hits are the reference. */
const REFERENCE = 'lru-cache, ttl';
const BARE = 'Map';
const COSTED = [BARE, REFERENCE, ...POLICIES];

/** The capacities of each trace. The one in the picture is `shown`. */
const TRACES = {
  cpp: { capacities: [100, 300, 600], shown: 100 },
  gli: { capacities: [250, 500, 1_000, 2_000], shown: 1_000 },
  loop: { capacities: [100, 500, 1_000], shown: 500 },
  multi1: { capacities: [500, 1_000, 2_000], shown: 1_000 },
  multi2: { capacities: [500, 1_000, 2_000], shown: 1_000 },
  multi3: { capacities: [500, 1_000, 2_000], shown: 1_000 },
  sprite: { capacities: [100, 500, 1_000], shown: 500 },
  web12: { capacities: [100, 300, 1_000, 3_000], shown: 300 },
};

const CAPACITY = 10_000;
const HOT_KEYS = 1_000;
const NEW_KEYS = 20_000;

export const title = 'The map under the L1, beside lru-cache';
const explanation = `**Hit ratio**: recorded accesses are replayed; a key that is not there is set. The number beside a trace is that of the entries
that may be kept. The same run gives the same hits. **Hit**: the processor time of one \`get\` of a string key, ${HOT_KEYS.toLocaleString('en')} keys in
turn, all there; its ratio to lru-cache with a ttl, in the same round; and in square brackets the middle half of the ratios. **Miss**: a \`get\`
of a new key and a \`set\`, in a full map of ${CAPACITY.toLocaleString('en')} entries. The processes, one for each row and version of Node.js, take turns in short slices,
in an order that changes; medians over the rounds. **Entry**: the memory for each of 1,000,000 entries with one shared
value, without the keys; in brackets, how much more that is than in a Map.

The constants of cachement were chosen on these traces, after more than a hundred variants, and those of the others are as published:
half a percent between it and W-TinyLFU says little. The W-TinyLFU here has a fixed window; with a fixed window of 1 % cachement has a mean of
57.6 %. With 15 seeds that were not used for the choice, its mean is 58.1 to 58.4 %; with step and admission as in Caffeine, 57.9 to 58.3 %.`;

export async function ask({ quick, say }) {
  const ratios = replayAll(say);
  const costs = [];
  for (const node of NODES) costs.push(...(await measureCosts(node, quick, say)));
  return { ...(await present(ratios, costs)), data: { ratios, costs }, explanation, packages: ['lru-cache'] };
}

function replayAll(say) {
  return Object.entries(TRACES).flatMap(([trace, { capacities }]) => {
    const keys = readTrace(trace);
    return capacities.flatMap((capacity) =>
      POLICIES.map((policy) => {
        say(`replaying ${trace}, ${capacity} entries, ${policy}`);
        return { trace, capacity, policy, accesses: keys.length, hits: replay(open(policy, capacity), keys) };
      }),
    );
  });
}

function replay(cache, keys) {
  let hits = 0;
  for (const key of keys) {
    if (cache.get(key) !== undefined) hits += 1;
    else cache.set(key, true);
  }
  return hits;
}

async function measureCosts(node, quick, say) {
  const rounds = quick ? 5 : 40;
  const ms = quick ? 40 : 60;
  const execPath = execPathOf(node);
  const members = new Map();
  for (const policy of COSTED) {
    say(`Node.js ${node}: warming up ${policy}`);
    const member = await startMember(import.meta.url, undefined, { execPath });
    members.set(policy, member);
    await member.call('open', policy);
    await member.call('hits', 500);
  }
  const hits = await inTurns(COSTED, rounds, (policy, round) => {
    say(`Node.js ${node}: hits, round ${round + 1} of ${rounds}`);
    return members.get(policy).call('hits', ms);
  });
  // A Map alone evicts nothing.
  const misses = await inTurns([REFERENCE, ...POLICIES], rounds, (policy, round) => {
    say(`Node.js ${node}: misses, round ${round + 1} of ${rounds}`);
    return members.get(policy).call('misses');
  });
  await Promise.all([...members.values()].map(({ stop }) => stop()));
  const bytes = new Map();
  for (const policy of COSTED) {
    say(`Node.js ${node}: the memory of ${policy}`);
    const { call, stop } = await startMember(import.meta.url, undefined, { execPath });
    bytes.set(policy, await call('bytes', policy));
    await stop();
  }
  const missSummaries = summarize(misses, REFERENCE);
  return summarize(hits, REFERENCE).map(({ library: policy, ...hit }) => ({
    node,
    policy,
    hit,
    miss: missSummaries.find(({ library }) => library === policy),
    bytes: bytes.get(policy),
  }));
}

/** What a process does with one policy, so that the compiler knows no other. */
export function member() {
  const hot = Array.from({ length: HOT_KEYS }, (_, i) => `user:${i * 7_919}`);
  let cache;
  let lastKey = 0;
  return {
    open: (policy) => {
      cache = openOf(policy, CAPACITY);
      for (const key of hot) cache.set(key, {});
    },
    hits: (ms) =>
      slice(() => {
        const until = performance.now() + ms;
        let gets = 0;
        let found = 0;
        while (performance.now() < until) {
          for (const key of hot) if (cache.get(key) !== undefined) found += 1;
          gets += hot.length;
        }
        if (found !== gets) throw new Error(`Expected hits alone, got ${gets - found} misses.`);
        return gets;
      }),
    misses: () => {
      const keys = Array.from({ length: NEW_KEYS }, () => `user:${(lastKey += 1) * 31}:new`);
      const value = {};
      return slice(() => {
        for (const key of keys) if (cache.get(key) === undefined) cache.set(key, value);
        return keys.length;
      });
    },
    bytes: bytesPerEntry,
  };
}

function slice(work) {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const calls = work();
  const seconds = (performance.now() - begun) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: calls / seconds, microseconds: (user + system) / calls };
}

function bytesPerEntry(policy) {
  v8.setFlagsFromString('--expose-gc');
  const collectGarbage = vm.runInNewContext('gc');
  const inUse = () => {
    collectGarbage();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const keys = Array.from({ length: 1_000_000 }, (_, i) => `key:${i}`);
  // Map computes the hash of a string, and flattens it, when it is first asked for.
  const all = new Set(keys);
  all.clear();
  const value = {};
  const before = inUse();
  const cache = openOf(policy, keys.length);
  for (const key of keys) cache.set(key, value);
  const bytes = (inUse() - before) / keys.length;
  if (cache.get(keys[0]) === undefined) throw new Error(`Expected all entries in ${policy}.`);
  return bytes;
}

function openOf(policy, max) {
  return policy === BARE ? new Map() : open(policy, max);
}

async function present(ratios, costs) {
  const percent = ({ hits, accesses }) => (hits / accesses) * 100;
  const lines = Object.entries(TRACES).flatMap(([trace, { capacities }]) =>
    capacities.map((capacity) => ({
      label: `${trace}, ${capacity.toLocaleString('en')}`,
      cells: POLICIES.map((policy) =>
        percent(
          ratios.find((one) => one.trace === trace && one.capacity === capacity && one.policy === policy),
        ),
      ),
    })),
  );
  const mean = POLICIES.map((_, i) => lines.reduce((sum, { cells }) => sum + cells[i], 0) / lines.length);
  const hitTable = table(
    ['hit ratio, %', ...POLICIES],
    [...lines, { label: 'mean', cells: mean }].map(({ label, cells }) => [
      label,
      ...cells.map((cell) => cell.toFixed(1)),
    ]),
  );
  const bareBytes = (node) => costs.find((one) => one.node === node && one.policy === BARE).bytes;
  const costTable = table(
    ['', 'hit', 'miss', 'entry'],
    costs.map(({ node, policy, hit, miss, bytes }) => [
      `Node.js ${node}, ${policy}`,
      timeCell(hit),
      miss === undefined ? '' : timeCell(miss),
      `${bytes.toFixed(0)} B${policy === BARE ? '' : ` (+${(bytes - bareBytes(node)).toFixed(0)})`}`,
    ]),
  );
  const hitPanels = NODES.map((node) => ({
    title: `A hit, Node.js ${node}`,
    unit: 'processor time of one get',
    bars: costs
      .filter((one) => one.node === node)
      .map(({ policy, hit }) => bar(policy, nanoseconds(hit), `${nanoseconds(hit).toFixed(0)} ns`)),
  }));
  const ratioPanels = Object.entries(TRACES).map(([trace, { shown }]) => ({
    title: `${trace}, ${shown.toLocaleString('en')} entries`,
    unit: 'hits, % of accesses',
    bars: ratios
      .filter((one) => one.trace === trace && one.capacity === shown)
      .map((one) => bar(one.policy, percent(one), `${percent(one).toFixed(1)} %`)),
  }));
  return {
    table: `${hitTable}\n\n${costTable}`,
    picture: await bars(title, [...hitPanels, ...ratioPanels]),
  };
}

function nanoseconds({ microseconds }) {
  return microseconds * 1_000;
}

function timeCell(summary) {
  const { lower, upper } = summary.cpuRatioQuartiles;
  const range = `${summary.cpuRatio.toFixed(2)}x [${lower.toFixed(2)}-${upper.toFixed(2)}]`;
  return `${nanoseconds(summary).toFixed(1)} ns ${range}`;
}

function bar(label, value, text) {
  return { label, value, text, ours: label === OURS };
}
