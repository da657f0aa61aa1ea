import type { ParsedOptions } from '../../core/shared/option-schema.js';
import { cacheOptions } from '../../core/cache/cache-options.js';
import { joinTags, normaliseTags } from '../../core/cache/tags.js';
import { shared } from '../../core/shared/registry.js';
import { oneOf, text, unchecked } from '../../core/shared/option-schema.js';
import { classOfCall, type Constructor, type DeclaringClass } from './declaring-class.js';
import { decoratorOptions } from './decorator-options.js';

const { context, cache } = decoratorOptions;

/** The schema of `CachingDefaultsOptions`: names, checks and defaults. */
export const classOptions = {
  ...cacheOptions,
  tags: unchecked<readonly string[]>('a list of strings'),
  sharedTags: unchecked<readonly string[]>('a list of strings'),
  onKeyError: oneOf(['bypass', 'throw']),
  context,
  name: text('users'),
  cache,
};

/** The defaults that the methods of a class have, those of the classes that it extends included. */
export type ClassDefaults = Omit<ParsedOptions<typeof classOptions>, 'name'>;

const NONE: ClassDefaults = Object.freeze({});

interface State {
  /** What `@CachingDefaults` has set, by class. */
  readonly own: WeakMap<Constructor, ParsedOptions<typeof classOptions>>;
  /** With what a class inherits. Another map after each `@CachingDefaults`. */
  merged: WeakMap<Constructor, ClassDefaults>;
  /** True once a class has defaults. Until then calls skip the lookup. */
  isUsed: boolean;
}

const state = shared('class defaults', (): State => ({
  own: new WeakMap(),
  merged: new WeakMap(),
  isUsed: false,
}));

export function setClassDefaults(owner: Constructor, defaults: ParsedOptions<typeof classOptions>): void {
  state.own.set(owner, defaults);
  state.merged = new WeakMap();
  state.isUsed = true;
}

export function hasClassDefaults(owner: Constructor): boolean {
  return state.own.has(owner);
}

/** The name that `@CachingDefaults` gives a class. Not inherited: two classes of one name would share default keys. */
export function nameOfClass(owner: Constructor): string | undefined {
  // guard: class-name-is-not-inherited
  return state.isUsed ? state.own.get(owner)?.name : undefined;
}

function defaultsOf(owner: Constructor): ClassDefaults {
  const known = state.merged.get(owner);
  if (known !== undefined) return known;
  const base = Object.getPrototypeOf(owner) as Constructor | null;
  const inherited = typeof base === 'function' ? defaultsOf(base) : NONE;
  const own = state.own.get(owner);
  const defaults = own === undefined ? inherited : merge(inherited, own);
  state.merged.set(owner, defaults);
  return defaults;
}

/** Tags add up, because an invalidation that covers too little is an error and one that covers too much is not. */
function merge(inherited: ClassDefaults, own: ParsedOptions<typeof classOptions>): ClassDefaults {
  const label = '@CachingDefaults';
  const { name: _ofTheClass, ...options } = own;
  return {
    ...inherited,
    ...options,
    // guard: class-tags-add-up
    tags: joinTags(inherited.tags ?? [], normaliseTags(own.tags, label)),
    sharedTags: joinTags(inherited.sharedTags ?? [], normaliseTags(own.sharedTags, label)),
  };
}

/**
 * Caches what a decorated method computes from the defaults of a class. The latest class is compared first. A class is
 * looked up at its first call, because class decorators run after those of its methods.
 */
export function perClass<Value extends object>(
  method: { readonly static: boolean; readonly owner: DeclaringClass },
  compute: (defaults: ClassDefaults) => Value,
): (self: unknown) => Value {
  const values = new WeakMap<ClassDefaults, Value>();
  const valueOf = (defaults: ClassDefaults): Value => {
    const known = values.get(defaults) ?? compute(defaults);
    values.set(defaults, known);
    return known;
  };
  let plain: Value | undefined;
  let latest: Constructor | undefined;
  let merged: State['merged'] | undefined;
  let value: Value;
  return (self) => {
    if (!state.isUsed) return (plain ??= valueOf(NONE));
    const owner = classOfCall(method, self);
    if (owner === undefined) return valueOf(NONE);
    // guard: defaults-are-of-the-class-of-the-call
    if (owner === latest && merged === state.merged) return value;
    value = valueOf(defaultsOf(owner));
    latest = owner;
    merged = state.merged;
    return value;
  };
}
