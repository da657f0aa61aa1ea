/** Keys for `seal` in tests. */
export const [KEY, NEW_KEY] = [
  'jzoMW+HSSXdmqhssPU5fYHGCk6S1xtfo+QobLD1OX2E=',
  'Nn8lQmW0T1uYp8dRkU7xGq3CzVJ5wKf2aLhE9sOiXtM=',
] as const;

export const SEAL = { keys: [KEY] } as const;
