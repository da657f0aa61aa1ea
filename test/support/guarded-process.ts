import { fork, spawn, type ChildProcess } from 'node:child_process';

/**
 * A shell that starts the command and kills it when its own standard input ends. That input is a pipe whose
 * other end only the test process has, so the kernel closes it when the test process ends, even by SIGKILL.
 * The shell itself starts the command, so there is no moment at which the command runs unguarded.
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
 * Starts a command that cannot outlive this process, whatever ends it. The first line of `stdout` is the
 * command's process id; the rest, and `stderr`, are its own. The child is the guarding shell: it exits when
 * the command does, with its status, or 128 and the number of the signal.
 */
export function spawnGuarded(command: string, args: readonly string[]): ChildProcess {
  return spawn('/bin/sh', ['-c', GUARD, 'guard', command, ...args], {
    // A session of its own, so that an interrupt typed at the terminal reaches neither guard nor command.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, REPORT_PID: '1' },
  });
}

/** Like `spawnGuarded`, for a script of Node.js with a message channel. Its output goes where ours goes. */
export function forkGuarded(script: string): ChildProcess {
  return fork(script, {
    execPath: '/bin/sh',
    execArgv: ['-c', GUARD, 'guard', process.execPath],
    detached: true,
    serialization: 'advanced',
    stdio: ['pipe', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, REPORT_PID: '' },
  });
}

/** Whether the child keeps this process alive: it should while somebody waits for it, and not in between. */
export function keepAlive(child: ChildProcess, alive: boolean): void {
  const verb = alive ? 'ref' : 'unref';
  child[verb]();
  for (const stream of [child.stdin, child.stdout, child.stderr]) {
    const handle = stream as { ref?: () => void; unref?: () => void } | null;
    handle?.[verb]?.();
  }
  const channel = child.channel;
  if (channel) channel[verb]();
}
