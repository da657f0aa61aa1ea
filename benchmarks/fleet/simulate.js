import { percentile } from '../support/statistics.js';
import { QUIET_MS } from './plans.js';
import { SimulatedProcess } from './simulated-process.js';
import { SimulatedRedis } from './simulated-redis.js';
import { VirtualTime } from './virtual-time.js';

/**
 * Runs a plan in virtual time.
 *
 * @param {number} processes
 * @param {import('./plans.js').Plan} plan
 * @param costs of costs.js
 * @param {{ delayMs: number, wakes?: 'by name' | 'one channel', random: () => number }} setup `delayMs`: of the network, one way
 */
export async function simulate(processes, plan, costs, { delayMs, wakes = 'by name', random }) {
  const toFlush = new Set();
  const time = new VirtualTime(() => {
    for (const process of toFlush) process.flush();
    toFlush.clear();
  });
  const redis = new SimulatedRedis(time, costs, { delayMs, wakes });
  const fleet = Array.from(
    { length: processes },
    () => new SimulatedProcess(time, redis, costs, { ...plan, random, toFlush }),
  );
  let loads = 0;
  const load = () => {
    loads += 1;
    return new Promise((resolve) => time.at(time.now + plan.loadMs, () => resolve({ rows: 10 })));
  };
  const run = async (steps) => {
    const begun = time.now;
    const tookMs = [];
    for (const { at, on, does, key } of steps) {
      const { cache } = fleet[on].caching;
      time.at(begun + at, () => {
        const call = does === 'read' ? cache.getOrSet(key, load) : cache.invalidate({ keys: [key] });
        void call.then(() => tookMs.push(time.now - begun - at));
      });
    }
    await time.run(() => tookMs.length === steps.length);
    return tookMs;
  };
  await run(plan.before);
  let isQuiet = false;
  time.at(time.now + QUIET_MS, () => (isQuiet = true));
  await time.run(() => isQuiet);
  const { busyMs, messagesMs } = redis.work;
  const begun = time.now;
  const earlier = { loads, roundTrips: redis.roundTrips, ...redis.commands, ...redis.published };
  const clientsBefore = fleet.map(({ messages, busyMs, messagesMs }) => ({ messages, busyMs, messagesMs }));
  const tookMs = await run(plan.steps);
  const lastServedMs = time.now - begun;
  const overMs = Math.max(plan.seconds * 1_000, lastServedMs);
  const mean = (field) =>
    fleet.reduce((sum, process, i) => sum + process[field] - clientsBefore[i][field], 0) / processes;
  const since = (field, now) => now - earlier[field];
  return {
    processes,
    calls: plan.steps.length,
    loads: since('loads', loads),
    roundTrips: since('roundTrips', redis.roundTrips),
    mgets: since('mget', redis.commands.mget),
    scripts: since('script', redis.commands.script) + since('remove', redis.commands.remove),
    wakesPublished: since('wake', redis.published.wake),
    changesPublished: since('changes', redis.published.changes),
    messagesPerProcess: mean('messages'),
    overMs,
    serverMs: redis.work.busyMs - busyMs,
    serverShare: (redis.work.busyMs - busyMs) / overMs,
    serverMessagesShare: (redis.work.messagesMs - messagesMs) / overMs,
    processShare: mean('busyMs') / overMs,
    processMessagesShare: mean('messagesMs') / overMs,
    callMs: { p50: percentile(tookMs, 0.5), p99: percentile(tookMs, 0.99) },
    lastServedMs,
    lastServedAfterMs: lastServedMs - plan.steps.reduce((last, { at }) => Math.max(last, at), 0),
  };
}
