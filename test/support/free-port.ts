import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

// Below the range from which kernels take the ports of outgoing connections. A port from that range could be
// taken by any client while a server that is to come back on it is down, even by a client of that very
// server.
const FIRST = 20_000;
const LAST = 31_999;

/**
 * A port of 127.0.0.1 on which nothing listens. Somebody else may take it before you do: be ready to ask
 * again.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = randomInt(FIRST, LAST + 1);
    if (await isFree(port)) return port;
  }
  throw new Error(`Expected a free port of 127.0.0.1 between ${FIRST} and ${LAST}; 100 tries found none.`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
