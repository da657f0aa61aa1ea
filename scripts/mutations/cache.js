/**
 * The guards of cached calls and of the entry stores. Each is taken out by removing what it marks, or `replace` in it
 * (by `by`, or by nothing); then the test of this title must fail. `on` is the adapter that a contract
 * suite names before the title; a `*` in a title stands for what the test computes.
 */
export const cacheMutations = [
  // --- which value may be stored --------------------------------------------------------------------------------------
  {
    guard: 'fill-lua-own-lease',
    replace: ' or token_of(found) ~= ARGV[1]',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'refuses a fill under another lease, which stays',
  },
  {
    guard: 'fill-lua-repeated',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'says yes to a fill that comes again, and leaves the value as it is',
  },
];
