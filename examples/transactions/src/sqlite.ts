import type { SqliteDatabase } from 'kysely';
import initSqlJs from 'sql.js';

/** SQLite in memory, as Kysely wants it. */
export async function openDatabase(): Promise<SqliteDatabase> {
  const database = new (await initSqlJs()).Database();
  return {
    close: () => database.close(),
    prepare(sql) {
      const statement = database.prepare(sql);
      const all = (parameters: readonly unknown[]): unknown[] => {
        statement.bind([...parameters] as never);
        const rows: unknown[] = [];
        while (statement.step()) rows.push(statement.getAsObject());
        statement.free();
        return rows;
      };
      return {
        reader: statement.getColumnNames().length > 0,
        all,
        iterate: (parameters) => all(parameters).values() as IterableIterator<unknown>,
        run(parameters) {
          all(parameters);
          return { changes: database.getRowsModified(), lastInsertRowid: 0 };
        },
      };
    },
  };
}
