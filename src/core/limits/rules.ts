import { describe, quote, placeName, type Place } from '../shared/describe.js';
import type { Duration } from '../shared/duration.js';
import { OptionsError } from '../shared/errors.js';
import { rateRuleKey } from '../keys/store-keys.js';
import {
  duration,
  integer,
  matching,
  oneOf,
  parseOptions,
  type Given,
  type Option,
} from '../shared/option-schema.js';
import type { Algorithm, RateRule } from '../ports/rate-store.js';

/** At most `limit` units in a window. */
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
  /** Units in a window, a whole number up to 1_000_000_000; 0: every call is refused. */
  readonly limit: number;
  /** The length of the window, from 1 ms to a year. */
  readonly per: Duration;
  /**
   * Units that may be taken at once: `gcra` and `token-bucket` only.
   * @default the limit
   */
  readonly burst?: number | undefined;
}

/** At most `limit` calls at once: each holds a slot while it runs. */
export interface ConcurrencyRule {
  /**
   * Names the rule in decisions, headers and keys. Two rules of one call have different names.
   * @default 'concurrency'
   */
  readonly name?: string | undefined;
  readonly algorithm: 'concurrency';
  /** Slots, a whole number up to 1_000_000_000; 0: every call is refused. */
  readonly limit: number;
  /**
   * How long the slot of a process that dies stays taken, from 1 ms to a year. A process that lives renews it.
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

/** The rules of one call, resolved. */
export interface RuleSet {
  readonly rules: readonly ResolvedRule[];
  /** Those that a store is asked about: all with a limit over 0. */
  readonly activeRules: readonly ResolvedRule[];
  /** The first rule with a limit of 0, which refuses every call. */
  readonly zeroRule: ResolvedRule | undefined;
  /** Those that hold a slot while a call runs. */
  readonly concurrencyRules: readonly ResolvedRule[];
  /** The window rule with the smallest burst. */
  readonly smallestBurst: ResolvedRule | undefined;
  /** The names of all rules. */
  readonly names: string;
}

const YEAR_MS = 365 * 86_400_000;
const MAX_RULES = 16;
/** Sums of units and microseconds stay exact, or very nearly. */
const MAX_UNITS = 1_000_000_000;
/** Each unit of a log is an entry. */
const MAX_LOG_ENTRIES = 100_000;
/** What decisions call a block: no rule has this name. */
export const BLOCK = 'block';

/** A number of units: what a call costs, or what a rule admits. */
export const units = integer({ min: 0, max: MAX_UNITS });

const name = matching(
  /^(?!block$)[A-Za-z0-9_.-]{1,64}$/,
  `1 to 64 characters out of A-Z a-z 0-9 _ . - and not '${BLOCK}'`,
);
const WINDOWS = [
  'gcra',
  'token-bucket',
  'sliding-window-log',
  'sliding-window-counter',
  'fixed-window',
] as const;
const algorithm = oneOf([...WINDOWS, 'concurrency']);
const perOrLease = duration({ min: 1, max: YEAR_MS });

export const windowRule = {
  name,
  algorithm,
  limit: units,
  per: perOrLease,
  burst: integer({ min: 1, max: MAX_UNITS }),
} satisfies Record<keyof WindowRule, Option<unknown>>;

export const concurrencyRule = {
  name,
  algorithm,
  limit: units,
  lease: perOrLease,
} satisfies Record<keyof ConcurrencyRule, Option<unknown>>;

const SLOT_LEASE_MS = 30_000;

/**
 * The rules of a call, checked.
 *
 * @param where names the place in errors: `@RateLimited on login`, `consume`
 * @throws OptionsError
 */
export function resolveRules(given: Rule | readonly Rule[], where: string): RuleSet {
  if (!Array.isArray(given)) return ruleSetOf([resolveRule(given as Rule, where)]);
  if (given.length === 0 || given.length > MAX_RULES) {
    throw new OptionsError(`${where} takes 1 to ${MAX_RULES} rules, and ${given.length} were given.`);
  }
  const rules = given.map((rule: Rule, i) => resolveRule(rule, `rule ${i + 1} of ${where}`));
  checkDifferentNames(rules, where);
  return ruleSetOf(rules);
}

/** The rules as a store takes them. */
export function storeRules(rules: readonly ResolvedRule[], subject: string): RateRule[] {
  return rules.map(({ name, algorithm, limit, perMs, burst }) => ({
    key: rateRuleKey(subject, name),
    algorithm,
    limit,
    perMs,
    burst,
  }));
}

/**
 * A cost that no rule can ever admit is a mistake of the caller, and not a refusal.
 * @throws OptionsError
 */
export function checkCost(cost: number, { smallestBurst: rule }: RuleSet, place: Place): void {
  if (rule === undefined || cost <= rule.burst) return;
  throw new OptionsError(
    `${placeName(place)} costs ${cost} units, and the rule '${rule.name}' never admits more than ${rule.burst} at once: the ` +
      'call could never pass.',
  );
}

/** @throws OptionsError unless `value` is a number of units */
export function checkUnits(value: unknown, what: string): number {
  const read = units.read(value);
  if (read !== undefined) return read;
  throw new OptionsError(`${what} is ${units.accepts}, and ${describe(value)} was given.`);
}

/** Whether both have equal rules in the same order. `consume` resolves its rules on every call, so this is often asked. */
export function sameRules({ rules: some }: RuleSet, { rules: others }: RuleSet): boolean {
  return (
    some === others ||
    (some.length === others.length && some.every((rule, i) => isSameRule(rule, others[i] as ResolvedRule)))
  );
}

function isSameRule(one: ResolvedRule, other: ResolvedRule): boolean {
  return (
    one.name === other.name &&
    one.algorithm === other.algorithm &&
    one.limit === other.limit &&
    one.perMs === other.perMs &&
    one.burst === other.burst
  );
}

function resolveRule(rule: Rule, where: string): ResolvedRule {
  const isConcurrency = (rule as Rule | null)?.algorithm === 'concurrency';
  const schema = isConcurrency ? concurrencyRule : windowRule;
  const given: Given<typeof windowRule & typeof concurrencyRule> = parseOptions(schema, rule, where);
  return isConcurrency ? concurrency(given, where) : window(given, where);
}

function window(given: Given<typeof windowRule>, where: string): ResolvedRule {
  const { algorithm = 'gcra', burst } = given;
  const limit = required(given.limit, 'limit', units, where);
  const perMs = required(given.per, 'per', perOrLease, where);
  if (algorithm === 'sliding-window-log' && limit > MAX_LOG_ENTRIES) {
    throw new OptionsError(
      `limit of ${where} is at most ${MAX_LOG_ENTRIES} for 'sliding-window-log', which keeps an entry for each unit, and ` +
        `${limit} was given. Use 'sliding-window-counter' or 'gcra'.`,
    );
  }
  if (burst !== undefined && algorithm !== 'gcra' && algorithm !== 'token-bucket') {
    throw new OptionsError(
      `${where} has a burst, which only 'gcra' and 'token-bucket' have; '${algorithm}' admits at most the limit at once.`,
    );
  }
  return { name: given.name ?? `${algorithm}-${perMs}`, algorithm, limit, perMs, burst: burst ?? limit };
}

function concurrency(given: Given<typeof concurrencyRule>, where: string): ResolvedRule {
  const { name = 'concurrency', lease = SLOT_LEASE_MS } = given;
  const limit = required(given.limit, 'limit', units, where);
  return { name, algorithm: 'concurrency', limit, perMs: lease, burst: limit };
}

function required(
  value: number | undefined,
  name: string,
  { accepts }: Option<unknown>,
  where: string,
): number {
  if (value !== undefined) return value;
  throw new OptionsError(`${name} of ${where} is ${accepts}, and undefined was given.`);
}

function ruleSetOf(rules: readonly ResolvedRule[]): RuleSet {
  const activeRules = rules.filter(({ limit }) => limit > 0);
  const windows = activeRules.filter(({ algorithm }) => algorithm !== 'concurrency');
  return {
    rules,
    activeRules,
    zeroRule: rules.find(({ limit }) => limit === 0),
    concurrencyRules: rules.filter(({ algorithm }) => algorithm === 'concurrency'),
    smallestBurst: windows.length < 2 ? windows[0] : windows.toSorted((a, b) => a.burst - b.burst)[0],
    names: rules.map(({ name }) => name).join(','),
  };
}

function checkDifferentNames(rules: readonly ResolvedRule[], where: string): void {
  const names = new Set<string>();
  for (const { name } of rules) {
    if (names.has(name)) {
      throw new OptionsError(
        `Two rules of ${where} have the name ${quote(name)}. Give them names: { name: 'per-minute', ... }.`,
      );
    }
    names.add(name);
  }
}
