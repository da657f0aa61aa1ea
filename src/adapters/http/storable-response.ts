import { Buffer } from 'node:buffer';
import { nodeCrypto } from '../../core/shared/builtin-modules.js';
import { parseCacheControl, secondsOf } from './cache-control.js';
import { strongETag } from './conditional.js';
import { field, names, type HeaderFields, type ResponseHead, type WholeResponse } from './http-message.js';
import type { Audience } from './request-audience.js';

/** A response as it is stored. A change of its meaning needs another `FORMAT` in response-cache.ts. */
export interface StoredResponse {
  readonly status: number;
  readonly headers: HeaderFields;
  readonly body: Buffer;
  /** When the handler was called, in ms since 1970. */
  readonly generatedAt: number;
  /** How long it may be returned after that, in ms. */
  readonly lifetime: number;
  /** True if the handler has marked it `public`. */
  readonly isPublic: boolean;
  /** The request headers by which it varies beyond those of the key, in order. */
  readonly vary: readonly string[];
  /** `variantOf` the request that it answers. */
  readonly variant: string;
}

/**
 * What is to be done with a response, judged by its head. `store`: it may be stored. `pass`: not this one, and probably
 * not the next one of this key. `fail`: not this one (an error).
 */
export type Verdict =
  | { readonly action: 'store'; readonly lifetime: number }
  | { readonly action: 'pass' | 'fail'; readonly reason: string };

interface Terms {
  readonly audience: Audience['kind'];
  readonly statuses: ReadonlySet<number>;
  /** In ms. */
  readonly ttl: number;
  /** In ms since 1970. */
  readonly now: number;
}

/** Decides about a response as a shared cache would (RFC 9111, section 3), or for one identity as a private one. */
export function judge({ status, headers }: ResponseHead, { audience, statuses, ttl, now }: Terms): Verdict {
  if (!statuses.has(status)) return { action: 'fail', reason: `status ${status}` };
  const directives = parseCacheControl(field(headers, 'cache-control') ?? '');
  const pass = (reason: string): Verdict => ({ action: 'pass', reason });
  // guard: cookie-is-for-one-client
  if (headers['set-cookie'] !== undefined) return pass('set-cookie');
  for (const directive of ['no-store', 'no-cache']) if (directives.has(directive)) return pass(directive);
  // guard: private-is-for-one-caller
  if (directives.has('private') && audience !== 'identity') return pass('private');
  // guard: unidentified-callers-share-public-only
  if (audience === 'unidentified' && !directives.has('public')) return pass('not public');
  if (names(field(headers, 'vary')).includes('*')) return pass('vary: *');
  if (headers['content-range'] !== undefined) return pass('content-range');
  if (headers['trailer'] !== undefined) return pass('trailer');
  if (field(headers, 'content-type')?.startsWith('text/event-stream') === true) return pass('event stream');
  const lifetime = Math.min(ttl, statedLifetime(headers, now));
  return lifetime > 0 ? { action: 'store', lifetime } : pass('no lifetime');
}

/** The freshness lifetime that the handler has stated, in ms (RFC 9111, section 4.2.1). Infinity: none. */
function statedLifetime(headers: HeaderFields, now: number): number {
  const directives = parseCacheControl(field(headers, 'cache-control') ?? '');
  const seconds = secondsOf(directives, 's-maxage') ?? secondsOf(directives, 'max-age');
  const age = Number(field(headers, 'age') ?? 0) * 1_000;
  if (seconds !== undefined) return seconds * 1_000 - age;
  const expires = field(headers, 'expires');
  if (expires === undefined) return Infinity;
  // A date that is not one is in the past.
  return (Date.parse(expires) || 0) - now;
}

/** Headers of one connection or of one message. */
const NOT_STORED = new Set(
  'age cache-status connection content-length date keep-alive proxy-authenticate proxy-connection te trailer transfer-encoding upgrade'.split(
    ' ',
  ),
);

/**
 * @param request the headers of the request that it answers
 * @param keyed the request headers that are part of the key already
 * @param at when the handler was called, in ms since 1970
 */
export function toStored(
  { status, headers, body }: WholeResponse,
  lifetime: number,
  request: HeaderFields,
  keyed: ReadonlySet<string>,
  at: number,
): StoredResponse {
  const perHop = names(field(headers, 'connection'));
  const kept = Object.entries(headers).filter(([name]) => !NOT_STORED.has(name) && !perHop.includes(name));
  const tag = status === 200 || status === 203 ? [['etag', strongETag(body)] as const] : [];
  const declared = names(field(headers, 'vary'));
  // An encoded body suits those who accept the encoding, whether or not the handler says so.
  // guard: encoded-body-varies-by-encoding
  const varies = headers['content-encoding'] === undefined ? declared : [...declared, 'accept-encoding'];
  const vary = [...new Set(varies)].filter((name) => !keyed.has(name)).sort();
  return {
    status,
    headers: Object.fromEntries([...tag, ...kept]),
    body: Buffer.from(body),
    generatedAt: at,
    lifetime,
    isPublic: parseCacheControl(field(headers, 'cache-control') ?? '').has('public'),
    vary,
    variant: variantOf(request, vary),
  };
}

/** The values of request headers as one short text, which does not reveal them. */
export function variantOf(request: HeaderFields, vary: readonly string[]): string {
  if (vary.length === 0) return '';
  const values = vary.map((name) => field(request, name) ?? null);
  return nodeCrypto().createHash('sha256').update(JSON.stringify(values)).digest('base64url');
}
