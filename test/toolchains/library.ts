import { filesOf } from '../docs/code-blocks.js';
import type { Outcome } from './toolchain-project.js';

/** The file of `projects/library` that the page shows. */
export const LIBRARY = filesOf('toolchains.md', 'Injection by type');

/** What `projects/library/src/run.ts` prints. */
export interface LibraryReport {
  /** For each service: how often its archive was read for two calls. */
  readonly reads: readonly number[];
  /** Under which keys values were stored. */
  readonly keys: readonly string[];
  readonly warnings: readonly string[];
  readonly errors: readonly string[];
}

/** @throws Error with what it printed, if the program failed */
export function reportOf({ exitCode, stdout, output }: Outcome): LibraryReport {
  if (exitCode !== 0) throw new Error(`The program ended with ${exitCode}:\n${output}`);
  return JSON.parse(stdout) as LibraryReport;
}

/** Of one service whose class has kept its name. */
export const ONE_READ: LibraryReport = { reads: [1], keys: ['Books.find:("1")'], warnings: [], errors: [] };

/** Of `plain-main.ts`. */
export const ONE_PLAIN_READ: LibraryReport = { ...ONE_READ, keys: ['Magazines.find:("1")'] };

/** The same settings for standard decorators: without the flags of the legacy ones. */
export function forStandardDecorators(files: Readonly<Record<string, string>>): Record<string, string> {
  const flags = /,\s*"(experimentalDecorators|emitDecoratorMetadata)": true/g;
  const tsconfig = files['tsconfig.json']!.replace(flags, '');
  if (tsconfig === files['tsconfig.json']) throw new Error('Expected settings for legacy decorators.');
  return { ...files, 'tsconfig.json': tsconfig };
}
