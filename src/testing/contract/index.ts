export { adapterContract } from './adapter-contract.js';
export type { AdapterUnderTest, ContractOptions, ContractTest, OpenAdapter } from './contract-test.js';
export { entryStoreContract } from './entry-store-contract.js';
export { lockStoreContract } from './lock-store-contract.js';
export { rateStoreContract } from './rate-store-contract.js';
