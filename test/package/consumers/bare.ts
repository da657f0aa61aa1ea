import { Cached, Caching, Invalidates } from 'cachement';
import { memory } from 'cachement/memory';
import { bindSubscribers, defineChannel, Publishes, pubsub, Subscribes } from 'cachement/pubsub';
import { recordingCaching } from 'cachement/testing';

interface User {
  readonly id: string;
  readonly name: string;
}

export const userSaved = defineChannel<User>('user.saved:{0.id}');

export class Listener {
  readonly names: string[] = [];

  @Subscribes(userSaved)
  onSaved({ name }: User): void {
    this.names.push(name);
  }
}

class Users {
  loads = 0;

  @Cached({
    key: 'user:{0}',
    ttl: '15m',
    tags: (user, id) => ['users', `initial:${user.name.slice(0, 1)}`, id],
  })
  async find(id: string): Promise<User> {
    this.loads += 1;
    return { id, name: 'Ada' };
  }

  @Publishes(userSaved, { message: (_result, user) => user })
  @Invalidates({ keys: 'user:{0.id}', tags: ['users'] })
  async save(user: User): Promise<void> {
    await Promise.resolve(user);
  }
}

/** What the declarations of this project say of these is inferred, so the package must have names for it. */
export const plainVerbs = ({ cache, limits, locks }: Caching) => ({
  cache,
  consume: limits.consume.bind(limits),
  take: () => locks.acquire('inferred', { lease: '1s' }),
});
export const recordingOf = () => recordingCaching();
export const subscribersOf = (caching: Caching) => bindSubscribers(caching, new Listener());
export const messagesOf = (caching: Caching) => pubsub(caching);

async function main(): Promise<void> {
  const caching = new Caching({ adapter: memory(), namespace: 'consumer', defaults: { ttl: '1m' } });
  Caching.setDefault(caching);
  const listener = new Listener();
  await bindSubscribers(caching, listener).ready;
  const users = new Users();
  await users.find('1');
  await users.find('1');
  await users.save({ id: '1', name: 'Bea' });
  await users.find('1');
  await caching.close();

  const recording = recordingCaching();
  await recording.caching.cache.getOrSet('user:2', async () => 2);
  await recording.close();

  console.log(
    `loads: ${users.loads}, recorded: ${recording.of('load').length}, messages: ${listener.names.join()}`,
  );
}

void main();
