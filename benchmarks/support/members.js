import { fork } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { fileOf } from '../libraries/all.js';
import { callsWith } from './calls.js';

const running = new Set();
const program = fileURLToPath(new URL('member.js', import.meta.url));

/**
 * Starts a process that runs the `member` of a question.
 *
 * @param {string} question the URL of the module of the question
 * @param {string} [library] the URL of the library's module, the argument of `member`
 * @param {{ handlers?: Record<string, (argument: any) => unknown>, execPath?: string, execArgv?: string[] }} [options]
 * `handlers`: what the process may call here; `execPath`, `execArgv`: the Node.js that runs it, and its flags
 */
export async function startMember(question, library, options = {}) {
  const { handlers = {}, execPath = process.execPath, execArgv = process.execArgv } = options;
  const args = library === undefined ? [question] : [question, library];
  const child = fork(program, args, { execPath, execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`The process for ${library ?? question} ended with ${code} before it was ready.`);
  });
  failed.catch(() => {});
  await Promise.race([once(child, 'message'), failed]);
  const call = callsWith(child, handlers);
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    if (child.connected) child.disconnect();
    await exited;
  };
  running.add(stop);
  return { call, stop };
}

/** A process for each of the libraries, by name. */
export async function startMembers(question, libraries) {
  const started = await Promise.all(libraries.map((library) => startMember(question, fileOf(library))));
  return new Map(libraries.map((library, i) => [library, started[i]]));
}

/** Ends all processes that still run: after a failure, before the Redis that they use ends. */
export async function stopMembers() {
  await Promise.all([...running].map((stop) => stop()));
  running.clear();
}
