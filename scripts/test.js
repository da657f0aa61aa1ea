/**
 * npm test [-- PATTERNS and options of AVA]: compiles the tests with legacy and with standard decorators, runs
 * both with AVA, and ends with what failed and one line that sums all up. Paths are those of sources: test/shared/duration.test.ts.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const MODES = [
  { mode: 'legacy', project: 'tsconfig.test.json', config: 'ava.config.js' },
  { mode: 'standard', project: 'tsconfig.test.standard.json', config: 'ava.standard.config.js' },
];
const NOTHING = { passed: 0, failed: 0, skipped: 0, leftOut: 0, failures: [] };

const counts = runAll(process.argv.slice(2));
const total = (name) => counts.reduce((sum, count) => sum + count[name], 0);
const skipped = total('skipped');
// Once more at the end, where whoever reads a long log looks first.
const failures = counts.flatMap((count) => count.failures);
if (failures.length > 0) console.log(`\nWhat failed:\n\n${failures.join('\n\n')}`);
console.log(
  `\n${total('passed')} passed, ${total('failed')} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
);
process.exitCode = total('failed') > 0 ? 1 : 0;

function runAll(args) {
  // The compiler writes its output in spite of type errors: the tests still run, and the whole fails.
  const compiled = MODES.map(({ mode, project }) => {
    console.log(`Compiling the tests with ${mode} decorators`);
    rmSync(path.join(root, 'build', mode), { recursive: true, force: true });
    return runNode('typescript/bin/tsc', ['-p', project]) === 0
      ? NOTHING
      : failure('The tests do not compile.');
  });
  const ran = MODES.flatMap((run) => {
    const chosen = args.map((arg) => compiledPath(run.mode, arg));
    return isSelected(run.mode, chosen) ? [test(run, chosen)] : [];
  });
  const nothingRan = ran.every(isNothing);
  return [...compiled, ...ran, ...(nothingRan ? [failure(`No test matches ${args.join(' ')}.`)] : [])];
}

/** One run of AVA, whose output is passed on. */
function test({ mode, config }, args) {
  console.log(`\nTesting with ${mode} decorators`);
  const folder = mkdtempSync(path.join(tmpdir(), 'cachement-tests-'));
  const file = path.join(folder, 'counts.json');
  try {
    const status = runNode('ava/entrypoints/cli.mjs', ['--config', config, ...args], {
      COUNT_TESTS_TO: file,
    });
    const counted = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : NOTHING;
    if (args.length === 0 && counted.failed === 0 && counted.leftOut > 0) {
      return failure(`${counted.leftOut} tests were left out: one of the files has a test.only.`, counted);
    }
    // A mode without any selected test has not failed: the other mode may have them.
    const nothingSelected = args.length > 0 && isNothing(counted);
    return status !== 0 && counted.failed === 0 && !nothingSelected
      ? failure('AVA failed.', counted)
      : counted;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** test/keys/key.test.ts -> build/legacy/test/keys/key.test.js; anything else stays. */
function compiledPath(mode, arg) {
  const relative = path.relative(root, path.resolve(arg));
  if (arg.startsWith('-') || !/^test(?![^/\\])/.test(relative)) return arg;
  return path.join('build', mode, relative).replace(/\.ts(?=$|:)/, '.js');
}

/** Whether this mode has one of the given paths. For patterns AVA decides. */
function isSelected(mode, args) {
  const paths = args
    .filter((arg) => arg.startsWith('build'))
    .map((arg) => path.join(root, arg.replace(/:.*$/, '')));
  if (paths.length === 0 || paths.some((asked) => /[*?{[(!]/.test(asked))) return true;
  const tests = readdirSync(path.join(root, 'build', mode, 'test'), { recursive: true })
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => path.join(root, 'build', mode, 'test', name));
  return paths.some((asked) => tests.some((file) => file === asked || file.startsWith(asked + path.sep)));
}

function isNothing({ passed, failed, skipped }) {
  return passed + failed + skipped === 0;
}

function runNode(script, args, extraEnv = {}) {
  const { status } = spawnSync(process.execPath, [path.join(root, 'node_modules', script), ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...extraEnv },
  });
  return status;
}

function failure(reason, counts = NOTHING) {
  console.error(reason);
  return { ...counts, failed: counts.failed + 1, failures: [...counts.failures, reason] };
}
