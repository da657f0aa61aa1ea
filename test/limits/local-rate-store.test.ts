import test from 'ava';
import { rateRig, rateRule, SUBJECT } from './algorithms/rate-rig.js';

test('a flood of new keys keeps at most maxKeys', async (t) => {
  const { store, consume } = rateRig(1_000);
  for (let i = 0; i < 120_000; i++) {
    await consume([rateRule('gcra', 5, { key: `${i}` })], { subject: `s${i}`, repeatable: i % 2 === 0 });
    if (i % 100 === 0) await store.block(`s${i}`, 60_000);
  }
  t.true(store.size <= 3_000, `${store.size} are kept`);
});

test('keys in use keep their count during a flood of new keys', async (t) => {
  const { consume, take } = rateRig(100);
  const rule = rateRule('gcra', 3);
  for (let i = 0; i < 3; i++) {
    t.true((await take(rule)).allowed);
    for (let k = 0; k < 90; k++) await consume([rateRule('gcra', 1, { key: `${i}-${k}` })]);
  }
  t.false((await take(rule)).allowed);
});

test('expired counts, blocks and remembered replies are removed', async (t) => {
  const { clock, store, take } = rateRig();
  await take(rateRule('fixed-window', 2), { repeatable: true });
  await take(rateRule('concurrency', 2));
  await store.block(SUBJECT, 700);
  t.is(store.size, 4);
  clock.ms += 701;
  t.is(store.size, 3);
  clock.ms += 300;
  t.is(store.size, 0);
});

test('a reply to a repeatable request is remembered for at most a minute', async (t) => {
  const { clock, take } = rateRig();
  const rule = rateRule('fixed-window', 5, { perMs: 3_600_000 });
  const again = { repeatable: true, token: 'again' };
  await take(rule, again);
  clock.ms += 59_999;
  t.is((await take(rule, again)).used, 1);
  clock.ms += 2;
  t.is((await take(rule, again)).used, 2);
});

test('a new block replaces the end of the old one', async (t) => {
  const { clock, store, consume } = rateRig();
  await store.block(SUBJECT, 1_000);
  await store.block(SUBJECT, 100);
  t.is((await consume([rateRule('gcra', 1)])).blockedMs, 100);
  clock.ms += 100;
  const { blockedMs, rules } = await consume([rateRule('gcra', 1)]);
  t.is(blockedMs, 0);
  t.true(rules[0]!.allowed);
});

test('a blocked subject can be read, and is charged only if forced', async (t) => {
  const { store, consume } = rateRig();
  const rule = rateRule('fixed-window', 2);
  await store.block(SUBJECT, 1_000);
  t.like((await consume([rule])).rules[0], { allowed: true, used: 0 });
  t.like((await consume([rule], { force: true })).rules[0], { allowed: true, used: 1 });
});

test('all rules of a request are charged, or none', async (t) => {
  const { consume, look } = rateRig();
  const rules = [
    rateRule('gcra', 3),
    rateRule('sliding-window-log', 3),
    rateRule('sliding-window-counter', 3),
    rateRule('fixed-window', 2),
    rateRule('token-bucket', 3),
    rateRule('concurrency', 3),
  ];
  const used = (): Promise<number[]> => Promise.all(rules.map(async (rule) => (await look(rule)).used));
  await consume(rules);
  await consume(rules);
  const { rules: said } = await consume(rules);
  t.deepEqual(
    said.map(({ allowed }) => allowed),
    [true, true, true, false, true, true],
  );
  t.deepEqual(await used(), [2, 2, 2, 2, 2, 2]);
});
