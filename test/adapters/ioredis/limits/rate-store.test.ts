import test, { type ExecutionContext } from 'ava';
import type { Redis } from 'ioredis';
import { replyKey } from '../../../../src/adapters/ioredis/limits/consume-script.js';
import { ALGORITHMS, TIME } from '../../../../src/adapters/ioredis/limits/lua/prelude.js';
import { slotOf } from '../../../../src/adapters/ioredis/commands/cluster-slot.js';
import { systemClock } from '../../../../src/core/shared/system-clock.js';
import { StoreUnavailableError } from '../../../../src/core/shared/errors.js';
import { hashIfLong } from '../../../../src/core/keys/key.js';
import { rateRuleKey, rateSubject } from '../../../../src/core/keys/store-keys.js';
import type {
  Algorithm,
  RateReply,
  RateRequest,
  RateRule,
  RuleReading,
} from '../../../../src/core/ports/rate-store.js';
import { rateAlgorithms } from '../../../../src/core/limits/algorithms/index.js';
import { newToken } from '../../../../src/core/shared/token.js';
import { eventually } from '../../../support/eventually.js';
import { startProxy } from '../../../support/proxy.js';
import { redisForFile, startCluster, startRedis } from '../../../support/servers.js';
import { admin, callsOf, MAJORS, ready, type Rig, type RigOptions, type Target } from '../rig.js';

const shared = redisForFile(test);

const ALL = Object.keys(rateAlgorithms) as Algorithm[];
const HOUR = 3_600_000;

interface RateRig extends Rig {
  subject(key: string): string;
  rule(key: string, algorithm: Algorithm, limit: number, perMs?: number): RateRule;
  consume(key: string, rules: readonly RateRule[], request?: Partial<RateRequest>): Promise<RateReply>;
  /** What the only rule says. */
  take(key: string, rule: RateRule, request?: Partial<RateRequest>): Promise<RuleReading>;
}

function rates(rig: Rig): RateRig {
  const subject = (key: string): string => rateSubject(rig.namespace, key);
  const consume: RateRig['consume'] = (key, rules, request) =>
    rig.backend.rates.consume({
      ...{ subject: subject(key), rules, cost: 1, token: newToken(), repeatable: false, force: false },
      ...request,
    });
  return {
    ...rig,
    subject,
    rule: (key, algorithm, limit, perMs = HOUR) => ({
      ...{ key: rateRuleKey(subject(key), algorithm), algorithm, limit, perMs, burst: limit },
    }),
    consume,
    take: async (key, rule, request) => (await consume(key, [rule], request)).rules[0]!,
  };
}

async function rateRig(t: ExecutionContext, target: Target, options?: RigOptions): Promise<RateRig> {
  return rates(await ready(t, target, options));
}

/** A rig on a server of its own, so that it can be counted and maltreated. */
async function alone(t: ExecutionContext): Promise<RateRig & { readonly side: Redis }> {
  const server = await startRedis();
  t.teardown(() => server.stop());
  return { ...(await rateRig(t, server.url)), side: admin(t, server.url) };
}

async function refused(t: ExecutionContext, call: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await t.throwsAsync(call, { instanceOf: StoreUnavailableError, message });
  t.is(error.outcome, 'refused');
}

// --- one round trip ---------------------------------------------------------------------------------------------------

test('requests of one tick are batched, 32 per script', async (t) => {
  const { rule, consume, take, side } = await alone(t);
  await take('warm', rule('warm', 'gcra', 5));
  await side.config('RESETSTAT');
  const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
  await Promise.all(keys.map((key) => consume(key, [rule(key, 'gcra', 5), rule(key, 'fixed-window', 5)])));
  t.is(await callsOf(side, 'evalsha'), 4);
  t.is(await callsOf(side, 'mget'), 4);
  t.is(await callsOf(side, 'time'), 4);
});

test('while a command is in progress, calls of later ticks are batched', async (t) => {
  const { rule, take, side } = await alone(t);
  await take('warm', rule('warm', 'gcra', 5));
  await side.config('RESETSTAT');
  const calls = [take('first', rule('first', 'gcra', 5))];
  for (let i = 0; i < 10; i++) {
    await new Promise((resolve) => process.nextTick(resolve));
    calls.push(take(`k${i}`, rule(`k${i}`, 'gcra', 5)));
  }
  await Promise.all(calls);
  t.is(await callsOf(side, 'evalsha'), 2);
});

test('a script reads the time of the server once', (t) => {
  t.is(`${TIME}${ALGORITHMS}`.match(/'TIME'/g)!.length, 1);
  t.false(ALGORITHMS.includes('now_of'));
});

test('G10 bounded delay: an expired timeout ends its own call and no other of the batch', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const proxy = await startProxy(server);
  t.teardown(() => proxy.stop());
  const rig = await rateRig(t, proxy.url);
  const { rule, take, subject, changes } = rig;
  await take('k', rule('k', 'gcra', 9));
  const heal = proxy.timeout('both');
  const within = (budget: number): Promise<RateReply> =>
    rig.backend.rates.consume(
      {
        ...{ subject: subject('k'), rules: [rule('k', 'gcra', 9)], cost: 1, token: newToken() },
        ...{ repeatable: false, force: false },
      },
      budget,
    );
  const [patient, ...hurried] = [take('k', rule('k', 'gcra', 9)), within(5), within(5), within(7)];
  for (const call of hurried) {
    const error = await t.throwsAsync(call, {
      instanceOf: StoreUnavailableError,
      message: /within the caller's [57] ms/,
    });
    t.is(error.outcome, 'unknown');
  }
  await heal();
  t.is((await patient!).used, 2);
  t.deepEqual(changes, [], "a caller's budget says nothing about the server");
});

test('CROSSSLOT: in a Cluster all keys of a subject are in one slot, and subjects are spread', async (t) => {
  const cluster = await startCluster(3);
  t.teardown(() => cluster.stop());
  for (const { Cluster: Class } of MAJORS) {
    const { rule, consume, subject } = await rateRig(t, new Class([...cluster.nodes], { lazyConnect: true }));
    const keys = Array.from({ length: 60 }, (_, i) => `k${i}`);
    const replies = await Promise.all(
      keys.map((key) =>
        consume(
          key,
          ALL.map((algorithm) => rule(key, algorithm, 5)),
          { repeatable: true },
        ),
      ),
    );
    t.true(replies.every(({ rules }) => rules.every(({ used }) => used === 1)));
    const slots = keys.map((key) => {
      const names = [subject(key), replyKey(subject(key), 'a'), ...ALL.map((one) => rule(key, one, 5).key)];
      const [slot, ...others] = new Set(names.map(slotOf));
      t.deepEqual(others, []);
      return slot;
    });
    t.true(new Set(slots).size > 30);
  }
});

// --- never more than the algorithm says -------------------------------------------------------------------------------

for (const algorithm of ALL) {
  test(`G9 rate limits: 500 concurrent calls from several connections: ${algorithm}`, async (t) => {
    const namespace = `many-${newToken()}`;
    const rigs = await Promise.all(Array.from({ length: 5 }, () => rateRig(t, shared().url, { namespace })));
    const before = await rigs[0]!.take('k', rigs[0]!.rule('k', algorithm, 50), { cost: 0 });
    t.is(before.remaining, 50);
    const readings = await Promise.all(
      rigs.flatMap(({ take, rule }) =>
        Array.from({ length: 100 }, () => take('k', rule('k', algorithm, 50))),
      ),
    );
    t.is(readings.filter(({ allowed }) => allowed).length, 50);
    t.is((await rigs[1]!.take('k', rigs[1]!.rule('k', algorithm, 50), { cost: 0 })).used, 50);
  });
}

test('G9 rate limits: the clock of a process does not matter', async (t) => {
  const namespace = `skewed-${newToken()}`;
  const wrong = (by: number) => ({ ...systemClock, now: () => systemClock.now() + by });
  const options = { namespace, timeout: '20s', connectTimeout: '20s' } as const;
  const [past, present, future] = await Promise.all(
    [-9 * HOUR, 0, 9 * HOUR].map((by) => rateRig(t, shared().url, { ...options, clock: wrong(by) })),
  );
  for (const algorithm of ALL) {
    for (const [i, { take, rule }] of [future!, past!, present!].entries()) {
      const { used, resetMs } = await take('k', rule('k', algorithm, 3));
      t.is(used, i + 1);
      t.true(resetMs <= 2 * HOUR);
    }
    t.false((await future!.take('k', future!.rule('k', algorithm, 3))).allowed);
  }
});

// --- faults -----------------------------------------------------------------------------------------------------------

test('G9 rate limits: a request whose reply was lost gets its reply when repeated, and is charged once', async (t) => {
  for (const major of MAJORS) {
    const server = await startRedis();
    t.teardown(() => server.stop());
    const proxy = await startProxy(server);
    t.teardown(() => proxy.stop());
    const { rule, consume, take } = await rateRig(t, new major.Redis(proxy.url, { lazyConnect: true }));
    const rules = ALL.map((algorithm) => rule('k', algorithm, 5));
    // From here on the server knows the script: a reply that says it does not is another matter.
    await take('warm', rule('warm', 'gcra', 5));
    const request = { token: newToken(), repeatable: true };
    const { happened } = proxy.loseNextReply(request.token);
    const error = await t.throwsAsync(consume('k', rules, request), { instanceOf: StoreUnavailableError });
    t.is(error.outcome, 'unknown');
    await happened;
    const again = await eventually('an answer', () => consume('k', rules, request).catch(() => undefined));
    t.deepEqual(
      again.rules.map(({ allowed, used }) => [allowed, used]),
      ALL.map(() => [true, 1]),
    );
    t.deepEqual(await consume('k', rules, request), again);
    const { rules: readings } = await consume('k', rules, { cost: 0 });
    t.deepEqual(
      readings.map(({ used }) => used),
      Array(6).fill(1),
    );
  }
});

test('NOSCRIPT: scripts that the server forgot are sent again and run once', async (t) => {
  const { rule, take, side, subject, backend } = await alone(t);
  const slots = rule('k', 'concurrency', 5);
  await take('k', slots, { token: 'a' });
  await side.script('FLUSH');
  t.is((await take('k', slots, { token: 'b' })).used, 2);
  await side.script('FLUSH');
  t.true(await backend.rates.renew([slots], 'a'));
  await side.script('FLUSH');
  await backend.rates.refund({
    subject: subject('k'),
    rules: [slots],
    cost: 1,
    token: 'a',
    wakeOnlyIfFull: false,
  });
  t.is((await take('k', slots, { cost: 0 })).used, 1);
});

test('foreign values at the keys of a limit are replaced without an error', async (t) => {
  const { rule, consume, subject, side, backend } = await alone(t);
  const token = newToken();
  const plants: readonly ((key: string) => Promise<unknown>)[] = [
    (key) => side.set(key, 'something'),
    (key) => side.set(key, ''),
    (key) => side.set(key, 'meter 1 2 3'),
    (key) => side.set(key, 'meter 99999999999999999999 1e999'),
    (key) => side.set(key, Buffer.from([0, 255, 10])),
    (key) => side.hset(key, 'a', '1'),
    (key) => side.rpush(key, 'a'),
    (key) => side.sadd(key, 'a'),
    (key) => side.zadd(key, 1, 'a'),
  ];
  for (const [i, plant] of plants.entries()) {
    const key = `k${i}`;
    const rules = ALL.map((algorithm) => rule(key, algorithm, 5));
    const names = [subject(key), replyKey(subject(key), token), ...rules.map((one) => one.key)];
    const planted = async (): Promise<void> => {
      for (const name of names) {
        await side.del(name);
        await plant(name);
      }
    };
    await planted();
    await t.notThrowsAsync(consume(key, rules, { cost: 0 }));
    await t.notThrowsAsync(backend.rates.renew(rules, token));
    await t.notThrowsAsync(
      backend.rates.refund({ subject: subject(key), rules, cost: 1, token, wakeOnlyIfFull: false }),
    );
    await planted();
    const { blockedMs } = await consume(key, rules, { token, repeatable: true, force: true });
    t.is(blockedMs, 0);
    await backend.rates.reset(
      subject(key),
      rules.map((one) => one.key),
    );
    const { rules: readings } = await consume(key, rules, { token: newToken() });
    t.deepEqual(
      readings.map(({ used }) => used),
      Array(6).fill(1),
    );
    await side.del(subject(key));
    await plant(subject(key));
    await backend.rates.block(subject(key), HOUR);
    t.true((await consume(key, rules)).blockedMs > HOUR / 2);
  }
});

test('G9 rate limits: a denying key without a TTL gets one: the window', async (t) => {
  const { rule, consume, subject, side } = await alone(t);
  const future = '9000000000000000';
  const plants: Record<Algorithm, (key: string) => Promise<unknown>> = {
    gcra: (key) => side.set(key, `meter ${future} ${future}`),
    'token-bucket': (key) => side.set(key, `meter ${future} ${future}`),
    'fixed-window': (key) => side.set(key, `window ${future} 99`),
    'sliding-window-counter': (key) => side.set(key, `counter ${future} 99 0`),
    'sliding-window-log': (key) => side.zadd(key, future, '1:a', future, '2:b'),
    concurrency: (key) => side.zadd(key, future, 'a', future, 'b'),
  };
  for (const algorithm of ALL) {
    const key = `of ${algorithm}`;
    const planted = rule(key, algorithm, 1);
    await plants[algorithm](planted.key);
    t.false((await consume(key, [planted])).rules[0]!.allowed, algorithm);
    const end = await side.pttl(planted.key);
    t.true(end > HOUR / 2 && end <= HOUR, `${algorithm} ends in ${end} ms`);
    t.false((await consume(key, [planted])).rules[0]!.allowed);
  }
  await side.set(subject('blocked'), future);
  t.true((await consume('blocked', [rule('blocked', 'gcra', 1)])).blockedMs > 0);
  const end = await side.pttl(subject('blocked'));
  t.true(end > HOUR / 2 && end <= HOUR);
});

test('OOM: without memory nothing is taken, and cost 0 and refunds still work', async (t) => {
  const { rule, take, subject, side, backend, changes } = await alone(t);
  const slots = rule('k', 'concurrency', 1);
  await take('k', slots, { token: 'a' });
  await take('gcra', rule('gcra', 'gcra', 1));
  await side.config('SET', 'maxmemory', '1');
  for (const algorithm of ALL) {
    await refused(t, take('new', rule('new', algorithm, 1)), /^consume was refused by redis:.*OOM/);
  }
  await refused(t, take('new', rule('new', 'gcra', 1), { repeatable: true }), /OOM/);
  await refused(t, backend.rates.block(subject('k'), HOUR), /OOM/);
  t.false((await take('gcra', rule('gcra', 'gcra', 1))).allowed);
  t.false((await take('k', slots)).allowed);
  await backend.rates.refund({
    subject: subject('k'),
    rules: [slots],
    cost: 1,
    token: 'a',
    wakeOnlyIfFull: true,
  });
  t.is((await take('k', slots, { cost: 0 })).used, 0);
  await backend.rates.reset(subject('gcra'), [rule('gcra', 'gcra', 1).key]);
  await side.config('SET', 'maxmemory', '0');
  t.is((await take('new', rule('new', 'gcra', 1))).used, 1, 'nothing was taken of what was refused');
  t.deepEqual(changes, []);
});

test('READONLY: a replica refuses', async (t) => {
  const { rule, take, side } = await alone(t);
  await take('k', rule('k', 'gcra', 2));
  await side.replicaof('127.0.0.1', '1');
  await refused(t, take('k', rule('k', 'gcra', 2)), /READONLY/);
  await side.replicaof('NO', 'ONE');
});

// --- keys -------------------------------------------------------------------------------------------------------------

test('G9 rate limits: no key is without a TTL', async (t) => {
  const { rule, consume, subject, side, backend, namespace } = await alone(t);
  for (let i = 0; i < 300; i++) {
    const key = `k${i % 7}`;
    const chosen = ALL.filter((_, n) => (i >> n) % 2 === 1 || n === i % 6);
    const rules = chosen.map((algorithm) => rule(key, algorithm, 1 + (i % 5), 60_000 + i));
    const token = `t${i % 11}`;
    const request = { token, repeatable: i % 3 === 0, force: i % 5 === 0, cost: i % 4 };
    await consume(key, rules, { ...request, cost: Math.min(request.cost, 1 + (i % 5)) });
    if (i % 4 === 1)
      await backend.rates.refund({ subject: subject(key), rules, cost: 1, token, wakeOnlyIfFull: true });
    if (i % 6 === 2) await backend.rates.renew(rules, token);
    if (i % 29 === 3) await backend.rates.block(subject(key), 60_000);
    if (i % 31 === 4)
      await backend.rates.reset(
        subject(key),
        rules.map((one) => one.key),
      );
  }
  const names = await side.keys('*');
  t.true(names.length > 20);
  t.true(names.every((name) => name.startsWith(`${namespace}:rate:{`)));
  for (const name of names) {
    const end = await side.pttl(name);
    t.true(end > 0 && end <= 5 * 120_000, `${name} ends in ${end} ms`);
  }
});

test('the prefix of a passed client is on every key and not in published names', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const side = admin(t, server.url);
  for (const major of MAJORS) {
    await side.flushall();
    const pattern = new major.Redis(server.url, { lazyConnect: true, keyPrefix: 'app:' });
    const { rule, consume, subject, backend, woken } = await rateRig(t, pattern);
    const rules = ALL.map((algorithm) => rule('k', algorithm, 5));
    await consume('k', rules, { token: 'a', repeatable: true });
    await backend.rates.block(subject('k'), HOUR);
    const names = await side.keys('*');
    t.deepEqual(
      names.toSorted(),
      [subject('k'), replyKey(subject('k'), 'a'), ...rules.map(({ key }) => key)]
        .map((key) => `app:${key}`)
        .toSorted(),
    );
    await eventually('a message', () => woken.includes(subject('k')));
    await backend.rates.reset(
      subject('k'),
      rules.map(({ key }) => key),
    );
    t.is((await side.keys('*')).length, 1, 'the memory of the request');
  }
});

test('subjects of any length and any characters count separately', async (t) => {
  const { rule, consume } = await rateRig(t, shared().url);
  const keys = ['x', 'y'].map((end) => hashIfLong('\u{1f600}'.repeat(50_000) + end));
  const odd = ['a b', "'", '"', '*', '\\', 'ü', 'a:b', 'a%7Bb'];
  for (const key of [...keys, ...odd]) {
    const { rules } = await consume(
      key,
      ALL.map((algorithm) => rule(key, algorithm, 5)),
    );
    t.deepEqual(
      rules.map(({ used }) => used),
      Array(6).fill(1),
    );
  }
});

test('sliding-window-log counts exactly for any cost and limit', async (t) => {
  const { rule, take, subject, backend } = await rateRig(t, shared().url);
  const log = rule('k', 'sliding-window-log', 3_000);
  t.is((await take('k', log, { cost: 1_700, token: 'a' })).used, 1_700);
  t.is((await take('k', log, { cost: 1_300, token: 'b' })).used, 3_000);
  t.false((await take('k', log)).allowed);
  await backend.rates.refund({
    subject: subject('k'),
    rules: [log],
    cost: 1_200,
    token: 'a',
    wakeOnlyIfFull: true,
  });
  t.is((await take('k', log, { cost: 1_000, token: 'c' })).used, 2_800);
  await backend.rates.refund({
    subject: subject('k'),
    rules: [log],
    cost: 1_000,
    token: 'a',
    wakeOnlyIfFull: true,
  });
  t.is((await take('k', log, { cost: 0 })).used, 1_800);
  t.is((await take('k', log, { cost: 10_000, force: true })).used, 3_000);
});
