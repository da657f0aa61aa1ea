import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { projectFolder } from '../support/project-folder.js';

const pages = [
  ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'benchmarks/README.md', 'test/README.md'],
  ...readdirSync(path.join(projectFolder, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name.replaceAll('\\', '/')}`),
];

for (const page of pages) {
  test(`${page}: every link leads to a file, and to a heading of it`, (t) => {
    const text = withoutCode(read(page));
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file = '', heading] = target.split('#');
      const found = file === '' ? page : path.join(path.dirname(page), file);
      if (!existsSync(path.join(projectFolder, found))) t.fail(`${target}: there is no ${found}`);
      else if (heading !== undefined)
        t.true(anchorsOf(read(found)).includes(heading), `${target}: no such heading`);
    }
    t.pass();
  });

  test(`${page}: the files of this repository that it names exist`, (t) => {
    for (const [, name = ''] of read(page).matchAll(/`((?:src|scripts|test|docs)\/[\w./-]+\.(?:ts|js|md))`/g))
      t.true(existsSync(path.join(projectFolder, name)), name);
    t.pass();
  });
}

test('CONTRIBUTING.md names source files that exist', (t) => {
  const files = ['src', 'test', 'scripts'].flatMap((folder) =>
    readdirSync(path.join(projectFolder, folder), { recursive: true, encoding: 'utf8' }).map(
      (file) => `/${folder}/${file.replaceAll('\\', '/')}`,
    ),
  );
  for (const [, name = ''] of read('CONTRIBUTING.md').matchAll(/`(\w[\w./-]*\.ts)`/g))
    t.true(
      files.some((file) => file.endsWith(`/${name}`)),
      name,
    );
});

function read(page: string): string {
  return readFileSync(path.join(projectFolder, page), 'utf8');
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```.*?^```$/gms, '').replaceAll(/`[^`\n]*`/g, '');
}

/** As GitHub makes them of headings. */
function anchorsOf(text: string): string[] {
  return [...withoutBlocks(text).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  );
}

function withoutBlocks(text: string): string {
  return text.replaceAll(/^```.*?^```$/gms, '');
}
