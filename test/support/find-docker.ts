import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';

/**
 * Whether a Docker engine answers, in any of the places where Testcontainers looks, within `limitMs`.
 * Testcontainers itself is not asked: to load it takes about as long, and where there is no engine it would
 * wait for a dead address.
 */
export async function dockerAnswers(
  addresses: readonly string[] = usualAddresses(),
  limitMs = 800,
): Promise<boolean> {
  const answers = addresses.map(async (address) => {
    if (!(await answersAt(address, limitMs))) throw new Error(`Nothing answers at ${address}.`);
    return true;
  });
  return Promise.any(answers).catch(() => false);
}

function usualAddresses(): string[] {
  const { uid } = userInfo();
  const runtimeFolder = process.env['XDG_RUNTIME_DIR'];
  const sockets = [
    '/var/run/docker.sock',
    ...(runtimeFolder === undefined ? [] : [join(runtimeFolder, 'docker.sock')]),
    join(homedir(), '.docker', 'run', 'docker.sock'),
    join(homedir(), '.docker', 'desktop', 'docker.sock'),
    join('/run', 'user', String(uid), 'docker.sock'),
  ];
  const configured = [property('tc.host') ?? '', process.env['DOCKER_HOST'] ?? property('docker.host') ?? ''];
  return [
    ...configured.filter((address) => address !== ''),
    ...sockets.filter((path) => existsSync(path)).map((path) => `unix://${path}`),
  ];
}

/** Testcontainers reads this file too. */
function property(name: string): string | undefined {
  const file = join(homedir(), '.testcontainers.properties');
  if (!existsSync(file)) return undefined;
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .find((candidate) => candidate.split('=')[0]?.trim() === name);
  return line?.slice(line.indexOf('=') + 1).trim();
}

function answersAt(address: string, limitMs: number): Promise<boolean> {
  if (!URL.canParse(address)) return Promise.resolve(false);
  const { protocol, hostname, port, pathname } = new URL(address);
  if (protocol === 'unix:' || protocol === 'npipe:') return answersPing({ socketPath: pathname }, limitMs);
  const place = { host: hostname, port: Number(port === '' ? 2_375 : port) };
  // Behind TLS it is enough that somebody listens: the certificates are Testcontainers' affair.
  return process.env['DOCKER_TLS_VERIFY'] === '1' ? accepts(place, limitMs) : answersPing(place, limitMs);
}

function answersPing(
  place: { socketPath: string } | { host: string; port: number },
  limitMs: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const ping = request({ ...place, path: '/_ping', signal: AbortSignal.timeout(limitMs) }, (response) => {
      response.resume();
      // Any web server may answer; this header names an engine, be it Docker or Podman.
      resolve(response.statusCode === 200 && response.headers['api-version'] !== undefined);
    });
    ping.once('error', () => resolve(false));
    ping.end();
  });
}

function accepts(place: { host: string; port: number }, limitMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ ...place, timeout: limitMs });
    const settle = (answer: boolean) => (): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', settle(true));
    socket.once('timeout', settle(false));
    socket.once('error', settle(false));
  });
}
