/** npm run check:package: packs what would be published, and checks it with publint and arethetypeswrong. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'cachement-package-'));
try {
  // npm pack builds first (prepack), so that no old dist is checked.
  const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root });
  const tarball = path.join(folder, JSON.parse(packed)[0].filename);
  run('publint/src/cli.js', ['run', tarball, '--strict']);
  run('@arethetypeswrong/cli/dist/index.js', [tarball, '--no-emoji']);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function run(script, args) {
  const { status } = spawnSync(process.execPath, [path.join(root, 'node_modules', script), ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
