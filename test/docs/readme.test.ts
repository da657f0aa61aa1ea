import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { projectFolder } from '../support/project-folder.js';

const readme = readFileSync(path.join(projectFolder, 'README.md'), 'utf8');
const table = readme.slice(readme.indexOf('| import | contains |'), readme.indexOf('## All four decorators'));

test('the table of imports names every subpath of the package', (t) => {
  const { name, exports } = JSON.parse(readFileSync(path.join(projectFolder, 'package.json'), 'utf8')) as {
    name: string;
    exports: Record<string, unknown>;
  };
  const imports = Object.keys(exports)
    .filter((subpath) => subpath !== './package.json')
    .map((subpath) => `\`${name}${subpath.slice(1)}\``);
  t.deepEqual(
    imports.filter((subpath) => !table.includes(subpath)),
    [],
  );
});

test('the table of imports names everything that the root exports but the error classes', async (t) => {
  const names = Object.keys(await import('../../src/index.js')).filter((name) => !name.endsWith('Error'));
  t.deepEqual(
    names.filter((name) => !new RegExp(`\`@?${name}\``).test(table)),
    [],
  );
});
