import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import { RateLimitExceededError, StoreUnavailableError } from '../../src/core/shared/errors.js';
import type { Rule } from '../../src/core/limits/rules.js';
import { limitRig } from './limit-rig.js';

const MINUTE = { limit: 2, per: '1m' } as const;
const CLOSED = { name: 'closed', limit: 0, per: '1m' } as const;

// --- decisions ---------------------------------------------------------------------------------------------------------

test('a decision contains limit, remaining and reset of its rule', async (t) => {
  const { limits } = limitRig(t);
  const rule = {
    rule: 'gcra-60000',
    algorithm: 'gcra',
    allowed: true,
    limit: 2,
    perMs: 60_000,
    used: 1,
    remaining: 1,
    retryAfterMs: 0,
    resetMs: 30_000,
  };
  t.deepEqual(await limits.consume('k', MINUTE), {
    allowed: true,
    limit: 2,
    remaining: 1,
    retryAfterMs: 0,
    resetMs: 30_000,
    rule: 'gcra-60000',
    source: 'store',
    rules: [rule],
  });
});

test('of several rules the one with the least remaining decides; resetMs covers all of them', async (t) => {
  const { limits } = limitRig(t);
  const rules: Rule[] = [
    { name: 'wide', algorithm: 'fixed-window', limit: 10, per: '1h' },
    { name: 'narrow', algorithm: 'fixed-window', limit: 3, per: '1s' },
    { name: 'slow', algorithm: 'gcra', limit: 6, per: '1m', burst: 4 },
  ];
  t.like(await limits.consume('k', rules), { rule: 'narrow', limit: 3, remaining: 2, retryAfterMs: 0 });
  t.like(await limits.consume('k', rules, { cost: 2 }), {
    allowed: true,
    rule: 'narrow',
    remaining: 0,
    retryAfterMs: 10_000,
    resetMs: 1_000,
  });
});

test('of several rules that deny, the one with the longest retryAfterMs decides', async (t) => {
  const { limits, clock } = limitRig(t);
  const rules: Rule[] = [
    { name: 'short', algorithm: 'fixed-window', limit: 1, per: '1s' },
    { name: 'long', algorithm: 'fixed-window', limit: 1, per: '1m' },
    { name: 'none', algorithm: 'fixed-window', limit: 9, per: '1h' },
  ];
  await limits.consume('k', rules);
  const refused = await limits.consume('k', rules);
  t.like(refused, { allowed: false, rule: 'long', limit: 1, remaining: 0, retryAfterMs: 60_000 });
  t.deepEqual(
    refused.rules.map(({ rule, allowed }) => [rule, allowed]),
    [
      ['short', false],
      ['long', false],
      ['none', true],
    ],
  );
  await clock.advance(1_000);
  t.like(await limits.consume('k', rules), { allowed: false, rule: 'long' });
  t.is((await limits.peek('k', rules[2]!)).rules[0]!.used, 1, 'what one refuses is taken from none');
});

test('every key and rule counts separately; all forms of a key count together', async (t) => {
  const { limits } = limitRig(t);
  await limits.consume('a:b', MINUTE, { cost: 2 });
  t.false((await limits.peek('a:b', MINUTE)).allowed);
  t.false((await limits.peek(['a', 'b'], MINUTE)).allowed);
  t.true((await limits.peek(['a:b'], MINUTE)).allowed);
  t.true((await limits.peek('a', MINUTE)).allowed);
  t.true((await limits.peek('a:b', { ...MINUTE, name: 'other' })).allowed);
  for (const key of ['{x}', 'a{b}c', '}{', '*', '__proto__', 'constructor', '\ud800', 'a\r\nDEL x']) {
    await limits.consume([key], MINUTE, { cost: 2 });
    t.false((await limits.peek([key], MINUTE)).allowed, key);
  }
  t.true((await limits.peek(['\ud801'], MINUTE)).allowed);
});

test('a cost of 0 takes nothing, like peek', async (t) => {
  const { limits } = limitRig(t);
  t.like(await limits.consume('k', MINUTE, { cost: 0 }), { allowed: true, remaining: 2 });
  await limits.consume('k', MINUTE, { cost: 2 });
  t.like(await limits.consume('k', MINUTE, { cost: 0 }), { allowed: false, retryAfterMs: 30_000 });
  t.like(await limits.peek('k', MINUTE), { allowed: false, retryAfterMs: 30_000, source: 'store' });
});

test('a limit of 0 always denies, sends no request and charges no other rule', async (t) => {
  const { limits, chaos, used } = limitRig(t);
  const decision = await limits.consume('k', [MINUTE, CLOSED]);
  t.like(decision, {
    allowed: false,
    limit: 0,
    remaining: 0,
    retryAfterMs: Infinity,
    rule: 'closed',
    source: 'none',
  });
  t.like(decision.rules[0], { rule: 'gcra-60000', allowed: true, limit: 2, used: 0, remaining: 2 });
  t.like(await limits.peek('k', CLOSED), { allowed: false, source: 'none' });
  await t.throwsAsync(
    limits.run('k', CLOSED, () => t.fail()),
    {
      instanceOf: RateLimitExceededError,
      message: "Rate limit 'closed' of 'k' is 0: it allows no call.",
    },
  );
  const slots: Rule = { algorithm: 'concurrency', limit: 0 };
  await t.throwsAsync(
    limits.run('k', slots, () => t.fail()),
    { instanceOf: RateLimitExceededError },
  );
  t.deepEqual(chaos.verbs, []);
  t.is(await used('k', MINUTE), 0);
});

test('with enabled: false nothing is denied, counted or sent', async (t) => {
  const { limits, chaos, of } = limitRig(t, { enabled: false });
  for (let i = 0; i < 5; i++) t.like(await limits.consume('k', MINUTE), { allowed: true, source: 'none' });
  t.like(await limits.peek('k', [MINUTE, CLOSED]), { allowed: true, source: 'none', retryAfterMs: 0 });
  t.like(await limits.penalty('k', MINUTE, 9), { allowed: true, source: 'none' });
  t.is(await limits.run('k', CLOSED, () => 7), 7);
  await limits.refund('k', MINUTE);
  await limits.refund('k', MINUTE);
  await limits.block('k', '1m');
  await limits.reset('k', MINUTE);
  t.deepEqual(chaos.verbs, []);
  t.deepEqual(of('limit'), []);
});

// --- events --------------------------------------------------------------------------------------------------------------

test('consume and run publish a limit event for every decision; other verbs do not', async (t) => {
  const { limits, of } = limitRig(t);
  await limits.consume('k', { ...MINUTE, limit: 1 });
  await limits.consume('k', { ...MINUTE, limit: 1 });
  await limits.consume('k', CLOSED);
  await limits.run('r', MINUTE, () => 1, { cost: 2 });
  await limits.run('d', MINUTE, () => 1, { dryRun: true });
  await limits.peek('k', MINUTE);
  await limits.penalty('k', MINUTE);
  const said = of('limit').map(({ method, key, rule, allowed, cost, source, enforced }) =>
    [method, key, rule, allowed, cost, source, enforced].join(' '),
  );
  t.deepEqual(said, [
    ' k gcra-60000 true 1 store true',
    ' k gcra-60000 false 1 store true',
    ' k closed false 1 none true',
    ' r gcra-60000 true 2 store true',
    ' d gcra-60000 true 1 store false',
  ]);
});

// --- penalty, refund, block, reset --------------------------------------------------------------------------------

test('a penalty is taken even above the limit, and expires with time', async (t) => {
  const { limits, clock } = limitRig(t);
  t.like(await limits.penalty('k', MINUTE, 4), { allowed: false, remaining: 0 });
  t.is((await limits.peek('k', MINUTE)).rules[0]!.used, 4);
  t.is((await limits.consume('k', MINUTE)).retryAfterMs, 90_000);
  await clock.advance(90_000);
  t.true((await limits.consume('k', MINUTE)).allowed);
});

test('a penalty is charged to the other rules beside a limit of 0', async (t) => {
  const { limits, used } = limitRig(t);
  t.like(await limits.penalty('k', [CLOSED, MINUTE]), { allowed: false, rule: 'closed' });
  t.is(await used('k', MINUTE), 1);
});

test('a refund returns at most the units that were taken', async (t) => {
  const { limits } = limitRig(t);
  await limits.consume('k', MINUTE, { cost: 2 });
  await limits.refund('k', MINUTE);
  t.is((await limits.peek('k', MINUTE)).remaining, 1);
  await limits.refund('k', MINUTE, 100);
  t.is((await limits.peek('k', MINUTE)).remaining, 2);
});

test('a refund with a requestId returns the units of that request', async (t) => {
  const { limits, clock } = limitRig(t);
  const log: Rule = { algorithm: 'sliding-window-log', limit: 3, per: '1m' };
  await limits.consume('k', log, { requestId: 'first' });
  await clock.advance(10_000);
  await limits.consume('k', log);
  await limits.refund('k', log, 1, { requestId: 'first' });
  t.like(await limits.peek('k', log), { remaining: 2, resetMs: 60_000 });
});

test('a block denies all calls of its key in every process until it ends', async (t) => {
  const { limits, other, clock } = limitRig(t);
  await limits.block('k', '10s');
  const refused = { allowed: false, rule: 'block', remaining: 0, retryAfterMs: 10_000 };
  t.like(await other.consume('k', MINUTE), refused);
  t.like(await limits.consume('k', MINUTE), refused);
  t.like(await limits.peek('k', MINUTE), refused);
  t.like(await limits.penalty('k', MINUTE), { ...refused, rules: { 0: { used: 1 } } });
  await t.throwsAsync(
    limits.run('k', MINUTE, () => t.fail()),
    {
      instanceOf: RateLimitExceededError,
      message: "'k' is blocked for another 10000 ms.",
    },
  );
  t.true((await limits.consume('other', MINUTE)).allowed);
  await clock.advance(10_000);
  t.true((await limits.consume('k', MINUTE)).allowed);
  t.is((await other.consume('k', MINUTE)).rule, 'gcra-60000');
});

test('a reset removes counts, block and cached denials', async (t) => {
  const { limits, other } = limitRig(t);
  await limits.penalty('k', MINUTE, 9);
  await limits.block('k', '10m');
  t.false((await limits.consume('k', MINUTE)).allowed);
  t.false((await other.consume('k', MINUTE)).allowed);
  await other.reset('k', MINUTE);
  t.like(await limits.consume('k', MINUTE), { allowed: true, remaining: 1 });
  t.like(await other.consume('k', MINUTE), { allowed: true, remaining: 0 });
});

// --- requests that come again ---------------------------------------------------------------------------------------------

test('G9 rate limits: a repeated requestId gets the same decision and is charged once, in every process', async (t) => {
  const { limits, other, used } = limitRig(t);
  const first = await limits.consume('k', MINUTE, { requestId: 'r' });
  t.deepEqual(await limits.consume('k', MINUTE, { requestId: 'r' }), first);
  t.deepEqual(await other.consume('k', MINUTE, { requestId: 'r' }), first);
  t.is(await used('k', MINUTE), 1);
});

test('a requestId applies to its key and its rules', async (t) => {
  const { limits, used } = limitRig(t);
  const again = { requestId: 'r' };
  const named = { ...MINUTE, name: 'named' };
  await limits.consume('k', MINUTE, again);
  await limits.consume('k', named, again);
  await limits.consume('other', MINUTE, again);
  await limits.consume('k', MINUTE, { requestId: 'r2' });
  t.is(await used('k', MINUTE), 2);
  t.is(await used('k', named), 1);
  t.is(await used('other', MINUTE), 1);
  const wide = { limit: 9, per: '1m' } as const;
  const ids = ['\ud800', '\ud801', 'x'.repeat(100_000), `${'x'.repeat(100_000)}y`, '{a}', 'a,b', '__proto__'];
  for (const requestId of [...ids, ...ids]) await limits.consume('ids', wide, { requestId });
  t.is(await used('ids', wide), 7);
});

test('a requestId that was denied or refunded is decided again', async (t) => {
  const { limits, clock, used } = limitRig(t);
  await limits.consume('k', MINUTE, { cost: 2 });
  t.false((await limits.consume('k', MINUTE, { requestId: 'r' })).allowed);
  await clock.advance(30_000);
  t.true((await limits.consume('k', MINUTE, { requestId: 'r' })).allowed);
  await limits.refund('k', MINUTE, 1, { requestId: 'r' });
  t.is(await used('k', MINUTE), 1);
  t.true((await limits.consume('k', MINUTE, { requestId: 'r' })).allowed);
  t.is(await used('k', MINUTE), 2);
});

// --- closing ---------------------------------------------------------------------------------------------------------------

test('after close calls fail with StoreUnavailableError, and other users of the store continue', async (t) => {
  const { caching, limits, other } = limitRig(t);
  await caching.close();
  await t.throwsAsync(limits.consume('k', MINUTE, { onUnavailable: 'deny' }), {
    instanceOf: StoreUnavailableError,
    message: 'This Caching is closed.',
  });
  t.true((await other.consume('k', MINUTE)).allowed);
});

test('one shared memory adapter counts per namespace for all its users', async (t) => {
  const adapter = memory();
  const [a, b, c] = ['one', 'one', 'two'].map((namespace) => new Caching({ adapter, namespace }));
  await a!.limits.consume('k', MINUTE, { cost: 2 });
  t.false((await b!.limits.consume('k', MINUTE)).allowed);
  t.true((await c!.limits.consume('k', MINUTE)).allowed);
  await Promise.all([a!.close(), b!.close(), c!.close()]);
});
