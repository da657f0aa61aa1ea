import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { callsWith } from './calls.js';

const running = new Set();
const program = fileURLToPath(new URL('member.js', import.meta.url));

/**
 * Starts a process that answers for one library.
 *
 * @param {string} question the URL of the module whose `member` it runs
 * @param {string} library the URL of the library's module
 * @param {Record<string, (argument: any) => unknown>} [handlers] what it may call here
 */
export async function startMember(question, library, handlers = {}) {
  const child = fork(program, [question, library], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`The process for ${library} ended with ${code} before it was ready.`);
  });
  failed.catch(() => {});
  await Promise.race([once(child, 'message'), failed]);
  const call = callsWith(child, handlers);
  const stop = async () => {
    if (child.exitCode !== null) return;
    const gone = once(child, 'exit');
    if (child.connected) child.disconnect();
    await gone;
  };
  running.add(stop);
  return { call, stop };
}

/** Ends whatever still runs: after a failure, before their Redis is gone. */
export async function stopMembers() {
  await Promise.all([...running].map((stop) => stop()));
  running.clear();
}
