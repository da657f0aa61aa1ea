import test from 'ava';
import fc from 'fast-check';
import { rateLimitHeaders } from '../../../src/adapters/http/index.js';
import { OptionsError, RateLimitExceededError } from '../../../src/core/shared/errors.js';
import { decisionOf, ruleDecision } from './decisions.js';

const refused = ruleDecision({ allowed: false, remaining: 0, retryAfterMs: 1_001, resetMs: 30_000 });

test('a decision becomes RateLimit-Policy and RateLimit, and an allowed one has no Retry-After', (t) => {
  t.deepEqual(rateLimitHeaders(decisionOf(ruleDecision())), {
    'RateLimit-Policy': '"default";q=100;w=60',
    RateLimit: '"default";r=12;t=30',
  });
});

test('several rules are members of one list, in order', (t) => {
  const day = ruleDecision({
    rule: 'day',
    limit: 1_000,
    perMs: 86_400_000,
    remaining: 7,
    resetMs: 3_600_000,
  });
  t.deepEqual(rateLimitHeaders(decisionOf(ruleDecision({ rule: 'burst' }), day)), {
    'RateLimit-Policy': '"burst";q=100;w=60, "day";q=1000;w=86400',
    RateLimit: '"burst";r=12;t=30, "day";r=7;t=3600',
  });
});

test('seconds are rounded up to whole numbers, and a window has at least one', (t) => {
  const headers = rateLimitHeaders(decisionOf(ruleDecision({ perMs: 1_500, resetMs: 1 })));
  t.is(headers['RateLimit-Policy'], '"default";q=100;w=2');
  t.is(headers['RateLimit'], '"default";r=12;t=1');
  t.is(rateLimitHeaders(decisionOf(ruleDecision({ perMs: 1 })))['RateLimit-Policy'], '"default";q=100;w=1');
  t.is(rateLimitHeaders(decisionOf(ruleDecision({ resetMs: 0 })))['RateLimit'], '"default";r=12;t=0');
});

test('a denial has Retry-After, rounded up, equal to t of the denying rule', (t) => {
  const headers = rateLimitHeaders(decisionOf(ruleDecision({ rule: 'day' }), refused));
  t.is(headers['Retry-After'], '2');
  t.is(headers['RateLimit'], '"day";r=12;t=30, "default";r=0;t=2');
});

test('Retry-After is at least 1', (t) => {
  t.is(rateLimitHeaders(decisionOf({ ...refused, retryAfterMs: 0 }))['Retry-After'], '1');
});

test('a permanent denial has neither Retry-After nor t', (t) => {
  const never = ruleDecision({
    allowed: false,
    limit: 0,
    remaining: 0,
    retryAfterMs: Number.POSITIVE_INFINITY,
  });
  t.deepEqual(rateLimitHeaders(decisionOf(never)), {
    'RateLimit-Policy': '"default";q=0;w=60',
    RateLimit: '"default";r=0',
  });
});

test('a concurrency rule has a quota unit and no window', (t) => {
  const slots = ruleDecision({
    rule: 'slots',
    algorithm: 'concurrency',
    limit: 4,
    perMs: 30_000,
    remaining: 1,
  });
  t.is(rateLimitHeaders(decisionOf(slots))['RateLimit-Policy'], '"slots";q=4;qu="concurrent-requests"');
});

test('a decision without rules has no empty lists', (t) => {
  t.deepEqual(rateLimitHeaders(decisionOf()), {});
});

test('a RateLimitExceededError has the headers of its decision', (t) => {
  const decision = decisionOf(refused);
  const error = new RateLimitExceededError('used up', 'login:1', decision);
  t.deepEqual(rateLimitHeaders(error), rateLimitHeaders(decision));
});

test('numbers are limited to the digits of a structured field', (t) => {
  const vast = ruleDecision({ limit: Number.MAX_SAFE_INTEGER, remaining: Number.MAX_SAFE_INTEGER });
  const headers = rateLimitHeaders(decisionOf(vast));
  t.is(headers['RateLimit-Policy'], '"default";q=999999999999999;w=60');
  t.is(headers['RateLimit'], '"default";r=999999999999999;t=30');
});

test('a name is a structured field string: quotes and backslashes escaped, the rest URL-encoded', (t) => {
  const policyOf = (rule: string) => rateLimitHeaders(decisionOf(ruleDecision({ rule })))['RateLimit-Policy'];
  t.is(policyOf('say "hi" \\ bye'), String.raw`"say \"hi\" \\ bye";q=100;w=60`);
  t.is(policyOf('grün\r\n'), '"gr%C3%BCn%0D%0A";q=100;w=60');
  t.is(policyOf('\u{1F680}'), '"%F0%9F%9A%80";q=100;w=60');
});

/** Any, and those that mean something more often than by chance. */
const character = fc.oneof(
  fc.constantFrom('"', '\\', '\r', '\n', ','),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
);

test('Property: no name breaks out of its string or of the header (header injection)', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.string({ unit: character }), (rule) => {
        const headers = rateLimitHeaders(decisionOf(ruleDecision({ rule })));
        return /^"(?:[ !#-[\]-~]|\\["\\])*";r=12;t=30$/.test(headers['RateLimit'] ?? '');
      }),
    ),
  );
});

test('legacy headers are optional', (t) => {
  const decision = decisionOf(ruleDecision());
  t.deepEqual(
    Object.keys(rateLimitHeaders(decision)).filter((name) => name.startsWith('X-')),
    [],
  );
  const {
    'X-RateLimit-Limit': limit,
    'X-RateLimit-Remaining': remaining,
    'X-RateLimit-Reset': reset,
  } = rateLimitHeaders(decision, { legacy: 'delta' });
  t.deepEqual({ limit, remaining, reset }, { limit: '100', remaining: '12', reset: '30' });
});

test('the legacy reset of a denial is its Retry-After, or absent', (t) => {
  t.is(rateLimitHeaders(decisionOf(refused), { legacy: 'delta' })['X-RateLimit-Reset'], '2');
  const never = { ...refused, retryAfterMs: Number.POSITIVE_INFINITY };
  t.false('X-RateLimit-Reset' in rateLimitHeaders(decisionOf(never), { legacy: 'delta' }));
});

test('the legacy reset can be a Unix time', (t) => {
  const before = Math.floor(Date.now() / 1_000);
  const reset = Number(
    rateLimitHeaders(decisionOf(ruleDecision()), { legacy: 'epoch' })['X-RateLimit-Reset'],
  );
  t.true(reset >= before + 30);
  t.true(reset <= Date.now() / 1_000 + 31);
});

test('unknown options are refused', (t) => {
  const decision = decisionOf(ruleDecision());
  t.throws(() => rateLimitHeaders(decision, { legacy: 'unix' as 'epoch' }), {
    instanceOf: OptionsError,
    message: "legacy of rateLimitHeaders(decision, { ... }) is 'delta' or 'epoch', and 'unix' was given.",
  });
  t.throws(() => rateLimitHeaders(decision, { draft: 8 } as object), {
    instanceOf: OptionsError,
    message: /no option 'draft'/,
  });
});
