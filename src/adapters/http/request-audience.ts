import type { CacheableRequest, HeaderFields } from './http-message.js';

/**
 * Who may get a stored response. `shared`: the options say that all callers get the same. `identity`: the caller that the
 * options name. `anonymous`: requests that do not say who calls. `unidentified`: requests that may say who calls, in a
 * way that the options do not read; only responses that are marked `public` are stored for them.
 */
export type Audience =
  | { readonly kind: 'shared' | 'anonymous' }
  | { readonly kind: 'identity'; readonly id: string }
  /** `by` names what may say who calls: a header, or what the framework knows. */
  | { readonly kind: 'unidentified'; readonly by: string };

/**
 * Request headers that do not say who calls. Every other header may: credentials have many names (`X-Api-Key`,
 * `X-Forwarded-User`, `Cf-Access-Jwt-Assertion`), and one that is not known must not lead to another caller's response.
 */
const ANONYMOUS = new Set(
  // What browsers and other clients send
  `accept accept-charset accept-encoding accept-language access-control-request-headers access-control-request-method
  alt-used cache-control connection content-type device-memory dnt downlink dpr ect expect from-origin host
  http2-settings if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive origin pragma
  priority proxy-connection purpose referer rtt save-data te upgrade-insecure-requests user-agent viewport-width
  width x-purpose x-requested-with
  baggage b3 elastic-apm-traceparent newrelic sentry-trace traceparent tracestate x-amzn-trace-id
  x-cloud-trace-context x-correlation-id x-request-id x-request-start
  cdn-loop cf-connecting-ip cf-ipcountry cf-ray cf-visitor fastly-client-ip fly-client-ip forwarded true-client-ip
  via x-client-ip x-cluster-client-ip x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-prefix
  x-forwarded-proto x-forwarded-protocol x-forwarded-scheme x-forwarded-server x-forwarded-ssl x-real-ip
  x-scheme`
    .replace(/\s+/g, ' ')
    .split(' '),
);
/** Client hints, fetch metadata and traces. */
const ANONYMOUS_PREFIXES = ['sec-ch-', 'sec-fetch-', 'sec-gpc', 'sec-purpose', 'x-b3-', 'x-datadog-'];

/**
 * Returns the name of what may say who calls: the first header that is not known to be anonymous, or what the framework
 * knows about the caller. Undefined: nothing does.
 *
 * @param ignored further headers that say nothing, in lower case
 */
export function callerHint(
  { headers, identifiedBy }: Pick<CacheableRequest, 'headers' | 'identifiedBy'>,
  ignored: ReadonlySet<string>,
): string | undefined {
  for (const name of Object.keys(headers)) {
    if (headers[name] === undefined || ANONYMOUS.has(name) || ignored.has(name)) continue;
    // guard: header-may-say-who-calls
    if (!ANONYMOUS_PREFIXES.some((prefix) => name.startsWith(prefix))) return name;
  }
  // guard: framework-says-who-calls
  return identifiedBy();
}

/** What frameworks and their plugins call the caller of a request. */
const CALLER_PROPERTIES = ['user', 'userId', 'session', 'auth', 'jwtPayload'] as const;

/** The first property that says who calls. @param read the property of this name; undefined and null if there is none */
export function callerProperty(read: (name: string) => unknown): string | undefined {
  return CALLER_PROPERTIES.find((name) => (read(name) ?? undefined) !== undefined);
}

/** True if the client has shown a certificate. */
export function hasClientCertificate(socket: unknown): boolean {
  const { getPeerCertificate } = (socket ?? {}) as { getPeerCertificate?: () => object | null };
  return typeof getPeerCertificate === 'function' && hasKeys(getPeerCertificate.call(socket));
}

function hasKeys(value: object | null): boolean {
  return value !== null && Object.keys(value).length > 0;
}

/** Headers from which an application may take its own address. They are part of every key. */
const ADDRESS_HEADERS = [
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-forwarded-proto',
] as const;

/** The values of these headers, for a key: a caller can write them, and would else choose the links of other callers. */
export function addressHeaders(headers: HeaderFields): readonly string[] {
  return ADDRESS_HEADERS.flatMap((name) => {
    const value = headers[name];
    return value === undefined ? [] : [`${name}: ${String(value)}`];
  });
}
