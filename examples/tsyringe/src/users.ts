import { Cached, Invalidates } from 'cachement';
import { injectable, singleton } from 'tsyringe';

export interface User {
  readonly id: string;
  readonly name: string;
  readonly orgId: string;
}

/** Stands for a database, and counts what is read from it. */
@singleton()
export class Db {
  reads = 0;
  readonly #users = new Map<string, User>([
    ['42', { id: '42', name: 'Ada', orgId: 'a' }],
    ['43', { id: '43', name: 'Alan', orgId: 'a' }],
  ]);

  async user(id: string): Promise<User | undefined> {
    this.reads++;
    return this.#users.get(id);
  }

  async save(user: User): Promise<void> {
    this.#users.set(user.id, user);
  }
}

@injectable()
export class Users {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  @Cached({ key: 'user:{0}', ttl: '15m', tags: (user) => [`org:${user?.orgId ?? 'none'}`] })
  async find(id: string): Promise<User | undefined> {
    return this.#db.user(id);
  }

  @Invalidates({ keys: 'user:{0.id}', tags: ['org:{0.orgId}'] })
  async save(user: User): Promise<void> {
    await this.#db.save(user);
  }
}
