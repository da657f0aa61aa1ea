import { describe } from '../describe.js';
import { milliseconds, type Duration } from '../duration.js';
import { OptionsError } from '../errors.js';
import { checkNames } from '../options.js';
import type { Algorithm } from '../ports.js';

/** So many units in a window. */
export interface WindowRule {
  /**
   * Names the rule in decisions, headers and keys. Two rules of one call have different names.
   * @default algorithm and window: `gcra-60000`
   */
  readonly name?: string | undefined;
  /**
   * How units are counted (docs/rate-limits.md says what each admits).
   * @default 'gcra'
   */
  readonly algorithm?: Exclude<Algorithm, 'concurrency'> | undefined;
  /** Units in a window, a whole number; 0: everything is refused. */
  readonly limit: number;
  /** The window. */
  readonly per: Duration;
  /**
   * Units that may be taken at once: `gcra` and `token-bucket` only.
   * @default the limit
   */
  readonly burst?: number | undefined;
}

/** So many calls at once: a slot is held while a method runs. */
export interface ConcurrencyRule {
  /** @default 'concurrency' */
  readonly name?: string | undefined;
  readonly algorithm: 'concurrency';
  /** Slots, a whole number; 0: everything is refused. */
  readonly limit: number;
  /**
   * When the slot of a process that died is free again. One that lives renews it.
   * @default '30s'
   */
  readonly lease?: Duration | undefined;
}

export type Rule = WindowRule | ConcurrencyRule;

/** A rule as it is applied: checked, with a name, in whole numbers. */
export interface ResolvedRule {
  readonly name: string;
  readonly algorithm: Algorithm;
  /** 0: it admits nothing, and no store is asked. */
  readonly limit: number;
  readonly perMs: number;
  readonly burst: number;
}

const YEAR = 365 * 86_400_000;
/** So that sums of units and microseconds stay exact, or very nearly. */
const MOST_UNITS = 1_000_000_000;
/** Each unit in it is an entry. */
const LONGEST_LOG = 100_000;
/** What decisions call a block: no rule has this name. */
export const BLOCK = 'block';
const SLOT_LIFE = '30s';
const BURSTING: readonly string[] = ['gcra', 'token-bucket'] satisfies Algorithm[];
const ALGORITHMS: readonly string[] = [
  ...BURSTING,
  ...(['sliding-log', 'sliding-counter', 'fixed-window', 'concurrency'] satisfies Algorithm[]),
];

/** Every option of either kind of rule. */
export const ruleNames: readonly string[] = ['name', 'algorithm', 'limit', 'per', 'burst', 'lease'];

/**
 * @param rule has no other names
 * @param where names the rule in errors: `@RateLimited on login`, `rule 2 of consume`
 * @throws OptionsError
 */
export function resolveRule(rule: Rule, where: string): ResolvedRule {
  checkAlgorithm(rule.algorithm, where);
  const resolved = rule.algorithm === 'concurrency' ? resolveSlots(rule, where) : resolveWindow(rule, where);
  checkName(resolved.name, where);
  return Object.freeze(resolved);
}

/** @throws OptionsError unless it is a number of units */
export function checkUnits(value: unknown, what: string, least: 0 | 1): void {
  if (Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= MOST_UNITS) return;
  throw new OptionsError(
    `${what} is a whole number from ${least} to ${MOST_UNITS}, and ${describe(value)} was given.`,
  );
}

function resolveWindow(rule: WindowRule, where: string): ResolvedRule {
  const { algorithm = 'gcra', limit, burst } = rule;
  checkNames(rule, ['name', 'algorithm', 'limit', 'per', 'burst'], `${where} (${algorithm})`);
  checkUnits(limit, `limit of ${where}`, 0);
  if (algorithm === 'sliding-log' && limit > LONGEST_LOG) {
    throw new OptionsError(
      `limit of ${where} is at most ${LONGEST_LOG} for 'sliding-log', which keeps an entry for each unit, and ` +
        `${limit} was given. Use 'sliding-counter' or 'gcra'.`,
    );
  }
  const perMs = milliseconds(rule.per, `per of ${where}`, { min: 1, max: YEAR });
  const { name = `${algorithm}-${perMs}` } = rule;
  return { name, algorithm, limit, perMs, burst: resolveBurst(burst, algorithm, limit, where) };
}

function resolveSlots(rule: ConcurrencyRule, where: string): ResolvedRule {
  const { name = 'concurrency', algorithm, limit, lease = SLOT_LIFE } = rule;
  checkNames(rule, ['name', 'algorithm', 'limit', 'lease'], `${where} (concurrency)`);
  checkUnits(limit, `limit of ${where}`, 0);
  const perMs = milliseconds(lease, `lease of ${where}`, { min: 1, max: YEAR });
  return { name, algorithm, limit, perMs, burst: limit };
}

function resolveBurst(burst: number | undefined, algorithm: Algorithm, limit: number, where: string): number {
  if (burst === undefined) return limit;
  if (!BURSTING.includes(algorithm)) {
    throw new OptionsError(
      `${where} has a burst, which only ${BURSTING.join(' and ')} have; with '${algorithm}' at most the limit ` +
        'is taken at once.',
    );
  }
  checkUnits(burst, `burst of ${where}`, 1);
  return burst;
}

function checkAlgorithm(algorithm: unknown, where: string): void {
  if (algorithm === undefined || ALGORITHMS.some((one) => one === algorithm)) return;
  throw new OptionsError(
    `algorithm of ${where} is one of ${ALGORITHMS.join(', ')}, and ${describe(algorithm)} was given.`,
  );
}

function checkName(name: unknown, where: string): void {
  if (typeof name === 'string' && /^[A-Za-z0-9_.-]{1,64}$/.test(name) && name !== BLOCK) return;
  throw new OptionsError(
    `rule name of ${where} is 1 to 64 characters out of A-Z a-z 0-9 _ . - and not '${BLOCK}', and ${describe(name)} ` +
      'was given.',
  );
}
