/** What pub/sub compiles, in both modes. */
import { z } from 'zod';
import type { Caching } from '../../src/index.js';
import {
  bindSubscribers,
  defineChannel,
  definePattern,
  pubsub,
  Publishes,
  Subscribes,
  type MessageChannel,
  type MessageContext,
  type Subscription,
} from '../../src/pubsub/index.js';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <T extends true>(): T => true as T;

interface User {
  readonly id: string;
  readonly name: string;
}
declare const caching: Caching;

const typed = defineChannel<User>('user.saved');
const schema = defineChannel('user.changed', { schema: z.object({ id: z.string() }), sharded: true });
const transformed = defineChannel('times', { schema: z.string().transform((text) => new Date(text)) });
const loose = defineChannel('any');
const pattern = definePattern('user.*', { schema: z.object({ id: z.string() }), maxBytes: 10 });
const union = defineChannel<{ kind: 'a' } | { kind: 'b'; n: number }>('union');

is<Equal<typeof typed, MessageChannel<User>>>();
is<Equal<typeof schema, MessageChannel<{ id: string }, { id: string }>>>();
is<Equal<typeof transformed, MessageChannel<Date, string>>>();
is<Equal<typeof loose, MessageChannel<unknown>>>();

const messages = pubsub(caching);
export const published: Promise<number | undefined>[] = [
  messages.publish(typed, { id: '1', name: 'Ada' }),
  messages.publish(schema, { id: '1' }),
  messages.publish(transformed, '2026-01-01'),
  messages.publish(loose, new Map()),
  messages.publish(union, { kind: 'b', n: 1 }),
];
export const subscriptions: Subscription[] = [
  messages.subscribe(typed, ({ name }) => name.toUpperCase()),
  messages.subscribe(schema, async ({ id }, { channel, signal }) => void [id, channel, signal.aborted]),
  messages.subscribe(transformed, (at: Date) => at.getTime(), { concurrency: 2, drainTimeout: '1s' }),
  messages.subscribe(pattern, ({ id }) => id.length, { onInterrupted: ({ from, to }) => [from, to] }),
  // Less is enough for a handler.
  messages.subscribe(typed, ({ id }: { id: string }) => id),
  messages.subscribe(typed, (_message: unknown) => {}),
  messages.subscribe(typed, () => {}),
];

export class Users {
  readonly names: string[] = [];

  @Publishes(schema, { message: (user, first) => ({ id: user.id + first.name }) })
  async save(user: User): Promise<User> {
    return user;
  }

  @Publishes(typed)
  async replace(user: User): Promise<User> {
    return user;
  }

  // The result has more than the channel needs.
  @Publishes(schema, { when: (user) => user.id !== '', onFailure: 'throw' })
  async insert(user: User): Promise<User> {
    return user;
  }

  @Publishes(transformed, {
    message(_result, id) {
      return this.names.join() + id;
    },
    unless: (count) => count === 0,
  })
  async count(_id: string): Promise<number> {
    return 1;
  }

  @Publishes(loose)
  async any(): Promise<void> {}
}

export class Listener {
  readonly seen: string[] = [];

  @Subscribes(typed)
  async onSaved(user: User, { channel }: MessageContext): Promise<void> {
    this.seen.push(user.name + channel);
  }

  @Subscribes(schema, { concurrency: 2 })
  onChanged({ id }: { readonly id: string }): void {
    this.seen.push(id);
  }

  @Subscribes(pattern, {
    onInterrupted({ from }) {
      this.seen.push(from.toISOString());
    },
  })
  onAny(message: unknown): string {
    return String(message);
  }

  @Subscribes(transformed)
  onTime(at: Date): void {
    this.seen.push(at.toISOString());
  }

  @Subscribes(union)
  onUnion(message: { kind: 'a' } | { kind: 'b'; n: number }): void {
    this.seen.push(message.kind);
  }

  @Subscribes(loose)
  nothing(): void {}
}

bindSubscribers(caching, new Listener()).ready.catch(() => {});
