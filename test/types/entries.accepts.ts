import { Cached, CachedMany, Caching, entry, Invalidates, type EntryReference } from '../../src/index.js';

declare const caching: Caching;

interface User {
  readonly id: string;
  readonly mail: string;
}

class Users {
  @Cached({ key: 'user:{0}', ttl: '1m' })
  async find(id: string, _fresh?: boolean): Promise<User> {
    return { id, mail: '' };
  }
  @Cached({ ttl: '1m' })
  async byMail(mail: string): Promise<User> {
    return { id: '', mail };
  }
  @CachedMany({ key: 'user:{0}', ttl: '1m' })
  async findMany(ids: readonly string[]): Promise<Map<string, User>> {
    return new Map(ids.map((id) => [id, { id, mail: '' }]));
  }
  @Cached({ ttl: '1m' })
  static async count(_of: 'users' | 'groups'): Promise<number> {
    return 1;
  }

  @Invalidates({ entries: (_, user) => [entry(Users, 'find', user.id), entry(Users, 'byMail', user.mail)] })
  async save(user: User): Promise<void> {
    void user;
  }
  @Invalidates({
    entries(result) {
      return [entry(this, 'find', result.id, true), entry(Users, 'count', 'users')];
    },
    tags: 'users',
  })
  async rename(id: string): Promise<User> {
    return { id, mail: '' };
  }
  @Invalidates({
    timing: 'both',
    entries: (result) => (result === undefined ? [] : [entry(Users, 'find', result.id)]),
  })
  async both(id: string): Promise<User> {
    return { id, mail: '' };
  }
}

class Admins extends Users {}

abstract class Repository<Id extends string, Row> {
  @Cached({ ttl: '1m' })
  async find(_id: Id): Promise<Row | undefined> {
    return undefined;
  }
  @Invalidates({
    entries(_, id) {
      return [entry(this, 'find', id)];
    },
  })
  async remove(_id: Id): Promise<void> {}
}

export class Orders extends Repository<'o1', { readonly total: number }> {
  @Invalidates({ entries: (_, user) => [entry(Users, 'findMany', [user.id]), entry(Orders, 'find', 'o1')] })
  async place(user: User): Promise<void> {
    void user;
  }
}

export async function calls(users: Users): Promise<void> {
  const one: EntryReference = entry(users, 'find', '42');
  await caching.cache.invalidate({
    entries: [one, entry(Admins, 'find', '42'), entry(Users, 'findMany', ['1', '2'])],
  });
  await caching.cache.invalidate({ entries: [entry(Repository, 'find', '42')] });
  await caching.cache.invalidate({ entries: [entry(Users.prototype, 'find', '42')], keys: ['a'] });
}
