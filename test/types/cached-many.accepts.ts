import { CachedMany, type Caching } from '../../src/index.js';

declare const caching: Caching;

interface User {
  readonly id: string;
  readonly org: { readonly id: string };
}

export class Users {
  @CachedMany({
    key: 'user:{0}:{1}',
    tags: (user, id, locale) => [`org:${user.org.id}`, `user:${id.toUpperCase()}`, locale.trim()],
    unless: (user, id) => user.id !== id,
    ttl: (user, id, locale) => (user?.org.id === id.trim() && locale === 'en' ? '1m' : 60_000),
  })
  async map(ids: readonly string[], locale: string): Promise<Map<string, User>> {
    return new Map([[`${ids[0]} ${locale}`, { id: '1', org: { id: '1' } }]]);
  }

  @CachedMany({ key: (id) => ['user', id.toFixed()], returns: 'list', idOf: (user) => Number(user.id) })
  async list(_ids: number[]): Promise<(User | undefined)[]> {
    return [];
  }

  @CachedMany({ key: 'user:{0}', returns: 'object', tags: 'user:{0}' })
  async object(_ids: string[]): Promise<Record<string, User>> {
    return {};
  }
}

export const users: Promise<Map<string, User>> = caching.cache.getOrSetMany(
  ['1', '2'],
  async (ids) => ids.map((id) => ({ id, org: { id } })),
  {
    key: (id) => `user:${id}`,
    tags: (user, id) => [user.org.id, id],
    ttl: (user) => (user === undefined ? '5s' : '1m'),
  },
);
