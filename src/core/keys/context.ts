/**
 * Parts of keys that come from the context of a call and not from its arguments: the tenant, the locale. docs/context.md
 * describes them for users.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, labelText, type Label } from '../shared/describe.js';
import { MissingContextError, OptionsError } from '../shared/errors.js';
import type { Option } from '../shared/option-schema.js';
import { shared } from '../shared/registry.js';
import { escapeSeparator } from './key-template.js';
import { hashIfLong, partText } from './key.js';

/** The values of `withContext`, by name. A part whose value is undefined is missing. */
export type ContextParts = Readonly<Record<string, string | number | bigint | boolean | undefined>>;

const contexts = shared('context', () => new AsyncLocalStorage<ContextParts>());

/**
 * Runs `work`, and sets parts of keys for every call that it makes, also after an await and in work that goes on after it.
 * Only calls that declare a part (the option `context` of `new Caching` or of a decorator) have it in their keys.
 *
 * Parts of an outer `withContext` are kept, unless `parts` has the same name: undefined removes the part.
 *
 * @returns what `work` returns
 * @throws OptionsError if `parts` is not an object; and what `work` throws
 * @example
 * await withContext({ tenant: 'acme' }, () => caching.cache.invalidate({ tags: ['users'] }));
 */
export function withContext<T>(parts: ContextParts, work: () => T): T {
  if (typeof parts !== 'object' || parts === null || Array.isArray(parts)) {
    throw new OptionsError(
      `withContext takes an object of parts, such as { tenant: 'acme' }, and ${describe(parts)} was given.`,
    );
  }
  return contexts.run({ ...contexts.getStore(), ...parts }, work);
}

const ACCEPTS = "a list of names, such as ['tenant'], of letters, digits, _ and -";

/** The option `context` of `new Caching`. */
export const contextNames: Option<readonly string[] | undefined> = {
  accepts: ACCEPTS,
  default: undefined,
  read: readNames,
};

/** The option `context` of a decorator or of `caching.verbs`. */
export const contextOption: Option<readonly string[] | false | undefined> = {
  accepts: `false, or ${ACCEPTS}`,
  default: undefined,
  read: (value) => (value === false ? false : readNames(value)),
};

function readNames(value: unknown): readonly string[] | undefined {
  const isList =
    Array.isArray(value) &&
    value.every((name) => typeof name === 'string' && /^[A-Za-z_][\w-]{0,63}$/.test(name));
  return isList ? (value as readonly string[]) : undefined;
}

/**
 * The parts that calls declare. Those of the `Caching` are in their keys and tags. Those of a decorator are only in its
 * keys: a tag must have the same name for all methods of a `Caching`, or an invalidation would miss entries.
 */
export class KeyContext {
  readonly #all: readonly string[];
  readonly #ofCaching: readonly string[];

  private constructor(ofCaching: readonly string[], own: readonly string[]) {
    this.#ofCaching = [...new Set(ofCaching)].sort();
    // In one order, so that two methods that declare the same parts can share a key.
    this.#all = [...new Set([...ofCaching, ...own])].sort();
  }

  /** @returns undefined without a part */
  static of(ofCaching: readonly string[], own: readonly string[] = []): KeyContext | undefined {
    return ofCaching.length + own.length === 0 ? undefined : new KeyContext(ofCaching, own);
  }

  /**
   * The parts of a call, undefined if it has none.
   *
   * @param base those of the `Caching`
   * @param option the call's own: more parts, or false for none
   */
  static for(
    base: KeyContext | undefined,
    option: readonly string[] | false | undefined,
  ): KeyContext | undefined {
    if (option === undefined) return base;
    if (option === false) return undefined;
    return base === undefined ? KeyContext.of([], option) : base.with(option);
  }

  /** An instance method, because `base` may be of another copy of this package. */
  with(own: readonly string[]): KeyContext {
    return new KeyContext(this.#ofCaching, own);
  }

  /**
   * Reads the parts that the current call has.
   *
   * @param label names the call in the error
   * @throws MissingContextError
   */
  read(label: Label): ContextOfCall {
    const parts = contexts.getStore();
    const keys = prefixOf(this.#all, parts, label);
    const isSame = this.#ofCaching.length === this.#all.length;
    return new ContextOfCall(keys, isSame ? keys : prefixOf(this.#ofCaching, parts, label));
  }
}

/** The parts of one call, as text. It is read once, before the call does anything. */
export class ContextOfCall {
  readonly #ofKeys: string;
  readonly #ofTags: string;

  constructor(ofKeys: string, ofTags: string) {
    this.#ofKeys = ofKeys;
    this.#ofTags = ofTags;
  }

  /** Adds the parts to a logical key: `[tenant=acme]user:42`. No key begins with a bracket without them. */
  key(key: string): string {
    return hashIfLong(this.#ofKeys + key);
  }

  tags(tags: readonly string[]): readonly string[] {
    if (this.#ofTags === '') return tags;
    // guard: tags-have-the-context
    return tags.map((tag) => hashIfLong(this.#ofTags + tag));
  }
}

/** @throws MissingContextError */
function prefixOf(names: readonly string[], parts: ContextParts | undefined, label: Label): string {
  if (names.length === 0) return '';
  let text = '';
  for (const name of names) {
    const value = parts !== undefined && Object.hasOwn(parts, name) ? parts[name] : undefined;
    const part = valueText(value);
    // guard: missing-context-part-is-refused
    if (part === undefined) throw missing(name, value, label);
    // guard: context-value-is-one-part
    text += `${text === '' ? '[' : ','}${name}=${escapeSeparator(part, ',')}`;
  }
  return `${text}]`;
}

/** Undefined for a value that identifies nothing. */
function valueText(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return value === '' ? undefined : partText(value);
    case 'number':
      return Number.isFinite(value) ? partText(value) : undefined;
    case 'bigint':
    case 'boolean':
      return partText(value);
    default:
      return undefined;
  }
}

function missing(name: string, value: unknown, label: Label): MissingContextError {
  const what =
    value === undefined ? 'is not set' : `is ${value === '' ? 'an empty string' : describe(value)}`;
  return new MissingContextError(
    `${labelText(label)} needs the part '${name}' of the context in its keys, and it ${what}. Make the call within ` +
      `withContext({ ${name}: ... }, () => ...), for example in a middleware of all requests: a value is a string that is ` +
      'not empty, a finite number, a bigint or a boolean. If all may share what the call stores, give the decorator ' +
      'context: false, or use caching.verbs({ context: false }).',
    name,
  );
}
