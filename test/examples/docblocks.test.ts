import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { projectFolder } from '../support/project-folder.js';
import { compileProject } from './compiled-project.js';

/** The folders whose docblocks users see in their editor. */
const FOLDERS = ['decorators', 'adapters', 'testing'];

/** What an example may import, by module. */
const MODULES: Readonly<Record<string, readonly string[]>> = {
  cachement: [
    ...['Caching', 'Cached', 'Invalidates', 'RateLimited', 'Locked', 'createDecorators', 'currentLease'],
    ...['bindCaching', 'useContainer', 'withCaching'],
  ],
  'cachement/express-rate-limit': ['expressRateLimitStore'],
  'cachement/fastify-rate-limit': ['fastifyRateLimitStore'],
  'cachement/http': ['clientIp', 'ipKey', 'rateLimitHeaders', 'errorResponse'],
  'cachement/ioredis': ['ioredis'],
  'cachement/memory': ['memory'],
  'cachement/testing': ['bypassCaching', 'fakeClock', 'recordingCaching'],
  'cachement/tsyringe': ['registerCaching'],
  tsyringe: ['container'],
};

/** The two frameworks have a `rateLimit` each. */
const OWN_IMPORTS: Readonly<Record<string, string>> = {
  'express-rate-limit': "import { rateLimit } from 'express-rate-limit';",
  'fastify-rate-limit': "import rateLimit from '@fastify/rate-limit';",
};

test('the examples in docblocks of decorators, adapters and testing helpers compile', async (t) => {
  t.timeout(60_000);
  const files: Record<string, string> = {};
  for (const file of FOLDERS.flatMap(sourcesIn)) {
    examplesOf(file).forEach((example, i) => {
      files[`${file.replaceAll(/\W/g, '-')}-${i + 1}.ts`] = moduleOf(file, example);
    });
  }
  t.true(Object.keys(files).length > 15, 'the examples are found');
  const project = await compileProject({ ...files, 'surroundings.d.ts': SURROUNDINGS });
  await project.remove();
});

/** The source files in a folder of src, from the root of the repository. */
function sourcesIn(folder: string): readonly string[] {
  return readdirSync(path.join(projectFolder, 'src', folder), { encoding: 'utf8', recursive: true })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => path.join('src', folder, file));
}

function examplesOf(file: string): readonly string[] {
  const source = readFileSync(path.join(projectFolder, file), 'utf8');
  return [...source.matchAll(/ \* @example\n((?: \* (?!@(?:throws|returns|param|see)).*\n)+)/g)].map(
    ([, lines]) => lines!.replaceAll(/^ \* /gm, ''),
  );
}

function moduleOf(file: string, example: string): string {
  const imports = Object.entries(MODULES).flatMap(([module, names]) => {
    const used = names.filter(
      (name) =>
        new RegExp(`\\b${name}\\(|\\b${name}\\b(?!:)`).test(example) &&
        !new RegExp(`const [^=]*\\b${name}\\b[^=]*=`).test(example),
    );
    return used.length === 0 ? [] : [`import { ${used.join(', ')} } from '${module}';`];
  });
  const own = OWN_IMPORTS[file.split(path.sep).at(-2)!];
  const body = example.startsWith('@')
    ? `export class Example {\n${example.replaceAll('{ ... }', '{ throw new Error(); }')}}\n`
    : `export async function example() {\n${example}}\n`;
  return [...(own === undefined ? [] : [own]), ...imports, body].join('\n');
}

/** What the examples expect in their reader's application. */
const SURROUNDINGS = `
declare const caching: import('cachement').Caching;
declare const testCaching: import('cachement').Caching;
declare const service: { find(id: string): Promise<string> };
declare const users: object;
declare const user: User;
declare const request: import('express').Request;
declare const response: import('express').Response;
declare const next: (error: unknown) => void;
declare const error: unknown;
declare const app: import('express').Express;
declare const fastify: import('fastify').FastifyInstance;
declare const t: { is(actual: unknown, expected: unknown): void };
declare class Users {}
interface User { readonly id: string; readonly orgId: string }
interface Invoice { readonly id: string }
interface Session { readonly token: string }
`;
