import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';
import type { Express } from 'express';
import type { FastifyInstance } from 'fastify';

/** Listens on a free port of 127.0.0.1 until the test ends. @returns the URL */
export async function serveExpress(t: ExecutionContext, app: Express): Promise<string> {
  const server: Server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Listens on a free port of 127.0.0.1 until the test ends. @returns the URL */
export async function serveFastify(t: ExecutionContext, app: FastifyInstance): Promise<string> {
  t.teardown(() => app.close());
  return app.listen({ port: 0, host: '127.0.0.1' });
}

/** What is looked at of a response. Its body is read, so that the connection is free again. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

export async function get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const response = await fetch(url, { headers });
  return { status: response.status, headers: response.headers, body: await response.text() };
}

/** The statuses of so many requests at once, in ascending order. */
export async function statuses(count: number, ...urls: readonly string[]): Promise<readonly number[]> {
  const answers = await Promise.all(Array.from({ length: count }, (_, i) => get(urls[i % urls.length]!)));
  return answers.map(({ status }) => status).sort();
}
