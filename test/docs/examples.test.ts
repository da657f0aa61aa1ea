import test, { type ExecutionContext } from 'ava';
import { redisForFile } from '../support/servers.js';
import { compileProject, type CompiledProject } from './compiled-project.js';

const redis = redisForFile(test);
let examples: CompiledProject;

test.before('compile the examples', async () => {
  examples = await compileProject('examples');
});

test.after.always('remove them', async () => {
  await examples?.remove();
});

/**
 * A process that the machine keeps waiting for longer than the budget of a call (250 ms) runs the method once more, as
 * it should. That is not what these tests ask for, so each example has three chances to be on time.
 */
async function says(
  t: ExecutionContext,
  file: string,
  output: string,
  env?: Readonly<Record<string, string>>,
) {
  for (let chances = 2; ; chances--) {
    const result = await examples.run(file, env);
    if (result.output === output || chances === 0) return t.deepEqual(result, { exitCode: 0, output });
  }
}

test.serial('plain: ten callers read once, and a saved value is read again', async (t) => {
  await says(t, 'plain.js', PLAIN);
});

const PLAIN = `ten callers at once:
  (reads 42)
once more:
Ada
after a save:
  (reads 42)
Grace
`;

const TSYRINGE = `both users, twice:
  (the database reads 42)
  (the database reads 43)
a save invalidates the user, and by tag all users of the organisation:
  (the database reads 42)
Grace
  (the database reads 43)
Alan
`;

test.serial('tsyringe: in process, users are read once, and again after a save', async (t) => {
  await says(t, 'tsyringe.js', TSYRINGE);
});

test.serial('tsyringe: on Redis the output is the same in every run', async (t) => {
  const env = { REDIS_URL: redis().url };
  await says(t, 'tsyringe.js', TSYRINGE, env);
  await says(t, 'tsyringe.js', TSYRINGE, env);
});

test.serial('tsyringe: without a server at the address it exits with a message', async (t) => {
  const { exitCode, output } = await examples.run('tsyringe.js', { REDIS_URL: 'redis://127.0.0.1:1' });
  t.is(exitCode, 1);
  t.regex(output, /StoreSetupError/);
  t.regex(output, /127\.0\.0\.1:1/);
});
