/**
 * What does it cost to import a library: how long does a fresh process take, how many files does it read, and how
 * large is all that together, minified and gzipped?
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { SUBPATHS } from '../scripts/subpaths.js';
import { fromRoot } from './support/from-root.js';
import { bars } from './support/plots.js';
import { inTurns } from './support/in-turns.js';
import { median, quartiles } from './support/statistics.js';
import { table } from './support/table.js';

const LIBRARIES = ['cachement-imperative', 'bentocache', 'cache-manager', 'cacheable'];
const OTHERS = LIBRARIES.filter((library) => library !== 'cachement-imperative');
const SIDES = { import: { type: 'mjs', text: 'await import' }, require: { type: 'cjs', text: 'require' } };
const NOTHING = ['import', 'require'].map((by) => ({
  label: `nothing, by ${by}`,
  by,
  name: `./nothing.${SIDES[by].type}`,
}));
const OURS = [
  { label: 'cachement', by: 'import', name: 'cachement' },
  { label: 'cachement, by require', by: 'require', name: 'cachement' },
  ...Object.keys(SUBPATHS)
    .filter((subpath) => subpath !== '.')
    .map((subpath) => path.posix.join('cachement', subpath))
    .map((name) => ({ label: name, by: 'import', name })),
];
const TARGETS = [...NOTHING, ...OURS, ...OTHERS.map((name) => ({ label: name, by: 'import', name }))];
/** Part of no size: an application that uses Redis has a client anyway. */
const PEERS = Object.keys(fromRoot('./package.json').peerDependencies);

export const title = 'What it costs to import';
export const explanation = `**Import**: from before the \`import\` (or \`require\`) to after it, in a fresh process; the median of the runs. Nothing is
subtracted: the first rows are an empty module, which is the time of Node.js itself. **Processor**: the processor time of
the process meanwhile, which depends least on what else the machine does. **Process**: from its start to its
end, as its parent sees it. The processes take turns, in an order that changes, and the system has all files in memory.
**Files**: how many files of code were compiled. **Size**: all of them bundled by esbuild, minified and gzipped, without
Redis clients. \`cachement/ioredis\` imports ioredis, which counts in its times and files, and not in its size.`;

export async function ask({ quick, say }) {
  const runs = quick ? 5 : 31;
  const folder = projectFolder();
  try {
    const times = await inTurns(TARGETS, runs + 1, async (target, round) => {
      say(`importing, round ${round} of ${runs}`);
      const begun = performance.now();
      const [ms, cpuMs] = runIn(folder, fileOf(target));
      return { ms, cpuMs, processMs: performance.now() - begun };
    });
    const data = [];
    for (const [target, [_first, ...list]] of times) {
      // The first round reads the files into the memory of the system, and is not counted.
      say(`measuring the size of ${target.label}`);
      data.push({
        ...target,
        ms: median(list.map(({ ms }) => ms)),
        msQuartiles: quartiles(list.map(({ ms }) => ms)),
        cpuMs: median(list.map(({ cpuMs }) => cpuMs)),
        processMs: median(list.map(({ processMs }) => processMs)),
        files: runIn(folder, `count-${fileOf(target)}`),
        ...(NOTHING.includes(target) ? { minified: 0, gzipped: 0 } : await sizeOf(folder, target)),
      });
    }
    return { ...(await present(data)), data, explanation, libraries: LIBRARIES };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A temporary project in which all targets are installed, with a program for each. */
function projectFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), 'cachement-import-'));
  mkdirSync(path.join(folder, 'node_modules'));
  const install = (name, from) =>
    symlinkSync(fileURLToPath(new URL(from, import.meta.url)), path.join(folder, 'node_modules', name));
  install('cachement', '..');
  for (const name of OTHERS) install(name, `node_modules/${name}`);
  for (const { name, by } of NOTHING)
    writeFileSync(path.join(folder, name), by === 'import' ? 'export {};' : '');
  for (const target of TARGETS) {
    const statement = `${SIDES[target.by].text}('${target.name}');`;
    writeFileSync(path.join(folder, fileOf(target)), timing(statement));
    writeFileSync(path.join(folder, `count-${fileOf(target)}`), counting(statement));
  }
  return folder;
}

function timing(statement) {
  return `
    const cpu = process.cpuUsage();
    const begun = process.hrtime.bigint();
    ${statement}
    const ms = Number(process.hrtime.bigint() - begun) / 1e6;
    const { user, system } = process.cpuUsage(cpu);
    console.log(JSON.stringify([ms, (user + system) / 1e3]));`;
}

/** The debugger reports every script that is compiled, ESM or CommonJS, with its file. */
function counting(statement) {
  return `
    const { Session } = process.getBuiltinModule('node:inspector');
    const session = new Session();
    session.connect();
    const files = new Set();
    session.on('Debugger.scriptParsed', ({ params: { url } }) => files.add(url));
    session.post('Debugger.enable');
    files.clear();
    ${statement}
    console.log([...files].filter((url) => url.startsWith('file:')).length);`;
}

function fileOf({ label, by }) {
  return `${label.replaceAll(/\W+/g, '-')}.${SIDES[by].type}`;
}

/** @returns what the program prints. It does not get the NODE_OPTIONS of this process. */
function runIn(folder, file) {
  const { NODE_OPTIONS: _options, ...env } = process.env;
  return JSON.parse(execFileSync(process.execPath, [file], { cwd: folder, env, encoding: 'utf8' }));
}

async function sizeOf(folder, { name, by }) {
  const { build } = await import('esbuild');
  const all = by === 'import' ? `import * as all from '${name}';` : `const all = require('${name}');`;
  const { outputFiles } = await build({
    stdin: { contents: `${all} globalThis.all = all;`, resolveDir: folder },
    bundle: true,
    minify: true,
    write: false,
    platform: 'node',
    format: by === 'import' ? 'esm' : 'cjs',
    target: 'node20',
    external: PEERS,
    logLevel: 'error',
  });
  const [{ contents }] = outputFiles;
  return { minified: contents.length, gzipped: gzipSync(contents, { level: 9 }).length };
}

async function present(data) {
  const kilobytes = (bytes) => (bytes === 0 ? '-' : `${(bytes / 1_000).toFixed(1)} kB`);
  const milliseconds = (ms) => `${ms.toFixed(1)} ms`;
  const rows = data.map(({ label, ms, cpuMs, processMs, files, minified, gzipped }) => [
    label,
    milliseconds(ms),
    milliseconds(cpuMs),
    milliseconds(processMs),
    String(files),
    kilobytes(minified),
    kilobytes(gzipped),
  ]);
  const shown = (value, text) =>
    data.map((one) => ({
      label: one.label,
      value: value(one),
      text: text(value(one)),
      ours: one.name.startsWith('cachement'),
    }));
  return {
    table: table(['', 'import', 'processor', 'process', 'files', 'minified', 'gzipped'], rows),
    picture: await bars(title, [
      { title: 'Import', unit: 'milliseconds', bars: shown(({ ms }) => ms, milliseconds) },
      { title: 'Size', unit: 'minified and gzipped', bars: shown(({ gzipped }) => gzipped, kilobytes) },
    ]),
  };
}
