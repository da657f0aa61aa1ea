/** A plan in real processes on the real Redis, beside the same calls in the simulation. */
import { setTimeout as delay } from 'node:timers/promises';
import { startMember } from '../support/members.js';
import { percentile, wallClock } from '../support/statistics.js';
import { serverWork, workBetween } from './costs.js';
import { QUIET_MS } from './plans.js';

const TURN_MS = 1;

/**
 * @param {number} processes
 * @param {import('./plans.js').Plan} plan
 * @returns the figures, and the steps at the times at which the processes took them: timers are late on a busy machine
 */
export async function runForReal(processes, plan, { client, url }, name) {
  const members = await Promise.all(
    Array.from({ length: processes }, () => startMember(new URL('member.js', import.meta.url).href)),
  );
  try {
    const { l1, loadMs, timeoutMs } = plan;
    const setup = { url, namespace: `real-${name}`, l1, timeoutMs };
    await Promise.all(members.map(({ call }) => call('open', setup)));
    const run = async (steps) => {
      const from = wallClock() + 200;
      const runOn = async ({ call }, on) => {
        const own = steps.filter((step) => step.on === on);
        const calls = await call('run', { from, steps: own, loadMs });
        return together(own.map((step, i) => ({ ...step, ...calls[i] })));
      };
      return (await Promise.all(members.map(runOn))).flat();
    };
    await run(plan.before);
    await delay(QUIET_MS);
    await Promise.all(members.map(({ call }) => call('reset')));
    const idle = await during(client, () => delay(1_000));
    const begun = wallClock();
    let steps;
    const work = await during(client, async () => {
      steps = await run(plan.steps);
      await delay(100);
    });
    const seconds = (wallClock() - begun) / 1_000;
    const reports = await Promise.all(members.map(({ call }) => call('report')));
    const sum = (field) => reports.reduce((total, report) => total + report[field], 0);
    const calls = (command) => work.commands[command]?.calls ?? 0;
    const tookMs = steps.map((step) => step.tookMs);
    const figures = {
      processes,
      calls: plan.steps.length,
      loads: sum('loads'),
      // Without the heartbeats of connections.
      roundTrips: Math.round(work.reads - idle.reads * seconds),
      mgets: calls('mget'),
      scripts: calls('evalsha'),
      messagesPerProcess: sum('messages') / processes,
      serverMs: work.ms - idle.ms * seconds,
      callMs: { p50: percentile(tookMs, 0.5), p99: percentile(tookMs, 0.99) },
    };
    return { figures, steps };
  } finally {
    await Promise.all(members.map(({ stop }) => stop()));
  }
}

/** The calls of one turn of the event loop begin at the same time. */
function together(steps) {
  let turn = -Infinity;
  return steps
    .toSorted((a, b) => a.at - b.at)
    .map((step) => {
      if (step.at - turn > TURN_MS) turn = step.at;
      return { ...step, at: turn };
    });
}

async function during(client, act) {
  const before = await serverWork(client);
  await act();
  return workBetween(before, await serverWork(client));
}
