import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * @typedef {object} TemporaryFolder
 * @property {string} path
 * @property {() => Promise<void>} remove
 */

// The kernel closes the shell's input when this process ends, whatever ends it. An empty line means: already removed.
const GUARD = 'if ! read -r _; then rm -rf "$1"; fi';

/**
 * A new folder that is removed by `remove`, or when this process ends, whatever ends it.
 *
 * @returns {Promise<TemporaryFolder>}
 */
export async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'cachement-redis-'));
  const guard = spawn('/bin/sh', ['-c', GUARD, 'guard', path], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  guard.stdin.on('error', () => {});
  /** @type {{ unref?: () => void }} */ (guard.stdin).unref?.();
  return {
    path,
    remove: async () => {
      await rm(path, { recursive: true, force: true });
      guard.stdin.end('\n');
    },
  };
}
