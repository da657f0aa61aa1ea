import 'reflect-metadata';
import { Cached, Caching } from 'cachement';
import { memory } from 'cachement/memory';
import { registerCaching } from 'cachement/tsyringe';
import { container, injectable } from 'tsyringe';

class Database {
  loads = 0;

  load(id: string): Promise<string> {
    this.loads += 1;
    return Promise.resolve(id);
  }
}

@injectable()
class Users {
  private readonly database: Database;

  constructor(database: Database) {
    this.database = database;
  }

  @Cached({ key: 'user:{0}' })
  async find(id: string): Promise<string> {
    return this.database.load(id);
  }
}

async function main(): Promise<void> {
  const caching = new Caching({ adapter: memory(), namespace: 'consumer', defaults: { ttl: '1m' } });
  registerCaching(container, caching);
  const database = new Database();
  container.registerInstance(Database, database);
  const users = container.resolve(Users);
  await users.find('1');
  await users.find('1');
  await caching.close();
  console.log(`loads: ${database.loads}`);
}

void main();
