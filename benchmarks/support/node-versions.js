import { execFileSync } from 'node:child_process';
import process from 'node:process';

/** The Node.js of this process where its version is the one asked for, else that of the npm package `node`. */
export function execPathOf(major) {
  if (process.versions.node.split('.')[0] === major) return process.execPath;
  const args = ['--yes', `--package=node@${major}`, 'node', '-p', 'process.execPath'];
  return execFileSync('npx', args, { encoding: 'utf8' }).trim();
}
