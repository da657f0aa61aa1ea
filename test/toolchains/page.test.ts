import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { projectFolder } from '../support/project-folder.js';

/** `//` or `#`, and the name of a file, on the first line of a block. */
const NAMED_BLOCK = /^```\w+\n(?:\/\/|#) \S+\n/m;

test('a test runs the settings of every section of docs/toolchains.md, and every block is such settings', async (t) => {
  const folder = path.join(projectFolder, 'test/toolchains');
  const files = (await readdir(folder)).filter((file) => file.endsWith('.ts'));
  const sources = await Promise.all(files.map((file) => readFile(path.join(folder, file), 'utf8')));
  const code = sources.join('\n');
  const page = await readFile(path.join(projectFolder, 'docs/toolchains.md'), 'utf8');
  const sections = page.split(/^(?=#{1,6} )/m).filter((section) => section.includes('```'));
  t.true(sections.length > 10);
  for (const section of sections) {
    const [, heading] = /^#+ (.*)/.exec(section)!;
    t.true(code.includes(`'${heading}'`), `No test reads the section ${heading}.`);
    for (const block of section.split(/^(?=```\w+$)/m).slice(1)) t.regex(block, NAMED_BLOCK, heading);
  }
});
