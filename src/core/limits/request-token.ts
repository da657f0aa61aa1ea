import { describe } from '../describe.js';
import { OptionsError } from '../errors.js';
import { nodeCrypto } from '../node-crypto.js';
import type { RuleSet } from './rule-set.js';

/**
 * What a store knows a named request by: the same for the same name and rules, in every process. Another limit of
 * the same subject has nothing to do with it.
 *
 * @throws OptionsError
 */
export function requestToken(requestId: string, { scope, slots }: RuleSet, where: string): string {
  if (typeof requestId !== 'string' || requestId === '') {
    throw new OptionsError(
      `requestId of ${where} is a string of one character or more, and ${describe(requestId)} was given.`,
    );
  }
  if (slots.length > 0) {
    throw new OptionsError(
      `${where} has a requestId and the rule '${slots[0]!.name}', which holds a slot while a call runs: two calls ` +
        'cannot share it. Leave one of them out.',
    );
  }
  // JSON, for it keeps lone surrogates apart.
  return nodeCrypto()
    .createHash('sha256')
    .update(JSON.stringify([requestId, scope]))
    .digest('base64url');
}
