import type { Key } from '../core/key.js';
import { describe } from '../core/describe.js';
import { OptionsError } from '../core/errors.js';
import { compileTemplate, logicalKey } from '../core/key.js';

/** The `key` option of a decorator: a template, or a function of the arguments that returns a key or its parts. */
export type KeyOption = string | ((this: unknown, ...args: readonly unknown[]) => Key) | undefined;

/** Renders the logical key of a call. @throws KeyError */
export type KeyMaker = (self: unknown, args: unknown[]) => string;

/**
 * @param at names the place in errors: `@Cached on find`
 * @returns undefined where no key is given
 * @throws OptionsError
 */
export function keyMaker(key: KeyOption, at: string): KeyMaker | undefined {
  if (key === undefined) return undefined;
  if (typeof key === 'string') {
    const render = compileTemplate(key, `key of ${at}`);
    return (_self, args) => render(args);
  }
  if (typeof key === 'function') return (self, args) => logicalKey(key.apply(self, args), `key of ${at}`);
  throw new OptionsError(`key of ${at} is a template or a function, and ${describe(key)} was given.`);
}
