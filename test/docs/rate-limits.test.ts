import test from 'ava';
import { redisForFile } from '../support/servers.js';
import { modulesOf } from './code-blocks.js';
import { compileProject } from './compiled-project.js';

const redis = redisForFile(test);

test('the snippets of docs/rate-limits.md compile, each by itself, and the one that is a program runs', async (t) => {
  t.timeout(60_000);
  const files = modulesOf('rate-limits.md');
  t.true('mails.ts' in files);
  const project = await compileProject({ ...files, 'surroundings.d.ts': SURROUNDINGS });
  t.teardown(() => project.remove());
  const { exitCode, output } = await project.run('mails.js', { REDIS_URL: redis().url });
  t.deepEqual({ exitCode, output }, { exitCode: 0, output: OUTPUT });
});

const OUTPUT = `5 of 20 sent
the next one is due within 12 s
sent after the penalty was taken back: 1
`;

/** What the snippets take for granted: their reader's application. */
const SURROUNDINGS = `
declare const caching: import('cachement').Caching;
declare const user: User;
declare const message: { readonly id: string };
declare const mail: { send(user: User): Promise<void> };
declare const sessions: { open(ip: string, password: string): Promise<Session> };
declare const index: { search(query: Query): Promise<Row[]> };
declare const geocoder: { find(address: string): Promise<Place> };
declare const importer: { run(tenant: string): Promise<void> };
declare const decisions: { inc(labels: object): void };
declare function sleep(ms: number): Promise<void>;
declare function render(tenant: string): Promise<Report>;
interface User { readonly id: string }
interface Session { readonly id: string }
interface Report { readonly pages: number }
interface Row { readonly id: string }
interface Place { readonly name: string }
interface Query { readonly tenant: string; readonly rows: number; readonly plan: { readonly exports: number } }
`;
