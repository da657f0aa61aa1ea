import { memory } from '../../src/adapters/memory/index.js';
import { chaosAdapter, fakeClock, raceTest } from '../../src/testing/index.js';
import { adapterContract } from '../../src/testing/contract/index.js';

const chaos = chaosAdapter(memory());
chaos.fail(['entries.fill', 'locks', '*'], 'late', { probability: 0.5 });
const [key, token]: readonly [string, string, ...unknown[]] = chaos.calls('entries.fill')[0]!;
const ms: number = chaos.calls('locks.extend')[0]![0];

export const tests = [
  ...adapterContract(() => ({ adapter: memory(), clock: fakeClock() })),
  ...adapterContract(async () => ({ adapter: memory(), remainingMs: async () => ms })),
];

export const race = raceTest(async ({ all }) => {
  const { count, name } = await all({ count: async () => 1, name: () => 'Ada' });
  const both: readonly [number, string, string, string] = [count, name, key, token];
  return both;
});
