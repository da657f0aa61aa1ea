const SCRIPT = 'test/adapters/ioredis/entries/invalidation-script.test.ts';
const NOTIFY = 'test/adapters/postgres/invalidate-on-notify.test.ts';
const ROUTE = 'test/adapters/http/invalidation-route.test.ts';

/** The guards of invalidations by those who do not use this library. */
export const writerMutations = [
  {
    guard: 'other-writers-mark-the-bucket-of-a-tag-lua',
    test: SCRIPT,
    title: 'a load in progress is not stored after the script: tag, tags from the result',
  },
  {
    guard: 'other-writers-mark-with-a-new-value-lua',
    replace: "type(record) == 'string' and record or ''",
    by: "''",
    test: SCRIPT,
    title: 'every call of the script changes the bucket again',
  },
  {
    guard: 'invalidation-route-needs-the-secret',
    replace: 'nodeCrypto().timingSafeEqual(known, digest)',
    by: 'known.length === digest.length',
    test: ROUTE,
    title: '*: without the secret a request is 401, and invalidates nothing',
  },
  {
    guard: 'invalidation-route-acknowledges-nothing-by-itself',
    replace: 'if (acknowledged) ',
    test: ROUTE,
    title: '*: while Redis is away a request is 503 and not acknowledged',
  },
  {
    guard: 'invalidation-route-refuses-weak-secrets',
    replace: 'secrets.length === 0 || !secrets.every(isSecret)',
    by: 'secret === undefined',
    test: ROUTE,
    title: 'a secret that is missing, short or unusual is refused, and is not in the message',
  },
  {
    guard: 'what-was-not-notified-is-invalidated',
    test: NOTIFY,
    title: 'what changes while the connection is lost is invalidated when it is there again',
  },
  {
    guard: 'unreadable-notification-is-about-every-table',
    test: NOTIFY,
    title: 'a notification of a table that is not mapped ends the entries of all tables, and is reported',
  },
  {
    guard: 'row-that-cannot-be-mapped-invalidates-its-table',
    test: NOTIFY,
    title: 'a row that cannot be mapped ends the entries of its table, and is reported',
  },
  {
    guard: 'silent-connection-is-destroyed',
    replace: 'client.connection?.stream?.destroy();',
    test: NOTIFY,
    title: 'close ends a connection that is silently dead',
  },
];
