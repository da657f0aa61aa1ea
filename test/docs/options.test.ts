import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { projectFolder } from '../support/project-folder.js';
import { defaultText, documentedOptions, GROUPS, optionTable } from './option-tables.js';

const page = path.join(projectFolder, 'docs/options.md');

/** UPDATE_DOCS=1 npm test -- test/docs/options.test.ts writes the tables into the page. */
const isUpdate = process.env['UPDATE_DOCS'] === '1';

for (const [heading, group] of Object.entries(GROUPS)) {
  test.serial(`${heading}: docs/options.md has the names, checks and defaults of the code`, (t) => {
    const text = readFileSync(page, 'utf8');
    const section = new RegExp(
      `(## ${heading.replaceAll(/[^\w @:]/g, '.')}\\n[^]*?)\\| option \\|[^]*?(?=\\n\\n## |\\s*$)`,
    );
    const table = optionTable(heading);
    if (isUpdate)
      writeFileSync(
        page,
        text.replace(section, (_, start: string) => `${start}${table}`),
      );
    t.true(isUpdate || section.exec(text)?.[0].endsWith(table) === true, `Expected this table:\n${table}`);
  });

  test(`${heading}: the doc comments name the defaults of the code`, (t) => {
    t.true(documentedOptions(group).size > 0);
    for (const [name, { default: documented }] of documentedOptions(group)) {
      const option = group.schema[name];
      if (option?.default === undefined || documented === undefined) continue;
      t.is(documented.replaceAll('_', ''), defaultText(option.default), name);
    }
  });
}
