import { Cached } from 'cachement';
import type { Pool } from 'pg';

export class Shop {
  /** How often the database was asked. */
  reads = 0;

  constructor(private readonly pool: Pool) {}

  @Cached({ key: 'user:{0}', ttl: '15m', tags: ['users'] })
  async user(id: string): Promise<object | undefined> {
    return (await this.#query('SELECT id, name FROM users WHERE id = $1', [id]))[0];
  }

  @Cached({ key: 'prices', ttl: '15m', tags: ['prices'] })
  async prices(): Promise<readonly object[]> {
    return this.#query('SELECT product, cents FROM prices ORDER BY product', []);
  }

  async #query(sql: string, values: readonly string[]): Promise<readonly object[]> {
    this.reads++;
    return (await this.pool.query<object>(sql, [...values])).rows;
  }
}
