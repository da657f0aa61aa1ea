import { cacheStatus } from './cache-status.js';
import { isNotModified } from './conditional.js';
import { field, names, type HeaderFields, type WholeResponse } from './http-message.js';
import type { Audience } from './request-audience.js';
import type { StoredResponse } from './storable-response.js';

interface SendTerms {
  readonly audience: Audience['kind'];
  /** The request headers of the option `vary`. */
  readonly vary: readonly string[];
  /** In ms; undefined: the lifetime of the response. */
  readonly maxAge: number | undefined;
  /** In ms since 1970. */
  readonly now: number;
  /** `hit`: from the cache. `stored` and `miss`: from the handler of this request. */
  readonly from: 'hit' | 'stored' | 'miss';
}

/** A 304 has no body and does not describe one (RFC 9110, section 15.4.5). */
const OF_THE_BODY = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-range',
  'content-type',
];
const NO_BODY = new Uint8Array(0);

/** The response to a request: the stored one with `Age`, `Cache-Control`, `Vary` and `Cache-Status`, or a 304. */
export function toResponse(stored: StoredResponse, request: HeaderFields, terms: SendTerms): WholeResponse {
  const { status, body } = stored;
  const ageMs = Math.max(0, terms.now - stored.generatedAt);
  const headers: Record<string, string | readonly string[] | undefined> = {
    ...stored.headers,
    ...cacheControl(stored, ageMs, terms),
    ...vary(stored, terms),
    ...(terms.from === 'hit' ? { age: String(Math.floor(ageMs / 1_000)) } : {}),
    'cache-status':
      terms.from === 'hit'
        ? cacheStatus({ ttl: Math.max(0, Math.floor((stored.lifetime - ageMs) / 1_000)) })
        : cacheStatus({ fwd: 'miss', stored: terms.from === 'stored' }),
  };
  if (isNotModified(request, stored)) {
    for (const name of OF_THE_BODY) headers[name] = undefined;
    return { status: 304, headers, body: NO_BODY };
  }
  if (status !== 204) headers['content-length'] = String(body.length);
  return { status, headers, body };
}

/**
 * The handler's own `Cache-Control` stands. Otherwise `max-age` counts from when the handler ran, as `Age` does: what a
 * client has left of it is what is left of the entry.
 */
function cacheControl(
  { headers, lifetime }: StoredResponse,
  ageMs: number,
  { audience, maxAge }: SendTerms,
): HeaderFields {
  if (headers['cache-control'] !== undefined || headers['expires'] !== undefined) return {};
  const leftMs = Math.max(0, lifetime - ageMs);
  const seconds = maxAge === 0 ? 0 : Math.floor((ageMs + Math.min(maxAge ?? leftMs, leftMs)) / 1_000);
  const scope = audience === 'shared' ? 'public, ' : audience === 'identity' ? 'private, ' : '';
  return { 'cache-control': `${scope}max-age=${seconds}` };
}

/** Tells other caches by what this one distinguishes requests. */
function vary({ headers, isPublic }: StoredResponse, { audience, vary }: SendTerms): HeaderFields {
  const declared = field(headers, 'vary');
  const known = names(declared);
  // guard: other-caches-distinguish-callers
  const callers = audience === 'shared' || isPublic ? [] : ['authorization', 'cookie'];
  const missing = [...vary, ...callers].filter((name) => !known.includes(name));
  return missing.length === 0
    ? {}
    : { vary: [...(declared === undefined ? [] : [declared]), ...missing].join(', ') };
}
