import { Cached, entry, Invalidates, type Caching } from 'cachement';
import { Kysely, SqliteDialect, type Generated } from 'kysely';
import { openDatabase } from './sqlite.js';

interface Schema {
  article: { id: Generated<number>; name: string; stock: number };
}

/** Within a transaction its methods get the `Kysely` of the transaction. */
class Articles {
  @Cached({ key: 'stock:{0}' })
  async stock(name: string, db: Kysely<Schema>): Promise<number> {
    console.log(`  (reads ${name})`);
    const row = await db
      .selectFrom('article')
      .select('stock')
      .where('name', '=', name)
      .executeTakeFirstOrThrow();
    return row.stock;
  }

  @Invalidates({ entries: (_, name, _by, db) => [entry(Articles, 'stock', name, db)] })
  async take(name: string, by: number, db: Kysely<Schema>): Promise<void> {
    await db
      .updateTable('article')
      .set((eb) => ({ stock: eb('stock', '-', by) }))
      .where('name', '=', name)
      .execute();
  }
}

export async function withKysely(caching: Caching): Promise<void> {
  const db = new Kysely<Schema>({ dialect: new SqliteDialect({ database: await openDatabase() }) });
  await db.schema
    .createTable('article')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('name', 'text')
    .addColumn('stock', 'integer')
    .execute();
  await db
    .insertInto('article')
    .values([
      { name: 'tea', stock: 3 },
      { name: 'milk', stock: 1 },
    ])
    .execute();
  const articles = new Articles();

  const order = (tea: number, milk: number): Promise<void> =>
    caching.transaction(() =>
      db.transaction().execute(async (trx) => {
        for (const [name, by] of Object.entries({ tea, milk })) {
          await articles.take(name, by, trx);
          // Not from the cache: the transaction has changed it.
          if ((await articles.stock(name, trx)) < 0) throw new Error(`There is not enough ${name}.`);
        }
      }),
    );
  const show = async (): Promise<void> =>
    console.log('tea:', await articles.stock('tea', db), 'milk:', await articles.stock('milk', db));

  await show();
  console.log('an order that commits:');
  await order(1, 1);
  await show();
  console.log('an order that is rolled back:');
  await order(1, 1).catch((error: Error) => console.log(error.message));
  await show();
  await db.destroy();
}
