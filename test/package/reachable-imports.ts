import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** Every package named in an entry file, code or declarations, or in a file it leads to by relative imports. */
export async function reachablePackages(entry: string): Promise<ReadonlySet<string>> {
  const packages = new Set<string>();
  const files = new Set([entry]);
  // A set is walked in the order of insertion, and what is added on the way is walked too.
  for (const file of files) {
    for (const specifier of importsIn(await readFile(file, 'utf8'))) {
      if (!specifier.startsWith('.')) packages.add(packageOf(specifier));
      else files.add(path.resolve(path.dirname(file), fileOf(specifier, file)));
    }
  }
  return packages;
}

/** Declarations name the code that they are about. */
function fileOf(specifier: string, from: string): string {
  if (!/\.d\.c?ts$/.test(from)) return specifier;
  return specifier.replace(/\.cjs$/, '.d.cts').replace(/\.js$/, '.d.ts');
}

/** Statements begin their line in what the build writes; text in the code may name packages too. */
function importsIn(code: string): readonly string[] {
  const statement = /^(?:import|export)\b(?:[^'";]*?\bfrom)?\s*(['"])([^'"\n]+)\1/gm;
  const expression = /\b(?:import|require)\(\s*(['"])([^'"\n]+)\1/g;
  const bare = withoutComments(code);
  return [...bare.matchAll(statement), ...bare.matchAll(expression)].map((found) => found[2]!);
}

/** Examples in comments import what the reader may use, not what the file does. */
function withoutComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

/** `node:` modules stand for themselves. */
function packageOf(specifier: string): string {
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}
