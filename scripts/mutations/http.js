/** The guards of what rate limits say over HTTP (scripts/mutations/entries.js says what this is). */

const HEADERS = 'src/adapters/http/rate-limit-headers.ts';
const REFUSAL = 'src/adapters/http/refusal.ts';
const IP_KEY = 'src/adapters/http/ip-key.ts';
const CLIENT_IP = 'src/adapters/http/client-ip.ts';
const HITS = 'src/adapters/http/hit-counter.ts';
const EXPRESS = 'src/adapters/express-rate-limit/index.ts';
const ROUTES = 'src/adapters/fastify-rate-limit/route-hits.ts';
const HEADERS_TEST = 'test/http/rate-limit-headers.test.ts';
const IP_KEY_TEST = 'test/http/ip-key.test.ts';
const CLIENT_IP_TEST = 'test/http/client-ip.test.ts';
const EXPRESS_TEST = 'test/http/express-rate-limit.test.ts';
const FASTIFY_TEST = 'test/http/fastify-rate-limit.test.ts';
const ROUTES_TEST = 'test/http/route-hits.test.ts';

export const httpMutations = [
  {
    guard: 'seconds are rounded up',
    file: HEADERS,
    where: 'seconds',
    search: 'Math.ceil(ms / 1_000)',
    replace: 'Math.floor(ms / 1_000)',
    test: HEADERS_TEST,
    title: 'seconds are whole and rounded up, and a window is at least one',
  },
  {
    guard: 'the life of a slot is no window',
    file: HEADERS,
    where: 'policy',
    search: "algorithm === 'concurrency'",
    replace: 'algorithm === undefined',
    test: HEADERS_TEST,
    title: 'a concurrency rule has a unit, and the life of a slot is not called a window',
  },
  {
    guard: 't of a refusal is its Retry-After',
    file: HEADERS,
    where: 'effectiveWindow',
    search: 'if (of.allowed) return',
    replace: 'if (of !== undefined) return',
    test: HEADERS_TEST,
    title: 'a refusal has Retry-After, rounded up, and t of the rule that refused is the same',
  },
  {
    guard: 'a refusal that does not end has no Retry-After',
    file: HEADERS,
    where: 'rateLimitHeaders',
    search: '!decision.allowed && Number.isFinite(decision.retryAfterMs)',
    replace: '!decision.allowed',
    test: HEADERS_TEST,
    title: 'a refusal that does not end has neither Retry-After nor t',
  },
  {
    guard: 'quotes and backslashes in a name are escaped',
    file: HEADERS,
    where: 'text',
    search: String.raw`.replace(/["\\]/g, '\\$&')`,
    replace: '',
    test: HEADERS_TEST,
    title: 'no name breaks out of its string, or out of the header',
  },
  {
    guard: 'a store that does not answer is 503',
    file: REFUSAL,
    where: 'errorResponse',
    search: 'status: 503,\n    headers',
    replace: 'status: 429,\n    headers',
    test: 'test/http/refusal.test.ts',
    title: 'a store that does not answer is 503 and never 429, and nothing of its error is told',
  },
  {
    guard: 'a mapped IPv4 address is the IPv4 address',
    file: IP_KEY,
    where: 'ipKey',
    search: 'mappedAddress(groups) ??',
    replace: '',
    test: IP_KEY_TEST,
    title: 'two IPv4 addresses have two keys, however they are written',
  },
  {
    guard: 'the rest of a /64 does not count',
    file: IP_KEY,
    where: 'masked',
    search: 'Math.min(Math.max(bits, 0), 16)',
    replace: '16',
    test: IP_KEY_TEST,
    title: 'all addresses of one /64 have one key',
  },
  {
    guard: 'X-Forwarded-For is not believed unasked',
    file: CLIENT_IP,
    where: 'clientIp',
    search: 'const { trustedProxies = 0 }',
    replace: 'const { trustedProxies = 1 }',
    test: CLIENT_IP_TEST,
    title: 'X-Forwarded-For is not looked at unless proxies are trusted',
  },
  {
    guard: 'entries count from the right',
    file: CLIENT_IP,
    where: 'forwardedFor',
    search: ".split(',').reverse()",
    replace: ".split(',')",
    test: CLIENT_IP_TEST,
    title: 'behind one proxy it is the last entry, whatever the caller wrote before',
  },
  {
    guard: 'an entry that is no address ends the way',
    file: CLIENT_IP,
    where: 'clientIp',
    search: 'if (isIP(address) === 0) break;',
    replace: 'if (isIP(address) === 0) continue;',
    test: CLIENT_IP_TEST,
    title: 'an entry that is no address ends the way at the nearest one that is to be trusted',
  },
  {
    guard: 'a store that does not answer is an error and no number',
    file: HITS,
    where: 'STRICTLY',
    search: "onUnavailable: 'deny'",
    replace: "onUnavailable: 'local'",
    test: EXPRESS_TEST,
    title: 'while Redis is away requests fail with 503 and never with 429, and afterwards they count again',
  },
  {
    guard: 'limiters of different names count by themselves',
    file: EXPRESS,
    where: 'CachementStore.#key',
    search: 'return [this.#name, key];',
    replace: 'return [key];',
    test: EXPRESS_TEST,
    title: 'clients, and limiters of different names, count by themselves (memory)',
  },
  {
    guard: 'a refusal outlasts the window that it began in',
    file: ROUTES,
    where: 'RouteHits.#hit',
    search: '(blocked || hits > max)',
    replace: 'hits > max',
    test: ROUTES_TEST,
    title: 'continueExceeding: each hit beyond the limit refuses for another window',
  },
  {
    guard: 'a refusal that has ended is forgotten',
    file: ROUTES,
    where: 'RouteHits.#extend',
    search: 'if (!of.blocked) await limits.reset(key, EXCEEDING);',
    replace: '',
    test: ROUTES_TEST,
    title: 'exponentialBackoff begins anew after it has ended',
  },
  {
    guard: 'routes of one group count together',
    file: ROUTES,
    where: 'RouteHits.child',
    search: 'groupId === undefined ?',
    replace: 'groupId !== null ?',
    test: FASTIFY_TEST,
    title: 'routes of one groupId count together (memory)',
  },
];
