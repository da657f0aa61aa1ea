import { Cached, CachedMany, Caching } from '../../src/index.js';

declare const caching: Caching;

export class Users {
  @Cached({ key: 'user:{0}' })
  async find(id: string): Promise<{ readonly id: string }> {
    return { id };
  }
  @CachedMany({ key: 'user:{0}' })
  async findMany(ids: string[]): Promise<Map<string, string>> {
    return new Map(ids.map((id) => [id, id]));
  }
  sync(): string {
    return '';
  }
  readonly field = 1;
}

export async function calls(users: Users): Promise<void> {
  // error: Argument of type '"sync"' is not assignable to parameter of type 'AsyncMethodName<Users>'
  caching.of(users, 'sync');
  // error: Argument of type '"field"' is not assignable to parameter of type 'AsyncMethodName<Users>'
  caching.of(users, 'field');
  // error: Argument of type '"fnid"' is not assignable to parameter of type 'AsyncMethodName<Users>'
  caching.of(users, 'fnid');
  // error: Argument of type 'undefined' is not assignable to parameter of type 'object'
  caching.of(undefined, 'find');
  const find = caching.of(users, 'find');
  // error: Expected 1 arguments, but got 0
  find.key();
  // error: Argument of type 'number' is not assignable to parameter of type 'string'
  await find.peek(42);
  // error: Expected 1 arguments, but got 2
  await find.refresh('1', '2');
  // error: Argument of type 'number' is not assignable to parameter of type 'string'
  await find.invalidate(1);
  // error: Argument of type 'number' is not assignable to parameter of type 'string'
  await find.original(1);
  // error: Argument of type 'boolean' is not assignable to parameter of type 'string'
  await find.explain(true);
  // error: Property 'name' does not exist on type
  void (await find.peek('1'))?.value.name;
  // error: Argument of type 'Promise<{ readonly id: string; }>' is not assignable to parameter of type '() => unknown'
  void caching.bypass(users.find('1'));
  // error: Argument of type '"find"' is not assignable to parameter of type '"findMany"'
  caching.ofMany(users, 'find');
  const many = caching.ofMany(users, 'findMany');
  // error: Argument of type 'string[]' is not assignable to parameter of type 'string'
  many.key(['1']);
  // error: Argument of type 'number' is not assignable to parameter of type 'string'
  await many.peek(1);
  // error: Argument of type 'string' is not assignable to parameter of type 'string[]'
  await many.refresh('1');
  // error: Type 'number' is not assignable to type 'string'
  await many.invalidate([1]);
  // error: Argument of type 'string[]' is not assignable to parameter of type 'string'
  await many.explain(['1']);
  // error: Expected 1 arguments, but got 0
  caching.refresh();
}
