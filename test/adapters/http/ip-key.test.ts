import test from 'ava';
import fc from 'fast-check';
import { ipKey } from '../../../src/adapters/http/index.js';
import { OptionsError } from '../../../src/core/shared/errors.js';

test('an IPv4 address is its own key', (t) => {
  t.is(ipKey('203.0.113.7'), '203.0.113.7');
});

test('an IPv4-mapped IPv6 address has the key of the IPv4 address, in every notation', (t) => {
  for (const form of [
    '::ffff:1.2.3.4',
    '::FFFF:1.2.3.4',
    '::ffff:102:304',
    '::ffff:0102:0304',
    '0:0:0:0:0:ffff:1.2.3.4',
    '0000:0000:0000:0000:0000:ffff:0102:0304',
    '::ffff:1.2.3.4%eth0',
  ]) {
    t.is(ipKey(form), '1.2.3.4', form);
  }
});

test('an IPv6 address that resembles a mapped one is not IPv4', (t) => {
  t.is(ipKey('::1.2.3.4'), '::/64');
  t.is(ipKey('::fffe:1.2.3.4'), '::/64');
  t.is(ipKey('1::ffff:1.2.3.4'), '1::/64');
  t.is(ipKey('::ffff:0:1.2.3.4', { v6Prefix: 128 }), '::ffff:0:102:304/128');
});

test('the key of an IPv6 address is the canonical text of its /64', (t) => {
  for (const form of [
    '2001:db8:0:1::1',
    '2001:0DB8:0000:0001:ffff:ffff:ffff:ffff',
    '2001:db8:0:1:2:3:192.0.2.1',
    '2001:db8::1:0:0:0:9',
  ]) {
    t.is(ipKey(form), '2001:db8:0:1::/64', form);
  }
  t.is(ipKey('::'), '::/64');
  t.is(ipKey('::1'), '::/64');
});

test('the zone of an IPv6 address is ignored', (t) => {
  t.is(ipKey('fe80::1%eth0'), ipKey('fe80::2%eth1'));
  t.is(ipKey('fe80::1%eth0'), 'fe80::/64');
});

test('another prefix is possible, also within a group', (t) => {
  const address = '2001:db8:1234:56ff:1::1';
  t.is(ipKey(address, { v6Prefix: 128 }), '2001:db8:1234:56ff:1::1/128');
  t.is(ipKey(address, { v6Prefix: 56 }), '2001:db8:1234:5600::/56');
  t.is(ipKey(address, { v6Prefix: 48 }), '2001:db8:1234::/48');
  t.is(ipKey(address, { v6Prefix: 3 }), '2000::/3');
  t.is(ipKey(address, { v6Prefix: 1 }), '::/1');
  t.is(ipKey('203.0.113.7', { v6Prefix: 48 }), '203.0.113.7');
  t.is(ipKey('::ffff:203.0.113.7', { v6Prefix: 48 }), '203.0.113.7');
});

test('a string that is not an address is refused', (t) => {
  for (const bad of [
    '',
    ' 1.2.3.4',
    '1.2.3',
    '01.2.3.4',
    '1.2.3.256',
    '1.2.3.4:80',
    '1.2.3.4/24',
    '1.2.3.4%eth0',
    '[::1]',
    '[::1]:80',
    '2001:db8::/64',
    ':::',
    '1:2:3:4:5:6:7:8:9',
    'localhost',
    'unknown',
    undefined,
    null,
    2_130_706_433,
  ]) {
    t.throws(() => ipKey(bad as string), { instanceOf: OptionsError, message: /^ipKey takes an IP address/ });
  }
});

test('the error for brackets and a port names the part to remove', (t) => {
  t.throws(() => ipKey('[::1]:80'), {
    message:
      "ipKey takes an IP address such as '203.0.113.7' or '2001:db8::1', without brackets, port or prefix, and " +
      "'[::1]:80' was given.",
  });
});

test('an invalid prefix is refused', (t) => {
  for (const bad of [0, -1, 129, 63.5, Number.NaN, '64']) {
    t.throws(() => ipKey('::1', { v6Prefix: bad as number }), {
      instanceOf: OptionsError,
      message: /v6Prefix/,
    });
  }
  t.throws(() => ipKey('::1', { prefix: 64 } as object), { instanceOf: OptionsError, message: /'prefix'/ });
});

// --- For any address ---

const group = fc.integer({ min: 0, max: 0xffff });
const ipv6 = fc.array(group, { minLength: 8, maxLength: 8 }).filter((groups) => !isMapped(groups));
const isMapped = (groups: readonly number[]) =>
  groups.slice(0, 5).every((one) => one === 0) && groups[5] === 0xffff;
const written = (groups: readonly number[]) => groups.map((one) => one.toString(16)).join(':');

test('Property: all addresses of one /64 have one key', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(ipv6, fc.array(group, { minLength: 4, maxLength: 4 }), (address, host) => {
        const neighbour = [...address.slice(0, 4), ...host];
        return isMapped(neighbour) || ipKey(written(address)) === ipKey(written(neighbour));
      }),
    ),
  );
});

test('Property: addresses of two /64 have two keys', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(ipv6, ipv6, (one, other) => {
        const same = written(one.slice(0, 4)) === written(other.slice(0, 4));
        return same === (ipKey(written(one)) === ipKey(written(other)));
      }),
    ),
  );
});

test('Property: two IPv4 addresses have two keys in every notation', (t) => {
  const forms = ([a, b, c, d]: readonly number[]) => [
    `${a}.${b}.${c}.${d}`,
    `::ffff:${a}.${b}.${c}.${d}`,
    `::ffff:${((a! << 8) | b!).toString(16)}:${((c! << 8) | d!).toString(16)}`,
  ];
  const ipv4 = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 });
  t.notThrows(() =>
    fc.assert(
      fc.property(ipv4, ipv4, (one, other) => {
        const keys = new Set([...forms(one), ...forms(other)].map((form) => ipKey(form)));
        return keys.size === new Set([one.join('.'), other.join('.')]).size;
      }),
    ),
  );
});

test('Property: the text before the slash is an address with the same key', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(ipv6, fc.integer({ min: 1, max: 128 }), (address, v6Prefix) => {
        const key = ipKey(written(address), { v6Prefix });
        const [prefix, bits] = key.split('/');
        return bits === String(v6Prefix) && ipKey(prefix!, { v6Prefix }) === key;
      }),
    ),
  );
});
