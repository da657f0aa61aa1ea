import process from 'node:process';
import { median, quartiles } from './statistics.js';

/**
 * Measures each name once in each round, so that a machine that gets slower gets slower for all of them.
 *
 * @template Name, Slice
 * @param {readonly Name[]} names
 * @param {number} rounds
 * @param {(name: Name, round: number) => Promise<Slice>} measure
 * @returns {Promise<Map<Name, Slice[]>>} the slices of each name, in the order of the rounds
 */
export async function inTurns(names, rounds, measure) {
  const slices = new Map(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const name of rotated(names, round)) slices.get(name).push(await measure(name, round));
  }
  return slices;
}

/** Every name takes every place, and follows every other one: what runs just before changes what one caller gets. */
export function rotated(list, round) {
  const turned = list.map((_, i) => list[(i + round) % list.length]);
  return round % 2 === 0 ? turned : turned.toReversed();
}

/**
 * Medians over the rounds. A ratio is that to the reference in the same round.
 *
 * @param {Map<string, { perSecond: number, microseconds: number }[]>} slices
 * @param {string} reference
 */
export function summarize(slices, reference) {
  return [...slices].map(([library, list]) => {
    const ratiosOf = (figure) => list.map((slice, i) => slice[figure] / slices.get(reference)[i][figure]);
    const ratios = ratiosOf('perSecond');
    return {
      library,
      perSecond: median(list.map(({ perSecond }) => perSecond)),
      microseconds: median(list.map(({ microseconds }) => microseconds)),
      ratio: median(ratios),
      ratioQuartiles: quartiles(ratios),
      cpuRatio: median(ratiosOf('microseconds')),
      cpuRatioQuartiles: quartiles(ratiosOf('microseconds')),
    };
  });
}

/**
 * How often `work` runs in a second, called without a pause by some callers at once, and the processor time for each.
 *
 * @param {number} callers
 * @param {number} ms
 * @param {(caller: number, i: number) => Promise<void>} work
 */
export async function measureSlice(callers, ms, work) {
  let calls = 0;
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const until = begun + ms;
  const each = async (_, caller) => {
    // Not by a timer: it would never fire between calls that are answered from memory.
    for (let i = 0; performance.now() < until; i += 1) {
      await work(caller, i);
      calls += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, each));
  const seconds = (performance.now() - begun) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { calls, perSecond: calls / seconds, microseconds: (user + system) / calls };
}
