import test from 'ava';
import { blocksOf, modulesOf, nameOf, outputOf } from './code-blocks.js';
import { compileProject } from './compiled-project.js';

test('the files of docs/testing.md compile, and their tests pass', async (t) => {
  const files = Object.fromEntries(
    blocksOf('testing.md').map((code) => [nameOf(code) ?? t.fail('A block without a name'), code]),
  ) as Record<string, string>;
  t.deepEqual(Object.keys(files).join(' '), 'users.ts users.test.ts outage.test.ts stock.ts stock.test.ts');
  const project = await compileProject(files);
  t.teardown(() => project.remove());
  for (const [name, tests] of [
    ['users', 3],
    ['outage', 3],
    ['stock', 2],
  ]) {
    const { exitCode, output } = await project.run(`${name}.test.js`);
    t.is(exitCode, 0, output);
    t.regex(output, new RegExp(`pass ${tests}\n`));
    if (name === 'stock') t.true(output.includes(outputOf('testing.md')), output);
  }
});

test('the tests of docs/writing-an-adapter.md compile and pass', async (t) => {
  const [, code = ''] = blocksOf('writing-an-adapter.md');
  const project = await compileProject({ 'contract.test.ts': code });
  t.teardown(() => project.remove());
  const { exitCode, output } = await project.run('contract.test.js');
  t.is(exitCode, 0, output);
  t.regex(output, /pass \d{3}\n/);
});

test('the snippets of docs/dependency-injection.md compile, each by itself', async (t) => {
  const files = modulesOf('dependency-injection.md');
  t.true(Object.keys(files).length > 0);
  const project = await compileProject({ ...files, 'surroundings.d.ts': SURROUNDINGS });
  await project.remove();
  t.pass();
});

test('the snippets of docs/nestjs.md compile, each by itself', async (t) => {
  const files = modulesOf('nestjs.md');
  t.true(Object.keys(files).length > 4);
  const project = await compileProject({ ...files, 'config.ts': CONFIG });
  await project.remove();
  t.pass();
});

test('the snippets of docs/sessions.md compile, each by itself', async (t) => {
  const files = modulesOf('sessions.md');
  t.is(Object.keys(files).length, 4);
  const project = await compileProject(files);
  await project.remove();
  t.pass();
});

const CONFIG = `
export class ConfigService { get(name: string): string { return name; } }
export class ConfigModule {}
`;

test('the snippets of docs/values.md compile, each by itself', async (t) => {
  const files = modulesOf('values.md');
  t.is(Object.keys(files).length, 5);
  const project = await compileProject({ ...files, 'surroundings.d.ts': VALUES });
  await project.remove();
  t.pass();
});

const VALUES = `
declare const Cached: typeof import('cachement').Cached;
declare const Caching: typeof import('cachement').Caching;
declare const adapter: import('cachement').Adapter;
declare const z: typeof import('zod').z;
declare namespace z { type infer<T> = import('zod').infer<T> }
declare class Author { readonly name: string }
declare class Book { readonly title: string }
declare function toAuthor(data: Author): Author;
declare const db: {
  findAndCount(page: number): Promise<[Author[], number]>;
  user(id: string): Promise<{ id: string; email: string } | null>;
};
`;

test('the snippets of docs/other-writers.md compile, each by itself', async (t) => {
  const files = modulesOf('other-writers.md');
  t.deepEqual(Object.keys(files), ['other-writers.ts', 'express-route.ts', 'listener.ts']);
  const project = await compileProject(files);
  await project.remove();
  t.pass();
});

test('the snippets of docs/encryption.md compile, each by itself', async (t) => {
  const files = modulesOf('encryption.md');
  t.is(Object.keys(files).length, 3);
  const project = await compileProject({ ...files, 'surroundings.d.ts': ENCRYPTION });
  await project.remove();
  t.pass();
});

const ENCRYPTION = `
declare const Caching: typeof import('cachement').Caching;
declare const adapter: import('cachement').Adapter;
declare const oldKey: string;
declare const newKey: string;
`;

test('the snippets of docs/transactions.md compile, each by itself', async (t) => {
  const files = modulesOf('transactions.md');
  t.is(Object.keys(files).length, 7);
  const project = await compileProject({ ...files, 'surroundings.d.ts': TRANSACTIONS });
  await project.remove();
  t.pass();
});

const TRANSACTIONS = `
declare const subscribe: typeof import('cachement').subscribe;
declare const log: { warn(fields: object): void };
declare const Invalidates: typeof import('cachement').Invalidates;
declare const caching: import('cachement').Caching;
interface EntityManager { save(user: User): Promise<User> }
interface User { readonly id: string }
declare const user: User;
declare const primary: { save(user: User): Promise<void> };
declare const users: { save(user: User, manager: EntityManager): Promise<User> };
declare const dataSource: { transaction<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> };
declare const runner: { readonly manager: EntityManager; commitTransaction(): Promise<void> };
`;

test('the snippets of docs/jobs.md compile, each by itself', async (t) => {
  const files = modulesOf('jobs.md');
  t.is(Object.keys(files).length, 6);
  const project = await compileProject({ ...files, 'surroundings.d.ts': JOBS });
  await project.remove();
  t.pass();
});

const JOBS = `
type Job = import('bullmq').Job;
declare const caching: import('cachement').Caching;
declare const z: typeof import('zod').z;
declare const defineQueue: typeof import('cachement/bullmq').defineQueue;
declare const Enqueues: typeof import('cachement/bullmq').Enqueues;
declare const ioredis: typeof import('cachement/ioredis').ioredis;
declare const jobs: typeof import('cachement/bullmq').jobs;
declare const Processes: typeof import('cachement/bullmq').Processes;
declare const emails: import('cachement/bullmq').JobQueue<{ to: string }, unknown>;
declare const reports: import('cachement/bullmq').JobQueue<
  { month: string; at: Date }, number, { month: string; at: unknown }
>;
interface Order { readonly id: string; readonly email: string }
declare const db: {
  insert(order: Order): Promise<Order>;
  rows(month: string, at: Date, options: { readonly signal: AbortSignal }): Promise<unknown[]>;
};
`;

test('the snippets of README.md compile, each by itself', async (t) => {
  const project = await compileProject({ ...modulesOf('../README.md'), 'surroundings.d.ts': README });
  await project.remove();
  t.pass();
});

const README = `
interface User { readonly id: string; readonly orgId: string }
interface Session { readonly id: string }
interface Invoice { readonly id: string }
declare class Db {
  user(id: string): Promise<User>;
  save(user: User): Promise<void>;
  signIn(ip: string, password: string): Promise<Session>;
  settle(invoice: Invoice, guards: { readonly signal: AbortSignal; readonly fencingToken: bigint | undefined }): Promise<void>;
}
`;

/** What the snippets take for granted: their reader's application. */
const SURROUNDINGS = `
declare const caching: import('cachement').Caching;
declare const tenants: ReadonlyMap<string, import('cachement').Caching>;
declare const users: Users;
declare const request: { readonly tenant: string };
declare class Users { find(id: string): Promise<User> }
declare class Db { user(id: string): Promise<User> }
interface User { readonly id: string; readonly name: string }
`;

test('the snippets of docs/pubsub.md compile, each by itself', async (t) => {
  const files = modulesOf('pubsub.md');
  t.is(Object.keys(files).length, 6);
  const project = await compileProject({ ...files, 'surroundings.d.ts': PUBSUB });
  await project.remove();
  t.pass();
});

const PUBSUB = `
declare const caching: import('cachement').Caching;
declare const pubsub: typeof import('cachement/pubsub').pubsub;
declare const Publishes: typeof import('cachement/pubsub').Publishes;
declare const Subscribes: typeof import('cachement/pubsub').Subscribes;
declare const userChanged: import('cachement/pubsub').MessageChannel<{ id: string }>;
interface User { readonly id: string; readonly name: string }
declare const db: {
  save(user: User): Promise<User>;
  create(name: string): Promise<{ id: string }>;
  changedSince(since: Date): Promise<{ id: string }[]>;
};
declare function warm(id: string): Promise<void>;
declare function push(id: string): void;
`;
