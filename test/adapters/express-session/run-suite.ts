/**
 * Runs express-session's own test suite with our store on the Redis whose URL is the first argument. Writes a JSON array of
 * outcomes to stdout.
 */
import path from 'node:path';
import process from 'node:process';
import {
  expressSessionStore,
  type ExpressSessionStore,
} from '../../../src/adapters/express-session/index.js';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { Caching } from '../../../src/core/caching.js';
import { projectFolder } from '../../support/project-folder.js';

export interface Outcome {
  readonly title: string;
  /** Undefined if it passed. */
  readonly error: string | undefined;
}

declare global {
  var createSessionStore: () => ExpressSessionStore;
}

/** What this program uses of mocha, whose types would declare globals for all tests. */
interface Mocha {
  addFile(file: string): void;
  loadFilesAsync(): Promise<void>;
  run(): {
    on(
      event: 'pass' | 'fail' | 'end',
      listener: (test: Test, error: Error) => void,
    ): ReturnType<Mocha['run']>;
  };
}

interface Test {
  fullTitle(): string;
}

const { default: Mocha } = (await import('mocha' as string)) as { default: new (options: object) => Mocha };
const vendor = path.join(projectFolder, 'test/adapters/express-session/vendor');
const caching = new Caching({
  adapter: ioredis(process.argv[2]!, { timeout: '20s', connectTimeout: '20s' }),
  namespace: 'express-suite',
});
await caching.ready();
let stores = 0;
globalThis.createSessionStore = () => expressSessionStore({ caching, name: `store-${++stores}` });

const outcomes: Outcome[] = [];
const mocha = new Mocha({ timeout: 20_000, reporter: class Silent {} });
mocha.addFile(path.join(vendor, 'test/support/env.js'));
mocha.addFile(path.join(vendor, 'test/session.js'));
await mocha.loadFilesAsync();
mocha
  .run()
  .on('pass', (test) => void outcomes.push({ title: test.fullTitle(), error: undefined }))
  .on('fail', (test, error) => void outcomes.push({ title: test.fullTitle(), error: error.message }))
  .on('end', () => {
    // The suite leaves servers open, as its own command does: mocha --no-exit.
    process.stdout.write(JSON.stringify(outcomes), () => process.exit(0));
  });
