import test from 'ava';
import fc from 'fast-check';

import { milliseconds, type Duration } from '../../src/core/shared/duration.js';
import { OptionsError } from '../../src/core/shared/errors.js';

const accepted: readonly (readonly [Duration, number])[] = [
  [0, 0],
  [-0, 0],
  [250, 250],
  ['0ms', 0],
  ['250ms', 250],
  ['1s', 1_000],
  ['0.5s', 500],
  ['1.1s', 1_100],
  ['5m', 300_000],
  ['1.5h', 5_400_000],
  ['30d', 2_592_000_000],
  ['007s', 7_000],
  [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  ['1h30m', 5_400_000],
  ['1h 30m', 5_400_000],
  ['1d12h', 129_600_000],
  ['2m30s', 150_000],
  ['1h 15m 30s' as Duration, 4_530_000],
  ['90 s', 90_000],
  ['1 h', 3_600_000],
  ['10 minutes', 600_000],
  ['10min', 600_000],
  ['1 minute', 60_000],
  ['30 sec', 30_000],
  ['2 hours', 7_200_000],
  ['7 days', 604_800_000],
];

for (const [given, expected] of accepted) {
  test(`${typeof given} ${Object.is(given, -0) ? '-0' : given} is ${expected} ms`, (t) => {
    t.is(milliseconds(given, 'ttl'), expected);
  });
}

test('a fraction of a millisecond is rounded', (t) => {
  t.is(milliseconds(1.4, 'ttl'), 1);
  t.is(milliseconds(1.5, 'ttl'), 2);
  t.is(milliseconds('0.4ms', 'ttl'), 0);
  t.is(milliseconds('0.0016s', 'ttl'), 2);
});

const refused: readonly unknown[] = [
  '',
  ' ',
  '5',
  's',
  '1h; FLUSHALL',
  '1h;FLUSHALL',
  '1h\n',
  '1h\nFLUSHALL',
  ' 1h',
  '5M',
  '5 Minutes',
  '5mo',
  '1  h',
  '1h ',
  '1h  30m',
  '30m1h',
  '1h1h',
  '1h30',
  '1h-30m',
  '1h, 30m',
  '1h and 30m',
  '1hm',
  '5w',
  '1.5.5s',
  '1.s',
  '.5s',
  '1e3s',
  '0x10s',
  '1_000s',
  '+1s',
  '-1s',
  '1,5s',
  '٣s',
  'NaNs',
  'Infinitys',
  `${'9'.repeat(400)}d`,
  '104249991375d',
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -1,
  -0.4,
  2 ** 53,
  1e300,
  5n,
  true,
  null,
  undefined,
  {},
  [5],
  Symbol('5s'),
  () => 5,
  new Number(5),
  { valueOf: () => 5, toString: () => '5s' },
];

for (const [i, given] of refused.entries()) {
  const shown = typeof given === 'string' ? JSON.stringify(given).slice(0, 20) : typeof given;
  test(`invalid duration ${i}: ${shown}`, (t) => {
    t.throws(() => milliseconds(given as Duration, 'ttl'), { instanceOf: OptionsError, code: 'E_OPTIONS' });
  });
}

test('the error names the option, the expected format, the given value and examples', (t) => {
  const error = t.throws(() => milliseconds('1h; FLUSHALL' as Duration, 'ttl of @Cached on Users.find'));
  t.is(
    error.message,
    "ttl of @Cached on Users.find is a duration such as '15m', '1h30m', '90 s' or 250 (milliseconds), and " +
      "'1h; FLUSHALL' was given.",
  );
});

test('the error is one short line for any value', (t) => {
  const error = t.throws(() => milliseconds(`\r\n\u001b[31m${'x'.repeat(1e6)}` as Duration, 'ttl'));
  t.true(error.message.length < 300);
  t.notRegex(error.message, /\p{Cc}/u);
});

test('limits are inclusive and appear in the error', (t) => {
  const limits = { min: 1_000, max: 60_000 };
  t.is(milliseconds('1s', 'lease', limits), 1_000);
  t.is(milliseconds('1m', 'lease', limits), 60_000);
  t.throws(() => milliseconds(999, 'lease', limits), {
    message: /from 1000 ms to 60000 ms, and 999 was given/,
  });
  t.throws(() => milliseconds('61s', 'lease', limits), { message: /and '61s' was given/ });
  t.throws(() => milliseconds(0, 'lease', { min: 1 }), { message: /at least 1 ms, and 0 was given/ });
  t.throws(() => milliseconds(0.5, 'ttl', { min: 1 }), { message: /at least 1 ms, and 0\.5 was given/ });
});

test('Property: whole numbers of every unit convert exactly', (t) => {
  const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
  fc.assert(
    fc.property(
      fc.nat({ max: 100_000_000 }),
      fc.constantFrom('ms', 's', 'm', 'h', 'd'),
      (count, unit) => milliseconds(`${count}${unit}`, 'ttl') === count * units[unit],
    ),
  );
  t.pass();
});

test('Property: only numbers with units, the largest first, are accepted', (t) => {
  const units = ['d', 'h', 'm', 's', 'ms'];
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('1', '0', '.', 'm', 's', 'h', 'd', '-', 'e', ' ', '\n', ';') }),
      (text) => {
        const parts = [...text.matchAll(/(?<=^|[a-z]|[a-z] )\d+(?:\.\d+)? ?(ms|s|m|h|d)/g)];
        const ranks = parts.map(([, unit]) => units.indexOf(unit!));
        const valid =
          /^\d+(\.\d+)? ?(ms|s|m|h|d)( ?\d+(\.\d+)? ?(ms|s|m|h|d))*$/.test(text) &&
          !text.includes('\n') &&
          ranks.every((rank, i) => i === 0 || rank > ranks[i - 1]!);
        try {
          milliseconds(text as Duration, 'ttl');
          return valid;
        } catch (error) {
          return !valid && error instanceof OptionsError;
        }
      },
    ),
    { numRuns: 5_000 },
  );
  t.pass();
});
