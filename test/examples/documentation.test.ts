import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { projectFolder } from '../support/project-folder.js';
import { compileProject } from './compiled-project.js';

/** The TypeScript of a page, block by block. */
function blocksOf(page: string): readonly string[] {
  const text = readFileSync(path.join(projectFolder, 'docs', page), 'utf8');
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code!);
}

test('the files of docs/testing.md compile, and their tests pass', async (t) => {
  const files = Object.fromEntries(
    blocksOf('testing.md').map((code) => [
      /^\/\/ (\S+)\n/.exec(code)?.[1] ?? t.fail('A block without a name'),
      code,
    ]),
  ) as Record<string, string>;
  t.deepEqual(Object.keys(files), ['users.ts', 'users.test.ts']);
  const project = await compileProject(files);
  t.teardown(() => project.remove());
  const { exitCode, output } = await project.run('users.test.js');
  t.is(exitCode, 0, output);
  t.regex(output, /pass 3\n/);
});

test('the snippets of docs/dependency-injection.md compile, each by itself', async (t) => {
  const blocks = blocksOf('dependency-injection.md');
  t.true(blocks.length > 0);
  const files = Object.fromEntries(blocks.map((code, i) => [`block${i + 1}.ts`, `${code}\nexport {};\n`]));
  const project = await compileProject({ ...files, 'surroundings.d.ts': SURROUNDINGS });
  await project.remove();
  t.pass();
});

/** What the snippets take for granted: their reader's application. */
const SURROUNDINGS = `
declare const caching: import('cachement').Caching;
declare const tenants: ReadonlyMap<string, import('cachement').Caching>;
declare const users: Users;
declare const request: { readonly tenant: string };
declare class Users { find(id: string): Promise<User> }
declare class Db { user(id: string): Promise<User> }
interface User { readonly id: string; readonly name: string }
declare module '@nestjs/common' {
  export function Injectable(): ClassDecorator;
  export function Module(options: { providers: readonly unknown[]; exports?: readonly unknown[] }): ClassDecorator;
}
declare module '@nestjs/core' {
  export class ModuleRef {
    get<T>(token: abstract new (...args: never[]) => T, options?: { strict: boolean }): T;
    resolve<T>(token: abstract new (...args: never[]) => T): Promise<T>;
  }
}
`;
