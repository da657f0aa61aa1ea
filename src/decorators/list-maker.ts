import type { Key } from '../core/key.js';
import { describe } from '../core/describe.js';
import { OptionsError } from '../core/errors.js';
import { compileTemplates } from './compile-templates.js';

/** An option that names several: templates, or a function. What the function is given is the decorator's affair. */
export type ListOption =
  | string
  | readonly string[]
  | ((this: unknown, ...given: never) => readonly Key[])
  | undefined;

/**
 * Renders the list of a call.
 * @param given what a function is called with
 * @param args the method's arguments, for templates
 * @throws OptionsError, KeyError
 */
export type ListMaker = (self: unknown, given: unknown[], args: unknown[]) => readonly Key[];

/**
 * @param where names the place in errors: `keys of @Invalidates on save`
 * @throws OptionsError
 */
export function listMaker(list: ListOption, where: string): ListMaker {
  if (list === undefined) return () => [];
  if (typeof list === 'function') {
    return (self, given) => {
      const made: unknown = list.apply(self, given as never);
      if (Array.isArray(made)) return made as readonly Key[];
      throw new OptionsError(`${where} returned ${describe(made)}. It returns a list: ['user:42'].`);
    };
  }
  const renders = compileTemplates(list, where);
  return (_self, _given, args) => renders.map((render) => render(args));
}
