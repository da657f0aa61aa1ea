import { testsOf, type ContractOptions, type ContractTest, type OpenAdapter } from './contract-test.js';
import { entryStoreContract } from './entry-store-contract.js';
import { lockStoreContract } from './lock-store-contract.js';
import { rateStoreContract } from './rate-store-contract.js';

/**
 * The contract of an adapter: all tests of its stores, for any test framework (docs/writing-an-adapter.md).
 *
 * @param open returns an adapter for one test
 * @throws OptionsError
 * @example
 * for (const { title, run } of adapterContract(() => ({ adapter: memory(), clock: fakeClock() }))) test(title, run);
 */
export function adapterContract(open: OpenAdapter, options: ContractOptions = {}): readonly ContractTest[] {
  return testsOf('adapterContract', options, (stores) => [
    ...entryStoreContract(open, stores),
    ...rateStoreContract(open, stores),
    ...lockStoreContract(open, stores),
  ]);
}
