import type { TestFn } from 'ava';
import type { ContractTest } from '../../src/testing/contract/contract-test.js';

/** Runs the tests of a contract over one adapter. */
export function runContract(test: TestFn, adapter: string, tests: readonly ContractTest[]): void {
  for (const { title, run } of tests) {
    test.serial(`${adapter}: ${title}`, async (t) => {
      await run();
      t.pass();
    });
  }
}
