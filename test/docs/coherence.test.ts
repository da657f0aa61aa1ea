import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { projectFolder } from '../support/project-folder.js';

const docs = path.join(projectFolder, 'docs');
const page = readFileSync(path.join(docs, 'coherence.md'), 'utf8');
const shownBy = page.slice(page.indexOf('## Shown by'), page.indexOf('## While Redis is away'));

/** All test code, in which titles are searched. */
const tests = readdirSync(path.join(projectFolder, 'test'), { recursive: true })
  .map(String)
  .filter((file) => file.endsWith('.ts') && !file.startsWith('docs'))
  .map((file) => readFileSync(path.join(projectFolder, 'test', file), 'utf8'))
  .join('\n');

test('every promise of docs/coherence.md has tests with its number in their titles', (t) => {
  const promises = [...page.matchAll(/^\| (G\d+) \| \*\*/gm)].map(([, number]) => number!);
  t.true(promises.length >= 9);
  for (const number of promises) {
    t.regex(tests, new RegExp(`['"\`, ]${number} [\\w ]+[:,] `), number);
    t.regex(shownBy, new RegExp(`^\\| .*\\b${number}\\b.* \\|`, 'm'), number);
  }
});

test('every test that docs/coherence.md links to exists, and so does every title that it quotes', (t) => {
  const files = [...shownBy.matchAll(/\]\((\.\.\/test\/[^)]+)\)/g)].map(([, file]) => file!);
  const titles = [...shownBy.matchAll(/"([^"]+)"/g)].map(([, title]) => title!);
  t.true(files.length > 10 && titles.length > 0);
  for (const file of files) t.true(existsSync(path.join(docs, file)), file);
  for (const title of titles) t.true(tests.includes(title), title);
});
