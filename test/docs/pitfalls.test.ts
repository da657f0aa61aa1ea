import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { projectFolder } from '../support/project-folder.js';

const page = readFileSync(path.join(projectFolder, 'docs/pitfalls.md'), 'utf8');
/** The cells of each row of the tables. */
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (---|pitfall )/.test(line))
  .map((line) => line.split(' | ').map((cell) => cell.replaceAll(/^\| | \|$/g, '')));

test('docs/pitfalls.md has the pitfalls that everybody names', (t) => {
  const pitfalls = rows.map(([pitfall = '']) => pitfall);
  for (const named of [/no ttl/, /stampede/, /Pub\/Sub/, /large values/, /connections/, /invalidations/]) {
    t.true(
      pitfalls.some((pitfall) => named.test(pitfall)),
      String(named),
    );
  }
});

for (const [pitfall = '', effect = '', remedy = '', tests = '', ...rest] of rows) {
  test(`docs/pitfalls.md: "${pitfall}" names a test that exists`, (t) => {
    t.deepEqual(rest, []);
    t.true(effect !== '' && remedy !== '');
    const links = [...tests.matchAll(/\[([^\]]+)\]\(\.\.\/([^)]+)\)/g)];
    t.true(links.length > 0);
    for (const [, title = '', file = ''] of links) {
      const source = readFileSync(path.join(projectFolder, file), 'utf8');
      t.true(source.includes(title), `${file} has no test with the title: ${title}`);
    }
  });
}
