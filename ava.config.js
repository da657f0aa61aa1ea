import { observeRun } from './scripts/count-tests.js';

/** The tests as compiled with legacy decorators, the main mode. `npm test` compiles them. */
export default {
  files: ['build/legacy/test/**/*.test.js'],
  concurrency: 2,
  timeout: '2m',
  // A process for each file: tests kill servers, fork workers and set process-wide defaults.
  workerThreads: false,
  nodeArguments: ['--enable-source-maps'],
  nonSemVerExperiments: { observeRunsFromConfig: true },
  observeRun,
};
