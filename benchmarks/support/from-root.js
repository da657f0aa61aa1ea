import { createRequire } from 'node:module';

/** Requires a package of the project, not of the benchmarks: the copy that cachement uses. */
export const fromRoot = createRequire(new URL('../../package.json', import.meta.url));
