/** A TCP proxy in front of a server of this machine. Requests pass at once; replies are delayed by what `delay` sets. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export async function startSlowReplies(url) {
  let delayMs = 0;
  const { hostname, port } = new URL(url);
  const sockets = new Set();
  const proxy = createServer((client) => {
    const server = connect({ host: hostname, port: Number(port) });
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        server.destroy();
        sockets.delete(socket);
      });
    }
    client.pipe(server);
    server.on('data', (chunk) => setTimeout(() => client.write(chunk), delayMs));
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    url: `redis://127.0.0.1:${proxy.address().port}`,
    delay: (ms) => (delayMs = ms),
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await once(proxy, 'close');
    },
  };
}
