import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { projectFolder } from '../support/project-folder.js';

/** An `@example` of a docblock in src. */
export interface DocblockExample {
  /** The source file, from src on: `core/cache/cache.ts`. */
  readonly file: string;
  readonly line: number;
  readonly code: string;
}

/** All `@example` blocks in src, in the order of their files. */
export function docblockExamples(): readonly DocblockExample[] {
  const src = path.join(projectFolder, 'src');
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort();
  return files.flatMap((name) => {
    const text = readFileSync(path.join(src, name), 'utf8');
    return [...text.matchAll(/\/\*\*(?:(?!\*\/)[^])*\*\//g)].flatMap(({ 0: docblock, index }) => {
      const line = text.slice(0, index).split('\n').length;
      return examplesIn(docblock).map((code) => ({ file: name.replaceAll(path.sep, '/'), line, code }));
    });
  });
}

function examplesIn(docblock: string): readonly string[] {
  const text = docblock.slice(3, -2).replaceAll(/^\s*\* ?/gm, '');
  const [, ...examples] = text.split('@example');
  // A tag such as @returns ends an example; a decorator starts with a capital letter.
  return examples.map((code) => code.split(/^@[a-z]/m)[0]!.trim());
}
