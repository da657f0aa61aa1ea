import test from 'ava';
import { decide } from '../../src/core/limits/decide.js';
import { DenialCache } from '../../src/core/limits/denial-cache.js';
import { LIMIT_DEFAULTS } from '../../src/core/limits/limit-options.js';
import type { LimitCall } from '../../src/core/limits/limit-call.js';
import { resolveRules, storeRules, type Rule } from '../../src/core/limits/rules.js';
import { setClock } from './algorithms/rate-rig.js';
import { deferred } from '../support/deferred.js';
import { limitRig, type LimitRig } from './limit-rig.js';
import { settled } from '../support/settled.js';

const RULE = { limit: 4, per: '1m' } as const;

/** A rig whose key `k` is used up and known to be. */
async function refusedRig(...[t, options]: Parameters<typeof limitRig>): Promise<LimitRig> {
  const rig = limitRig(t, options);
  await rig.limits.consume('k', RULE, { cost: 4 });
  t.like(await rig.limits.consume('k', RULE), { allowed: false, source: 'store' });
  return rig;
}

function asked({ chaos }: LimitRig): number {
  return chaos.verbs.filter((verb) => verb === 'rates.consume').length;
}

test('a cached denial is returned without a request until it expires', async (t) => {
  const rig = await refusedRig(t);
  const { limits, clock } = rig;
  await clock.advance(5_000);
  t.like(await limits.consume('k', RULE), {
    allowed: false,
    source: 'denialCache',
    limit: 4,
    remaining: 0,
    rule: 'gcra-60000',
    retryAfterMs: 10_000,
    resetMs: 55_000,
    rules: { 0: { rule: 'gcra-60000', allowed: false, used: 4, retryAfterMs: 10_000, resetMs: 55_000 } },
  });
  await clock.advance(9_999);
  t.like(await limits.consume('k', RULE), { source: 'denialCache', retryAfterMs: 1 });
  t.is(asked(rig), 2);
  await clock.advance(1);
  t.like(await limits.consume('k', RULE), { allowed: true, source: 'store' });
  t.is(asked(rig), 3);
});

test('a cached denial applies to equal and higher costs only', async (t) => {
  const rig = limitRig(t);
  const { limits } = rig;
  await limits.consume('k', RULE, { cost: 2 });
  t.like(await limits.consume('k', RULE, { cost: 3 }), { allowed: false, source: 'store' });
  t.like(await limits.consume('k', RULE, { cost: 4 }), { allowed: false, source: 'denialCache' });
  t.like(await limits.consume('k', RULE, { cost: 2 }), { allowed: true, source: 'store' });
});

test('a cached denial applies to its key and to equal rules only', async (t) => {
  const { limits } = await refusedRig(t);
  const sources = async (rule: Rule | readonly Rule[], key = 'k'): Promise<string> =>
    (await limits.consume(key, rule)).source;
  t.is(await sources({ ...RULE }), 'denialCache');
  t.is(await sources({ ...RULE, per: 60_000 }), 'denialCache');
  t.is(await sources([{ ...RULE }]), 'denialCache');
  t.is(await sources({ ...RULE, limit: 5 }), 'store');
  t.is(await sources({ ...RULE, burst: 5 }), 'store');
  t.is(await sources({ ...RULE, name: 'other' }), 'store');
  t.is(await sources([RULE, { limit: 1, per: '1h' }]), 'store');
  t.is(await sources(RULE, 'other'), 'store');
});

test('denials of several rules of one key are cached side by side', async (t) => {
  const { limits } = await refusedRig(t);
  const other = { limit: 1, per: '1h' } as const;
  await limits.consume('k', other);
  t.is((await limits.consume('k', other)).source, 'store');
  t.is((await limits.consume('k', other)).source, 'denialCache');
  t.is((await limits.consume('k', RULE)).source, 'denialCache');
});

test('peek, penalties and calls with denialCache: false ask the store', async (t) => {
  const rig = await refusedRig(t);
  const { limits } = rig;
  t.is((await limits.peek('k', RULE)).source, 'store');
  t.is((await limits.consume('k', RULE, { cost: 0 })).source, 'store');
  t.is((await limits.consume('k', RULE, { denialCache: false })).source, 'store');
  t.is((await limits.penalty('k', RULE)).source, 'store');
});

test('denials of peek, of penalties and of calls with denialCache: false are not cached', async (t) => {
  const { limits } = limitRig(t);
  await limits.penalty('k', RULE, 9);
  await limits.peek('k', RULE);
  await limits.consume('k', RULE, { cost: 0 });
  await limits.consume('k', RULE, { denialCache: false });
  t.is((await limits.consume('k', RULE)).source, 'store');
});

test('with denialCache: false by default only calls with denialCache: true use it', async (t) => {
  const { limits } = await refusedRig(t, { limits: { denialCache: false } });
  t.is((await limits.consume('k', RULE)).source, 'store');
  await limits.consume('k', RULE, { denialCache: true });
  t.is((await limits.consume('k', RULE, { denialCache: true })).source, 'denialCache');
});

test('run uses cached denials too', async (t) => {
  const rig = await refusedRig(t);
  const error = await t.throwsAsync(rig.limits.run('k', RULE, () => t.fail()));
  t.like(error, { code: 'E_RATE_LIMIT_EXCEEDED', decision: { source: 'denialCache' } });
  t.is(asked(rig), 2);
});

test('a block is cached as a block', async (t) => {
  const rig = limitRig(t);
  await rig.limits.block('k', '10s');
  await rig.limits.consume('k', RULE);
  await rig.clock.advance(1_000);
  const decision = await rig.limits.consume('k', RULE);
  t.like(decision, { allowed: false, source: 'denialCache', rule: 'block', retryAfterMs: 9_000 });
});

for (const full of ['alone', 'beside a window'] as const) {
  test(`a denial for lack of a concurrency slot is never cached (${full})`, async (t) => {
    const rig = limitRig(t);
    const slots: Rule = { algorithm: 'concurrency', limit: 1 };
    const rules = full === 'alone' ? slots : [slots, { limit: 1, per: '1m' } as const];
    const release = deferred();
    const first = rig.limits.run('k', rules, () => release.promise);
    await settled();
    await t.throwsAsync(rig.limits.run('k', rules, () => t.fail()));
    const before = asked(rig);
    await t.throwsAsync(rig.limits.run('k', rules, () => t.fail()));
    t.is(asked(rig), before + 1);
    release.resolve();
    await first;
  });
}

test('a denial of a window beside a free concurrency slot is cached', async (t) => {
  const rig = limitRig(t);
  const rules: Rule[] = [{ algorithm: 'concurrency', limit: 1 }, RULE];
  await rig.limits.consume('k', RULE, { cost: 4 });
  await t.throwsAsync(rig.limits.run('k', rules, () => t.fail()));
  const before = asked(rig);
  await t.throwsAsync(rig.limits.run('k', rules, () => t.fail()));
  t.is(asked(rig), before);
});

// --- what drops a refusal ------------------------------------------------------------------------------------------------

const DROPS: Readonly<Record<string, (rig: LimitRig) => Promise<void>>> = {
  'a refund here': ({ limits }) => limits.refund('k', RULE, 4),
  'a refund elsewhere': ({ other }) => other.refund('k', RULE, 4),
  'a reset here': ({ limits }) => limits.reset('k', RULE),
  'a reset elsewhere': ({ other }) => other.reset('k', RULE),
};

for (const [what, drop] of Object.entries(DROPS)) {
  test(`${what} removes a cached denial`, async (t) => {
    const rig = await refusedRig(t);
    await drop(rig);
    t.like(await rig.limits.consume('k', RULE), { allowed: true, source: 'store' });
  });
}

for (const who of ['here', 'elsewhere'] as const) {
  test(`a block ${who} removes a cached denial`, async (t) => {
    const rig = await refusedRig(t);
    await (who === 'here' ? rig.limits : rig.other).block('k', '1h');
    t.like(await rig.limits.consume('k', RULE), { rule: 'block', source: 'store' });
  });
}

test('a refund of a failed run removes a cached denial', async (t) => {
  const rig = limitRig(t);
  const crash = deferred();
  const run = rig.limits.run('k', RULE, () => crash.promise, { cost: 4, refundOnError: true });
  await settled();
  t.false((await rig.limits.consume('k', RULE)).allowed);
  crash.reject(new Error('no'));
  await t.throwsAsync(run, { message: 'no' });
  t.like(await rig.limits.consume('k', RULE), { allowed: true, source: 'store' });
});

test('a reset removes a cached denial even if the store is unavailable', async (t) => {
  const rig = await refusedRig(t);
  rig.chaos.fail('rates.reset', 'refused');
  await t.throwsAsync(rig.limits.reset('k', RULE), { code: 'E_STORE_UNAVAILABLE' });
  t.is((await rig.limits.consume('k', RULE)).source, 'store');
});

for (const drop of ['elsewhere', 'here'] as const) {
  test(`a denial whose reply arrives after a reset ${drop} is not cached`, async (t) => {
    const rig = limitRig(t);
    await rig.limits.consume('k', RULE, { cost: 4 });
    const { release } = rig.chaos.hold('rates.consume', 'reply');
    const late = rig.limits.consume('k', RULE);
    await settled();
    await (drop === 'here' ? rig.limits : rig.other).reset('k', RULE);
    release();
    t.false((await late).allowed);
    t.like(await rig.limits.consume('k', RULE), { allowed: true, source: 'store' });
  });
}

test('a denial whose reply arrives after the reset of another key is cached', async (t) => {
  const rig = limitRig(t);
  await rig.limits.consume('k', RULE, { cost: 4 });
  const { release } = rig.chaos.hold('rates.consume', 'reply');
  const late = rig.limits.consume('k', RULE);
  await settled();
  await rig.other.reset('another', RULE);
  release();
  await late;
  t.is((await rig.limits.consume('k', RULE)).source, 'denialCache');
});

test('a cached denial expires relative to when its request was sent', async (t) => {
  const rig = limitRig(t);
  await rig.limits.consume('k', RULE, { cost: 4 });
  const { release } = rig.chaos.hold('rates.consume', 'reply');
  const late = rig.limits.consume('k', RULE);
  await settled();
  await rig.clock.advance(5_000);
  release();
  t.is((await late).retryAfterMs, 15_000);
  t.like(await rig.limits.consume('k', RULE), { source: 'denialCache', retryAfterMs: 10_000 });
  await rig.clock.advance(10_000);
  t.like(await rig.limits.consume('k', RULE), { allowed: true });
});

// --- bounds ----------------------------------------------------------------------------------------------------------------

test('a flood of denied keys and of wakeups keeps at most the maximum of cached denials', (t) => {
  const clock = setClock();
  const cache = new DenialCache(clock);
  const rules = resolveRules(RULE, 'here');
  const reading = { allowed: false, used: 4, remaining: 0, retryAfterMs: 15_000, resetMs: 60_000 };
  const call = (subject: string, limit = 4): LimitCall => ({
    key: subject,
    subject,
    method: undefined,
    rules: limit === 4 ? rules : resolveRules({ ...RULE, limit }, 'here'),
    policy: LIMIT_DEFAULTS,
    cost: 1,
    requestToken: undefined,
    force: false,
    taken: undefined,
  });
  const decision = decide(
    rules,
    storeRules(rules.activeRules, 's'),
    { blockedMs: 0, rules: [reading] },
    'store',
  );
  for (let i = 0; i < 100_000; i++) {
    cache.add(call(`s${i}`), decision, clock.ms, cache.sequence);
    if (i % 2 === 0) cache.drop(`s${i}`);
  }
  t.true(cache.size <= 10_000 && cache.size > 5_000, `${cache.size} are kept`);
  for (let limit = 1; limit <= 50; limit++) {
    cache.add(call('one', limit), decision, clock.ms, cache.sequence);
  }
  const kept = Array.from({ length: 50 }, (_, i) => cache.find(call('one', i + 1)) !== undefined);
  t.is(kept.filter(Boolean).length, 8);
  t.true(kept[49], 'the newest is kept');
  clock.ms += 15_001;
  t.is(cache.size, 0);
});
