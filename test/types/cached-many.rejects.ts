import { CachedMany } from '../../src/index.js';

interface User {
  readonly id: string;
  readonly org: { readonly id: string };
}

export class Users {
  // error: Property 'returns' is missing in type
  @CachedMany({ key: 'user:{0}' })
  async list(ids: string[]): Promise<(User | undefined)[]> {
    return ids.map(() => undefined);
  }

  // error: Type '"map"' is not assignable to type '"object"'
  @CachedMany({ key: 'user:{0}', returns: 'map' })
  async object(_ids: string[]): Promise<Record<string, User>> {
    return {};
  }

  // error: {0.id} is not a scalar argument of the method
  @CachedMany({ key: 'user:{0.id}' })
  async byPath(_ids: string[]): Promise<Map<string, User>> {
    return new Map();
  }

  // error: Property 'name' does not exist on type 'User'
  @CachedMany({ key: 'user:{0}', tags: (user) => [user.name] })
  async tagged(_ids: string[]): Promise<Map<string, User>> {
    return new Map();
  }

  // error: 'user' is possibly 'undefined'
  @CachedMany({ key: 'user:{0}', ttl: (user) => (user.id === '' ? '1s' : '1m') })
  async unchecked(_ids: string[]): Promise<Map<string, User>> {
    return new Map();
  }

  // error: Property 'key' is missing in type
  @CachedMany({ ttl: '1m' })
  async withoutKey(_ids: string[]): Promise<Map<string, User>> {
    return new Map();
  }

  // error: is not assignable to parameter of type
  @CachedMany({ key: 'user:{0}' })
  async one(_id: string): Promise<Map<string, User>> {
    return new Map();
  }
}
