/** The guards of jobs. See cache.js for the format. */
const VERBS = 'test/adapters/bullmq/jobs.test.ts';
const CLOSING = 'test/adapters/bullmq/closing.test.ts';
const OUTAGES = 'test/adapters/bullmq/outages.test.ts';
const DECORATORS = 'test/decorators/jobs.test.ts';
const CONTAINER = 'test/adapters/tsyringe/processes.legacy.test.ts';

export const jobsMutations = [
  {
    guard: 'data-that-json-changes-is-refused',
    replace: 'JSON.stringify(data, keepEqual)',
    by: '(keepEqual, JSON.stringify(data))',
    test: VERBS,
    title: 'data that JSON changes is refused, and says where and how to mend it',
  },
  {
    guard: 'data-that-the-schema-rejects-is-not-enqueued',
    test: VERBS,
    title: 'data that the schema rejects is not enqueued*',
  },
  {
    guard: 'data-that-the-schema-rejects-is-not-retried',
    replace: 'new UnrecoverableError((error as Error).message)',
    by: '(UnrecoverableError, error)',
    test: VERBS,
    title: 'stored data that the schema rejects fails the job without retries*',
  },
  {
    guard: 'job-id-is-one-of-bullmq',
    replace: "!id.includes(':') && ",
    test: VERBS,
    title: 'a job with the id of another one is not added, also when that has finished',
  },
  {
    guard: 'jobs-run-in-no-request',
    replace: 'runOutside(',
    by: '((work: () => JobWorker) => work())(',
    test: VERBS,
    title: 'a job runs in none of the contexts of the call that has started its worker',
  },
  {
    guard: 'error-of-a-worker-is-an-event',
    test: OUTAGES,
    title: 'while Redis is away a job is refused, also at first*',
  },
  {
    guard: 'setup-is-checked-before-the-method',
    test: DECORATORS,
    title: 'without Redis the method does not run*',
  },
  {
    guard: 'job-that-is-lost-is-reported',
    replace: 'cause instanceof StoreUnavailableError && ',
    test: DECORATORS,
    title: 'a job that cannot be made rejects the call with the result of the method',
  },
  {
    guard: 'instance-works-once',
    test: DECORATORS,
    title: '@Processes: inherited, overridden*',
  },
  {
    guard: 'one-instance-of-a-class-works',
    test: CONTAINER,
    title: 'an instance that the container makes has its workers, one instance of its class',
  },
  {
    guard: 'worker-that-does-not-end-is-ended',
    replace: 'await this.#abandon()',
    by: 'void this.#abandon',
    test: CLOSING,
    title: 'close leaves no connection or timer, also with a job that never ends',
  },
  {
    guard: 'copies-of-a-client-are-ended',
    replace: ', ...this.#copies',
    test: CLOSING,
    title: 'close leaves no connection or timer if the server is gone',
  },
  {
    guard: 'waiting-commands-are-rejected-at-the-end',
    test: CLOSING,
    title: 'close leaves no connection or timer if the server is gone',
  },
];
