import { RateLimitExceededError, StoreUnavailableError } from '../../core/shared/errors.js';
import { rateLimitHeaders, type RateLimitHeadersOptions } from './rate-limit-headers.js';

/** What to answer a request that was refused. */
export interface ErrorResponse {
  readonly status: 429 | 503;
  readonly headers: Readonly<Record<string, string>>;
  /** Problem details (RFC 9457), to be sent as JSON. They do not name the key: it may hold what is nobody's business. */
  readonly body: Readonly<Record<string, unknown>>;
}

const PROBLEM = { 'Content-Type': 'application/problem+json' } as const;

/**
 * The answer to what a rate limit threw: 429 for a limit that is used up, 503 for a store that does not answer (the
 * policy `deny`), which is never the caller's fault. Undefined for every other error: it is not ours.
 *
 * @example
 * const refusal = errorResponse(error);
 * if (refusal === undefined) return next(error);
 * response.status(refusal.status).set(refusal.headers).json(refusal.body);
 */
export function errorResponse(
  error: unknown,
  options: RateLimitHeadersOptions = {},
): ErrorResponse | undefined {
  if (error instanceof RateLimitExceededError) return tooManyRequests(error, options);
  if (!(error instanceof StoreUnavailableError)) return undefined;
  return {
    status: 503,
    headers: PROBLEM,
    body: { type: 'about:blank', title: 'Service Unavailable', status: 503 },
  };
}

function tooManyRequests(error: RateLimitExceededError, options: RateLimitHeadersOptions): ErrorResponse {
  const headers = rateLimitHeaders(error, options);
  const wait = headers['Retry-After'];
  return {
    status: 429,
    headers: { ...headers, ...PROBLEM },
    body: {
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: 'Quota Exceeded',
      status: 429,
      ...(wait === undefined ? {} : { detail: `Try again in ${wait} s.` }),
      'violated-policies': error.decision.rules.filter(({ allowed }) => !allowed).map(({ rule }) => rule),
    },
  };
}
