/** What pub/sub must not compile, in both modes. */
import { z } from 'zod';
import type { Caching } from '../../src/index.js';
import { defineChannel, definePattern, pubsub, Publishes, Subscribes } from '../../src/pubsub/index.js';

interface User {
  readonly id: string;
  readonly name: string;
}
declare const caching: Caching;

const typed = defineChannel<User>('user.saved');
const schema = defineChannel('user.changed', { schema: z.object({ id: z.string() }) });
const times = defineChannel('times', { schema: z.string().transform((text) => new Date(text)) });
const pattern = definePattern<User>('user.*');
const messages = pubsub(caching);

void messages.publish(typed, { id: '1' }); // error: Property 'name' is missing
void messages.publish(schema, { id: 1 }); // error: Type 'number' is not assignable to type 'string'
void messages.publish(times, new Date()); // error: not assignable to parameter of type 'string'
void messages.publish(pattern, { id: '1', name: 'Ada' }); // error: Property 'sharded' is missing in type 'MessagePattern
void messages.publish('user.saved', 1); // error: not assignable to parameter of type 'MessageChannel

messages.subscribe(typed, (user: { age: number }) => user); // error: is not assignable to parameter of type
messages.subscribe(times, (at: string) => at); // error: is not assignable to parameter of type
messages.subscribe(typed, () => {}, { concurency: 1 }); // error: 'concurency' does not exist

defineChannel('orders', { schema: {} }); // error: No overload matches this call
definePattern('orders:*', { sharded: true }); // error: No overload matches this call

export class Users {
  // error: is not assignable to
  @Publishes(schema, { message: (user) => ({ id: user.name.length }) })
  async save(user: User): Promise<User> {
    return user;
  }

  // error: is not assignable to
  @Publishes(typed)
  async find(id: string): Promise<string> {
    return id;
  }

  // error: is not assignable to
  @Publishes(typed)
  save2(user: User): User {
    return user;
  }

  // error: is not assignable to
  @Subscribes(typed)
  onSaved(_user: { readonly id: number }): void {}

  // error: is not assignable to
  @Subscribes(times)
  onTime(_at: string): void {}

  // error: is not assignable to
  @Subscribes(typed)
  onMore(_user: User, _context: { readonly offset: number }): void {}

  // error: is not assignable to
  @Subscribes(typed)
  onThree(_user: User, _context: unknown, _third: string): void {}

  // error: Property 'names' does not exist
  @Subscribes(typed, { onInterrupted() { return this.names; } })
  async onInterruption(_user: User): Promise<void> {}
}
