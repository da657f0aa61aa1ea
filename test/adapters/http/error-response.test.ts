import test from 'ava';
import { rateLimitHeaders, errorResponse } from '../../../src/adapters/http/index.js';
import { memory } from '../../../src/adapters/memory/index.js';
import { Caching } from '../../../src/core/caching.js';
import {
  LoadShedError,
  LockLostError,
  LockNotObtainedError,
  LockUnavailableError,
  OptionsError,
  RateLimitExceededError,
  StoreUnavailableError,
} from '../../../src/core/shared/errors.js';
import { fakeClock } from '../../../src/testing/fake-clock.js';
import { decisionOf, ruleDecision } from './decisions.js';

const refused = ruleDecision({ rule: 'day', allowed: false, remaining: 0, retryAfterMs: 11_001 });

test('an exceeded limit is 429 with the headers of its decision', (t) => {
  const error = new RateLimitExceededError('used up', 'login:secret', decisionOf(ruleDecision(), refused));
  t.deepEqual(errorResponse(error), {
    status: 429,
    headers: { ...rateLimitHeaders(error), 'Content-Type': 'application/problem+json' },
    body: {
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: 'Quota Exceeded',
      status: 429,
      detail: 'Try again in 12 s.',
      'violated-policies': ['day'],
    },
  });
});

test('the body does not contain the key', (t) => {
  const error = new RateLimitExceededError('login:secret is used up', 'login:secret', decisionOf(refused));
  t.notRegex(JSON.stringify(errorResponse(error)), /secret/);
});

test('a permanent denial has no Retry-After', (t) => {
  const never = { ...refused, retryAfterMs: Number.POSITIVE_INFINITY };
  const refusal = errorResponse(new RateLimitExceededError('blocked', 'key', decisionOf(never)));
  t.is(refusal?.status, 429);
  t.false('Retry-After' in refusal!.headers);
  t.false('detail' in refusal!.body);
});

test('legacy headers are included', (t) => {
  const error = new RateLimitExceededError('used up', 'key', decisionOf(refused));
  t.is(errorResponse(error, { legacy: 'delta' })?.headers['X-RateLimit-Reset'], '12');
});

test('an unavailable store is 503 and never 429, and its error is not exposed', (t) => {
  const error = new StoreUnavailableError('redis://10.0.0.7:6379 does not answer', 'unknown');
  const refusal = errorResponse(error);
  t.is(refusal?.status, 503);
  t.is(refusal?.body['status'], 503);
  t.notRegex(JSON.stringify(refusal), /redis/);
});

test('a load that was shed is 503, without its key and its bound', (t) => {
  const refusal = errorResponse(new LoadShedError('user:secret', 'user:secret', 'Users.find', 7, 1_000));
  t.is(refusal?.status, 503);
  t.notRegex(JSON.stringify(refusal), /secret|Users|7/);
});

test('a lock that others hold is 409, or 423 on request, without its key', (t) => {
  const error = new LockNotObtainedError('invoice:secret is held', ['invoice:secret'], 10);
  t.deepEqual(errorResponse(error), {
    status: 409,
    headers: { 'Content-Type': 'application/problem+json' },
    body: { type: 'about:blank', title: 'Conflict', status: 409 },
  });
  t.like(errorResponse(error, { lockStatus: 423 }), { status: 423, body: { title: 'Locked', status: 423 } });
});

test('lock servers that do not answer are 503 and never 409', (t) => {
  t.is(errorResponse(new LockUnavailableError('too few answered', ['key'], []))?.status, 503);
});

test('lockStatus is 409 or 423', (t) => {
  t.throws(() => errorResponse(new Error('bug'), { lockStatus: 404 as never }), {
    instanceOf: OptionsError,
    message: 'lockStatus of errorResponse(error, { ... }) is 409 or 423, and 404 was given.',
  });
});

test('other errors return undefined', (t) => {
  for (const error of [
    new Error('bug'),
    new LockLostError('expired', ['key'], 'expired'),
    undefined,
    null,
    429,
  ]) {
    t.is(errorResponse(error), undefined);
  }
});

test('a block is 429 until it ends, without a rule', async (t) => {
  const caching = new Caching({ adapter: memory(), clock: fakeClock() });
  t.teardown(() => caching.close());
  await caching.limits.block('ada', '10s');
  const error = await t.throwsAsync(caching.limits.run('ada', { limit: 5, per: '1m' }, () => 'work'));
  const refusal = errorResponse(error);
  t.is(refusal?.status, 429);
  t.is(refusal?.headers['Retry-After'], '10');
  t.deepEqual(refusal?.body['violated-policies'], []);
});
