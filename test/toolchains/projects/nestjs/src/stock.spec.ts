import { memory } from 'cachement/memory';
import { fakeClock, raceTest, type Race } from 'cachement/testing';
import { lockStoreContract } from 'cachement/testing/contract';

const takeTheLastOne =
  (isLocked: boolean) =>
  async ({ all, caching, step }: Race): Promise<void> => {
    let left = 1;
    const take = async (): Promise<void> => {
      const before = left;
      await step('writes');
      left = before - 1;
    };
    const locked = () => caching.locks.withLease('stock', {}, take);
    await all(isLocked ? { Ada: locked, Bob: locked } : { Ada: take, Bob: take });
    expect(left).toBe(-1);
  };

describe('raceTest', () => {
  it('finds an order in which two write the same', async () => {
    await expect(raceTest(takeTheLastOne(false))).rejects.toThrow(
      /Ada: writes\n.*Bob: writes|Bob: writes\n.*Ada: writes/,
    );
  });

  it('passes with a lock', () => raceTest(takeTheLastOne(true), { runs: 20 }));
});

describe('the contract of locks', () => {
  for (const { title, run } of lockStoreContract(() => ({ adapter: memory(), clock: fakeClock() })))
    it(title, run);
});
