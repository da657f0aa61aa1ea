/**
 * Finds guards in src, and takes them out. A guard is marked by a comment of its own line above it, `// guard: <id>` or,
 * in Lua, `-- guard: <id>`; what it guards is the next line of code, with all lines that belong to it. One statement may
 * have several marks.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const MARK = /^\s*(?:\/\/|--) guard: ([a-z0-9-]+)$/;

/**
 * @param {string} root the folder of the tree
 * @returns {Map<string, string>} the file of each guard, relative to `root`
 */
export function findGuards(root) {
  const guards = new Map();
  const files = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' });
  for (const name of files.filter((one) => one.endsWith('.ts'))) {
    const file = path.posix.join('src', name.split(path.sep).join('/'));
    for (const line of readFileSync(path.join(root, file), 'utf8').split('\n')) {
      const id = MARK.exec(line)?.[1];
      if (id === undefined) continue;
      if (guards.has(id)) throw new Error(`Guard ${id} is marked twice: in ${guards.get(id)} and ${file}.`);
      guards.set(id, file);
    }
  }
  return guards;
}

/**
 * The source with one guard taken out.
 *
 * @param {string} source
 * @param {{ guard: string, replace?: string, by?: string }} mutation without `replace` all that is guarded is removed
 */
export function takeOut(source, { guard, replace, by = '' }) {
  const lines = source.split('\n');
  let first = lines.findIndex((line) => MARK.exec(line)?.[1] === guard) + 1;
  while (MARK.test(lines[first])) first++;
  const end = endOfStatement(lines, first);
  const guarded = lines.slice(first, end).join('\n');
  const parts = replace === undefined ? ['', ''] : guarded.split(replace);
  if (parts.length !== 2) {
    throw new Error(`Expected \`${replace}\` once in what guard ${guard} marks. There is:\n${guarded}`);
  }
  return [...lines.slice(0, first), parts.join(by), ...lines.slice(end)].join('\n');
}

/** A statement of formatted code: its first line, the lines that are indented more, and the line that closes it. */
function endOfStatement(lines, first) {
  const indent = indentOf(lines[first]);
  let end = first + 1;
  for (;;) {
    while (lines[end] === '' || indentOf(lines[end]) > indent) end++;
    if (indentOf(lines[end]) < indent || !/^\s*(?:[)}\]]|end\b|else)/.test(lines[end])) return end;
    end++;
  }
}

function indentOf(line) {
  return line.length - line.trimStart().length;
}
