import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { modulesOf } from './code-blocks.js';
import { compileProject } from './compiled-project.js';
import { projectFolder } from '../support/project-folder.js';

test('the files of docs/http.md compile and respond as documented', async (t) => {
  const page = readFileSync(path.join(projectFolder, 'docs/http.md'), 'utf8');
  const files = modulesOf('http.md');
  t.deepEqual(Object.keys(files), [
    'sessions.ts',
    'express-app.ts',
    'fastify-app.ts',
    'hono-app.ts',
    'api-limit.ts',
    'caller.ts',
    'express-store.ts',
    'fastify-store.ts',
  ]);
  const project = await compileProject({ ...files, 'main.ts': MAIN });
  t.teardown(() => project.remove());
  const { exitCode, output } = await project.run('main.js');
  t.is(exitCode, 0, output);
  const [, answer = ''] = /HTTP\/1\.1 (429 .*?)\n```/s.exec(page) ?? [];
  const told = answer.split('\n').map((line) => line.trim());
  t.deepEqual(output.trim().split('\n'), [
    'express: 200 200 429',
    ...told.slice(1, 4),
    told.slice(6).join(''),
    'fastify: 200 200 429',
    ...told.slice(1, 4),
    told.slice(6).join(''),
    'hono: 200 200 429',
    ...told.slice(1, 4),
    told.slice(6).join(''),
    'api: 200 200 429 | "burst";q=2;w=1, "hour";q=1000;w=3600',
    'caller: 2001:db8:0:1200::/56',
    'express-rate-limit: 200 200 429',
    '@fastify/rate-limit: 200 200 429',
  ]);
});

/** Asks the applications of the page. The limits are used up faster than they come back. */
const MAIN = `
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type Express } from 'express';
import { Caching } from 'cachement';
import { memory } from 'cachement/memory';
import { fakeClock } from 'cachement/testing';
import { apiLimit } from './api-limit.js';
import { caller } from './caller.js';
import { app as expressApp } from './express-app.js';
import { loginLimit } from './express-store.js';
import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { app as fastifyApp } from './fastify-app.js';
import { app as honoApp } from './hono-app.js';
import { limitedApp } from './fastify-store.js';

async function three(url: string): Promise<Response[]> {
  const answers: Response[] = [];
  for (let request = 0; request < 3; request++) answers.push(await fetch(url));
  return answers;
}

const statuses = (answers: readonly Response[]) => answers.map(({ status }) => status).join(' ');

async function print(name: string, url: string): Promise<void> {
  const answers = await three(url);
  const refused = answers.at(-1)!;
  console.log(\`\${name}: \${statuses(answers)}\`);
  for (const header of ['RateLimit-Policy', 'RateLimit', 'Retry-After'])
    console.log(\`\${header}: \${refused.headers.get(header)}\`);
  console.log(await refused.text());
}

async function onExpress<T>(app: Express, work: (url: string) => Promise<T>): Promise<T> {
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await work(\`http://127.0.0.1:\${(server.address() as AddressInfo).port}\`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const useNew = () => {
  const caching = new Caching({ adapter: memory(), clock: fakeClock() });
  Caching.setDefault(caching);
  return caching;
};

useNew();
await onExpress(expressApp, (url) => print('express', \`\${url}/login/ada\`));

useNew();
await print('fastify', \`\${await fastifyApp.listen({ port: 0, host: '127.0.0.1' })}/login/ada\`);
await fastifyApp.close();

useNew();
const listener = getRequestListener(honoApp.fetch);
const honoServer = createServer((request, response) => void listener(request, response)).listen(0, '127.0.0.1');
await once(honoServer, 'listening');
await print('hono', \`http://127.0.0.1:\${(honoServer.address() as AddressInfo).port}/login/ada\`);
honoServer.close();

const limited = express().use(apiLimit(useNew()), (_request, response) => void response.send('hello'));
const told = await onExpress(limited, three);
console.log(\`api: \${statuses(told)} | \${told[0]!.headers.get('RateLimit-Policy')}\`);

const request = { headers: { 'x-forwarded-for': '6.6.6.6, 2001:db8:0:12ff::1' }, socket: {} };
console.log(\`caller: \${caller(request as unknown as IncomingMessage)}\`);

const withStore = express().use(loginLimit(useNew()), (_request, response) => void response.send('hello'));
console.log(\`express-rate-limit: \${statuses(await onExpress(withStore, three))}\`);

const app = await limitedApp(useNew());
console.log(\`@fastify/rate-limit: \${statuses(await three(await app.listen({ port: 0, host: '127.0.0.1' })))}\`);
await app.close();
process.exit();
`;
