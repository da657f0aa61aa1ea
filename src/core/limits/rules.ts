import { describe, quote, labelText, type Label } from '../shared/describe.js';
import type { Duration } from '../shared/duration.js';
import { OptionsError } from '../shared/errors.js';
import { rateRuleKey } from '../keys/store-keys.js';
import {
  duration,
  integer,
  matching,
  oneOf,
  parseOptions,
  type ParsedOptions,
  type Option,
} from '../shared/option-schema.js';
import type { Algorithm, RateRule } from '../ports/rate-store.js';

/** A limit of units in a window of time. */
export interface WindowRule {
  /**
   * Names the rule in decisions, headers and keys. Two rules of one call have different names.
   * @default algorithm and window: `gcra-60000`
   */
  readonly name?: string | undefined;
  /**
   * How units are counted (docs/rate-limits.md compares the algorithms).
   * @default 'gcra'
   */
  readonly algorithm?: Exclude<Algorithm, 'concurrency'> | undefined;
  /**
   * Units in a window: a whole number from 0 to 1,000,000,000, for `sliding-window-log` to 100,000. 0: every call is
   * refused.
   */
  readonly limit: number;
  /** The length of the window: from 1 ms to 1 year (365 days). */
  readonly per: Duration;
  /**
   * Units that may be taken at once: a whole number from 1 to 1,000,000,000. Only for `gcra` and `token-bucket`.
   * @default the limit
   */
  readonly burst?: number | undefined;
}

/** A limit of calls that run at the same time. Each holds a slot while it runs. */
export interface ConcurrencyRule {
  /**
   * Names the rule in decisions, headers and keys. Two rules of one call have different names.
   * @default 'concurrency'
   */
  readonly name?: string | undefined;
  readonly algorithm: 'concurrency';
  /** The number of slots: a whole number from 0 to 1,000,000,000. 0: every call is refused. */
  readonly limit: number;
  /**
   * How long the slot of a crashed process stays taken: from 1 ms to 1 year. A running process renews its slots.
   * @default '30s'
   */
  readonly lease?: Duration | undefined;
}

/** A rule of a rate limit. A call may have up to 16, which are applied together. */
export type Rule = WindowRule | ConcurrencyRule;

/** A validated rule, with its defaults applied. */
export interface ResolvedRule {
  readonly name: string;
  readonly algorithm: Algorithm;
  /** 0: the rule refuses every call, and no store is asked. */
  readonly limit: number;
  readonly perMs: number;
  readonly burst: number;
}

/** The resolved rules of one call. */
export interface RuleSet {
  readonly rules: readonly ResolvedRule[];
  /** The rules that are sent to a store: those with a limit greater than 0. */
  readonly activeRules: readonly ResolvedRule[];
  /** The first rule with a limit of 0, if there is one. */
  readonly zeroRule: ResolvedRule | undefined;
  /** The rules that hold a slot while a call runs. */
  readonly concurrencyRules: readonly ResolvedRule[];
  /** The window rule with the smallest burst. */
  readonly smallestBurst: ResolvedRule | undefined;
}

const YEAR_MS = 365 * 86_400_000;
const MAX_RULES = 16;
/** The largest number of units. It keeps products of units and microseconds exact, or very nearly, in a double. */
const MAX_UNITS = 1_000_000_000;
/** A log has an entry for each unit. */
const MAX_LOG_ENTRIES = 100_000;
/** The rule name of a block in decisions. No rule may have it. */
export const BLOCK = 'block';

/** A number of units: the cost of a call, or the limit of a rule. */
export const units = integer({ min: 0, max: MAX_UNITS });

const name = matching(
  /^(?!block$)[A-Za-z0-9_.-]{1,64}$/,
  `1 to 64 characters out of A-Z a-z 0-9 _ . - and not '${BLOCK}'`,
);
/** The algorithms that count units in time: all but `concurrency`. */
export const WINDOW_ALGORITHMS = [
  'gcra',
  'token-bucket',
  'sliding-window-log',
  'sliding-window-counter',
  'fixed-window',
] as const;
const algorithm = oneOf([...WINDOW_ALGORITHMS, 'concurrency']);
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
 * Checks and resolves the rules of a call.
 *
 * @param label names the call in errors: `@RateLimited on login`, `consume`
 * @throws OptionsError for an invalid rule, and for no or more than 16 rules
 */
export function resolveRules(rules: Rule | readonly Rule[], label: string): RuleSet {
  if (!Array.isArray(rules)) return resolveOnly(rules as Rule, label);
  if (rules.length === 0 || rules.length > MAX_RULES) {
    throw new OptionsError(`${label} takes 1 to ${MAX_RULES} rules, and ${rules.length} were given.`);
  }
  const resolved = rules.map((rule: Rule, i) => resolveRule(rule, `rule ${i + 1} of ${label}`));
  checkDifferentNames(resolved, label);
  return ruleSetOf(resolved);
}

/** Converts rules to the form that stores accept. */
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
 * Checks that a cost can be admitted. A cost over the burst of a rule is a mistake of the caller, not a refusal.
 * @throws OptionsError
 */
export function checkCost(cost: number, { smallestBurst: rule }: RuleSet, label: Label): void {
  if (rule === undefined || cost <= rule.burst) return;
  throw new OptionsError(
    `${labelText(label)} costs ${cost} units, and the rule '${rule.name}' admits at most ${rule.burst} at once, so the ` +
      'call could never be allowed. Lower the cost, or raise the limit or the burst.',
  );
}

/** Checks a number of units. @throws OptionsError */
export function checkUnits(value: unknown, what: string): number {
  const read = units.read(value);
  if (read !== undefined) return read;
  throw new OptionsError(`${what} is ${units.accepts}, and ${describe(value)} was given.`);
}

/** True if both have equal rules in the same order. `consume` resolves its rules on every call, so this runs often. */
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

type RuleValues = Readonly<Partial<Record<keyof WindowRule | keyof ConcurrencyRule, unknown>>>;

interface KnownRule {
  readonly rule: RuleValues;
  readonly names: number;
  readonly set: RuleSet;
}

/** The rules of recent calls: the plain verbs get equal rules on every call, and resolving takes as long as deciding. */
const knownRules: KnownRule[] = [];
const MAX_KNOWN_RULES = 8;

/** Resolves the only rule of a call. */
function resolveOnly(rule: Rule, label: string): RuleSet {
  // JavaScript callers may pass anything.
  const known = knownRules.find((one) => isRule(one, (rule as RuleValues | null | undefined) ?? {}));
  if (known !== undefined) return known.set;
  const set = ruleSetOf([resolveRule(rule, label)]);
  const values = Object.values(rule);
  // An undefined value would hide an unknown name from `isRule`.
  if (!values.includes(undefined)) {
    if (knownRules.length === MAX_KNOWN_RULES) knownRules.pop();
    knownRules.unshift({ rule: { ...rule }, names: values.length, set });
  }
  return set;
}

/** True if the rule has the values of the known one, and no other names. */
function isRule({ rule: known, names }: KnownRule, rule: RuleValues): boolean {
  return (
    rule.limit === known.limit &&
    rule.per === known.per &&
    rule.burst === known.burst &&
    rule.algorithm === known.algorithm &&
    rule.name === known.name &&
    rule.lease === known.lease &&
    Object.keys(rule).length === names
  );
}

function resolveRule(rule: Rule, label: string): ResolvedRule {
  const isConcurrency = (rule as Rule | null)?.algorithm === 'concurrency';
  const schema = isConcurrency ? concurrencyRule : windowRule;
  const parsed: ParsedOptions<typeof windowRule & typeof concurrencyRule> = parseOptions(schema, rule, label);
  return isConcurrency ? concurrency(parsed, label) : window(parsed, label);
}

function window(parsed: ParsedOptions<typeof windowRule>, label: string): ResolvedRule {
  const { algorithm = 'gcra', burst } = parsed;
  const limit = required(parsed.limit, 'limit', units, label);
  const perMs = required(parsed.per, 'per', perOrLease, label);
  if (algorithm === 'sliding-window-log' && limit > MAX_LOG_ENTRIES) {
    throw new OptionsError(
      `limit of ${label} is at most ${MAX_LOG_ENTRIES} for 'sliding-window-log', which keeps an entry for each unit, and ` +
        `${limit} was given. Use 'sliding-window-counter' or 'gcra'.`,
    );
  }
  if (burst !== undefined && algorithm !== 'gcra' && algorithm !== 'token-bucket') {
    throw new OptionsError(
      `${label} has a burst, which only 'gcra' and 'token-bucket' have; '${algorithm}' admits at most the limit at once.`,
    );
  }
  return { name: parsed.name ?? `${algorithm}-${perMs}`, algorithm, limit, perMs, burst: burst ?? limit };
}

function concurrency(parsed: ParsedOptions<typeof concurrencyRule>, label: string): ResolvedRule {
  const { name = 'concurrency', lease = SLOT_LEASE_MS } = parsed;
  const limit = required(parsed.limit, 'limit', units, label);
  return { name, algorithm: 'concurrency', limit, perMs: lease, burst: limit };
}

function required(
  value: number | undefined,
  name: string,
  { accepts }: Option<unknown>,
  label: string,
): number {
  if (value !== undefined) return value;
  throw new OptionsError(`${name} of ${label} is ${accepts}, and undefined was given.`);
}

function ruleSetOf(rules: readonly ResolvedRule[]): RuleSet {
  const activeRules: ResolvedRule[] = [];
  const concurrencyRules: ResolvedRule[] = [];
  let zeroRule: ResolvedRule | undefined;
  let smallestBurst: ResolvedRule | undefined;
  for (const rule of rules) {
    const isConcurrency = rule.algorithm === 'concurrency';
    if (isConcurrency) concurrencyRules.push(rule);
    if (rule.limit === 0) zeroRule ??= rule;
    else {
      activeRules.push(rule);
      if (!isConcurrency && !(rule.burst >= (smallestBurst?.burst ?? Infinity))) smallestBurst = rule;
    }
  }
  return { rules, activeRules, zeroRule, concurrencyRules, smallestBurst };
}

function checkDifferentNames(rules: readonly ResolvedRule[], label: string): void {
  const names = new Set<string>();
  for (const { name } of rules) {
    if (names.has(name)) {
      throw new OptionsError(
        `Two rules of ${label} have the name ${quote(name)}. Give them names: { name: 'per-minute', ... }.`,
      );
    }
    names.add(name);
  }
}
