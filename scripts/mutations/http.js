/** The guards of cached responses: the form is that of cache.js. */
const leaves = 'a client that leaves in the middle of a stream does not spoil it either';
const strangers =
  "neither of two users behind one cached route gets the other's answer, whatever the headers";
const nobodyElse = 'responses that are for nobody else pass through, and every request runs its own handler';

export const httpMutations = [
  {
    guard: 'header-may-say-who-calls',
    test: 'test/adapters/hono/hono.test.ts',
    on: 'hono',
    title: strangers,
  },
  {
    guard: 'framework-says-who-calls',
    by: 'return undefined;',
    replace: 'return identifiedBy();',
    test: 'test/adapters/hono/hono.test.ts',
    on: 'hono',
    title: 'what the framework knows about the caller counts like a credential',
  },
  {
    guard: 'identity-is-part-of-the-key',
    replace: '[audience.id]',
    by: '[]',
    test: 'test/adapters/hono/hono.test.ts',
    on: 'hono',
    title: strangers,
  },
  {
    guard: 'cookie-is-for-one-client',
    test: 'test/adapters/hono/hono.test.ts',
    on: 'hono',
    title: nobodyElse,
  },
  {
    guard: 'private-is-for-one-caller',
    test: 'test/adapters/hono/hono.test.ts',
    on: 'hono',
    title: "the handler's Cache-Control stands, and its max-age bounds the entry",
  },
  {
    guard: 'unidentified-callers-share-public-only',
    test: 'test/adapters/hono/hono.test.ts',
    on: 'hono',
    title: strangers,
  },
  {
    guard: 'encoded-body-varies-by-encoding',
    replace: ", 'accept-encoding'",
    test: 'test/adapters/hono/hono.test.ts',
    on: 'hono',
    title: 'an encoded body is for those who accept its encoding',
  },
  {
    guard: 'address-headers-are-part-of-the-key',
    replace: "addressHeaders(headers).join('\\n')",
    by: "''",
    test: 'test/adapters/hono/hono.test.ts',
    on: 'hono',
    title: 'path, query, host and headers of the address have responses of their own',
  },
  {
    guard: 'other-caches-distinguish-callers',
    replace: "['authorization', 'cookie']",
    by: '[]',
    test: 'test/adapters/hono/hono.test.ts',
    on: 'hono',
    title: 'a later request gets the stored status, headers and body, with Age',
  },
  {
    guard: 'request-whose-handler-runs-gets-its-own-response',
    test: 'test/adapters/http/response-cache.test.ts',
    title: 'a request whose handler runs after loadTimeout gets its own response, not that of the hung one',
  },
  {
    guard: 'handler-runs-once',
    test: 'test/adapters/http/own-handler.test.ts',
    title: 'a load that begins when its request has its response does not run the handler',
  },
  {
    guard: 'client-that-leaves-ends-its-own-request-only',
    test: 'test/adapters/express/express.test.ts',
    on: 'express',
    title: leaves,
  },
  {
    guard: 'handler-that-stopped-ends-the-load',
    test: 'test/adapters/express/express.test.ts',
    on: 'express',
    title: leaves,
  },
];
