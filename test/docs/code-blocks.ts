import { readFileSync } from 'node:fs';
import path from 'node:path';
import { projectFolder } from '../support/project-folder.js';

/** The TypeScript of a page of docs/, block by block. */
export function blocksOf(page: string): readonly string[] {
  const text = readFileSync(path.join(projectFolder, 'docs', page), 'utf8');
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code!);
}

/** The same as modules, by file name: what the first line of a block says, or its number. */
export function modulesOf(page: string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const [i, code] of blocksOf(page).entries())
    files[nameOf(code) ?? `block${i + 1}.ts`] = `${code}\nexport {};\n`;
  return files;
}

/** What the first line of a block says, if it is a comment that names a file. */
export function nameOf(code: string): string | undefined {
  return /^\/\/ (\S+)\n/.exec(code)?.[1];
}
