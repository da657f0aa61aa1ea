import {
  Cached,
  Caching,
  Invalidates,
  Locked,
  RateLimited,
  withContext,
  withRequestMemo,
  type CachingOptions,
  type ContextParts,
  type Verbs,
} from '../../src/index.js';

declare const caching: Caching;
declare const adapter: CachingOptions['adapter'];

export class Users {
  @Cached({ key: 'user:{0}', context: ['tenant', 'locale'], sharedTags: ['users'], memo: false })
  async find(id: string): Promise<string> {
    return id;
  }
  @Cached({ context: false })
  async all(): Promise<string> {
    return '';
  }
  @Invalidates({ keys: 'user:{0}', context: ['locale'] })
  @RateLimited({ limit: 1, per: '1m', context: false })
  @Locked({ key: 'user:{0}', context: ['locale'] })
  async save(_id: string): Promise<void> {}
}

export async function calls(tenant: string | undefined, parts: ContextParts): Promise<void> {
  const text: string = await withContext({ tenant, id: 1, big: 1n, flag: true }, async () => 'text');
  const count: number = withContext(parts, () => text.length);
  const found: Promise<number> = withRequestMemo(async () => count);
  const verbs: Verbs = caching.verbs({ context: false });
  await verbs.cache.getOrSet('key', () => found, { sharedTags: ['all'], memo: true });
  await caching.verbs({ context: ['locale'] }).locks.acquire('key');
  void new Caching({ adapter, context: ['tenant'], defaults: { memo: false } });
}
