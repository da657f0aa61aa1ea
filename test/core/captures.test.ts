import test from 'ava';
import { Capture, capturing, currentCapture } from '../../src/core/captures.js';

const A = { tag: 'a', nonce: '1' };
const B = { tag: 'b', nonce: '2' };

test('outside of a load nothing is captured', (t) => {
  t.is(currentCapture(), undefined);
});

test('a load sees its own capture, over awaits, and no other does', async (t) => {
  const one = new Capture();
  const two = new Capture();
  const seen = (): Promise<Capture | undefined> =>
    new Promise((resolve) => setImmediate(() => resolve(currentCapture())));
  const [first, second] = await Promise.all([
    capturing(one, async () => [currentCapture(), await seen()]),
    capturing(two, async () => [currentCapture(), await seen()]),
  ]);
  t.deepEqual(first, [one, one]);
  t.deepEqual(second, [two, two]);
  t.is(currentCapture(), undefined);
});

test('a load within a load has its own capture', async (t) => {
  const outer = new Capture();
  const inner = new Capture();
  await capturing(outer, async () => {
    await capturing(inner, async () => t.is(currentCapture(), inner));
    t.is(currentCapture(), outer);
  });
});

test('a load that fails ends its capture', async (t) => {
  await t.throwsAsync(
    capturing(new Capture(), async () => {
      throw new Error('no');
    }),
    { message: 'no' },
  );
  t.is(currentCapture(), undefined);
});

test('each tag is captured once, with its nonce', (t) => {
  const capture = new Capture();
  capture.add([A, B]);
  capture.add([A]);
  t.true(capture.provable);
  t.deepEqual(capture.tagged, [A, B]);
});

test('a tag with two nonces cannot be proven, whichever came first', (t) => {
  const capture = new Capture();
  capture.add([A]);
  capture.add([{ tag: 'a', nonce: '9' }]);
  capture.add([A]);
  t.false(capture.provable);
});

test('a call that could not read its nonces cannot be proven', (t) => {
  const capture = new Capture();
  capture.add(undefined);
  capture.add([A]);
  t.false(capture.provable);
});
