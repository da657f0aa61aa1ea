import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

// Below the range from which kernels take the ports of outgoing connections. While a server is down that will restart
// on its port, any client could take a port of that range, even a client of this server.
const FIRST = 20_000;
const LAST = 31_999;

/**
 * A port of 127.0.0.1 on which nothing listens. Another process may take it before you do: be ready to ask again.
 *
 * @returns {Promise<number>}
 */
export async function freePort() {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = randomInt(FIRST, LAST + 1);
    if (await isFree(port)) return port;
  }
  throw new Error(`Expected a free port of 127.0.0.1 between ${FIRST} and ${LAST}; 100 tries found none.`);
}

/**
 * @param {number} port
 * @returns {Promise<boolean>}
 */
function isFree(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
