/** The guards of locks, in the shape of cache.js. */
export const locksMutations = [];
