import { CachePut } from '../../src/index.js';

interface User {
  readonly id: string;
  readonly org: { readonly id: string };
}

export class Users {
  // error: Property 'key' is missing in type
  @CachePut({ ttl: '1m' })
  async withoutKey(user: User): Promise<User> {
    return user;
  }

  // error: {0.org} is not a scalar argument of the method
  @CachePut({ key: 'user:{0.org}' })
  async byObject(user: User): Promise<User> {
    return user;
  }

  // error: Property 'name' does not exist on type 'User'
  @CachePut({ key: 'user:{0.id}', tags: (saved) => [saved.name] })
  async tagged(user: User): Promise<User> {
    return user;
  }

  // error: 'onKeyError' does not exist in type
  @CachePut({ key: 'user:{0.id}', onKeyError: 'bypass' })
  async bypassing(user: User): Promise<User> {
    return user;
  }

  // error: is not assignable to parameter of type
  @CachePut({ key: 'user:{0.id}' })
  sync(user: User): User {
    return user;
  }
}
