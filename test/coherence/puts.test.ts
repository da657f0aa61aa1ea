import test from 'ava';
import { redisForFile } from '../support/servers.js';
import { startWorker } from '../support/process.js';
import type { PutCalls, PutWorkerInit } from './put-worker.js';

/** A longer run: PUT_RACES=10000. */
const RACES = Number(process.env['PUT_RACES'] ?? 300);
const AT_A_TIME = 20;

const server = redisForFile(test);

/** In each race, two processes put and read one key at the same time. */
async function races(
  t: { teardown(task: () => Promise<void>): void },
  options: Pick<PutWorkerInit, 'l1' | 'how'>,
): Promise<{ readonly stale: number; readonly stored: number }> {
  const init: PutWorkerInit = {
    ...options,
    url: server().url,
    namespace: `puts-${process.pid}-${String(options.l1)}-${options.how}`,
  };
  const start = () => startWorker<PutCalls>(new URL('./put-worker.js', import.meta.url), init);
  const workers = await Promise.all([start(), start()]);
  t.teardown(async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
  });
  const sum = { stale: 0, stored: 0 };
  for (let from = 0; from < RACES; from += AT_A_TIME) {
    const keys = Array.from({ length: AT_A_TIME }, (_, i) => from + i);
    await Promise.all(workers.map((worker) => worker.call('race', keys)));
    for (const worker of workers) {
      const { stale, stored } = await worker.call('check', keys);
      sum.stale += stale;
      if (worker === workers[0]) sum.stored += stored;
    }
  }
  return sum;
}

for (const how of ['put', 'safe-put', 'mixed'] as const) {
  for (const l1 of [false, true]) {
    const what = {
      put: 'two puts',
      'safe-put': 'two puts with safe',
      mixed: 'a put, a put with safe, an invalidation with safe, in any mixture,',
    }[how];
    test.serial(
      `G11 puts: ${what} and two reads of a key in two processes: the older value never stays${l1 ? ', with an L1' : ''}`,
      async (t) => {
        const { stale, stored } = await races(t, { l1, how });
        t.log(`${RACES} races: ${stale} stale, ${stored} left a stored value`);
        t.is(stale, 0);
        t.true(stored > 0);
      },
    );
  }
}

test.serial('the same with set after the write leaves older values', async (t) => {
  const { stale } = await races(t, { l1: false, how: 'set' });
  t.log(`${RACES} races: ${stale} stale`);
  t.true(stale > 0);
});
