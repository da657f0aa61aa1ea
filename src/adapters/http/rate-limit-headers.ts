import type { Decision, RuleDecision } from '../../core/ports/decision.js';
import { RateLimitExceededError } from '../../core/shared/errors.js';
import { oneOf, parseOptions, type Option } from '../../core/shared/option-schema.js';

export interface RateLimitHeadersOptions {
  /**
   * Adds `X-RateLimit-Limit`, `-Remaining` and `-Reset` of the rule that decided. `-Reset` has two meanings in use:
   * `delta` is the seconds until the reset (@fastify/rate-limit), `epoch` its time in seconds since 1970 (GitHub,
   * express-rate-limit).
   * @default none of them
   */
  readonly legacy?: 'delta' | 'epoch' | undefined;
}

/** The schema of `RateLimitHeadersOptions`: names and checks. */
export const rateLimitHeadersOptions = {
  legacy: oneOf(['delta', 'epoch']),
} satisfies Record<keyof RateLimitHeadersOptions, Option<unknown>>;

/**
 * Returns the rate limit headers of a response: `RateLimit-Policy` and `RateLimit` with one member for each rule
 * (draft-ietf-httpapi-ratelimit-headers-11), and `Retry-After` for a refusal that ends (with a limit of 0 it does
 * not).
 *
 * All times are whole seconds, rounded up, so that a client that waits for them is not too early.
 *
 * @throws OptionsError
 * @example
 * response.set(rateLimitHeaders(await caching.limits.consume(`api:${user.id}`, { limit: 100, per: '1m' })));
 */
export function rateLimitHeaders(
  from: Decision | RateLimitExceededError,
  options: RateLimitHeadersOptions = {},
): Record<string, string> {
  const { legacy } = parseOptions(rateLimitHeadersOptions, options, 'rateLimitHeaders(decision, { ... })');
  const decision = from instanceof RateLimitExceededError ? from.decision : from;
  const headers: Record<string, string> = {};
  // An empty list is not a valid structured field.
  if (decision.rules.length > 0) {
    headers['RateLimit-Policy'] = decision.rules.map(policy).join(', ');
    headers['RateLimit'] = decision.rules.map(serviceLimit).join(', ');
  }
  if (!decision.allowed && Number.isFinite(decision.retryAfterMs)) {
    headers['Retry-After'] = String(Math.max(1, seconds(decision.retryAfterMs)));
  }
  return legacy === undefined ? headers : { ...headers, ...legacyHeaders(decision, legacy) };
}

function policy({ rule, algorithm, limit, perMs }: RuleDecision): string {
  // The lease of a slot is not a window: any number of calls can be made in it.
  const quota =
    algorithm === 'concurrency' ? ';qu="concurrent-requests"' : `;w=${Math.max(1, seconds(perMs))}`;
  return `${text(rule)};q=${integer(limit)}${quota}`;
}

function serviceLimit(rule: RuleDecision): string {
  const window = effectiveWindow(rule);
  return `${text(rule.rule)};r=${integer(rule.remaining)}${window === undefined ? '' : `;t=${window}`}`;
}

/**
 * The seconds in which only the remaining units can be used. For a refusal the value of `Retry-After`, which must not
 * be before it according to the draft. Undefined: the refusal does not end.
 */
function effectiveWindow({
  allowed,
  retryAfterMs,
  resetMs,
}: Pick<RuleDecision, 'allowed' | 'retryAfterMs' | 'resetMs'>): number | undefined {
  if (allowed) return seconds(resetMs);
  return Number.isFinite(retryAfterMs) ? Math.max(1, seconds(retryAfterMs)) : undefined;
}

function legacyHeaders(decision: Decision, reset: 'delta' | 'epoch'): Record<string, string> {
  const window = effectiveWindow(decision);
  const headers: Record<string, string> = {
    'X-RateLimit-Limit': integer(decision.limit),
    'X-RateLimit-Remaining': integer(decision.remaining),
  };
  if (window !== undefined) {
    headers['X-RateLimit-Reset'] = String(reset === 'delta' ? window : seconds(Date.now()) + window);
  }
  return headers;
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1_000);
}

/** An integer in a structured field has at most 15 digits. */
function integer(value: number): string {
  return String(Math.min(value, 999_999_999_999_999));
}

/** A string in a structured field is printable ASCII. Other characters of a name are percent-encoded. */
function text(name: string): string {
  const ascii = name
    .replace(/[^ -~]+/gu, (characters) =>
      [...Buffer.from(characters)]
        .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
        .join(''),
    )
    .replace(/["\\]/g, '\\$&');
  return `"${ascii}"`;
}
