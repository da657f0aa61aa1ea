import { execFile } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import test from 'ava';
import { startRedis, type RedisServer } from '../../support/servers.js';
import type { Outcome } from './run-suite.js';

const run = promisify(execFile);

/** The tests of the suite that cannot apply, with the reason. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'session() req.session .cookie .secure should set cookie when secure':
    'the certificate that the test reads is made by a script of its repository; no store is part of what it tests',
};

let server: RedisServer;

test.before('start Redis', async () => {
  server = await startRedis();
});
test.after.always('stop Redis', () => server?.stop());

test("express-session's own tests pass with the store in place of its MemoryStore", async (t) => {
  t.timeout(120_000);
  const program = path.join(import.meta.dirname, 'run-suite.js');
  const { stdout } = await run(process.execPath, [program, server.url]);
  const outcomes = JSON.parse(stdout) as readonly Outcome[];
  const failed = outcomes.filter(({ error }) => error !== undefined);
  t.deepEqual(
    failed.filter(({ title }) => EXCEPTIONS[title] === undefined),
    [],
  );
  t.is(outcomes.length - failed.length, 141);
});
