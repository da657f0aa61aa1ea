import path from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { projectFolder } from '../support/project-folder.js';

/** The simulation of benchmarks/fleet.js, with which docs/scale.md counts. It takes the engine from `dist`. */
interface Figures {
  readonly calls: number;
  readonly loads: number;
  readonly roundTrips: number;
  readonly messagesPerProcess: number;
}

type Plan = { readonly steps: readonly unknown[] };
type Options = { readonly random: () => number; readonly perSecond?: number; readonly seconds?: number };

interface Plans {
  hotKey(processes: number, options: Options): Plan;
  contendedKeys(processes: number, options: Options): Plan;
  storm(processes: number, options: Options): Plan;
}

interface Simulation {
  simulate(processes: number, plan: Plan, costs: object, setup: object): Promise<Figures>;
}

/** In ms: about what benchmarks/results/fleet.json has. */
const COSTS = {
  server: {
    ...{ readMs: 0.006, writeMs: 0.004, mgetMs: 0.001, mgetKeyMs: 0.0001, scriptMs: 0.01, removeMs: 0.007 },
    ...{ publishMs: 0.0001, appendMs: 0.0001 },
  },
  client: { replyMs: 0.02, chunkMs: 0.07, messageMs: 0.004 },
};
const PROCESSES = 10;

async function run(kind: keyof Plans, options: Omit<Options, 'random'>, wakes?: string): Promise<Figures> {
  const load = (file: string): Promise<unknown> =>
    import(pathToFileURL(path.join(projectFolder, 'benchmarks/fleet', file)).href);
  const { simulate } = (await load('simulate.js')) as Simulation;
  const plans = (await load('plans.js')) as Plans;
  const random = (): number => 0.5;
  const plan = plans[kind](PROCESSES, { ...options, random });
  return simulate(PROCESSES, plan, COSTS, { delayMs: 0.25, wakes, random });
}

test('a hot key that ten simulated processes want is loaded once, and each of the others hears of it', async (t) => {
  const { calls, loads, messagesPerProcess } = await run('hotKey', {});
  t.deepEqual({ calls, loads, messagesPerProcess }, { calls: 100, loads: 1, messagesPerProcess: 0.9 });
});

test('a contended key takes one load, and three of ten simulated processes hear its wake: those that wait', async (t) => {
  const { loads, roundTrips, messagesPerProcess } = await run('contendedKeys', {
    perSecond: 1_000,
    seconds: 0.02,
  });
  t.deepEqual(
    { loads, roundTrips, messagesPerProcess },
    { loads: 20, roundTrips: 360, messagesPerProcess: 6 },
  );
});

test('with one channel, every simulated process hears every wake, after fewer round trips', async (t) => {
  const options = { perSecond: 1_000, seconds: 0.02 };
  const { loads, roundTrips, messagesPerProcess } = await run('contendedKeys', options, 'one channel');
  t.deepEqual(
    { loads, roundTrips, messagesPerProcess },
    { loads: 20, roundTrips: 300, messagesPerProcess: 20 },
  );
});

test('every simulated process with an L1 hears every invalidation', async (t) => {
  const { messagesPerProcess } = await run('storm', { perSecond: 100, seconds: 0.1 });
  t.true(messagesPerProcess >= 10);
});
