/** The Rollup plugins of npm run build: see build.js. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Loads what tsc wrote in `folder`, with its source maps, and the packages that are bundled. */
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

/** With one character beyond Latin-1, V8 stores the whole file in two bytes a character, and reads it more slowly. */
function oneByteEach(code) {
  return code.replace(
    /[^\0-\xff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Writes the licenses of the bundled packages to one file beside their code. */
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
 * Declares with `export type` what the code does not export. The bundler of declarations writes `export` for a class
 * that the source exports as a type only.
 *
 * @param {readonly import('rollup').RollupOutput['output']} output the bundled code
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
