/** The guards of limits, in the shape of cache.js. */
export const limitsMutations = [];
