import { describe } from './describe.js';
import { OptionsError } from './errors.js';

type Unit =
  | 'ms'
  | ('s' | 'sec' | 'second' | 'seconds')
  | ('m' | 'min' | 'minute' | 'minutes')
  | ('h' | 'hour' | 'hours')
  | ('d' | 'day' | 'days');

type HoursMinutes = `${number}h${number}m` | `${number}h ${number}m`;
type MinutesSeconds = `${number}m${number}s` | `${number}m ${number}s`;
type DaysHours = `${number}d${number}h` | `${number}d ${number}h`;

/**
 * A duration: a number of milliseconds, or numbers with units, the largest unit first. `250`, `'250ms'`, `'1.5s'`, `'90 s'`,
 * `'5m'`, `'1h30m'`, `'1d 12h'`, `'10 minutes'`. Fractions of a millisecond are rounded.
 */
export type Duration =
  | number
  | `${number}${Unit}`
  | `${number} ${Unit}`
  | HoursMinutes
  | MinutesSeconds
  | DaysHours;

/** The accepted range of a duration. */
export interface DurationLimits {
  /** In milliseconds. @default 0 */
  readonly min?: number | undefined;
  /** In milliseconds. @default Number.MAX_SAFE_INTEGER */
  readonly max?: number | undefined;
}

/** Unit to its length in milliseconds. */
const UNITS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    ms: 1,
    ...{ s: 1_000, sec: 1_000, second: 1_000, seconds: 1_000 },
    ...{ m: 60_000, min: 60_000, minute: 60_000, minutes: 60_000 },
    ...{ h: 3_600_000, hour: 3_600_000, hours: 3_600_000 },
    ...{ d: 86_400_000, day: 86_400_000, days: 86_400_000 },
  }),
);

/**
 * Parses a duration to whole milliseconds: '1h30m' is 5_400_000. The limits apply before rounding: 0.5 is less than a minimum of 1.
 *
 * @param label names the option in the error: `ttl of @Cached on Users.find`
 * @throws OptionsError for anything but a duration within the limits
 */
export function milliseconds(value: Duration, label: string, limits: DurationLimits = {}): number {
  const ms = readDuration(value, limits);
  if (ms !== undefined) return ms;
  throw new OptionsError(`${label} is ${describeDuration(limits)}, and ${describe(value)} was given.`);
}

/** Parses a duration. Returns undefined for anything but a duration within the limits. */
export function readDuration(value: unknown, { min = 0, max }: DurationLimits = {}): number | undefined {
  const exact = typeof value === 'number' ? value : typeof value === 'string' ? parse(value) : Number.NaN;
  // Adding 0 makes -0 a plain 0.
  return exact >= min && exact <= (max ?? Number.MAX_SAFE_INTEGER) ? Math.round(exact) + 0 : undefined;
}

/** Describes what `readDuration` accepts, for messages and docs. */
export function describeDuration({ min = 0, max }: DurationLimits = {}): string {
  const example = "a duration such as '15m', '1h30m', '90 s' or 250 (milliseconds)";
  if (max !== undefined) return `${example}, from ${min} ms to ${max} ms`;
  return min > 0 ? `${example}, at least ${min} ms` : example;
}

/** Texts and their milliseconds: plain verbs get the same few texts on every call. */
const parsed = new Map<string, number>();
const MAX_PARSED = 100;

function parse(text: string): number {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const ms = parseUnits(text);
  if (parsed.size === MAX_PARSED) parsed.clear();
  parsed.set(text, ms);
  return ms;
}

/** Parses numbers with units, each unit smaller than the previous one. NaN for any other text. */
function parseUnits(text: string): number {
  const part = /(\d+(?:\.\d+)?) ?([a-z]+)( ?)/y;
  let total = 0;
  let largest = Number.POSITIVE_INFINITY;
  while (part.lastIndex < text.length) {
    const found = part.exec(text);
    const unit = UNITS.get(found?.[2] ?? '');
    if (found === null || unit === undefined || unit >= largest) return Number.NaN;
    if (found[3] !== '' && part.lastIndex === text.length) return Number.NaN;
    largest = unit;
    total += Number(found[1]) * unit;
  }
  return largest === Number.POSITIVE_INFINITY ? Number.NaN : total;
}
