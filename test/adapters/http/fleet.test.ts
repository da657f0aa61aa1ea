import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { eventually } from '../../support/eventually.js';
import { startWorker } from '../../support/process.js';
import { redisForFile } from '../../support/servers.js';
import type { CachedServer } from './cached-server.js';

const redis = redisForFile(test);
const script = new URL('cached-server.js', import.meta.url);

/** What a load balancer passes on: all instances are asked for the same host. */
async function get(url: string): Promise<string> {
  const request = httpRequest(url, { headers: { host: 'shop.example' }, agent: false });
  request.end();
  const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream];
  return text(response);
}

for (const kind of ['public', 'private'] as const) {
  const what =
    kind === 'public'
      ? 'a cold route in two processes runs one handler for a thousand requests, until a tag is invalidated'
      : 'responses that set a cookie are never shared between two processes';
  test.serial(what, async (t) => {
    t.timeout(120_000);
    const init = { url: redis().url, namespace: `fleet-${kind}-${process.pid}` };
    const workers = await Promise.all([1, 2].map(() => startWorker<CachedServer>(script, init)));
    t.teardown(() => Promise.all(workers.map((worker) => worker.stop())));
    const urls = await Promise.all(workers.map((worker) => worker.call('url')));
    const total = async (name: 'arrived' | 'handled') => {
      const counts = await Promise.all(workers.map((worker) => worker.call('counts')));
      return counts.reduce((sum, one) => sum + one[name], 0);
    };
    const count = kind === 'public' ? 1_000 : 40;
    const asked: ReturnType<typeof get>[] = [];
    while (asked.length < count) {
      for (let i = 0; i < Math.min(100, count); i++) asked.push(get(`${urls[i % 2]}/${kind}`));
      await eventually('they have arrived', async () => (await total('arrived')) === asked.length);
    }
    for (const worker of workers) await worker.call('letGo');
    const bodies = new Set(await Promise.all(asked));
    t.is(await total('handled'), kind === 'public' ? 1 : count);
    t.is(bodies.size, kind === 'public' ? 1 : count);
    if (kind === 'private') return;
    t.true(await workers[0]!.call('invalidate'));
    t.false(bodies.has(await get(`${urls[1]}/${kind}`)));
    t.is(await total('handled'), 2);
  });
}
