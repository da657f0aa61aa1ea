import { LoadShedError, RateLimitExceededError, StoreUnavailableError } from '../../core/shared/errors.js';
import { rateLimitHeaders, type RateLimitHeadersOptions } from './rate-limit-headers.js';

/** The parts of an HTTP response to a refused request. */
export interface ErrorResponse {
  readonly status: 429 | 503;
  /** `Content-Type`; for 429 also those of `rateLimitHeaders`. */
  readonly headers: Readonly<Record<string, string>>;
  /** Problem details (RFC 9457), to be sent as JSON. The key is not in it, because it may hold private data. */
  readonly body: Readonly<Record<string, unknown>>;
}

const PROBLEM = { 'Content-Type': 'application/problem+json' } as const;

/**
 * Returns the HTTP response to an error of a rate limit or of `maxConcurrentLoads`: 429 for a RateLimitExceededError, 503
 * for a LoadShedError or a StoreUnavailableError. The latter reaches an error handler only under `onUnavailable: 'deny'`.
 *
 * @returns undefined for every other error: pass it on
 * @throws OptionsError
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
  if (!(error instanceof StoreUnavailableError || error instanceof LoadShedError)) return undefined;
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
