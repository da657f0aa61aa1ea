import { Cached, Invalidates } from 'cachement';
import { Service } from 'typedi';

/** Stands for a database, and counts what is read from it. */
@Service()
export class Db {
  reads = 0;
  readonly #books = new Map([['1', 'Emma']]);

  async title(id: string): Promise<string | undefined> {
    this.reads++;
    return this.#books.get(id);
  }

  async save(id: string, title: string): Promise<void> {
    this.#books.set(id, title);
  }
}

@Service()
export class Books {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  @Cached({ key: 'book:{0}', ttl: '15m' })
  async title(id: string): Promise<string | undefined> {
    return this.#db.title(id);
  }

  @Invalidates({ keys: 'book:{0}' })
  async save(id: string, title: string): Promise<void> {
    await this.#db.save(id, title);
  }
}
