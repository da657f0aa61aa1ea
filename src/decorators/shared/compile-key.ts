import type { CacheHost } from '../../core/cache/cached-method.js';
import { keysOfReferences, type EntryReference } from '../../core/cache/entry-reference.js';
import { describe } from '../../core/shared/describe.js';
import { OptionsError } from '../../core/shared/errors.js';
import { compileTemplate, type RenderTemplate } from '../../core/keys/key-template.js';
import { logicalKey, type Key } from '../../core/keys/key.js';

/** The `key` option of a decorator: a template, or a function of the arguments that returns a key or its parts. */
export type KeyOption = string | ((this: unknown, ...args: readonly unknown[]) => Key) | undefined;

/** An option for several keys or tags: templates, or a function that returns a list. */
export type KeysOption =
  | string
  | readonly string[]
  | ((this: unknown, ...parameters: never) => readonly Key[])
  | undefined;

/** An option for references to entries: a function that returns a list. */
export type ReferencesOption = (this: unknown, ...parameters: never) => readonly EntryReference[];

/** Returns the logical key of a call. @throws KeyError */
export interface RenderKey {
  (args: unknown[], self: unknown): string;
  readonly recall?: RenderTemplate['recall'];
}

/**
 * Returns the keys of a call.
 *
 * @param parameters the arguments of a key function: those of the method, after its result if there is one
 * @param args the arguments of the method, for templates
 * @throws OptionsError if a key function does not return a list
 * @throws KeyError
 */
export type RenderKeys = (self: unknown, parameters: unknown[], args: unknown[]) => readonly Key[];

/**
 * Compiles the `key` option of a decorator.
 *
 * @param label names the option in errors: `key of @Cached on find`
 * @returns undefined without a key option
 * @throws OptionsError
 */
export function compileKey(key: KeyOption, label: string): RenderKey | undefined {
  if (key === undefined) return undefined;
  if (typeof key === 'string') return compileTemplate(key, label);
  if (typeof key === 'function') return (args, self) => logicalKey(key.apply(self, args), label);
  throw new OptionsError(`${label} is a template or a function, and ${describe(key)} was given.`);
}

/**
 * Compiles an option for several keys or tags.
 *
 * @param label names the option in errors: `keys of @Invalidates on save`
 * @throws OptionsError
 */
export function compileKeys(keys: KeysOption, label: string): RenderKeys {
  if (keys === undefined) return () => [];
  if (typeof keys === 'function') {
    return (self, parameters) => {
      const returned: unknown = keys.apply(self, parameters as never);
      if (Array.isArray(returned)) return returned as readonly Key[];
      throw new OptionsError(
        `${label} is a function that returns a list, such as ['user:42'], and it returned ${describe(returned)}.`,
      );
    };
  }
  const renders = compileTemplates(keys, label);
  return (_self, _parameters, args) => renders.map((render) => render(args));
}

/**
 * Compiles an option for references to entries into a function that returns their keys, with the parts of the context.
 *
 * @param label names the option in errors: `entries of @Invalidates on save`
 */
export function compileReferences(
  option: ReferencesOption | undefined,
  label: string,
): (host: CacheHost, self: unknown, parameters: unknown[]) => readonly string[] {
  if (option === undefined) return () => [];
  return (host, self, parameters) => keysOfReferences(host, option.apply(self, parameters as never), label);
}

/**
 * Compiles one template or a list of them into functions of the method's arguments.
 *
 * @throws OptionsError
 */
export function compileTemplates(option: unknown, label: string): ((args: unknown[]) => string)[] {
  const templates: unknown = typeof option === 'string' ? [option] : option;
  if (Array.isArray(templates)) return templates.map((template: string) => compileTemplate(template, label));
  throw new OptionsError(`${label} are templates or a function, and ${describe(option)} was given.`);
}
