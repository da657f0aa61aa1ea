import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { systemClock } from '../../src/core/shared/system-clock.js';
import { Caching } from '../../src/core/caching.js';

const LONG = [2 ** 31, 30 * 86_400_000, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY];

test('a timer longer than the maximum of Node.js does not fire at once', async (t) => {
  const warnings: string[] = [];
  const warn = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', warn);
  t.teardown(() => void process.off('warning', warn));
  let ran = 0;
  const timers = LONG.map((ms) => systemClock.after(ms, () => void ran++));
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (const timer of timers) timer.cancel();
  t.is(ran, 0);
  t.deepEqual(warnings, []);
});

test('a cancelled timer does not fire', async (t) => {
  const timer = systemClock.after(1, () => t.fail());
  timer.cancel();
  await new Promise((resolve) => setTimeout(resolve, 10));
  t.pass();
});

test('options of the longest duration do not cause a polling storm', async (t) => {
  const warnings: string[] = [];
  const warn = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', warn);
  t.teardown(() => void process.off('warning', warn));
  const adapter = memory();
  const longest = Number.MAX_SAFE_INTEGER;
  const caching = new Caching({
    adapter,
    defaults: {
      ttl: longest,
      lease: longest,
      lockTimeout: longest,
      loadTimeout: longest,
      storeTimeout: longest,
    },
    locks: { wait: longest, renew: longest },
    limits: { storeTimeout: longest },
  });
  const other = new Caching({ adapter });
  t.teardown(() => Promise.all([caching.close(), other.close()]));
  let finish!: (value: number) => void;
  const held = caching.cache.getOrSet('k', () => new Promise<number>((resolve) => (finish = resolve)));
  const joined = caching.cache.getOrSet('k', () => 0);
  const lease = await other.locks.acquire('l');
  const waiting = caching.locks.acquire('l', { wait: '30d' });
  await new Promise((resolve) => setTimeout(resolve, 50));
  finish(7);
  t.deepEqual(await Promise.all([held, joined]), [7, 7]);
  await lease.release();
  await (await waiting).release();
  t.is(await caching.cache.get('k'), 7);
  t.deepEqual(warnings, []);
});
