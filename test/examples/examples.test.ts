import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { pack } from '../package/consumer-project.js';
import { startPostgres } from '../support/postgres.js';
import { projectFolder } from '../support/project-folder.js';
import { redisForFile } from '../support/servers.js';
import { createExampleProject, type ExampleProject } from './example-project.js';

const redis = redisForFile(test);
let folder: string;
let tarball: string;

test.before('pack', async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'cachement-packed-'));
  tarball = await pack(folder);
});

test.after.always('remove the package', async () => {
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

async function install(t: ExecutionContext, name: string): Promise<ExampleProject> {
  t.timeout(240_000);
  const example = await createExampleProject(name, tarball);
  t.teardown(() => example.remove());
  return example;
}

/** The address of the database of an example, in its environment. */
async function databaseOf(t: ExecutionContext, name: string): Promise<Readonly<Record<string, string>>> {
  if (name !== 'postgres') return {};
  const postgres = await startPostgres();
  t.teardown(() => postgres.stop());
  return { DATABASE_URL: postgres.url() };
}

for (const name of readdirSync(path.join(projectFolder, 'examples'))) {
  test.serial(`examples/${name} does what its README says, in process and on Redis`, async (t) => {
    const example = await install(t, name);
    const database = await databaseOf(t, name);
    const expected = { exitCode: 0, prints: example.readme.prints };
    const doesSo = async (env?: Readonly<Record<string, string>>) => {
      // A process that waits for the machine longer than the store timeout of a call runs the method once more, as it
      // should. The README does not show that, so each example has three chances.
      for (let chances = 2; ; chances--) {
        await redis().restart(); // empties it
        const run = await example.run({ ...database, ...env });
        if (chances === 0 || run.prints.join() === expected.prints.join()) return t.deepEqual(run, expected);
      }
    };
    await doesSo();
    await doesSo({ REDIS_URL: redis().url });
  });
}

test.serial('without a server at REDIS_URL an example exits with a message', async (t) => {
  const example = await install(t, 'tsyringe');
  const { message } = (await t.throwsAsync(example.run({ REDIS_URL: 'redis://127.0.0.1:1' })))!;
  t.regex(message, /StoreSetupError/);
  t.regex(message, /127\.0\.0\.1:1/);
});
