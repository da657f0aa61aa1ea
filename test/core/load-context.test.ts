import { executionAsyncId } from 'node:async_hooks';
import test from 'ava';
import {
  currentLoadContext,
  enclosingLoadOf,
  runLoader,
  TagTracker,
  type LoadContext,
} from '../../src/core/cache/load-context.js';

const A = { tag: 'a', nonce: '1' };
const B = { tag: 'b', nonce: '2' };
const ENGINE = {};
const of = (key: string) => ({ engine: ENGINE, key, site: undefined });

test('outside of a load there is no load context', (t) => {
  t.is(currentLoadContext(), undefined);
});

test('a load sees its own context, over awaits, and no other does', async (t) => {
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

test('a load within a load has its own tracker, or that of the load around it', async (t) => {
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

test('a load is found from within itself, however deep, by its key and its engine', async (t) => {
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

test('work that a load leaves running is not part of it when the load has ended', async (t) => {
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

test('a tag that was seen with two nonces makes the tags incomplete, whichever came first', (t) => {
  const tracker = new TagTracker();
  tracker.add([A]);
  tracker.add([{ tag: 'a', nonce: '9' }]);
  tracker.add([A]);
  t.false(tracker.isComplete);
});

test('a call whose tags are not known makes the tags incomplete', (t) => {
  const tracker = new TagTracker();
  tracker.add(undefined);
  tracker.add([A]);
  t.false(tracker.isComplete);
});
