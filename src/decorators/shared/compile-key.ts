import { describe } from '../../core/shared/describe.js';
import { OptionsError } from '../../core/shared/errors.js';
import { compileTemplate } from '../../core/keys/key-template.js';
import { logicalKey, type Key } from '../../core/keys/key.js';

/** The `key` option of a decorator: a template, or a function of the arguments that returns a key or its parts. */
export type KeyOption = string | ((this: unknown, ...args: readonly unknown[]) => Key) | undefined;

/** An option for several keys or tags: templates, or a function. */
export type KeysOption =
  | string
  | readonly string[]
  | ((this: unknown, ...given: never) => readonly Key[])
  | undefined;

/** The logical key of a call. @throws KeyError */
export type RenderKey = (args: unknown[], self: unknown) => string;

/**
 * The keys of a call.
 * @param given what a function is called with
 * @param args the arguments of the method, for templates
 * @throws OptionsError, KeyError
 */
export type RenderKeys = (self: unknown, given: unknown[], args: unknown[]) => readonly Key[];

/**
 * @param where names the place in errors: `key of @Cached on find`
 * @returns undefined where no key is given
 * @throws OptionsError
 */
export function compileKey(key: KeyOption, where: string): RenderKey | undefined {
  if (key === undefined) return undefined;
  if (typeof key === 'string') return compileTemplate(key, where);
  if (typeof key === 'function') return (args, self) => logicalKey(key.apply(self, args), where);
  throw new OptionsError(`${where} is a template or a function, and ${describe(key)} was given.`);
}

/**
 * @param where names the place in errors: `keys of @Invalidates on save`
 * @throws OptionsError
 */
export function compileKeys(keys: KeysOption, where: string): RenderKeys {
  if (keys === undefined) return () => [];
  if (typeof keys === 'function') {
    return (self, given) => {
      const returned: unknown = keys.apply(self, given as never);
      if (Array.isArray(returned)) return returned as readonly Key[];
      throw new OptionsError(`${where} returned ${describe(returned)}. It returns a list: ['user:42'].`);
    };
  }
  const renders = compileTemplates(keys, where);
  return (_self, _given, args) => renders.map((render) => render(args));
}

/**
 * One template or a list of them, each as a function of the arguments of the method.
 * @throws OptionsError
 */
export function compileTemplates(given: unknown, where: string): ((args: unknown[]) => string)[] {
  const templates: unknown = typeof given === 'string' ? [given] : given;
  if (Array.isArray(templates)) return templates.map((one: string) => compileTemplate(one, where));
  throw new OptionsError(`${where} are templates or a function, and ${describe(given)} was given.`);
}
