import test from 'ava';
import { compileProject } from './compiled-project.js';
import { docblockExamples, type DocblockExample } from './docblock-examples.js';

const examples = docblockExamples();

test('every plain verb of Cache, Limits, Locks and Caching has an example', (t) => {
  const codes = examples.map(({ code }) => code).join('\n');
  const verbs = {
    cache: [
      'getOrSet',
      'getOrSetMany',
      'get',
      'has',
      'getMany',
      'set',
      'put',
      'invalidate',
      'invalidateAround',
      'clear',
    ],
    limits: ['consume', 'peek', 'run', 'penalty', 'refund', 'block', 'reset'],
    locks: ['withLease', 'acquire'],
  };
  for (const [object, names] of Object.entries(verbs)) {
    for (const name of names) t.regex(codes, new RegExp(`caching\\.${object}\\.${name}[(<]`), name);
  }
  t.regex(codes, /new Caching\([^]*caching\.ready\(\)[^]*caching\.close\(\)/);
});

test('the examples in docblocks compile, and those that need no server run', async (t) => {
  t.timeout(120_000);
  const modules = Object.fromEntries(examples.map((example, i) => [`example${i}.ts`, moduleOf(example)]));
  const isRun = ({ file, code }: DocblockExample): boolean =>
    !file.startsWith('adapters') && !isMember(code) && !isClass(code);
  const runs = examples.flatMap((example, i) => (isRun(example) ? [i] : []));
  t.true(runs.length >= 20);
  const project = await compileProject({
    ...modules,
    'application.ts': APPLICATION,
    'run.ts': runs.map((i) => `await (await import('./example${i}.js')).example();\n`).join(''),
  });
  t.teardown(() => project.remove());
  const { exitCode, output } = await project.run('run.js');
  t.is(exitCode, 0, output);
});

/** An example as a module: a member of a class, or the body of a function. */
function moduleOf({ file, line, code }: DocblockExample): string {
  const body = code.replaceAll('{ ... }', "{ throw new Error('not called'); }");
  if (isClass(code)) return `${IMPORTS}${body}\nvoid Users;\n`;
  const example = isMember(code)
    ? `export class Example { readonly db = db;\n${body}\n}`
    : `export async function example() {\n${body}\n}`;
  return `// ${file}:${line}\n${IMPORTS}${importsOf(file)}const caching = newCaching();\nbindCaching(service, caching);\n${example}\n`;
}

function isMember(code: string): boolean {
  return code.startsWith('@') && !isClass(code);
}

function isClass(code: string): boolean {
  return /^@.*\nclass /.test(code);
}

const IMPORTS = `
import 'reflect-metadata';
import {
  bindCaching, Cached, CachedMany, CachePut, Caching, CachingDefaults, createDecorators, currentLease, currentLoad, defineCodec, entry, Invalidates, key, Locked, RateLimited, subscribe,
  useContainer, withCaching, withContext, withRequestMemo,
} from 'cachement';
import { memory } from 'cachement/memory';
import { bypassCaching, chaosAdapter, fakeClock, raceTest, recordingCaching } from 'cachement/testing';
import {
  buildReport, db, id, invoice, ip, misses, newCaching, pay, service, t, testCaching, user, warm,
  type Invoice, type Session, type User,
} from './application.js';
`;

/** What the examples of an adapter use besides. */
function importsOf(file: string): string {
  const folder = file.split('/').slice(0, 2).join('/');
  return ADAPTER_IMPORTS[folder] ?? TSYRINGE;
}

const TSYRINGE = "import { container } from 'tsyringe';\n";

const MESSAGES = `
import {
  bindSubscribers, defineChannel, definePattern, pubsub, Publishes, Subscribes,
} from 'cachement/pubsub';
import { z } from 'zod';
const userChanged = defineChannel<{ id: string }>('user.changed');
class Listener {
  @Subscribes(userChanged)
  async onUserChanged(): Promise<void> {}
}
const listener = new Listener();
`;

const ADAPTER_IMPORTS: Readonly<Record<string, string>> = {
  'core/cache': `${TSYRINGE}declare class Users { find(id: string): Promise<User> }\n`,
  'adapters/msgpackr': "import { msgpackr } from 'cachement/msgpackr';\n",
  'core/messages': MESSAGES,
  'core/pubsub.ts': MESSAGES,
  'decorators/publishes.ts': MESSAGES,
  'decorators/subscribes.ts': MESSAGES,
  'testing/contract': `
import { adapterContract } from 'cachement/testing/contract';
const test = (_title: string, _run: () => Promise<void>): void => {};
`,
  'core/values': "import { Decimal } from 'decimal.js';\n",
  'adapters/bullmq': `
import { defineQueue, Enqueues, jobs, Processes, startWorkers } from 'cachement/bullmq';
import { z } from 'zod';
const emails = defineQueue<{ to: string }>('emails');
const reports = defineQueue<{ month: string }>('reports');
class Mailer {
  @Processes(emails)
  async send(): Promise<void> {}
}
const mailer = new Mailer();
`,
  'adapters/express': `
import { cachingErrorHandler, cacheResponse, invalidationRoute } from 'cachement/express';
declare const app: import('express').Express;
declare const products: { find(id: string): Promise<object> };
`,
  'adapters/fastify': `
import { cachingErrorHandler, cacheResponse, invalidationRoute } from 'cachement/fastify';
declare const app: import('fastify').FastifyInstance;
declare const products: { find(id: string): Promise<object> };
`,
  'adapters/hono': `
import { cachingErrorHandler, cacheResponse, invalidationRoute } from 'cachement/hono';
declare const app: import('hono').Hono;
declare const products: { find(id: string): Promise<object> };
`,
  'adapters/express-rate-limit': `
import { expressRateLimitStore } from 'cachement/express-rate-limit';
import { rateLimit } from 'express-rate-limit';
declare const app: import('express').Express;
`,
  'adapters/fastify-rate-limit': `
import rateLimit from '@fastify/rate-limit';
import { fastifyRateLimitStore } from 'cachement/fastify-rate-limit';
declare const fastify: import('fastify').FastifyInstance;
`,
  'core/sessions': `
import { Sessions } from 'cachement/session';
const sessions = new Sessions<{ cart: string[] }>(newCaching());
`,
  'adapters/express-session': `
import { expressSessionStore, type ExpressSessionStore } from 'cachement/express-session';
import session from 'express-session';
declare module 'express-session' { interface SessionData { userId?: string } }
declare const app: import('express').Express;
declare const secret: string;
declare const store: ExpressSessionStore;
declare const request: { session: { userId: string }; sessionID: string };
`,
  'adapters/fastify-session': `
import session from '@fastify/session';
import { fastifySessionStore, type FastifySessionStore } from 'cachement/fastify-session';
declare const fastify: import('fastify').FastifyInstance;
declare const secret: string;
declare const store: FastifySessionStore;
declare const request: { session: { userId: string; sessionId: string } };
`,
  'adapters/http': `
import { clientIp, errorResponse, invalidationRoute, ipKey, rateLimitHeaders } from 'cachement/http';
declare const error: unknown;
declare const next: (error: unknown) => void;
declare const request: import('express').Request;
declare const response: import('express').Response;
`,
  'adapters/ioredis': `
import { writeFile } from 'node:fs/promises';
import { invalidationScript, ioredis } from 'cachement/ioredis';
`,
  'adapters/postgres': `
import pg from 'pg';
import { invalidateOnNotify } from 'cachement/postgres';
`,
  'adapters/nestjs': `
import { HttpAdapterHost } from '@nestjs/core';
import { ThrottlerModule } from '@nestjs/throttler';
import { ioredis } from 'cachement/ioredis';
import {
  CachingExceptionFilter, CachingModule, cachingThrottlerStorage, cachingToken, InjectCaching,
} from 'cachement/nestjs';
declare const app: import('@nestjs/common').INestApplication;
declare const health: import('@nestjs/terminus').HealthCheckService;
declare const indicator: import('cachement/nestjs').CachingHealthIndicator;
declare class ConfigService { getOrThrow(name: string): string }
`,
  'adapters/tsyringe': `
import { ioredis } from 'cachement/ioredis';
import { registerCaching } from 'cachement/tsyringe';
${TSYRINGE}declare class Users {}
`,
  'adapters/inversify': `
import { registerCaching } from 'cachement/inversify';
import { ioredis } from 'cachement/ioredis';
declare class Users {}
declare const container: import('inversify').Container;
`,
  'adapters/awilix': `
import { registerCaching } from 'cachement/awilix';
import { ioredis } from 'cachement/ioredis';
declare const container: import('awilix').AwilixContainer<{ users: object }>;
`,
  'adapters/typedi': `
import { ioredis } from 'cachement/ioredis';
import { registerCaching } from 'cachement/typedi';
import { Container } from 'typedi';
declare class Users {}
`,
  'adapters/typed-inject': `
import { provideCaching } from 'cachement/typed-inject';
import { createInjector } from 'typed-inject';
declare class Users {}
`,
};

/** The application of the reader of an example. */
const APPLICATION = `
import assert from 'node:assert/strict';
import { Cached, CachedMany, Caching } from 'cachement';
import { memory } from 'cachement/memory';

export interface User { readonly id: string; readonly orgId: string }
export interface Invoice { readonly id: string }
export interface Session { readonly id: string }

export const newCaching = () => new Caching({ adapter: memory() });
export const testCaching = newCaching();
export const user: User = { id: '42', orgId: '7' };
export const invoice: Invoice = { id: '42' };
export const id = '42';
export const ip = '127.0.0.1';
export const db = {
  user: async (_id: string): Promise<User> => user,
  rename: async (_id: string, _name: string): Promise<User> => user,
  transaction: <T>(work: () => Promise<T>): Promise<T> => work(),
  users: async (ids: readonly string[]): Promise<Map<string, User>> => new Map(ids.map((id) => [id, user])),
  settle: async (_invoice: Invoice, _fencingToken: bigint | undefined): Promise<void> => {},
};
export const warm = async (_id: string): Promise<void> => {};
export const buildReport = async (): Promise<string> => 'report';
export const pay = async (_invoice: Invoice, _fencingToken: bigint | undefined): Promise<void> => {};
export const misses = { inc: (_labels: object): void => {} };
export const t = { is: (actual: unknown, expected: unknown): void => assert.equal(actual, expected) };

class Service {
  @Cached({ key: 'user:{0}', ttl: '1m' })
  async find(id: string): Promise<User> { return db.user(id); }
  @CachedMany({ key: 'user:{0}', ttl: '1m' })
  async findMany(ids: string[]): Promise<Map<string, User>> { return db.users(ids); }
  async save(_user: User): Promise<void> {}
}
export const service = new Service();
`;
