import { randomBytes } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';

/**
 * Sessions as most applications write them, for the races that they lose: one key for a session, one set of ids for a user.
 * Each verb is a generator that stops between its commands, so that a test decides what happens in between.
 */
export class NaiveSessions {
  readonly #redis: Redis | Cluster;
  readonly #namespace: string;

  constructor(redis: Redis | Cluster, namespace: string) {
    this.#redis = redis;
    this.#namespace = namespace;
  }

  async *create(data: string, user: string): AsyncGenerator<void, string> {
    const id = randomBytes(16).toString('hex');
    await this.#redis.set(this.#session(id), data, 'EX', 3_600);
    yield;
    await this.#redis.sadd(this.#user(user), id);
    return id;
  }

  get(id: string): Promise<string | null> {
    return this.#redis.get(this.#session(id));
  }

  async *update(id: string, change: (data: string) => string): AsyncGenerator<void, boolean> {
    const data = await this.get(id);
    if (data === null) return false;
    yield;
    await this.#redis.set(this.#session(id), change(data), 'EX', 3_600);
    return true;
  }

  async *rotate(id: string): AsyncGenerator<void, string | undefined> {
    const data = await this.get(id);
    if (data === null) return undefined;
    yield;
    const next = randomBytes(16).toString('hex');
    await this.#redis.set(this.#session(next), data, 'EX', 3_600);
    await this.#redis.del(this.#session(id));
    return next;
  }

  async destroy(id: string): Promise<void> {
    await this.#redis.del(this.#session(id));
  }

  async revokeAll(user: string): Promise<void> {
    for (const id of await this.#redis.smembers(this.#user(user))) await this.destroy(id);
    await this.#redis.del(this.#user(user));
  }

  #session(id: string): string {
    return `${this.#namespace}:naive:${id}`;
  }

  #user(user: string): string {
    return `${this.#namespace}:naive-user:${user}`;
  }
}

/** Runs a verb up to its first stop. @returns what runs the rest */
export async function begin<Result>(verb: AsyncGenerator<void, Result>): Promise<() => Promise<Result>> {
  const first = await verb.next();
  if (first.done) throw new Error('Expected the verb to stop between its commands.');
  return async () => {
    const last = await verb.next();
    if (!last.done) throw new Error('Expected the verb to stop once.');
    return last.value;
  };
}

/** Runs a verb without a stop. */
export async function runThrough<Result>(verb: AsyncGenerator<void, Result>): Promise<Result> {
  for (;;) {
    const step = await verb.next();
    if (step.done) return step.value;
  }
}
