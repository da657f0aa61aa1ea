import type { AddressInfo } from 'node:net';
import express from 'express';
import { cacheResponse } from '../../../src/adapters/express/index.js';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { Caching } from '../../../src/index.js';
import { serveWorker, type ServedBy, type WorkerContext } from '../../support/process.js';

interface Init {
  readonly url: string;
  readonly namespace: string;
}

// An instance of an application with one cached route, in a process of its own. Its handlers wait to be let go.
async function serve({ init, onStop }: WorkerContext<Init>) {
  const caching = new Caching({
    adapter: ioredis(init.url, { timeout: '20s' }),
    namespace: init.namespace,
    defaults: { ttl: '1m', storeTimeout: '20s', lockTimeout: '1m', loadTimeout: '1m' },
  });
  await caching.ready();
  onStop(() => caching.close());
  const counts = { arrived: 0, handled: 0 };
  let letGo!: () => void;
  const isLetGo = new Promise<void>((resolve) => (letGo = resolve));
  const identity = (): undefined => void counts.arrived++;
  const app = express().get(
    '/:kind',
    cacheResponse({ caching, identity, tags: ['pages'] }),
    async (request, response) => {
      const own = `${process.pid}-${++counts.handled}`;
      await isLetGo;
      if (request.params.kind === 'private') response.set('Set-Cookie', `own=${own}`);
      response.send(own);
    },
  );
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts: () => counts,
    letGo: () => letGo(),
    invalidate: async () => (await caching.cache.invalidate({ tags: ['pages'] })).acknowledged,
  };
}

export type CachedServer = ServedBy<typeof serve>;

await serveWorker(serve);
