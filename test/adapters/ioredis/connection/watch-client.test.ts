import { Duplex } from 'node:stream';
import test from 'ava';
import {
  endConnection,
  waitForEndedConnections,
} from '../../../../src/adapters/ioredis/connection/watch-client.js';

test('an ended connection is waited for until its socket is closed', async (t) => {
  const order: string[] = [];
  const stream = new Duplex({
    read() {},
    // As on a busy machine, where the event loop comes to it late.
    destroy: (error, done) => void setTimeout(() => done(error), 100),
  });
  stream.on('close', () => order.push('closed'));
  const client = { stream, disconnect: () => order.push('disconnected') };
  endConnection(client as never);
  await waitForEndedConnections();
  t.deepEqual(order, ['disconnected', 'closed']);
  // Once more, with a socket that is closed.
  endConnection(client as never);
  await waitForEndedConnections();
  t.is(order.length, 3);
});
