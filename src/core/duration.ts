import { describe } from './describe.js';
import { OptionsError } from './errors.js';

/** A number of milliseconds, or a number and its unit: `250`, `'250ms'`, `'1.5s'`, `'5m'`, `'2h'`, `'1d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

export interface DurationLimits {
  /** In milliseconds. @default 0 */
  readonly min?: number | undefined;
  /** In milliseconds. @default Number.MAX_SAFE_INTEGER */
  readonly max?: number | undefined;
}

const MILLISECONDS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * Whole milliseconds; a fraction of one is rounded. Strict on purpose: no spaces, no signs, no exponents, no
 * words for units, so that nothing is ever half understood.
 *
 * @param where names the option in the error: `ttl of @Cached on Users.find`
 * @throws OptionsError for anything else, and outside the limits
 */
export function milliseconds(value: Duration, where: string, limits: DurationLimits = {}): number {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = limits;
  const exact = typeof value === 'number' ? value : parse(value);
  // Judged before it is rounded, so that -0.4 is refused; adding 0 makes -0 a plain 0.
  const whole = exact >= 0 ? Math.round(exact) + 0 : Number.NaN;
  if (whole >= min && whole <= max) return whole;
  throw new OptionsError(
    `${where} is a duration such as '15m', '1.5s' or 250 (milliseconds)${range(limits)}, ` +
      `and ${describe(value)} was given. Units: ms, s, m, h, d.`,
  );
}

function parse(text: unknown): number {
  const found = typeof text === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) : null;
  return found === null ? Number.NaN : Number(found[1]) * MILLISECONDS[found[2]!]!;
}

function range({ min = 0, max }: DurationLimits): string {
  if (max !== undefined) return `, from ${min} ms to ${max} ms`;
  return min > 0 ? `, at least ${min} ms` : '';
}
