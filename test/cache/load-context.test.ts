import { executionAsyncId } from 'node:async_hooks';
import test from 'ava';
import {
  currentLoadContext,
  enclosingLoadOf,
  runLoader,
  TagTracker,
  type LoadContext,
} from '../../src/core/cache/load-context.js';
import { KeyError } from '../../src/core/shared/errors.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';

const A = { tag: 'a', nonce: '1' };
const B = { tag: 'b', nonce: '2' };
const ENGINE = {};
const of = (key: string) => ({ engine: ENGINE, key, site: undefined });

test('outside of a load there is no load context', (t) => {
  t.is(currentLoadContext(), undefined);
});

test('a load sees its own context across awaits, and no other code does', async (t) => {
  const seen = (): Promise<LoadContext | undefined> =>
    new Promise((resolve) => setImmediate(() => resolve(currentLoadContext())));
  const keys = async (): Promise<(string | undefined)[]> => [currentLoadContext()?.key, (await seen())?.key];
  const [first, second] = await Promise.all([
    runLoader(of('one'), undefined, keys),
    runLoader(of('two'), undefined, keys),
  ]);
  t.deepEqual(first, ['one', 'one']);
  t.deepEqual(second, ['two', 'two']);
  t.is(currentLoadContext(), undefined);
});

test('a nested load has its own tag tracker, or shares that of the enclosing load', async (t) => {
  const outer = new TagTracker();
  const inner = new TagTracker();
  await runLoader(of('outer'), outer, async () => {
    await runLoader(of('inner'), inner, async () => t.is(currentLoadContext()?.tracker, inner));
    await runLoader(of('plain'), undefined, async () => t.is(currentLoadContext()?.tracker, outer));
    t.is(currentLoadContext()?.tracker, outer);
  });
});

test('a load that fails ends its context', async (t) => {
  const error = await t.throwsAsync(
    runLoader(of('k'), new TagTracker(), async () => {
      throw new Error('no');
    }),
  );
  t.is(error?.message, 'no');
  t.is(currentLoadContext(), undefined);
});

test('a load finds itself by its key and its engine, however deeply nested', async (t) => {
  await runLoader(of('a'), undefined, () =>
    runLoader(of('b'), undefined, async () => {
      await Promise.resolve();
      const context = currentLoadContext();
      t.is(enclosingLoadOf(context, ENGINE, 'a')?.key, 'a');
      t.is(enclosingLoadOf(context, ENGINE, 'b')?.key, 'b');
      t.is(enclosingLoadOf(context, ENGINE, 'c'), undefined);
      t.is(enclosingLoadOf(context, {}, 'a'), undefined);
    }),
  );
});

test('work that outlives its load is not part of it any more', async (t) => {
  let left: Promise<LoadContext | undefined> | undefined;
  await runLoader(of('a'), undefined, async () => {
    left = new Promise((resolve) => setImmediate(() => resolve(currentLoadContext())));
  });
  // Another load runs, so that contexts are looked at.
  await runLoader(of('b'), undefined, async () => {
    t.is(enclosingLoadOf(await left, ENGINE, 'a'), undefined);
  });
});

test.serial('promises are no longer watched when the last of the loads has ended', async (t) => {
  // While a storage is in use, Node.js before 24 gives every promise an id of its own.
  const isWatched = async (): Promise<boolean> => {
    await Promise.resolve();
    const id = executionAsyncId();
    await Promise.resolve();
    return executionAsyncId() !== id;
  };
  const before = await isWatched();
  let endFirst = (): void => {};
  const first = runLoader(of('one'), undefined, () => new Promise<void>((resolve) => (endFirst = resolve)));
  const second = runLoader(of('two'), undefined, async () => {
    await new Promise(setImmediate);
    return currentLoadContext()?.key;
  });
  endFirst();
  await first;
  t.is(await second, 'two');
  await new Promise(setImmediate);
  t.is(await isWatched(), before);
});

test('each tag is tracked once, with its nonce', (t) => {
  const tracker = new TagTracker();
  tracker.add([A, B]);
  tracker.add([A]);
  t.true(tracker.isComplete);
  t.deepEqual(tracker.tags, [A, B]);
});

test('a tag seen with two nonces makes the tracked tags incomplete', (t) => {
  const tracker = new TagTracker();
  tracker.add([A]);
  tracker.add([{ tag: 'a', nonce: '9' }]);
  tracker.add([A]);
  t.false(tracker.isComplete);
});

test('a call with unknown tags makes the tracked tags incomplete', (t) => {
  const tracker = new TagTracker();
  tracker.add(undefined);
  tracker.add([A]);
  t.false(tracker.isComplete);
});

test('a load that calls its own key synchronously runs the inner load uncached and publishes an error event', async (t) => {
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

test('a load that calls its own key after an await does not wait for itself, however deeply nested', async (t) => {
  const { openers, clock, of } = rig(t, 1, { defaults: { loadTimeout: '2s' } });
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

test('two loads that call each other do not deadlock', async (t) => {
  const { openers, of } = rig(t);
  const { cache } = openers[0]!;
  const a = (depth: number): Promise<string> =>
    cache.getOrSet('a', async () => (depth === 0 ? 'end' : b(depth - 1)));
  const b = (depth: number): Promise<string> => cache.getOrSet('b', async () => a(depth));
  t.is(await a(2), 'end');
  t.true(of('error').length > 0);
});

test('work that outlives its load calls the same key like any other caller', async (t) => {
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
