import {
  LoadShedError,
  LockNotObtainedError,
  LockUnavailableError,
  RateLimitExceededError,
  StoreUnavailableError,
} from '../../core/shared/errors.js';
import { custom, parseOptions, type Option } from '../../core/shared/option-schema.js';
import {
  rateLimitHeaders,
  rateLimitHeadersOptions,
  type RateLimitHeadersOptions,
} from './rate-limit-headers.js';

/** The parts of an HTTP response to a refused request. */
export interface ErrorResponse {
  readonly status: 409 | 423 | 429 | 503;
  /** `Content-Type`; for 429 also those of `rateLimitHeaders`. */
  readonly headers: Readonly<Record<string, string>>;
  /** Problem details (RFC 9457), to be sent as JSON. The key is not in it, because it may hold private data. */
  readonly body: Readonly<Record<string, unknown>>;
}

export interface ErrorResponseOptions extends RateLimitHeadersOptions {
  /** The status if others hold a lock: 409 Conflict, or 423 Locked (WebDAV, RFC 4918). @default 409 */
  readonly lockStatus?: 409 | 423 | undefined;
}

/** The schema of `ErrorResponseOptions`: names, checks and defaults. */
export const errorResponseOptions = {
  ...rateLimitHeadersOptions,
  lockStatus: custom('409 or 423', (value) => (value === 409 || value === 423 ? value : undefined), 409),
} satisfies Record<keyof ErrorResponseOptions, Option<unknown>>;

const PROBLEM = { 'Content-Type': 'application/problem+json' } as const;
const TITLES = { 409: 'Conflict', 423: 'Locked', 503: 'Service Unavailable' } as const;

/**
 * Returns the HTTP response to an error of this library that is not a bug: 429 for a RateLimitExceededError, 409 for a
 * LockNotObtainedError, and 503 for a StoreUnavailableError, a LoadShedError or a LockUnavailableError. A
 * StoreUnavailableError of a rate limit reaches an error handler only under `onUnavailable: 'deny'`.
 *
 * @returns undefined for every other error: pass it on
 * @throws OptionsError
 * @example
 * const refusal = errorResponse(error);
 * if (refusal === undefined) return next(error);
 * response.status(refusal.status).set(refusal.headers).json(refusal.body);
 */
export function errorResponse(error: unknown, options: ErrorResponseOptions = {}): ErrorResponse | undefined {
  const { lockStatus = 409 } = parseOptions(errorResponseOptions, options, 'errorResponse(error, { ... })');
  if (error instanceof RateLimitExceededError) return tooManyRequests(error, { legacy: options.legacy });
  if (error instanceof LockNotObtainedError) return problem(lockStatus);
  const isUnavailable =
    error instanceof StoreUnavailableError ||
    error instanceof LoadShedError ||
    error instanceof LockUnavailableError;
  return isUnavailable ? problem(503) : undefined;
}

function problem(status: keyof typeof TITLES): ErrorResponse {
  return { status, headers: PROBLEM, body: { type: 'about:blank', title: TITLES[status], status } };
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
