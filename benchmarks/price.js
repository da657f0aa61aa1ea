/**
 * What do a lock, a rate limit and a hit in a Cluster cost beside the bare client, against the goals that the project has
 * set, and where does what remains go?
 */
import { fileOf, namesOf } from './libraries/all.js';
import { handOver } from './locks.js';
import { startCluster } from './support/cluster.js';
import { inTurns, summarize } from './support/in-turns.js';
import { startMember } from './support/members.js';
import { median, percentile } from './support/statistics.js';
import { table } from './support/table.js';

const urlOf = (question) => new URL(`${question}.js`, import.meta.url).href;

/** `libraries`: the reference first. `goal`: of the last library's throughput, as a multiple of the reference. */
const ROWS = [
  ...[
    { callers: 1, goal: 0.8 },
    { callers: 16, goal: 0.9 },
  ].map(({ callers, goal }) => ({
    title: `lock and unlock, ${callers} ${callers === 1 ? 'caller' : 'callers'}`,
    question: 'locks',
    libraries: ['bare-lock', 'cachement-acquire'],
    setup: { leaseMs: 10_000 },
    slice: { callers },
    warmUp: { callers: 16 },
    goal,
  })),
  ...[
    { callers: 1, goal: 0.9 },
    { callers: 64, goal: 1.5 },
  ].map(({ callers, goal }) => ({
    title: `consume, ${callers} ${callers === 1 ? 'caller' : 'callers'}`,
    question: 'limits',
    libraries: ['bare-gcra', 'cachement-consume'],
    slice: { question: 'spread', callers },
    warmUp: { question: 'spread', callers: 64 },
    goal,
  })),
  {
    title: 'hit in a Cluster of three masters, 64 callers',
    question: 'throughput',
    libraries: ['bare-cluster-auto', 'bare-cluster-pipeline', 'cachement-cluster'],
    slice: { size: 'small', callers: 64 },
    warmUp: { size: 'small', callers: 64 },
    isCluster: true,
    goal: 1.5,
  },
];
const HAND_OVER = { library: 'cachement-with-lease', processes: 4, waiters: 5, goal: { median: 1, p99: 3 } };

export const title = 'The price of locks, limits and hits in a Cluster';
const explanation = `**Throughput**: the libraries take turns in short slices, in an order that changes; medians over the rounds. The ratio is
to the first line of the same row in the same round, and the goal is what the project has set itself for it. **Processor
time** is that of the client process for one call, and **of Redis** that of the server. A lock is
compared with \`SET NX PX\` and a compare-and-delete script, which has no fencing token, wakes nobody and renews nothing;
\`consume\` with a GCRA script; a hit with the pipelines of an ioredis Cluster.

**Where the client's time goes**: samples of a process that does nothing else. "core" and "adapter" are this package.

**Hand-over**: 20 callers in four processes ask for one lock, and each holds it once, for 5 ms: the time from a release to
the start of the next holder's work.`;

export async function ask({ redis, quick, say }) {
  const cluster = await startCluster();
  try {
    const data = [];
    for (const row of ROWS) data.push(...(await measure(row, { redis, cluster, quick, say })));
    const gaps = await measureHandOver(redis, quick, say);
    const libraries = [...new Set([...ROWS.flatMap((row) => row.libraries), HAND_OVER.library])];
    return {
      table: present(data, gaps, await namesOf(libraries)),
      data: { throughput: data, handOver: gaps },
      explanation,
      libraries,
    };
  } finally {
    await cluster.stop();
  }
}

async function measure(row, { redis, cluster, quick, say }) {
  const { title, question, libraries, setup, slice, warmUp, isCluster = false } = row;
  const { url } = isCluster ? cluster : redis;
  const servers = isCluster ? cluster.clients : [redis.client];
  const members = new Map();
  // A limit of one that an earlier row has used up.
  if (!isCluster) await redis.client.flushdb();
  for (const library of libraries) {
    say(`${title}: starting ${library}`);
    const started = await startMember(urlOf(question), fileOf(library));
    await started.call('open', { url, library, ...setup });
    // By calls, not by time: on a busy machine the just-in-time compiler needs longer.
    for (let calls = 0; calls < (quick ? 10_000 : 50_000);) {
      calls += (await started.call('slice', { ...warmUp, ms: 200 })).calls;
    }
    members.set(library, started);
  }
  const slices = await inTurns(libraries, quick ? 9 : 40, async (library, round) => {
    say(`${title}, round ${round + 1}`);
    const before = await processorTime(servers);
    const found = await members.get(library).call('slice', { ...slice, ms: quick ? 60 : 100 });
    // On a busy machine a deadline may pass.
    if (found.loads > 0) say(`${library} has loaded ${found.loads} of ${found.calls}`);
    const ofServer = (await processorTime(servers)) - before;
    return { ...found, ofServer: ofServer / found.calls };
  });
  const shares = new Map();
  for (const library of libraries) {
    say(`${title}: where the time of ${library} goes`);
    const { call, stop } = members.get(library);
    await call('startProfile');
    await call('slice', { ...slice, ms: quick ? 500 : 2_000 });
    shares.set(library, await call('stopProfile'));
    await stop();
  }
  return summarize(slices, libraries[0]).map((one) => ({
    ...one,
    row: title,
    ofServer: median(slices.get(one.library).map(({ ofServer }) => ofServer)),
    shares: shares.get(one.library),
  }));
}

/** The processor time of the servers, in us. */
async function processorTime(servers) {
  const infos = await Promise.all(servers.map((client) => client.info('cpu')));
  let seconds = 0;
  for (const [, used] of infos.join('\n').matchAll(/used_cpu_(?:user|sys):([\d.]+)/g))
    seconds += Number(used);
  return seconds * 1e6;
}

async function measureHandOver(redis, quick, say) {
  const { library, processes, waiters } = HAND_OVER;
  const fleet = [];
  while (fleet.length < processes) {
    const started = await startMember(urlOf('locks'), fileOf(library));
    await started.call('open', { url: redis.url, library, leaseMs: 10_000 });
    fleet.push(started);
  }
  const gaps = [];
  const runs = quick ? 5 : 40;
  for (let run = 0; run <= runs; run += 1) {
    say(`hand-over, run ${run} of ${runs}`);
    const found = await handOver(fleet, library, { processes, waiters }, `price-${run}`);
    // The first run warms up, and is not counted.
    if (run > 0) gaps.push(...found);
  }
  await Promise.all(fleet.map(({ stop }) => stop()));
  return {
    median: median(gaps),
    p99: percentile(gaps, 0.99),
    worst: Math.max(...gaps),
    handOvers: gaps.length,
  };
}

function present(data, gaps, names) {
  const rows = ROWS.flatMap(({ title, libraries, goal }) =>
    libraries.map((library, i) => {
      const { perSecond, ratio, ratioQuartiles, microseconds, ofServer } = data.find(
        (one) => one.row === title && one.library === library,
      );
      const isOurs = i === libraries.length - 1;
      return [
        i === 0 ? title : '',
        names.get(library),
        `${Math.round(perSecond).toLocaleString('en')}/s`,
        `${ratio.toFixed(2)}x`,
        isOurs ? `${ratioQuartiles.lower.toFixed(2)}-${ratioQuartiles.upper.toFixed(2)}` : '',
        isOurs ? `${goal.toFixed(1)}x` : '',
        `${microseconds.toFixed(1)} us`,
        `${ofServer.toFixed(1)} us`,
      ];
    }),
  );
  const kinds = [...new Set(data.flatMap(({ shares }) => Object.keys(shares)))];
  const shares = data.map(({ row, library, shares, microseconds }) => [
    row,
    names.get(library),
    ...kinds.map((kind) => {
      const share = shares[kind] ?? 0;
      return `${(share * 100).toFixed(0)} %, ${(share * microseconds).toFixed(1)} us`;
    }),
  ]);
  const { median: usual, p99, worst, handOvers } = gaps;
  const ms = (value) => `${value.toFixed(1)} ms`;
  const { processes, waiters, goal } = HAND_OVER;
  return [
    table(['', '', 'calls', 'ratio', 'middle half', 'goal', 'processor time', 'of Redis'], rows),
    '',
    table(
      ['hand-over', 'median', 'goal', 'p99', 'goal', 'worst', 'hand-overs'],
      [
        [
          `${processes} processes x ${waiters} waiters`,
          ...[ms(usual), ms(goal.median), ms(p99), ms(goal.p99), ms(worst), String(handOvers)],
        ],
      ],
    ),
    '',
    "Where the client's processor time goes",
    '',
    table(['', '', ...kinds], shares),
  ].join('\n');
}
