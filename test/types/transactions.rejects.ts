import { Caching, Invalidates } from '../../src/index.js';

declare const caching: Caching;

export class Users {
  // error: Type '"5 parsecs"' is not assignable to type
  @Invalidates({ keys: 'user:{0}', repeatAfter: '5 parsecs' })
  async save(id: string): Promise<string> {
    return id;
  }
}

export async function calls(users: Users): Promise<void> {
  // error: Argument of type 'Promise<string>' is not assignable to parameter of type
  await caching.transaction(users.save('42'));
  // error: 'nested' does not exist in type 'TransactionOptions'
  await caching.transaction(() => users.save('42'), { nested: true });
  // error: Type 'string' is not assignable to type 'number'
  const saved: number = await caching.transaction(() => users.save('42'));
  // error: Type '"ignore"' is not assignable to type
  caching.deferInvalidations({ onUnavailable: 'ignore' });
  // error: Expected 1 arguments, but got 0
  caching.deferInvalidations().run();
  // error: Property 'count' is missing in type
  await caching.cache.invalidate({ all: true }, { waitReplicas: { timeout: '1s' } });
  // error: Type 'number' is not assignable to type 'WaitReplicasOptions'
  await caching.cache.invalidate({ all: true }, { waitReplicas: 1 });
  void saved;
}
