import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import process from 'node:process';
import { fileOf } from '../libraries/all.js';

/** The machine and the versions: every result names them. */
export function environment(redis, quick) {
  const [cpu] = os.cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${os.type()} ${os.arch()}, ${os.cpus().length} cores, ${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    cpu: cpu.model.trim(),
    node: process.version,
    redis: `${redis.version} on ${redis.where}`,
    load: os.loadavg()[0].toFixed(1),
    run: quick ? 'quick' : 'full',
  };
}

/**
 * `name version` of each package that a benchmark ran with.
 *
 * @param {{ libraries?: readonly string[], packages?: readonly string[] }} used `libraries`: modules of libraries/,
 * which name their packages; `packages`: packages of the project itself
 */
export async function versionsOf({ libraries = [], packages = [] }) {
  const modules = await Promise.all(
    libraries.map(async (library) => ({ from: fileOf(library), ...(await import(fileOf(library))) })),
  );
  const names = [
    ...modules.flatMap(({ from, packages = [] }) =>
      packages.map((name) => `${name} ${versionIn(packageFile(new URL(from), name))}`),
    ),
    ...[...packages, ...modules.flatMap(({ rootPackages = [] }) => rootPackages)].map(
      (name) => `${name} ${name === 'cachement' ? versionIn(ROOT) : versionIn(packageFile(ROOT, name))}`,
    ),
  ];
  return [...new Set(names)].toSorted();
}

const ROOT = new URL('../../package.json', import.meta.url);

function versionIn(file) {
  return JSON.parse(readFileSync(file, 'utf8')).version;
}

/**
 * The package.json of a package, as the module `from` would find it. Not by `require.resolve`: many packages do not
 * export their package.json.
 */
function packageFile(from, name) {
  for (let folder = new URL('./', from); ; folder = new URL('../', folder)) {
    const file = new URL(`node_modules/${name}/package.json`, folder);
    if (existsSync(file)) return file;
    if (folder.pathname === '/') throw new Error(`The package ${name} is not installed for ${from.href}.`);
  }
}

/**
 * Writes what one question found: figures as JSON, the table as Markdown, the picture, if there is one, as SVG. Quick
 * runs have a folder of their own, so that none passes for a full one.
 */
export function writeResult(name, { title, explanation, table, picture, data }, about, packages, quick) {
  const folder = new URL(quick ? '../results/quick/' : '../results/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const save = (extension, content) => writeFileSync(new URL(`${name}.${extension}`, folder), content);
  save('json', `${JSON.stringify({ question: name, environment: about, packages, data }, undefined, 2)}\n`);
  if (picture !== undefined) save('svg', picture);
  const facts = Object.entries({ ...about, packages: packages.join(', ') });
  save(
    'md',
    [
      `# ${title}`,
      explanation,
      table,
      ...(picture === undefined ? [] : [`![${title}](${name}.svg)`]),
      facts.map(([key, value]) => `- ${key}: ${value}`).join('\n'),
    ].join('\n\n') + '\n',
  );
}
