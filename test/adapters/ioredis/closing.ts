/**
 * Run in a process of its own: uses a backend in the way that its argument names, closes it, and says what is left.
 * The process must then end by itself.
 */
import { Cluster, Redis } from 'ioredis';
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis5';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { systemClock } from '../../../src/core/shared/system-clock.js';
import type { Clock } from '../../../src/core/ports/clock.js';
import { newToken } from '../../../src/core/shared/token.js';

const [kind, major, when, ...ports] = process.argv.slice(2);
const host = '127.0.0.1';
const single = (major === '5' ? Redis5 : Redis) as typeof Redis;
const many = (major === '5' ? Cluster5 : Cluster) as typeof Cluster;
const target =
  kind === 'cluster'
    ? new many(
        ports.map((port) => ({ host, port: Number(port) })),
        { lazyConnect: true },
      )
    : new single({ host, port: Number(ports[0]), lazyConnect: true });

// The system's clock does not keep a process alive; here every timer does, so that none goes unseen.
let timers = 0;
const clock: Clock = {
  ...systemClock,
  after(ms, task) {
    timers += 1;
    const timer = setTimeout(() => {
      timers -= 1;
      cancelled = true;
      task();
    }, ms);
    let cancelled = false;
    return {
      cancel: () => {
        if (!cancelled) timers -= 1;
        cancelled = true;
        clearTimeout(timer);
      },
    };
  },
};

const lockServers =
  kind === 'locks' ? ports.slice(1).map((port) => ({ host, port: Number(port) })) : undefined;
const backend = ioredis(target, { lockServers }).open({
  namespace: 'closing',
  clock,
  wake() {},
  degraded() {},
  recovered() {},
});
const { entries, locks } = backend;
// One call waits, and one has waited a moment ago.
backend.listen!('closing:cache:a');
backend.listen!('closing:lock:{a}')();
const outcomes: string[] = [];
const call = (work: Promise<unknown>): void => {
  work.then(
    () => outcomes.push('done'),
    (error: { code: string }) => outcomes.push(error.code),
  );
};

const lock = async (key = 'a'): Promise<void> => {
  const keys = [`closing:lock:{${key}}`];
  const request = { keys, leaseMs: 60_000, permits: 1, ticket: undefined, ticketMs: 1_000 };
  const reply = await locks.acquire(request);
  if (reply.status === 'unavailable') throw reply.servers[0]?.answer;
};

if (when === 'used') {
  await backend.ready();
  // Its connection is made now, and may take longer than the deadline.
  await lock().catch(() => {});
  await entries.lease('closing:cache:a', newToken(), 1_000, '*');
}
if (when === 'lost') {
  await backend.ready();
  // Its connection is made now, and may take longer than the deadline.
  await lock().catch(() => {});
  process.stdout.write('ready\n');
  // Until the parent has paused or killed the server, and for some reconnections more.
  await new Promise((resolve) => process.stdin.once('data', resolve));
  process.stdin.pause();
  call(entries.remove(['closing:cache:a']));
  // Servers that are left may grant it; what the others may do is to be undone, and they are gone.
  lock('b').catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 600));
}
call(entries.read('closing:cache:a', ['closing:clear:{closing}'], 100));
call(entries.lease('closing:cache:a', newToken(), 1_000, '*', 200));
call(entries.extend('closing:cache:a', newToken(), 1_000));
call(lock());
if (when !== 'at once') await new Promise((resolve) => process.nextTick(resolve));
await Promise.all([backend.close(), backend.close()]);
await backend.close();
call(entries.remove(['closing:cache:a']));
await new Promise((resolve) => setImmediate(resolve));
await new Promise((resolve) => setImmediate(resolve));
// The pipes to the parent are not ours.
const left = process.getActiveResourcesInfo().filter((resource) => resource !== 'PipeWrap');
process.stdout.write(`${JSON.stringify({ outcomes, left, timers })}\n`);
