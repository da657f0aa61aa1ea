import test from 'ava';
import { ReleaseRetries } from '../../src/core/shared/release-retries.js';
import { fakeClock } from '../../src/testing/fake-clock.js';
import { rig } from '../support/rig.js';
import { limitRig } from '../limits/limit-rig.js';

test('a failed release is retried until it succeeds or the lease has ended', async (t) => {
  const clock = fakeClock();
  const releases = new ReleaseRetries(clock);
  let away = true;
  const tried: string[] = [];
  const attempt = (what: string) => async (): Promise<void> => {
    tried.push(what);
    if (away) throw new Error('away');
  };
  const attempts = (what: string): number => tried.filter((one) => one === what).length;
  releases.add(attempt('short'), clock.now() + 200);
  await releases.release(attempt('long'), clock.now() + 60_000);
  t.is(attempts('long'), 1, 'release tries at once');
  t.is(attempts('short'), 0, 'add does not');
  await clock.advance(1_000);
  const short = attempts('short');
  t.true(short >= 1 && short < attempts('long'));
  away = false;
  await clock.advance(1_000);
  const long = attempts('long');
  await clock.advance(60_000);
  t.is(attempts('long'), long, 'it has succeeded');
  t.is(attempts('short'), short);
  t.is(clock.timers, 0);
  // The next outage begins with the short pause again.
  away = true;
  releases.add(attempt('later'), clock.now() + 60_000);
  await clock.advance(100);
  t.true(attempts('later') >= 1);
  releases.close();
  releases.add(attempt('too late'), clock.now() + 60_000);
  const later = attempts('later');
  await clock.advance(60_000);
  t.is(attempts('later'), later);
  t.is(attempts('too late'), 0);
});

test('a load lease granted after its caller gave up is released soon', async (t) => {
  const { openers, clock, store, namespace } = rig(t, 1, { defaults: { lease: '1m' } });
  const { cache, chaos } = openers[0]!;
  chaos.fail('entries.lease', 'reply lost', 1);
  chaos.fail('entries.release', 'refused', 1);
  t.is(await cache.getOrSet('key', () => 'alone'), 'alone');
  t.not(
    (await store.entries.read(`${namespace}:cache:key`, [])).record,
    null,
    'the lease is there, and nobody holds it',
  );
  await clock.advance(200);
  t.is((await store.entries.read(`${namespace}:cache:key`, [])).record, null);
});

test('a concurrency slot granted after its caller gave up is released soon', async (t) => {
  const rule = { algorithm: 'concurrency', limit: 1, lease: '1m' } as const;
  const { limits, clock, chaos, used } = limitRig(t);
  chaos.fail('rates.consume', 'reply lost', 1);
  chaos.fail('rates.refund', 'refused', 1);
  await limits.run('key', rule, () => undefined);
  t.is(await used('key', rule), 1, 'the slot is taken, and nobody holds it');
  await clock.advance(200);
  t.is(await used('key', rule), 0);
});

test('a concurrency slot that cannot be released is released once the store is available again', async (t) => {
  const rule = { algorithm: 'concurrency', limit: 1, lease: '1m' } as const;
  const { limits, clock, chaos, used } = limitRig(t);
  chaos.fail('rates.refund', 'refused', 1);
  await limits.run('key', rule, () => undefined);
  t.is(await used('key', rule), 1);
  await clock.advance(200);
  t.is(await used('key', rule), 0);
});
