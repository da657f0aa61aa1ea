import type { ExecutionContext } from 'ava';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { memory } from '../../../src/adapters/memory/index.js';
import type { Adapter } from '../../../src/core/ports/adapter.js';
import { Caching, type LimitOptions } from '../../../src/index.js';
import { startRedis, type RedisServer } from '../../support/servers.js';

export const PLACES = ['memory', 'redis'] as const;

/** Where hits are counted, as several instances of an application see it. */
export interface Place {
  /** One more instance: a `Caching` of its own on the same store, and the same namespace. */
  instance(): Caching;
}

let places = 0;

export function placeOf(t: ExecutionContext, kind: (typeof PLACES)[number], url: () => string): Place {
  const namespace = `http-${process.pid}-${++places}`;
  // The machine may be busy with other tests: a store that is alive has time to say so.
  const adapter: Adapter = kind === 'memory' ? memory() : ioredis(url(), { timeout: '20s' });
  return {
    instance() {
      const caching = new Caching({ adapter, namespace, limits: { storeTimeout: '20s' } });
      t.teardown(() => caching.close());
      return caching;
    },
  };
}

/** A `Caching` on a Redis of its own that is about to be killed. While that lives, it has time to answer. */
export async function onOwnRedis(
  t: ExecutionContext,
  limits: LimitOptions = {},
): Promise<{ caching: Caching; server: RedisServer }> {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const adapter = ioredis(server.url, { timeout: '2s' });
  const caching = new Caching({ adapter, limits: { storeTimeout: '2s', ...limits } });
  t.teardown(() => caching.close());
  await caching.ready();
  return { caching, server };
}
