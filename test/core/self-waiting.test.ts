import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import { KeyError } from '../../src/core/shared/errors.js';
import { fakeClock } from '../../src/testing/index.js';
import { rig, settled } from '../coherence/rig.js';

test('a load that asks for its own key at once runs the inner load uncached, and says so in an error event', async (t) => {
  const { openers, of } = rig(t);
  const { cache } = openers[0]!;
  const value = await cache.getOrSet('user:1', () => cache.getOrSet('user:1', () => 'inner'));
  t.is(value, 'inner');
  t.is(await cache.get('user:1'), 'inner');
  t.is(of('error').length, 1);
  t.like(of('error')[0], { operation: 'load', key: 'user:1' });
  t.true(of('error')[0]!.error instanceof KeyError);
  t.regex(
    String(of('error')[0]!.error),
    /^KeyError: The load of 'user:1' asks for its own key\. It would wait for itself/,
  );
});

test('a load that asks for its own key after an await does not wait for itself, however deep', async (t) => {
  const { openers, clock, of } = rig(t, 1, { loadTimeout: '2s' });
  const { cache } = openers[0]!;
  const nested = async (depth: number): Promise<string> => {
    await Promise.resolve();
    return depth === 0 ? 'innermost' : cache.getOrSet('user:1', () => nested(depth - 1));
  };
  const before = clock.now();
  t.is(await cache.getOrSet('user:1', () => nested(3)), 'innermost');
  t.is(clock.now(), before, 'no time has passed');
  t.is(of('error').length, 3);
});

test('two loads that ask for each other do not wait for each other', async (t) => {
  const { openers, of } = rig(t);
  const { cache } = openers[0]!;
  const a = (depth: number): Promise<string> =>
    cache.getOrSet('a', async () => (depth === 0 ? 'end' : b(depth - 1)));
  const b = (depth: number): Promise<string> => cache.getOrSet('b', async () => a(depth));
  t.is(await a(2), 'end');
  t.true(of('error').length > 0);
});

test('what a load leaves running asks for its key like any other call', async (t) => {
  const { openers, of } = rig(t);
  const { cache } = openers[0]!;
  let later: Promise<string> | undefined;
  await cache.getOrSet('user:1', async () => {
    later = settled().then(() => cache.getOrSet('user:1', () => 'second'));
    return 'first';
  });
  t.is(await later, 'first');
  t.is(of('error').length, 0);
});

test('a load that hangs does not hold its key: all who wait for it begin one new load together', async (t) => {
  const clock = fakeClock();
  const caching = new Caching({
    adapter: memory(),
    clock,
    defaults: { ttl: '1m', loadTimeout: '2s', lockTimeout: '2s', lease: '1s' },
  });
  void caching.cache.getOrSet('user:1', () => new Promise<string>(() => {}));
  let loads = 0;
  const load = (): string => `load ${++loads}`;
  await clock.advance(10);
  const others = Promise.all(Array.from({ length: 10 }, () => caching.cache.getOrSet('user:1', load)));
  await clock.advance(60_000);
  t.deepEqual(new Set(await others), new Set(['load 1']));
});

interface Served {
  readonly loads: number;
  /** When the last caller got its value, in ms after the first one called. */
  readonly lastAt: number;
}

/** Callers of one key whose load takes `loadMs`; one calls every `everyMs`. */
async function serve(
  t: Parameters<typeof rig>[0],
  setup: {
    readonly callers: number;
    readonly loadMs: number;
    readonly loadTimeout: number;
    readonly everyMs: number;
  },
  options: { readonly unless?: () => boolean; readonly down?: boolean; readonly maxValueBytes?: number },
): Promise<Served> {
  const { callers, loadMs, loadTimeout, everyMs } = setup;
  const { down = false, ...given } = options;
  const { openers, clock } = rig(t, 1, { loadTimeout });
  const { cache, stage } = openers[0]!;
  stage.setDown(down);
  let loads = 0;
  let lastAt = 0;
  const begunAt = clock.now();
  const calls = Array.from({ length: callers }, async (_, i) => {
    if (i * everyMs > 0) await new Promise<void>((resolve) => void clock.after(i * everyMs, resolve));
    await cache.getOrSet(
      'k',
      async () => {
        loads++;
        await new Promise<void>((resolve) => void clock.after(loadMs, resolve));
        return 'value';
      },
      given,
    );
    lastAt = clock.now() - begunAt;
  });
  await clock.advance(60_000);
  await Promise.all(calls);
  return { loads, lastAt };
}

const NOT_STORED = [
  { why: 'unless', options: { unless: () => true } },
  { why: 'it is too large', options: { maxValueBytes: 1 } },
  { why: 'the store is away', options: { down: true } },
] as const;

for (const { why, options } of NOT_STORED) {
  test(`callers of a load that outlasts loadTimeout and is not stored (${why}) are served within two loads`, async (t) => {
    const together = { callers: 30, loadMs: 300, loadTimeout: 100, everyMs: 0 };
    const served = await serve(t, together, options);
    t.true(served.loads <= 3 && served.lastAt <= 600, JSON.stringify(served));
    const long = await serve(t, { callers: 10, loadMs: 1_200, loadTimeout: 1_000, everyMs: 0 }, options);
    t.true(long.loads <= 2 && long.lastAt <= 2_400, JSON.stringify(long));
    const apart = await serve(t, { ...together, everyMs: 10 }, options);
    t.true(apart.loads <= 5 && apart.lastAt <= 290 + 600, JSON.stringify(apart));
  });
}

test('lockTimeout 0 does not wait for other processes, and still loads once in this one', async (t) => {
  const { openers, of } = rig(t, 2, { lockTimeout: 0 });
  const [here, there] = openers;
  let loads = 0;
  let finish!: () => void;
  const gate = new Promise<void>((resolve) => (finish = resolve));
  const load = async (): Promise<number> => {
    loads++;
    await gate;
    return 7;
  };
  const calls = Array.from({ length: 50 }, () => here!.cache.getOrSet('k', load));
  await settled();
  t.is(loads, 1);
  const other = there!.cache.getOrSet('k', async () => 8);
  t.is(await other, 8, 'another process loads for itself at once');
  finish();
  t.deepEqual(new Set(await Promise.all(calls)), new Set([7]));
  t.is(loads, 1);
  t.is(of('fill').length, 1);
  t.is(await here!.cache.get('k'), 7);
});
