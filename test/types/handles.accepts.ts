import {
  Cached,
  CachedMany,
  Caching,
  type CachedHandle,
  type CachedManyHandle,
  type Peeked,
} from '../../src/index.js';

declare const caching: Caching;

/** Fails to compile unless the two are one type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;
declare function same<A, B>(proof: Same<A, B>): void;

interface User {
  readonly id: string;
}

export class Users {
  @Cached({ key: 'user:{0}' })
  async find(id: string, _fresh?: boolean): Promise<User> {
    return { id };
  }
  @Cached()
  async list(...ids: readonly number[]): Promise<readonly User[]> {
    return ids.map((id) => ({ id: String(id) }));
  }
  @Cached()
  async none(): Promise<void> {}
  @Cached()
  static async count(_of: 'users' | 'groups'): Promise<number> {
    return 1;
  }
  @CachedMany({ key: 'user:{0}' })
  async findMany(ids: string[], _fresh?: boolean): Promise<Map<string, User>> {
    return new Map(ids.map((id) => [id, { id }]));
  }
  @CachedMany({ key: 'user:{0}', returns: 'list' })
  async all(ids: readonly number[]): Promise<(User | undefined)[]> {
    return ids.map(() => undefined);
  }
  sync(): string {
    return '';
  }
  readonly field = 1;
}

export async function calls(users: Users): Promise<void> {
  const find = caching.of(users, 'find');
  same<typeof find, CachedHandle<Parameters<Users['find']>, User>>(true);
  const key: string = find.key('1');
  const peeked: Peeked<User> | undefined = await find.peek(key, true);
  const fresh: User = await find.refresh('1');
  const { acknowledged } = await find.invalidate('1');
  const text: string = await find.explain('1', acknowledged);
  const own: User = await find.original(text);
  const users2: readonly User[] = await caching.of(users, 'list').refresh(1, 2);
  const count: number = await caching.of(Users, 'count').refresh('groups');
  await caching.of(users, 'none').refresh();
  const tags: readonly string[] = peeked?.tags ?? [];
  const tier: 'l1' | 'l2' | undefined = peeked?.tier;
  void [
    fresh,
    own,
    users2,
    count,
    tags,
    tier,
    peeked?.stale,
    peeked?.ageMs,
    peeked?.ttlMs,
    peeked?.idleTtlMs,
  ];
  const many = caching.ofMany(users, 'findMany');
  same<typeof many, CachedManyHandle<Parameters<Users['findMany']>, Map<string, User>>>(true);
  const key2: string = many.key('1');
  const one: Peeked<User | undefined> | undefined = await many.peek(key2, true);
  const refreshed: Map<string, User> = await many.refresh(['1'], true);
  const { deferred } = await many.invalidate(['1']);
  const own2: Map<string, User> = await many.original(['1']);
  const why: string = await many.explain('1');
  const list: (User | undefined)[] = await caching.ofMany(users, 'all').refresh([1]);
  const first: Peeked<User | undefined> | undefined = await caching.ofMany(users, 'all').peek(1);
  void [one, refreshed, deferred, own2, why, list, first];
  const result: Promise<User> = caching.bypass(() => users.find('1'));
  const plain: number = caching.refresh(() => 1);
  void [result, plain];
}
