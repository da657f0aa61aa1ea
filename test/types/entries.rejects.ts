import { Cached, CachedMany, Caching, entry, Invalidates } from '../../src/index.js';

declare const caching: Caching;

interface User {
  readonly id: string;
  readonly version: number;
}

export class Users {
  @Cached({ key: 'user:{0}' })
  async find(id: string): Promise<User> {
    return { id, version: 1 };
  }
  @Cached()
  static async count(_of: 'users' | 'groups'): Promise<number> {
    return 1;
  }
  @CachedMany({ key: 'user:{0}' })
  async findMany(ids: readonly string[]): Promise<Map<string, User>> {
    return new Map(ids.map((id) => [id, { id, version: 1 }]));
  }
  sync(): string {
    return '';
  }

  // error: Argument of type '"fetch"' is not assignable to parameter of type '"count" | "find" | "findMany" | 
  @Invalidates({ entries: (_, user) => [entry(Users, 'fetch', user.id)] })
  async ofRenamedMethod(user: User): Promise<void> {
    void user;
  }
  // error: Argument of type 'number' is not assignable to parameter of type 'string'
  @Invalidates({ entries: (_, user) => [entry(Users, 'find', user.version)] })
  async ofAnotherParameter(user: User): Promise<void> {
    void user;
  }
  // error: Expected 3 arguments, but got 2
  @Invalidates({ entries: () => [entry(Users, 'find')] })
  async ofMissingParameter(user: User): Promise<void> {
    void user;
  }
  // error: Expected 3 arguments, but got 4
  @Invalidates({ entries: (_, user) => [entry(Users, 'find', user.id, 'de')] })
  async ofRemovedParameter(user: User): Promise<void> {
    void user;
  }
  // error: Argument of type '"sync"' is not assignable to parameter of type
  @Invalidates({ entries: () => [entry(Users, 'sync')] })
  async ofSyncMethod(user: User): Promise<void> {
    void user;
  }
  // error: Property 'mail' does not exist on type 'User'
  @Invalidates({ entries: (result) => [entry(Users, 'find', result.mail)] })
  async ofUnknownProperty(user: User): Promise<User> {
    return user;
  }
  // error: Type 'string' is not assignable to type 'EntryReference'
  @Invalidates({ entries: () => ['user:42'] })
  async ofKey(user: User): Promise<void> {
    void user;
  }
}

export async function calls(users: Users): Promise<void> {
  // error: Argument of type '"fnid"' is not assignable to parameter of type
  await caching.cache.invalidate({ entries: [entry(users, 'fnid', '42')] });
  // error: Argument of type '"planets"' is not assignable to parameter of type '"groups" | "users"'
  await caching.cache.invalidate({ entries: [entry(Users, 'count', 'planets')] });
  // error: Type 'number' is not assignable to type 'string'
  await caching.cache.invalidate({ entries: [entry(Users, 'findMany', [42])] });
  // error: Argument of type '"find"' is not assignable to parameter of type 'never'
  await caching.cache.invalidate({ entries: [entry({}, 'find', '42')] });
  // error: Argument of type 'string' is not assignable to parameter of type 'object'
  entry('Users', 'find', '42');
  // error: Property '[BRAND]' is missing in type
  await caching.cache.invalidate({ entries: [{ service: Users, method: 'find', args: ['42'] }] });
}
