import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { projectFolder } from '../support/project-folder.js';
import { redisForFile } from '../support/servers.js';
import { compileProject } from './compiled-project.js';

/** Pages that begin with a whole program, and with what it prints. */
const PAGES = [
  'README.md',
  'docs/caching.md',
  'docs/context.md',
  'docs/dependency-injection.md',
  'docs/encryption.md',
  'docs/handles.md',
  'docs/invalidation.md',
  'docs/jobs.md',
  'docs/keys.md',
  'docs/locks.md',
  'docs/migrating.md',
  'docs/nestjs.md',
  'docs/other-writers.md',
  'docs/outage.md',
  'docs/pitfalls.md',
  'docs/puts.md',
  'docs/pubsub.md',
  'docs/staleness.md',
  'docs/batches.md',
  'docs/rate-limits.md',
  'docs/redis.md',
  'docs/scale.md',
  'docs/sessions.md',
  'docs/sliding-expiry.md',
  'docs/stampede.md',
  'docs/transactions.md',
  'docs/values.md',
  'docs/verify.md',
  'docs/writing-an-adapter.md',
];

const redis = redisForFile(test);

/** The first block of a page that names a file, and the text below it. */
function programOf(page: string): { readonly name: string; readonly code: string; readonly output: string } {
  const text = readFileSync(path.join(projectFolder, page), 'utf8');
  const found = /^```ts\n(\/\/ (\S+)\.ts\n.*?)^```\n\n```text\n(.*?)^```$/ms.exec(text);
  if (found === null) throw new Error(`Expected ${page} to begin with a program and what it prints.`);
  const [, code = '', name = '', output = ''] = found;
  return { name, code, output };
}

for (const page of PAGES) {
  test.serial(`${page} begins with a program that compiles and prints what the page says`, async (t) => {
    t.timeout(60_000);
    const { name, code, output } = programOf(page);
    const project = await compileProject({ [`${name}.ts`]: code });
    t.teardown(() => project.remove());
    // On a busy machine a call may lose its store timeout, and then runs the method once more: three chances.
    for (let chances = 2; ; chances--) {
      const result = await project.run(`${name}.js`, { REDIS_URL: redis().url });
      if (result.output === output || chances === 0) return t.deepEqual(result, { exitCode: 0, output });
    }
  });
}
