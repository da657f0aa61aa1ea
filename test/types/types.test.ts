import { readdirSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { projectFolder } from '../support/project-folder.js';
import { announcedErrors, compile, type LineError } from './compiler-errors.js';

const folder = 'test/types';
const files = readdirSync(path.join(projectFolder, folder))
  .filter((name) => name.endsWith('.rejects.ts'))
  .map((name) => `${folder}/${name}`);

for (const mode of ['legacy', 'standard'] as const) {
  test(`the compiler rejects exactly the lines marked as errors, under ${mode} decorators`, async (t) => {
    const errors = await compile(`${folder}/tsconfig.${mode}.json`);
    const announced = files.flatMap((file) => announcedErrors(file, mode));

    const missing = announced.filter((expected) => !errors.some((error) => answers(error, expected)));
    t.deepEqual(missing.map(print), [], 'Announced, but the compiler did not say so.');
    const surprises = errors.filter((error) => !announced.some((expected) => isSameLine(error, expected)));
    t.deepEqual(surprises.map(print), [], 'Not announced, but the compiler said so.');
  });
}

for (const file of files) {
  test(`${path.basename(file)} announces errors`, (t) => {
    t.true(announcedErrors(file, 'legacy').length + announcedErrors(file, 'standard').length > 0);
  });
}

function isSameLine(one: LineError, other: LineError): boolean {
  return one.file === other.file && one.line === other.line;
}

function answers(error: LineError, expected: LineError): boolean {
  return isSameLine(error, expected) && error.text.includes(expected.text);
}

function print({ file, line, text }: LineError): string {
  return `${file}:${line} ${text}`;
}
