import { z } from 'zod';
import { Cached, Caching, defineCodec, type Adapter } from '../../src/index.js';

declare const caching: Caching;
declare const adapter: Adapter;

class User {
  constructor(readonly id: string) {}
  greet(): string {
    return this.id;
  }
}

class Order {
  declare readonly total: number;
}

export class Users {
  // error: Type 'typeof Order' is not assignable to type
  @Cached({ revive: Order })
  async anotherClass(): Promise<User> {
    return new User('1');
  }
  // error: Type 'typeof Order' is not assignable to type
  @Cached({ revive: Order })
  async listOfAnother(): Promise<User[] | null> {
    return null;
  }
  // error: Type '() => Order' is not assignable to type
  @Cached({ revive: () => new Order() })
  async anotherResult(): Promise<User> {
    return new User('1');
  }
  // error: Type '() => Promise<User>' is not assignable to type
  @Cached({ revive: async () => new User('1') })
  async promised(): Promise<User> {
    return new User('1');
  }
  // error: is not assignable to type
  @Cached({ schema: z.object({ id: z.number() }) })
  async anotherShape(): Promise<{ readonly id: string }> {
    return { id: '1' };
  }
}

// error: Type 'typeof Order' is not assignable to type
await caching.cache.getOrSet('key', async () => new User('1'), { revive: Order });
// error: Argument of type 'number' is not assignable to parameter of type 'string'
defineCodec({ type: User, name: 'User', encode: ({ id }) => id, decode: (id) => new User(id.length) });
// error: Property 'total' does not exist on type 'User'
defineCodec({ type: User, name: 'User', encode: (user) => user.total, decode: () => new User('1') });
// error: is not assignable to type
defineCodec({ type: User, name: 'User', encode: ({ id }) => id, decode: () => new Order() });

// error: Type 'string' is not assignable to type 'readonly SealKey[]'
void new Caching({ adapter, seal: { keys: 'key' } });
// error: Type 'string | undefined' is not assignable to type 'SealKey'
void new Caching({ adapter, seal: { keys: [process.env['CACHE_KEY']] } });
// error: Property 'keys' is missing
void new Caching({ adapter, seal: { mode: 'sign' } });
// error: Type '"hash"' is not assignable to type
void new Caching({ adapter, seal: { keys: ['key'], mode: 'hash' } });
