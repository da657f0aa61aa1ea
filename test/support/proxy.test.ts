import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { Redis } from 'ioredis';
import { eventually } from './eventually.js';
import { startProxy, type Proxy } from './proxy.js';
import { redisForFile } from './servers.js';

const server = redisForFile(test);

async function proxyFor(t: ExecutionContext): Promise<Proxy> {
  const proxy = await startProxy(server());
  t.teardown(() => proxy.stop());
  return proxy;
}

/** A client that tries everything once, so that a test sees what the network did. */
function connectTo(t: ExecutionContext, place: { host: string; port: number }, lazyConnect = false): Redis {
  const client = new Redis({
    host: place.host,
    port: place.port,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    disconnectTimeout: 50,
    lazyConnect,
  });
  client.on('error', () => {});
  t.teardown(() => client.disconnect());
  return client;
}

async function rawSocket(t: ExecutionContext, proxy: Proxy): Promise<Socket> {
  const socket = connect(proxy.port, proxy.host);
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Unlike `once`, takes an error for what it is here: a way to close. */
function closed(emitter: Socket | Redis): Promise<void> {
  return new Promise((resolve) => {
    emitter.once(emitter instanceof Redis ? 'end' : 'close', () => resolve());
  });
}

/**
 * Whether the promise is still open after a tenth of a second, in which an undisturbed reply would have come.
 */
async function isHeld(promise: Promise<unknown>): Promise<boolean> {
  const held = Symbol('held');
  const pause = new Promise((resolve) => setTimeout(resolve, 100, held));
  return (await Promise.race([promise.catch(() => undefined), pause])) === held;
}

test('without toxics everything passes, in both directions and whatever its size', async (t) => {
  const proxy = await proxyFor(t);
  const client = connectTo(t, proxy);
  const value = Buffer.alloc(3_000_000, 'abc');
  t.is(await client.set('passes', value), 'OK');
  t.true(value.equals((await client.getBuffer('passes')) ?? Buffer.alloc(0)));
  t.is(proxy.url, `redis://127.0.0.1:${proxy.port}`);
});

test('the proxy counts its connections', async (t) => {
  const proxy = await proxyFor(t);
  t.is(proxy.connections, 0);
  const first = connectTo(t, proxy);
  const second = connectTo(t, proxy);
  await Promise.all([first.ping(), second.ping()]);
  t.is(proxy.connections, 2);
  first.disconnect();
  await eventually('one connection is left', () => proxy.connections === 1);
  t.is(proxy.accepted, 2);
});

test('latency delays a reply, and its end sets free what it held', async (t) => {
  const proxy = await proxyFor(t);
  const client = connectTo(t, proxy);
  await client.ping();
  const undoShort = proxy.latency(50);
  const start = performance.now();
  await client.ping();
  t.true(performance.now() - start >= 50);
  await undoShort();
  const undoLong = proxy.latency(3_600_000, { jitter: 1_000, direction: 'upstream' });
  const reply = client.ping();
  t.true(await isHeld(reply));
  await undoLong();
  t.is(await reply, 'PONG');
});

test('down cuts connections and refuses new ones until it is undone', async (t) => {
  const proxy = await proxyFor(t);
  const client = connectTo(t, proxy);
  await client.ping();
  const cut = closed(client);
  const undo = proxy.down();
  await cut;
  await t.throwsAsync(connectTo(t, proxy, true).connect(), { message: /ECONNREFUSED|closed/ });
  const accepted = proxy.accepted;
  await undo();
  await undo();
  t.is(await connectTo(t, proxy).ping(), 'PONG');
  t.is(proxy.accepted, accepted + 1);
});

test('down can also accept and close at once', async (t) => {
  const proxy = await proxyFor(t);
  proxy.down('close');
  const socket = await rawSocket(t, proxy);
  socket.resume();
  await closed(socket);
  t.is(socket.errored, null);
  await proxy.heal();
  t.is(await connectTo(t, proxy).ping(), 'PONG');
});

test('timeout downstream lets a command through and holds its reply', async (t) => {
  const proxy = await proxyFor(t);
  const client = connectTo(t, proxy);
  const direct = connectTo(t, server());
  await client.ping();
  const undo = proxy.timeout('downstream');
  const reply = client.set('downstream', '1');
  await eventually('the command is executed', async () => (await direct.get('downstream')) === '1');
  t.true(await isHeld(reply));
  await undo();
  t.is(await reply, 'OK');
});

test('timeout upstream holds a command, which arrives after the hole is gone, though its client has left', async (t) => {
  const proxy = await proxyFor(t);
  const client = connectTo(t, proxy);
  const direct = connectTo(t, server());
  await client.ping();
  const undo = proxy.timeout('upstream');
  const reply = client.set('upstream', '1');
  t.true(await isHeld(reply));
  t.is(await direct.get('upstream'), null);
  client.disconnect();
  await t.throwsAsync(reply);
  await undo();
  t.is(await eventually('the command landed', async () => (await direct.get('upstream')) ?? undefined), '1');
});

test('timeout in both directions looks like a connection that is only silent', async (t) => {
  const proxy = await proxyFor(t);
  const client = connectTo(t, proxy);
  await client.ping();
  proxy.timeout();
  const reply = client.ping();
  t.true(await isHeld(reply));
  t.is(client.status, 'ready');
  t.is(proxy.connections, 1);
  await proxy.heal();
  t.is(await reply, 'PONG');
});

test('timeoutOf holds what passes on the connections that have sent the text, and on no other', async (t) => {
  const proxy = await proxyFor(t);
  const [one, other] = [connectTo(t, proxy), connectTo(t, proxy)];
  await one.client('SETNAME', 'held');
  await other.client('SETNAME', 'passes');
  const undo = proxy.timeoutOf('held', 'downstream');
  const reply = one.ping();
  t.true(await isHeld(reply));
  t.is(await other.ping(), 'PONG');
  await undo();
  t.is(await reply, 'PONG');

  proxy.timeoutOf('held');
  const again = one.ping();
  t.true(await isHeld(again));
  await proxy.heal();
  t.is(await again, 'PONG');
});

test('resetPeer resets open and new connections until it is undone', async (t) => {
  const proxy = await proxyFor(t);
  const open = await rawSocket(t, proxy);
  await eventually('the proxy has it', () => proxy.connections === 1);
  const undo = proxy.resetPeer();
  await closed(open);
  t.is((open.errored as NodeJS.ErrnoException | null)?.code, 'ECONNRESET');
  const fresh = connect(proxy.port, proxy.host);
  fresh.on('error', () => {});
  await closed(fresh);
  t.is((fresh.errored as NodeJS.ErrnoException | null)?.code, 'ECONNRESET');
  await undo();
  t.is(await connectTo(t, proxy).ping(), 'PONG');
});

test('resetConnections resets the connections of the moment only', async (t) => {
  const proxy = await proxyFor(t);
  const client = connectTo(t, proxy);
  await client.ping();
  const cut = closed(client);
  proxy.resetConnections();
  await cut;
  t.is(await connectTo(t, proxy).ping(), 'PONG');
});

test('slicer splits what passes, and nothing of it is lost', async (t) => {
  const proxy = await proxyFor(t);
  proxy.slicer(3);
  const socket = await rawSocket(t, proxy);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.write('ECHO "0123456789"\r\n');
  const whole = '$10\r\n0123456789\r\n';
  await eventually('the reply is there', () => Buffer.concat(chunks).length >= whole.length);
  t.is(Buffer.concat(chunks).toString(), whole);
  t.true(chunks.length > 1);

  const value = 'x'.repeat(2_000);
  const client = connectTo(t, proxy);
  await client.set('sliced', value);
  t.is(await client.get('sliced'), value);
});

test('limitData closes a connection after so many bytes, and counts anew for the next', async (t) => {
  const proxy = await proxyFor(t);
  const undo = proxy.limitData(10);
  for (let round = 0; round < 2; round += 1) {
    const socket = await rawSocket(t, proxy);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.write('PING\r\nPING\r\nPING\r\n');
    await closed(socket);
    t.is(Buffer.concat(chunks).toString(), '+PONG\r\n+PO');
  }
  await undo();
  t.is(await connectTo(t, proxy).ping(), 'PONG');
});

test('limitData counts from the moment it is set', async (t) => {
  const proxy = await proxyFor(t);
  const socket = await rawSocket(t, proxy);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.write('PING\r\nPING\r\n');
  await eventually('both replies are there', () => Buffer.concat(chunks).length === 14);
  proxy.limitData(2);
  socket.write('PING\r\n');
  await closed(socket);
  t.is(Buffer.concat(chunks).toString(), '+PONG\r\n+PONG\r\n+P');
});

test('bandwidth slows down what passes', async (t) => {
  const proxy = await proxyFor(t);
  const client = connectTo(t, proxy);
  await client.set('wide', 'x'.repeat(10_000));
  proxy.bandwidth(100_000, { direction: 'downstream' });
  const start = performance.now();
  t.is((await client.get('wide'))?.length, 10_000);
  // The last slice of a twentieth need not be waited for.
  t.true(performance.now() - start >= 50);
});

test('loseNextReply lets the server do what was asked and the client not know', async (t) => {
  const proxy = await proxyFor(t);
  const client = connectTo(t, proxy);
  const direct = connectTo(t, server());
  await client.ping();
  const { happened } = proxy.loseNextReply();
  await t.throwsAsync(client.incr('lost'));
  await happened;
  t.is(await direct.get('lost'), '1');
  t.is(await connectTo(t, proxy).incr('lost'), 2);
});

test('loseNextReply waits for the request that matches, on whatever connection', async (t) => {
  const proxy = await proxyFor(t);
  const [first, second] = [connectTo(t, proxy), connectTo(t, proxy)];
  await Promise.all([first.ping(), second.ping()]);
  const { happened, undo } = proxy.loseNextReply('matching-key');
  t.is(await first.set('another-key', '1'), 'OK');
  t.is(await second.get('another-key'), '1');
  await t.throwsAsync(second.incr('matching-key'));
  await happened;
  t.is(await first.get('matching-key'), '1');
  await undo();
});

test('loseNextReply can be taken back', async (t) => {
  const proxy = await proxyFor(t);
  const client = connectTo(t, proxy);
  const { undo } = proxy.loseNextReply();
  await undo();
  t.is(await client.ping(), 'PONG');
});

test('several toxics act together, undoing one leaves the other, and heal ends all', async (t) => {
  const proxy = await proxyFor(t);
  const client = connectTo(t, proxy);
  await client.ping();
  proxy.timeout('downstream');
  const undo = proxy.slicer(1);
  await undo();
  const reply = client.ping();
  t.true(await isHeld(reply));
  await proxy.heal();
  t.is(await reply, 'PONG');
});

test('a half-open client still gets its reply', async (t) => {
  const proxy = await proxyFor(t);
  const slow = createServer({ allowHalfOpen: true }, (socket) => {
    socket.resume();
    socket.on('end', () => setTimeout(() => socket.end('late'), 20));
  });
  slow.listen(0, '127.0.0.1');
  await once(slow, 'listening');
  t.teardown(() => slow.close());
  const other = await startProxy({ host: '127.0.0.1', port: (slow.address() as AddressInfo).port });
  t.teardown(() => other.stop());
  const socket = connect(other.port, other.host);
  socket.end('bye');
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  t.is(chunk.toString(), 'late');
  t.is(proxy.accepted, 0);
});

test('a client of a dead server is reset, not left waiting', async (t) => {
  const proxy = await startProxy({ host: '127.0.0.1', port: 1 });
  t.teardown(() => proxy.stop());
  const socket = connect(proxy.port, proxy.host);
  socket.on('error', () => {});
  await closed(socket);
  await eventually('nothing is left of it', () => proxy.connections === 0);
  t.pass();
});

test('a stopped proxy is gone, even for what would heal it', async (t) => {
  const proxy = await startProxy(server());
  const client = connectTo(t, proxy);
  await client.ping();
  const undo = proxy.down();
  await proxy.stop();
  await undo();
  await proxy.heal();
  await t.throwsAsync(connectTo(t, proxy, true).connect());
});
