/** npm run check: everything but the tests. One line for each step; a step is silent unless it fails. */
import { spawnSync } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import process from 'node:process';

const STEPS = [
  ['build', 'compiles src, and bundles it to dist'],
  ['check:types', 'types, with legacy decorators'],
  ['check:types:standard', 'types, with standard decorators'],
  ['check:types:demo', 'types of the demo, on the built package'],
  ['check:lint', 'lint, and import circles'],
  ['check:layers', 'which folder imports which'],
  ['check:guards', 'the guards that npm run mutate takes out'],
  ['check:format', 'format'],
  ['check:unused', 'unused exports, files and dependencies'],
  ['check:package', 'what would be published'],
];

const width = Math.max(...STEPS.map(([script]) => script.length));
for (const [script, what] of STEPS) {
  process.stdout.write(`${script.padEnd(width)}  ${what} ... `);
  const begun = performance.now();
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', script], { encoding: 'utf8' });
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  if (status === 0) {
    console.log(`ok (${seconds} s)`);
    continue;
  }
  console.log(`FAILED (${seconds} s)\n\n${stdout}${stderr}`);
  console.error(`This step alone: npm run ${script}`);
  process.exitCode = 1;
  break;
}
