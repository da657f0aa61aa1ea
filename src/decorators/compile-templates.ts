import { describe } from '../core/describe.js';
import { OptionsError } from '../core/errors.js';
import { compileTemplate } from '../core/key.js';

/**
 * One template or a list of them, each as a function of the method's arguments.
 *
 * @param where names the place in errors: `tags of @Cached on find`
 * @throws OptionsError
 */
export function compileTemplates(given: unknown, where: string): ((args: unknown[]) => string)[] {
  const templates: unknown = typeof given === 'string' ? [given] : given;
  if (Array.isArray(templates)) return templates.map((one: string) => compileTemplate(one, where));
  throw new OptionsError(`${where} are templates or a function, and ${describe(given)} was given.`);
}
