import test from 'ava';
import { StoreUnavailableError } from '../../src/core/shared/errors.js';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';

test('G6 age: the ttl of an entry counts from the start of its load', async (t) => {
  const { openers, clock, of } = rig(t);
  const { cache } = openers[0]!;
  const held = new HeldLoad(new Row());
  const first = cache.getOrSet('key', held.run, { ttl: 60_000 });
  await held.entered;
  await clock.advance(40_000);
  held.finish();
  await first;
  t.is(of('fill')[0]!.ttlMs, 20_000);
  await clock.advance(19_999);
  t.true(await cache.has('key'));
  await clock.advance(2);
  t.false(await cache.has('key'));
});

test('G6 age: a load that takes longer than its ttl is not stored', async (t) => {
  const { openers, clock, of } = rig(t);
  const { cache } = openers[0]!;
  const held = new HeldLoad(new Row());
  const first = cache.getOrSet('key', held.run, { ttl: 10_000 });
  await held.entered;
  await clock.advance(10_000);
  held.finish();
  t.is(await first, 1);
  t.false(await cache.has('key'));
  t.is(of('notStored')[0]!.reason, 'expired');
});

test('a set that fails releases its lease', async (t) => {
  for (const verb of ['entries.getOrCreateNonces', 'entries.fill'] as const) {
    const { openers } = rig(t);
    const { cache, chaos } = openers[0]!;
    chaos.fail(verb, 'refused', 1);
    await t.throwsAsync(cache.set('key', 1), { instanceOf: StoreUnavailableError });
    await settled();
    // Nothing to wait for: time stands still.
    t.is(await cache.getOrSet('key', () => 2), 2);
    t.is(await cache.get('key'), 2);
  }
});
