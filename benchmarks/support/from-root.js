import { createRequire } from 'node:module';

/** Packages of the project itself, not of the benchmarks: the very copies that cachement uses. */
export const fromRoot = createRequire(new URL('../../package.json', import.meta.url));
