import { shared } from './registry.js';

export type Method = (this: unknown, ...args: unknown[]) => unknown;

/** The original method of each wrapper that a decorator has made, by any copy of this package. */
export const originals = shared('originals', () => new WeakMap<object, Method>());
