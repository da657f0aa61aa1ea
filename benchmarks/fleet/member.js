/** A real process of the fleet: it counts what it hears, and does its steps of a plan. */
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { Caching } from '../../dist/index.js';
import { ioredis } from '../../dist/ioredis.js';
import { wallClock } from '../support/statistics.js';
import { countMessages } from './messages-heard.js';

export function member() {
  let caching;
  let messagesBefore = 0;
  let loads = 0;
  let cpuBefore;
  const messagesSinceStart = countMessages();
  return {
    open: async ({ url, namespace, l1, timeoutMs }) => {
      const adapter = ioredis(url, { timeout: timeoutMs });
      caching = new Caching({
        adapter,
        namespace,
        l1,
        defaults: { ttl: '1h', storeTimeout: timeoutMs * 1.25 },
      });
      await caching.ready();
      // Loads every script.
      const key = `warm:${process.pid}`;
      await caching.cache.getOrSet(key, async () => 1);
      await caching.cache.getOrSet(key, async () => 1);
      await caching.cache.invalidate({ keys: [key] });
    },
    reset: () => {
      messagesBefore = messagesSinceStart();
      loads = 0;
      cpuBefore = process.cpuUsage();
    },
    report: () => {
      const { user, system } = process.cpuUsage(cpuBefore);
      return { cpuMs: (user + system) / 1_000, messages: messagesSinceStart() - messagesBefore, loads };
    },
    /** @returns when each call began, in ms after `from`, and how long it took */
    run: async ({ from, steps, loadMs }) => {
      const { cache } = caching;
      const load = async () => {
        loads += 1;
        await delay(loadMs);
        return { rows: 10 };
      };
      const done = steps.map(async ({ at, does, key }) => {
        await delay(from + at - wallClock());
        const begun = wallClock();
        await (does === 'read' ? cache.getOrSet(key, load) : cache.invalidate({ keys: [key] }));
        return { at: begun - from, tookMs: wallClock() - begun };
      });
      return Promise.all(done);
    },
  };
}
