import { quote } from '../describe.js';
import { OptionsError } from '../errors.js';
import { rateRuleKey } from '../key.js';
import { checkNames } from '../options.js';
import type { RateRule } from '../ports.js';
import {
  resolveRule,
  ruleNames,
  type ConcurrencyRule,
  type ResolvedRule,
  type Rule,
  type WindowRule,
} from './rate-rules.js';

/** The rules of one call, resolved once. */
export interface RuleSet {
  readonly rules: readonly ResolvedRule[];
  /** Those that a store is asked about: all but those with a limit of 0. */
  readonly counted: readonly ResolvedRule[];
  /** The first rule that admits nothing. */
  readonly closed: ResolvedRule | undefined;
  /** Those that hold a slot while a call runs. */
  readonly slots: readonly ResolvedRule[];
  /** The window that can take least at once. */
  readonly tightest: ResolvedRule | undefined;
  /** The names of all rules. */
  readonly scope: string;
  /** Equal for equal rules, and only for them. */
  readonly signature: string;
}

const MOST_RULES = 16;

interface Known {
  readonly set: RuleSet;
  /** The same rules, which nobody can change. */
  readonly frozen: readonly Rule[];
  /** What the rules said when they were resolved; undefined for the frozen ones. */
  readonly said: readonly Rule[] | undefined;
}

type Said = { readonly [Name in keyof WindowRule | keyof ConcurrencyRule]?: unknown };

/** By the object that says them: decorators and careful callers give the same one each time. */
const known = new WeakMap<object, Known>();
/** The last that were resolved, for callers that write their rules anew in each call. */
const recent: Known[] = [];
const MOST_RECENT = 16;

/**
 * Checks rules, and makes of them what every verb recognises again without looking closer.
 * @throws OptionsError
 */
export function resolveRules(given: Rule | readonly Rule[], where: string): readonly Rule[] {
  return find(given, where).frozen;
}

/** @throws OptionsError */
export function ruleSet(given: Rule | readonly Rule[], where: string): RuleSet {
  return find(given, where).set;
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
 * What can never pass is a mistake, and no refusal.
 * @throws OptionsError
 */
export function checkRoom(cost: number, { tightest }: RuleSet, where: string): void {
  if (tightest === undefined || cost <= tightest.burst) return;
  throw new OptionsError(
    `${where} costs ${cost} units, and the rule '${tightest.name}' never lets more than ${tightest.burst} through ` +
      'at once: it could never pass.',
  );
}

function find(given: Rule | readonly Rule[], where: string): Known {
  const before = typeof given === 'object' && given !== null ? known.get(given) : undefined;
  if (before !== undefined && (before.said === undefined || saysStill(before.said, given))) return before;
  const rules: readonly Rule[] = Array.isArray(given) ? given : [given as Rule];
  checkCount(rules, where);
  const places = rules.map((_, i) => (rules === given ? `rule ${i + 1} of ${where}` : where));
  rules.forEach((rule, i) => checkNames(rule, ruleNames, places[i]!));
  const equal = recent.find(({ said }) => said !== undefined && saysStill(said, rules));
  if (equal !== undefined) return equal;
  const resolved = rules.map((rule, i) => resolveRule(rule, places[i]!));
  checkDifferent(resolved, where);
  const set = setOf(resolved);
  const frozen = Object.freeze(resolved.map(frozenRule));
  const found = { set, frozen, said: rules.map((rule) => ({ ...rule })) };
  known.set(given, found);
  known.set(frozen, { set, frozen, said: undefined });
  recent.unshift(found);
  recent.length = Math.min(recent.length, MOST_RECENT);
  return found;
}

/** Rules are read-only by their types; one that is changed all the same must not count as it did before. */
function saysStill(said: readonly Rule[], given: Rule | readonly Rule[]): boolean {
  if (!Array.isArray(given)) return same(given as Rule, said[0]!);
  const rules = given as readonly Rule[];
  return rules.length === said.length && said.every((one, i) => same(rules[i]!, one));
}

function same(a: Said, b: Said): boolean {
  return (
    a.limit === b.limit &&
    a.per === b.per &&
    a.algorithm === b.algorithm &&
    a.burst === b.burst &&
    a.name === b.name &&
    a.lease === b.lease
  );
}

function setOf(rules: readonly ResolvedRule[]): RuleSet {
  const counted = rules.filter(({ limit }) => limit > 0);
  const windows = counted.filter(({ algorithm }) => algorithm !== 'concurrency');
  return Object.freeze({
    rules: Object.freeze(rules),
    counted: Object.freeze(counted),
    closed: rules.find(({ limit }) => limit === 0),
    slots: Object.freeze(rules.filter(({ algorithm }) => algorithm === 'concurrency')),
    tightest: windows.toSorted((a, b) => a.burst - b.burst)[0],
    scope: rules.map(({ name }) => name).join(','),
    signature: rules.map((rule) => Object.values(rule).join(' ')).join(','),
  });
}

function frozenRule({ name, algorithm, limit, perMs, burst }: ResolvedRule): Rule {
  if (algorithm === 'concurrency') return Object.freeze({ name, algorithm, limit, lease: perMs });
  const rule = { name, algorithm, limit, per: perMs };
  return Object.freeze(burst === limit ? rule : { ...rule, burst });
}

function checkCount(rules: readonly Rule[], where: string): void {
  if (rules.length >= 1 && rules.length <= MOST_RULES) return;
  throw new OptionsError(`${where} takes 1 to ${MOST_RULES} rules, and ${rules.length} were given.`);
}

function checkDifferent(rules: readonly ResolvedRule[], where: string): void {
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
