import test from 'ava';
import { redisForFile } from '../support/servers.js';
import { modulesOf } from './code-blocks.js';
import { compileProject } from './compiled-project.js';

const redis = redisForFile(test);

test('the snippets of docs/locks.md compile, each by itself, and the one that is a program runs', async (t) => {
  t.timeout(60_000);
  const files = modulesOf('locks.md');
  t.true('deposits.ts' in files);
  const project = await compileProject({ ...files, 'surroundings.d.ts': SURROUNDINGS });
  t.teardown(() => project.remove());
  const { exitCode, output } = await project.run('deposits.js', { REDIS_URL: redis().url });
  t.deepEqual({ exitCode, output }, { exitCode: 0, output: '100\n' });
});

/** What the snippets take for granted: their reader's application. */
const SURROUNDINGS = `
declare const caching: import('cachement').Caching;
declare const tenant: string;
declare const invoice: Invoice;
declare const invoices: { settle(invoice: Invoice): Promise<void> };
declare const response: { status(code: number): void };
declare const db: Db;
declare function move(from: string, to: string, amount: number): Promise<void>;
declare function read(year: number): Promise<void>;
declare function write(year: number): Promise<void>;
declare function send(page: string): Promise<void>;
interface Guards { readonly signal?: AbortSignal; readonly fencingToken?: bigint | undefined }
declare class Db {
  lines(invoice: string, guards?: Guards): Promise<readonly string[]>;
  settle(invoice: string, lines: readonly string[], guards?: Guards): Promise<void>;
  rows(guards?: Guards): Promise<readonly string[]>;
  migrate(tenant: string, guards?: Guards): Promise<void>;
}
interface Invoice { readonly id: string }
`;
