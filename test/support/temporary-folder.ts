import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TemporaryFolder {
  readonly path: string;
  remove(): Promise<void>;
}

// The kernel closes the shell's input when the test process ends, whatever ends it. An empty line means: not
// needed.
const GUARD = 'if ! read -r _; then rm -rf "$1"; fi';

/** A new folder that is gone when `remove` is called or when this process ends, whatever ends it. */
export async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), 'cachement-redis-'));
  const guard = spawn('/bin/sh', ['-c', GUARD, 'guard', path], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  guard.stdin.on('error', () => {});
  (guard.stdin as { unref?: () => void }).unref?.();
  return {
    path,
    remove: async () => {
      await rm(path, { recursive: true, force: true });
      guard.stdin.end('\n');
    },
  };
}
