import { quote } from '../shared/describe.js';
import { KeyError } from '../shared/errors.js';
import { escapeText } from './escape.js';
import { escapeSeparator, separatorsOf } from './key-template.js';
import { finishKey, partText, refusePart, type KeyPart } from './key.js';

interface Layout {
  readonly literals: readonly string[];
  readonly separators: readonly string[];
}

const layouts = new WeakMap<TemplateStringsArray, Layout>();
const TAG = 'key`...`';

/**
 * A template tag for keys. Substitutions are escaped like the placeholders of a key template: ``key`user:${id}` `` equals
 * the key that the template `'user:{0}'` gives for the same id.
 *
 * @throws KeyError for a substitution that is not a `KeyPart`, for braces and invalid escape sequences, and for two
 * substitutions without a separator between them
 * @example
 * await caching.cache.get(key`user:${id}`);
 */
export function key(strings: TemplateStringsArray, ...parts: readonly KeyPart[]): string {
  const { literals, separators } = layoutOf(strings);
  let text = literals[0]!;
  for (let i = 0; i < parts.length; i++) {
    const part = partText(parts[i]) ?? refusePart(parts[i], `Substitution ${i + 1} of ${TAG}`);
    text += escapeSeparator(part, separators[i]) + literals[i + 1]!;
  }
  return finishKey(text, TAG);
}

function layoutOf(strings: TemplateStringsArray): Layout {
  const known = layouts.get(strings);
  if (known !== undefined) return known;
  const refuse = (reason: string): never => {
    throw new KeyError(`${TAG}: ${quote(strings.raw.join('${...}'))} is not a valid key: ${reason}.`);
  };
  for (const literal of strings) {
    // Of a literal with an invalid escape sequence, JavaScript passes undefined.
    if (typeof literal !== 'string') refuse('it has an invalid escape sequence');
    if (/[{}]/.test(literal)) refuse('it has a brace. Substitutions are written ${id} here, not {0}');
  }
  const literals = strings.map(escapeText);
  const layout = { literals, separators: separatorsOf(literals, refuse) };
  layouts.set(strings, layout);
  return layout;
}
