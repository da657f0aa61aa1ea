import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** The folder of the repository, for tests that need its sources or its package rather than what was compiled. */
export const projectFolder = findUpwards(import.meta.dirname);

function findUpwards(folder: string): string {
  const manifest = path.join(folder, 'package.json');
  if (existsSync(manifest) && nameIn(manifest) === 'cachement') return folder;
  const parent = path.dirname(folder);
  if (parent === folder) {
    throw new Error(
      `Expected the compiled tests below the repository, found none above ${import.meta.dirname}. ` +
        'Run them with: npm test -- test/<area>/<file>.test.ts',
    );
  }
  return findUpwards(parent);
}

function nameIn(manifest: string): unknown {
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: unknown }).name;
}
