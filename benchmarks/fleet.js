/**
 * A thousand processes on one Redis. The engine is the real one; Redis, network and time are simulated, with costs that are
 * measured here. A part with eight processes runs for real, too, and shows how far the simulation can be trusted.
 */
import { hotKey, contendedKeys, LOAD_MS, storm } from './fleet/plans.js';
import { measureCosts } from './fleet/costs.js';
import { runForReal } from './fleet/eight-processes.js';
import { measureHottestSlot } from './fleet/hottest-slot.js';
import { simulate } from './fleet/simulate.js';
import { lines } from './support/plots.js';
import { table } from './support/table.js';

const SIZES = [1, 10, 100, 1_000];
const NETWORK_MS = 0.25;
const LOOPBACK_MS = 0.1;
const EIGHT = 8;

export const title = 'A thousand processes on one Redis';
const explanation = `N processes with the real engine, on virtual time, with a simulated Redis (one thread) and network (${NETWORK_MS} ms one way). The costs
below are measured on the real Redis and a real process of this machine. A load takes ${LOAD_MS} ms. **One hot key**: ten callers in
each process want one cold key within 5 ms. **Contended keys**: each key is cold, and wanted by four processes within 2 ms; as
many keys a second as stated. **Storm**: every process has 100 keys in its L1 and reads ten times a second, while the keys are
invalidated, 1,000 times a second. **Messages**: those that each process hears. **Of a core**: the share that a process spends on
them. **Redis busy**: the share of its thread, and **with messages**: the part of that for messages. **Last served**: from the
last call to the end of all calls. **One channel** is what this package did before each name had a channel for its wakes: every
process heard every wake. Bursts are short (0.1 to 0.4 s in a full run): at more work than
Redis can do, "last served" grows with the length of the burst. The simulation has no circuit breaker.`;

export async function ask({ redis, quick, say }) {
  const random = seededRandom(1);
  const costs = await measureCosts(redis, quick, say);
  const sizes = quick ? SIZES.slice(0, 3) : SIZES;
  const simulated = [];
  for (const scenario of scenarios(quick)) {
    for (const processes of sizes) {
      for (const wakes of scenario.hasWakes ? ['by name', 'one channel'] : ['by name']) {
        say(`${scenario.name}, ${processes} processes`);
        const plan = scenario.plan(processes, { random });
        const figures = await simulate(processes, plan, costs, { delayMs: NETWORK_MS, wakes, random });
        simulated.push({ scenario: scenario.name, wakes, ...figures });
      }
    }
  }
  const checked = [];
  for (const { name, loadMs, plan } of checks(quick)) {
    say(`${name}, eight real processes`);
    const planned = { ...plan(EIGHT, { random }), timeoutMs: 5_000, loadMs };
    const { figures, steps } = await runForReal(EIGHT, planned, redis, name.replaceAll(' ', '-'));
    const replayed = { ...planned, steps };
    const setup = { delayMs: LOOPBACK_MS, random };
    checked.push({ name, real: figures, simulated: await simulate(EIGHT, replayed, costs, setup) });
  }
  const slots = [];
  const copies = [];
  for (const masters of quick ? [3] : [3, 6]) {
    say(`the hottest slot of ${masters} masters`);
    const measured = await measureHottestSlot(masters, quick ? 500 : 3_000);
    slots.push(...measured.shares);
    copies.push(measured.copies);
  }
  const data = { costs, simulated, checked, slots, copies };
  return { ...(await present(data)), data, explanation, packages: ['cachement', 'ioredis'] };
}

function scenarios(quick) {
  const seconds = quick ? 0.05 : 0.2;
  const contended = (perSecond, length) => ({
    name: `${perSecond.toLocaleString('en')} contended keys/s`,
    hasWakes: true,
    plan: (processes, { random }) => contendedKeys(processes, { random, perSecond, seconds: length }),
  });
  return [
    { name: 'one hot key', plan: hotKey },
    contended(1_000, 2 * seconds),
    contended(10_000, seconds / 2),
    {
      name: 'storm, 1,000 invalidations/s',
      plan: (processes, { random }) => storm(processes, { random, perSecond: 1_000, seconds }),
    },
  ];
}

/** Loads and pauses are long, so that a machine on which the processes are sometimes late counts the same. */
function checks(quick) {
  const seconds = quick ? 2 : 12;
  return [
    {
      name: 'hot keys',
      loadMs: 1_000,
      plan: (processes, { random }) =>
        hotKey(processes, { random, keys: seconds * 2, everyMs: 500, spreadMs: 500 }),
    },
    {
      name: 'contended keys',
      loadMs: 1_000,
      plan: (processes, { random }) =>
        contendedKeys(processes, { random, perSecond: 10, seconds, spreadMs: 100 }),
    },
    {
      name: 'storm',
      loadMs: 200,
      plan: (processes, { random }) => storm(processes, { random, perSecond: 20, seconds }),
    },
  ];
}

async function present({ costs, simulated, checked, slots, copies }) {
  const whole = (number) => Math.round(number).toLocaleString('en');
  const micro = (ms) => `${(ms * 1_000).toFixed(ms < 0.01 ? 2 : 1)} us`;
  const percent = (share) => `${(share * 100).toFixed(share < 0.0995 ? 1 : 0)} %`;
  const nameOf = ({ scenario, wakes }) => (wakes === 'by name' ? scenario : `${scenario}, one channel`);
  const runs = table(
    [
      '',
      'processes',
      'calls',
      'loads',
      'round trips',
      'messages',
      'of a core',
      'Redis busy',
      'with messages',
      'last served',
    ],
    simulated.map((one) => [
      nameOf(one),
      whole(one.processes),
      whole(one.calls),
      whole(one.loads),
      whole(one.roundTrips),
      whole(one.messagesPerProcess),
      percent(one.processMessagesShare),
      percent(one.serverShare),
      percent(one.serverMessagesShare),
      `${whole(one.lastServedAfterMs)} ms`,
    ]),
  );
  const { server, client, operations } = costs;
  const predicted = predictedOperations(costs);
  const operationRows = Object.entries(operations).map(([name, { serverMs, clientMs }]) => [
    name,
    micro(serverMs),
    predicted[name] === undefined ? '-' : micro(predicted[name]),
    micro(clientMs),
  ]);
  const parts = [
    ['Redis: to read a request, to write to a client', `${micro(server.readMs)}, ${micro(server.writeMs)}`],
    ['Redis: MGET of two keys, each further key', `${micro(server.mgetMs)}, ${micro(server.mgetKeyMs)}`],
    ['Redis: a script of a load, of an invalidation', `${micro(server.scriptMs)}, ${micro(server.removeMs)}`],
    ['Redis: a message for each listener, beside the write', micro(server.appendMs)],
    ['process: a message alone, one of many', `${micro(client.singleMs)}, ${micro(client.messageMs)}`],
  ];
  const fields = [
    ['loads', 'loads'],
    ['round trips', 'roundTrips'],
    ['MGETs', 'mgets'],
    ['scripts', 'scripts'],
    ['messages heard', 'messagesPerProcess'],
    ['processor time of Redis, ms', 'serverMs'],
  ];
  const checkRows = checked.flatMap(({ name, real, simulated: one }) =>
    fields.map(([label, field]) => [
      `${name}: ${label}`,
      whole(one[field]),
      whole(real[field]),
      real[field] === one[field] ? '=' : signed(one[field] / real[field] - 1),
    ]),
  );
  const hottest = slots.map(({ masters, kind, ofCommands, ofTime, perCallMs }) => [
    kind,
    whole(masters),
    percent(1 / masters),
    percent(ofCommands),
    percent(ofTime),
    micro(perCallMs),
  ]);
  return {
    table: [
      runs,
      'Processor time of one call, one after the other',
      table(['', 'Redis', 'sum of the parts below', 'process'], operationRows),
      'The parts, of which the simulation is made',
      table(['', 'processor time'], parts),
      'The truth check: eight real processes on the real Redis, and the simulation of the same calls, at the times at which the processes made them. A Redis that is mostly idle, as here, takes more processor time for each request',
      table(['', 'simulated', 'measured', 'deviation'], checkRows),
      'The busiest node of a Cluster, which has the nonces of the namespace',
      table(
        ['', 'masters', 'fair share', 'of commands', 'of processor time', 'its time for a call'],
        hottest,
      ),
      'Messages that a process with an L1 hears for each invalidation in a Cluster',
      table(
        ['masters', 'messages'],
        copies.map(({ masters, messages }) => [whole(masters), messages.toFixed(2)]),
      ),
    ].join('\n\n'),
    picture: await lines(title, 'processes', panelsOf(simulated, nameOf)),
  };
}

function signed(share) {
  return `${share > 0 ? '+' : ''}${(share * 100).toFixed(0)} %`;
}

/** What the model says about a call, beside its measurement. In ms. */
function predictedOperations({ server }) {
  const { readMs, writeMs, mgetMs, scriptMs, removeMs } = server;
  const trip = readMs + writeMs;
  const hit = trip + mgetMs;
  return {
    // The lookup; lease and nonces; fill, and nonces once more.
    miss: hit + (trip + 2 * scriptMs) + (trip + scriptMs + mgetMs),
    invalidation: trip + removeMs,
  };
}

function panelsOf(simulated, nameOf) {
  const panel = (title, unit, field, isShown = () => true, mark = undefined) => ({
    title,
    unit,
    mark,
    lines: [...new Set(simulated.filter(isShown).map(nameOf))].map((label) => ({
      label,
      points: simulated
        .filter((one) => nameOf(one) === label)
        .map((one) => ({ at: one.processes, value: field(one) })),
    })),
  });
  const hasMessages = ({ scenario }) => scenario !== 'one hot key';
  return [
    panel(
      'Messages to each process',
      'per second',
      (one) => (one.messagesPerProcess / one.overMs) * 1_000,
      hasMessages,
    ),
    panel('Messages to each process', '% of a core', (one) => one.processMessagesShare * 100, hasMessages),
    panel(
      'Messages to all processes',
      '% of the thread of Redis',
      (one) => one.serverMessagesShare * 100,
      hasMessages,
      100,
    ),
    panel('The last caller is served', 'ms after the last call', (one) => one.lastServedAfterMs),
  ];
}

/** The same plans in each run. */
function seededRandom(seed) {
  let state = seed;
  return () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
}
