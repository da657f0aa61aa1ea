import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { WIRE_VERSION } from '../../src/core/ports/entry-format.js';
import { projectFolder } from '../support/project-folder.js';
import { goldenRecords } from './golden-records.js';

export function goldenFolderOf(version: number): string {
  return path.join(projectFolder, 'test', 'wire', `v${version}`);
}

export const goldenFolder = goldenFolderOf(WIRE_VERSION);

/**
 * Writes the golden records that have no file yet, and never touches one that has.
 *
 * @returns the names of the files it wrote
 */
export function makeGolden(folder: string): readonly string[] {
  mkdirSync(folder, { recursive: true });
  const written: string[] = [];
  for (const [name, record] of goldenRecords()) {
    if (writeNew(path.join(folder, `${name}.bin`), record)) written.push(name);
  }
  return written;
}

function writeNew(file: string, record: Uint8Array): boolean {
  try {
    writeFileSync(file, record, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

// To add a record: put it into golden-records.ts, compile the tests, run this file with node.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const written = makeGolden(goldenFolder);
  console.log(
    `Wrote to ${goldenFolder}: ${written.join(', ') || 'nothing'}. Existing files are never rewritten.`,
  );
}
