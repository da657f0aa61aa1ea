import { Socket } from 'node:net';
import test from 'ava';
import {
  endConnection,
  waitForEndedConnections,
} from '../../../../src/adapters/ioredis/connection/watch-client.js';

test('an ended connection is waited for until its socket is closed', async (t) => {
  const order: string[] = [];
  const stream = new Socket();
  const destroy = stream._destroy.bind(stream);
  // As on a busy machine, where the event loop comes to it late.
  stream._destroy = (error, done) => void setTimeout(() => destroy(error, done), 100);
  stream.on('close', () => order.push('closed'));
  endConnection({ stream, disconnect: () => order.push('disconnected') } as never);
  await waitForEndedConnections();
  t.deepEqual(order, ['disconnected', 'closed']);
  // Once more, for a socket that is closed.
  endConnection({ stream, disconnect: () => order.push('disconnected') } as never);
  await waitForEndedConnections();
  t.is(order.length, 3);
});
