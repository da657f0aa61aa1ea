import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface ServerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What the server printed, on stdout and stderr. */
  readonly output: string;
}

/**
 * Starts a server, waits for a line that ends with its address, runs `work`, and ends the server by SIGTERM.
 *
 * @param command the program, and its arguments
 * @returns how it ended
 * @throws Error with what the server printed, if it ends before it prints an address; and what `work` throws
 */
export async function withServer(
  [command, ...args]: readonly [string, ...string[]],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
  work: (url: string) => Promise<void>,
): Promise<ServerExit> {
  const server = spawn(command, args, options);
  const ended = once(server, 'close');
  let output = '';
  server.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  try {
    const url = await new Promise<string>((resolve, reject) => {
      server.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        const [found] = /http:\/\/\S+(?=\n)/.exec(output) ?? [];
        if (found !== undefined) resolve(found);
      });
      ended.then(() => reject(new Error(`The server ended:\n${output}`)), reject);
    });
    await work(url);
  } finally {
    server.kill();
    await ended;
  }
  return { code: server.exitCode, signal: server.signalCode, output };
}
