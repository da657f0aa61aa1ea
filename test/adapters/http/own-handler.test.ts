import test from 'ava';
import { OwnHandler, RequestOverError, type Handle } from '../../../src/adapters/http/own-handler.js';

const own = (handle: Handle): OwnHandler =>
  new OwnHandler({
    handle,
    maxBytes: 0,
    now: () => 0,
    judge: () => ({ action: 'pass', reason: 'test' }),
    toStored: () => {
      throw new Error('not called');
    },
  });

test('a load that begins when its request has its response does not run the handler', async (t) => {
  let runs = 0;
  const handler = own(async () => void runs++);
  handler.end();
  await t.throwsAsync(handler.load(), { instanceOf: RequestOverError });
  t.is(runs, 0);
});

test('a handler runs once, and a second load does not get its response', async (t) => {
  let runs = 0;
  const handler = own(async () => void runs++);
  t.is(await handler.load(), null);
  await t.throwsAsync(handler.load(), { instanceOf: RequestOverError });
  t.is(await handler.run(), undefined);
  t.is(runs, 1);
});
