import {
  Caching,
  Invalidates,
  type DeferredInvalidations,
  type TransactionOptions,
} from '../../src/index.js';

declare const caching: Caching;

interface User {
  readonly id: string;
}

export class Users {
  @Invalidates({ keys: 'user:{0.id}', repeatAfter: '5s' })
  async save(user: User): Promise<User> {
    return user;
  }
}

export async function calls(users: Users, user: User): Promise<void> {
  const options: TransactionOptions = { onUnavailable: 'throw', repeatAfter: 500, independent: true };
  const saved: User = await caching.transaction(() => users.save(user), options);
  const counted: number = await caching.transaction(() => 1);
  await caching.transaction(async () => {});
  const deferred: DeferredInvalidations = caching.deferInvalidations(options);
  const again: Promise<User> = deferred.run(() => users.save(user));
  const { acknowledged, deferred: isDeferred } = await deferred.commit();
  deferred.rollback();
  const { replicas } = await caching.cache.invalidate(
    { keys: ['a'] },
    { waitReplicas: { count: 1, timeout: '1s' } },
  );
  const number: number | undefined = replicas;
  void [saved, counted, again, acknowledged, isDeferred, number];
}
