import { Cached, entry, Invalidates, type Caching } from 'cachement';
import { Column, DataSource, Entity, PrimaryColumn, type EntityManager } from 'typeorm';

@Entity()
class Account {
  @PrimaryColumn('text')
  owner!: string;

  @Column('int')
  balance!: number;
}

/** Within a transaction its methods get the manager of the transaction. */
class Accounts {
  @Cached({ key: 'account:{0}' })
  async balance(owner: string, manager: EntityManager): Promise<number> {
    console.log(`  (reads ${owner})`);
    return (await manager.findOneByOrFail(Account, { owner })).balance;
  }

  @Invalidates({ entries: (_, owner, _by, manager) => [entry(Accounts, 'balance', owner, manager)] })
  async add(owner: string, by: number, manager: EntityManager): Promise<void> {
    await manager.increment(Account, { owner }, 'balance', by);
  }
}

export async function withTypeorm(caching: Caching): Promise<void> {
  const database = await new DataSource({
    type: 'sqljs',
    entities: [Account],
    synchronize: true,
  }).initialize();
  await database.manager.save(Account, [
    { owner: 'Ada', balance: 100 },
    { owner: 'Ben', balance: 0 },
  ]);
  const accounts = new Accounts();
  const show = async (): Promise<void> => {
    console.log('Ada:', await accounts.balance('Ada', database.manager));
    console.log('Ben:', await accounts.balance('Ben', database.manager));
  };

  const transfer = (amount: number): Promise<void> =>
    caching.transaction(() =>
      database.transaction(async (manager) => {
        await accounts.add('Ada', -amount, manager);
        await accounts.add('Ben', amount, manager);
        const left = await accounts.balance('Ada', manager); // Not from the cache: the transaction has changed it.
        if (left < 0) throw new Error(`Ada would have ${left}.`);
      }),
    );

  await show();
  console.log('a transfer that commits:');
  await transfer(30);
  await show();
  console.log('a transfer that is rolled back:');
  await transfer(1_000).catch((error: Error) => console.log(error.message));
  await show();

  console.log('a transaction by hand:');
  const runner = database.createQueryRunner();
  await runner.startTransaction();
  const deferred = caching.deferInvalidations();
  try {
    await deferred.run(() => accounts.add('Ben', 5, runner.manager));
    await runner.commitTransaction();
    await deferred.commit();
  } catch (error) {
    await runner.rollbackTransaction();
    throw error;
  } finally {
    deferred.rollback(); // Does nothing after a commit.
    await runner.release();
  }
  await show();
  await database.destroy();
}
