import test from 'ava';
import { modulesOf } from './code-blocks.js';
import { compileProject } from './compiled-project.js';

test('the files of docs/response-caching.md compile, and answer as described', async (t) => {
  const project = await compileProject({ ...modulesOf('response-caching.md'), 'main.ts': MAIN });
  t.teardown(() => project.remove());
  const { exitCode, output } = await project.run('main.js');
  t.is(exitCode, 0, output);
  const byRoute = (name: string) => [
    `${name}: 1 read, then hit`,
    `${name} with a cookie: not public`,
    `${name} after a save: 3 reads`,
  ];
  t.deepEqual(output.trim().split('\n'), [
    ...['express', 'fastify', 'hono'].flatMap(byRoute),
    'of the user: private, max-age=30; alice bob alice',
    'of all: public, max-age=30; alice alice alice',
  ]);
});

const MAIN = `
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import express, { type RequestHandler } from 'express';
import { Caching } from 'cachement';
import { memory } from 'cachement/memory';
import * as onExpress from './express-products.js';
import * as onFastify from './fastify-products.js';
import * as onHono from './hono-products.js';
import { ofAll, ofTheUser } from './for-users.js';
import { productSaved } from './save-product.js';

let reads = 0;
const find = async (id: string) => ({ id, reads: ++reads });
const caching = new Caching({ adapter: memory(), defaults: { jitter: 0 } });

async function serve(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return \`http://127.0.0.1:\${(server.address() as AddressInfo).port}\`;
}

const statusOf = (response: Response) => response.headers.get('cache-status') ?? '';

async function report(name: string, url: string): Promise<void> {
  reads = 0;
  const target = \`\${url}/products/42\`;
  await fetch(target);
  const second = await fetch(target);
  console.log(\`\${name}: \${reads} read, then \${/; (hit);/.exec(statusOf(second))?.[1]}\`);
  const withCookie = await fetch(target, { headers: { cookie: 'sid=1' } });
  console.log(\`\${name} with a cookie: \${/detail="(.*)"/.exec(statusOf(withCookie))?.[1]}\`);
  await productSaved(caching, '42');
  await fetch(target);
  console.log(\`\${name} after a save: \${reads} reads\`);
}

await report('express', await serve(onExpress.productsApp(caching, find)));
await report('fastify', await onFastify.productsApp(caching, find).listen({ port: 0, host: '127.0.0.1' }));
const hono = getRequestListener(onHono.productsApp(caching, find).fetch);
await report('hono', await serve((request, response) => void hono(request, response)));

const signIn: RequestHandler = (request, _response, next) => {
  Object.assign(request, { user: { id: request.headers.authorization } });
  next();
};
for (const [name, cached] of [['of the user', ofTheUser(caching)], ['of all', ofAll(caching)]] as const) {
  const app = express().get('/', signIn, cached, (request, response) => void response.send(request.headers.authorization));
  const url = await serve(app);
  const bodies: string[] = [];
  let control: string | null = null;
  for (const authorization of ['alice', 'bob', 'alice']) {
    const response = await fetch(url, { headers: { authorization } });
    control = response.headers.get('cache-control');
    bodies.push(await response.text());
  }
  console.log(\`\${name}: \${control}; \${bodies.join(' ')}\`);
}
process.exit();
`;
