import { seededRandom } from './seeded-random.js';

/** Decides which of the waiting steps is next. The scheduler of fast-check (4.2 or later) is one. */
export interface RaceScheduler {
  /** Waits until it is the turn of this step. */
  schedule(task: Promise<unknown>, label?: string): Promise<unknown>;
  /** How many steps wait. */
  count(): number;
  /** Runs so many of the steps that wait. */
  waitNext(count: number): Promise<void>;
}

/** A scheduler that chooses at random, and the same order for the same seed. */
export function seededScheduler(seed: number): RaceScheduler {
  const random = seededRandom(seed);
  const waiting: (() => void)[] = [];
  return {
    schedule: (task) => new Promise<void>((resolve) => void waiting.push(resolve)).then(() => task),
    count: () => waiting.length,
    waitNext: async (count) => {
      for (let i = 0; i < count && waiting.length > 0; i++) {
        const [next] = waiting.splice(Math.floor(random() * waiting.length), 1);
        next!();
      }
    },
  };
}
