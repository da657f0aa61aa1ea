/** What Rollup is taught for npm run build: see build.js. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** What tsc wrote in `folder`, with the source maps beside it; and packages that are bundled. */
export function compiledSources(folder) {
  return {
    name: 'compiled-sources',
    resolveId: (id) =>
      id.startsWith('.') || path.isAbsolute(id) ? null : fileURLToPath(import.meta.resolve(id)),
    load: (id) => ({
      code: oneByteEach(readFileSync(id, 'utf8')),
      map: id.startsWith(folder) ? JSON.parse(readFileSync(`${id}.map`, 'utf8')) : null,
    }),
  };
}

/** A single dash in a comment would make V8 keep the whole file in two bytes for each character, and read it slower. */
function oneByteEach(code) {
  return code.replace(
    /[^\0-\xff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The licenses of packages that are bundled go with their code. */
export function bundledLicenses() {
  return {
    name: 'bundled-licenses',
    generateBundle() {
      const folders = [...this.getModuleIds()].flatMap(
        (id) => /^.*node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(id)?.[0] ?? [],
      );
      const licenses = [...new Set(folders)].map(
        (folder) =>
          `${path.basename(folder)}:\n\n${readFileSync(path.join(folder, 'LICENSE'), 'utf8').trim()}\n`,
      );
      this.emitFile({ type: 'asset', fileName: 'bundled-licenses.txt', source: licenses.join('\n') });
    },
  };
}

/**
 * `export type` for what the code does not export: a class that the source exports as a type is declared as if it were
 * exported whole.
 *
 * @param {readonly import('rollup').RollupOutput['output']} output the code
 */
export function typesOnly(output) {
  const values = new Map(output.map(({ name, exports }) => [name, exports]));
  return {
    name: 'types-only',
    renderChunk(code, { name, isEntry }) {
      if (!isEntry) return null;
      return code.replace(/^export \{ (.*) \};$/m, (_, list) => {
        const exported = list.split(', ');
        const isValue = (one) => values.get(name).includes(one);
        const lines = [
          ['export {', exported.filter(isValue)],
          ['export type {', exported.filter((one) => !isValue(one))],
        ];
        return lines
          .flatMap(([begin, names]) => (names.length === 0 ? [] : [`${begin} ${names.join(', ')} };`]))
          .join('\n');
      });
    },
  };
}
