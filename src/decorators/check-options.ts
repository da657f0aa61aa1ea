import { describe } from '../core/describe.js';
import { OptionsError } from '../core/errors.js';

/**
 * For users of plain JavaScript, whom no compiler tells.
 * @throws OptionsError
 */
export function checkFunction(name: string, value: unknown, where: string): void {
  if (value === undefined || typeof value === 'function') return;
  throw new OptionsError(`${name} of ${where} is a function, and ${describe(value)} was given.`);
}

/** @throws OptionsError */
export function checkMethodName(name: unknown, where: string): void {
  if (name === undefined || (typeof name === 'string' && name !== '')) return;
  throw new OptionsError(
    `name of ${where} is a text such as 'billing.Users.find', and ${describe(name)} was given.`,
  );
}

/** @throws OptionsError */
export function checkBoolean(name: string, value: unknown, where: string): void {
  if (value === undefined || typeof value === 'boolean') return;
  throw new OptionsError(`${name} of ${where} is true or false, and ${describe(value)} was given.`);
}

/** @throws OptionsError */
export function checkOneOf(name: string, value: unknown, known: readonly string[], where: string): void {
  if (typeof value === 'string' && known.includes(value)) return;
  const words = known.map((one) => `'${one}'`).join(', ');
  throw new OptionsError(`${name} of ${where} is one of ${words}, and ${describe(value)} was given.`);
}
