import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import process from 'node:process';
import { fromRoot } from './from-root.js';

/** Where and on what: no figure is written without it. */
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
 * `name version` of what a library module says it runs on.
 * @param {URL} from the library's own place: one has its packages for itself
 */
export function versions({ packages = [], rootPackages = [] }, from) {
  const version = (folder) => JSON.parse(readFileSync(folder, 'utf8')).version;
  return [
    ...packages.map((name) => `${name} ${version(nearest(new URL(from), name))}`),
    ...rootPackages.map((name) =>
      name === 'cachement'
        ? `cachement ${fromRoot('./package.json').version}`
        : `${name} ${rootVersion(name)}`,
    ),
  ];
}

function rootVersion(name) {
  return JSON.parse(readFileSync(new URL(`../../node_modules/${name}/package.json`, import.meta.url), 'utf8'))
    .version;
}

/** Not by `require.resolve`: many packages do not export their package.json. */
function nearest(from, name) {
  for (let place = new URL('./', from); ; place = new URL('../', place)) {
    const file = new URL(`node_modules/${name}/package.json`, place);
    try {
      readFileSync(file);
      return file;
    } catch (error) {
      if (place.pathname === '/') throw error;
    }
  }
}

/**
 * Writes what one question found: figures as JSON, the table as Markdown, the picture as SVG. A quick run has its
 * own folder, so that it never passes for a full one.
 */
export function writeResult(name, { title, explanation, table, picture, data }, about, packages, quick) {
  const folder = new URL(quick ? '../results/quick/' : '../results/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const save = (extension, content) => writeFileSync(new URL(`${name}.${extension}`, folder), content);
  save('json', `${JSON.stringify({ question: name, environment: about, packages, data }, undefined, 2)}\n`);
  save('svg', picture);
  const facts = Object.entries(about).map(([key, value]) => `- ${key}: ${value}`);
  save(
    'md',
    [
      `# ${title}`,
      '',
      explanation,
      '',
      table,
      '',
      `![${title}](${name}.svg)`,
      '',
      ...facts,
      `- packages: ${packages.join(', ')}`,
      '',
    ].join('\n'),
  );
}
