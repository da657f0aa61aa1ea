import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { projectFolder } from '../support/project-folder.js';

/** What the compiler says of one line, or what a comment expects it to say. */
export interface LineError {
  /** Relative to the repository. */
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** Runs the compiler on a project and gives all it has to say, warnings of the configuration included. */
export async function compile(project: string): Promise<readonly LineError[]> {
  const output = await runCompiler(['--project', project, '--noEmit', '--pretty', 'false']);
  const errors: LineError[] = [];
  for (const line of output.split('\n')) {
    const found = /^(.+?)\((\d+),\d+\): error (TS\d+: .*)$/.exec(line);
    const last = errors.at(-1);
    if (found) errors.push({ file: found[1]!, line: Number(found[2]), text: found[3]! });
    // The lines below an error, indented, say why: they belong to it.
    else if (/^\s/.test(line) && last) errors[errors.length - 1] = { ...last, text: `${last.text}\n${line}` };
    else if (line !== '') errors.push({ file: project, line: 0, text: line });
  }
  return errors;
}

/**
 * The errors a file announces: `// error: part of the message` at the end of the line that is wrong, or alone on
 * the line above it. `// error(legacy): ...` and `// error(standard): ...` hold in one decorator mode only.
 */
export function announcedErrors(file: string, mode: 'legacy' | 'standard'): readonly LineError[] {
  const lines = readFileSync(path.join(projectFolder, file), 'utf8').split('\n');
  return lines.flatMap((content, index) => {
    const found = /^(.*)\/\/ error(?:\((legacy|standard)\))?: (.+)$/.exec(content);
    if (!found || (found[2] !== undefined && found[2] !== mode)) return [];
    const above = found[1]!.trim() === '';
    return [{ file, line: above ? firstCodeLine(lines, index) : index + 1, text: found[3]!.trim() }];
  });
}

/** The number, from 1, of the first line after `index` that is not a comment: several may stand above one line. */
function firstCodeLine(lines: readonly string[], index: number): number {
  const distance = lines.slice(index + 1).findIndex((line) => !line.trim().startsWith('//'));
  return index + 2 + Math.max(distance, 0);
}

function runCompiler(args: readonly string[]): Promise<string> {
  const compiler = path.join(projectFolder, 'node_modules/typescript/bin/tsc');
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [compiler, ...args], { cwd: projectFolder }, (error, stdout, stderr) => {
      // It exits non-zero for errors in the code, which is what is asked here; a number tells that from a crash.
      if (error && typeof error.code !== 'number') reject(error);
      else resolve(stdout + stderr);
    });
  });
}
