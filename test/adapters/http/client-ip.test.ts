import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { clientIp, type ClientIpOptions } from '../../../src/adapters/http/index.js';
import { OptionsError } from '../../../src/core/shared/errors.js';

function from(remoteAddress: string | undefined, forwarded?: string | readonly string[]) {
  return { headers: { 'x-forwarded-for': forwarded }, socket: { remoteAddress } };
}

function ipOf(forwarded: string | readonly string[] | undefined, options?: ClientIpOptions): string {
  return clientIp(from('10.0.0.1', forwarded), options);
}

test('X-Forwarded-For is ignored unless proxies are trusted', (t) => {
  t.is(ipOf('1.2.3.4'), '10.0.0.1');
  t.is(ipOf('1.2.3.4, evil', { trustedProxies: 0 }), '10.0.0.1');
});

test('behind one proxy the client IP is the last entry, whatever the client sent', (t) => {
  t.is(ipOf('1.2.3.4', { trustedProxies: 1 }), '1.2.3.4');
  t.is(ipOf('6.6.6.6, 1.2.3.4', { trustedProxies: 1 }), '1.2.3.4');
  t.is(ipOf(' evil ,, \t1.2.3.4 ', { trustedProxies: 1 }), '1.2.3.4');
});

test('behind several proxies the client IP is that many entries from the right', (t) => {
  t.is(ipOf('6.6.6.6, 1.2.3.4, 10.0.0.2', { trustedProxies: 2 }), '1.2.3.4');
  t.is(ipOf('6.6.6.6, 1.2.3.4, 10.0.0.3, 10.0.0.2', { trustedProxies: 3 }), '1.2.3.4');
});

test('an entry that is not an address stops at the nearest trusted one', (t) => {
  t.is(ipOf('1.2.3.4, evil', { trustedProxies: 1 }), '10.0.0.1');
  t.is(ipOf('1.2.3.4, unknown, 10.0.0.2', { trustedProxies: 2 }), '10.0.0.2');
  t.is(ipOf('1.2.3.4, _hidden, 10.0.0.3, 10.0.0.2', { trustedProxies: 4 }), '10.0.0.3');
  t.is(ipOf('1.2.3.4,', { trustedProxies: 1 }), '10.0.0.1');
});

test('with fewer entries than proxies it is the first entry, and without entries the connection', (t) => {
  t.is(ipOf('1.2.3.4', { trustedProxies: 3 }), '1.2.3.4');
  t.is(ipOf('', { trustedProxies: 1 }), '10.0.0.1');
  t.is(ipOf(undefined, { trustedProxies: 1 }), '10.0.0.1');
});

test('several headers are joined', (t) => {
  t.is(ipOf(['6.6.6.6', '1.2.3.4, 10.0.0.2'], { trustedProxies: 2 }), '1.2.3.4');
});

test('a port in an entry is removed', (t) => {
  t.is(ipOf('1.2.3.4:4711', { trustedProxies: 1 }), '1.2.3.4');
  t.is(ipOf('[2001:db8::1]:4711', { trustedProxies: 1 }), '2001:db8::1');
  t.is(ipOf('[2001:db8::1]', { trustedProxies: 1 }), '2001:db8::1');
  t.is(ipOf('2001:db8::1', { trustedProxies: 1 }), '2001:db8::1');
  t.is(ipOf('[1.2.3.4', { trustedProxies: 1 }), '10.0.0.1');
});

test('a proxy on a Unix socket has no address; its entry counts', (t) => {
  t.is(clientIp(from(undefined, '1.2.3.4'), { trustedProxies: 1 }), '1.2.3.4');
});

test('a request without any address throws', (t) => {
  for (const request of [from(undefined), from(undefined, '1.2.3.4')]) {
    t.throws(() => clientIp(request), { instanceOf: OptionsError, message: /no client address/ });
  }
  t.throws(() => clientIp(from(undefined, 'evil'), { trustedProxies: 1 }), { message: /no client address/ });
});

test('an invalid number of proxies is refused, and so is true', (t) => {
  for (const bad of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, true, '1']) {
    t.throws(() => ipOf('1.2.3.4', { trustedProxies: bad as number }), {
      instanceOf: OptionsError,
      message:
        /^trustedProxies of clientIp\(request, \{ ... \}\) is a whole number of proxies, 0 or more, and .* was given\.$/,
    });
  }
  t.throws(() => ipOf('1.2.3.4', { trustProxy: 1 } as object), { instanceOf: OptionsError });
});

test('it reads a request of Node.js', async (t) => {
  const server = createServer((request, response) => {
    response.end(`${clientIp(request)} ${clientIp(request, { trustedProxies: 1 })}`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const headers = { 'x-forwarded-for': '6.6.6.6, 1.2.3.4' };
  const response = await fetch(`http://127.0.0.1:${port}`, { headers });
  t.is(await response.text(), '127.0.0.1 1.2.3.4');
});
