import { readFileSync } from 'node:fs';
import path from 'node:path';
import { projectFolder } from '../support/project-folder.js';

/** The TypeScript of a page of docs/, block by block. */
export function blocksOf(page: string): readonly string[] {
  const text = readFileSync(path.join(projectFolder, 'docs', page), 'utf8');
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code!);
}

/** The first block of a page that says what a program prints. */
export function outputOf(page: string): string {
  const text = readFileSync(path.join(projectFolder, 'docs', page), 'utf8');
  const [, output] = /^```text\n(.*?)^```$/ms.exec(text) ?? [];
  if (output === undefined) throw new Error(`Expected docs/${page} to have a block of text.`);
  return output;
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

/**
 * The files that a section of a page shows: blocks of any language whose first line is a comment that names a file,
 * without that line. A section ends at the next heading.
 */
export function filesOf(page: string, heading: string): Record<string, string> {
  const text = readFileSync(path.join(projectFolder, 'docs', page), 'utf8');
  const sections = text.split(/^(?=#{1,6} )/m).filter((one) => /^#+ (.*)/.exec(one)?.[1] === heading);
  if (sections.length !== 1) {
    throw new Error(`Expected one section "${heading}" in docs/${page}, found ${sections.length}.`);
  }
  const blocks = sections[0]!.matchAll(/^```\w+\n(?:\/\/|#) (\S+)\n(.*?)^```$/gms);
  return Object.fromEntries([...blocks].map(([, name, code]) => [name!, code!]));
}
