import { fork, spawn } from 'node:child_process';
import process from 'node:process';

/** @import { ChildProcess } from 'node:child_process' */

/**
 * A shell that starts the command and kills it when its own standard input ends. That input is a pipe whose other end
 * only this process has, so the kernel closes it when this process ends, even by SIGKILL. The shell itself starts the
 * command, so there is no moment at which the command runs unguarded.
 */
const GUARD = `
exec 9<&0
"$@" </dev/null 9<&- &
guarded=$!
if [ -n "$REPORT_PID" ]; then echo "$guarded"; fi
exec 2>/dev/null
( exec 3<&- >/dev/null; read -r _ <&9; kill -9 "$guarded" ) &
guard=$!
wait "$guarded"
status=$?
kill -9 "$guard"
wait "$guard"
exit "$status"
`;

/**
 * Starts a command that cannot outlive this process, whatever ends it. The first line of `stdout` is the command's
 * process id; the rest, and `stderr`, are its own. The child is the guarding shell: it exits when the command does,
 * with its status, or 128 and the number of the signal.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @returns {ChildProcess}
 */
export function spawnGuarded(command, args) {
  return spawn('/bin/sh', ['-c', GUARD, 'guard', command, ...args], {
    // A session of its own, so that an interrupt typed at the terminal reaches neither guard nor command.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, REPORT_PID: '1' },
  });
}

/**
 * Like `spawnGuarded`, for a script of Node.js with a message channel. It writes to the output of this process.
 *
 * @param {string} script
 * @returns {ChildProcess}
 */
export function forkGuarded(script) {
  return fork(script, {
    execPath: '/bin/sh',
    execArgv: ['-c', GUARD, 'guard', process.execPath],
    detached: true,
    serialization: 'advanced',
    stdio: ['pipe', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, REPORT_PID: '' },
  });
}

/**
 * Whether the child keeps this process alive: it should while something waits for it, and not otherwise.
 *
 * @param {ChildProcess} child
 * @param {boolean} alive
 */
export function keepAlive(child, alive) {
  const verb = alive ? 'ref' : 'unref';
  child[verb]();
  for (const stream of [child.stdin, child.stdout, child.stderr]) {
    const handle = /** @type {{ ref?: () => void, unref?: () => void } | null} */ (stream);
    handle?.[verb]?.();
  }
  const channel = child.channel;
  if (channel) channel[verb]();
}
