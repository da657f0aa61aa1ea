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
 * A key written in code, with every substitution escaped as the hole of a template is:
 * ``key`user:${id}` `` equals what `'user:{0}'` makes of the same id, whatever characters the id has.
 *
 * @throws KeyError for a substitution that is no part, and where nothing separates two substitutions
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
    throw new KeyError(`${TAG} is given ${quote(strings.raw.join('${...}'))}: ${reason}.`);
  };
  for (const literal of strings) {
    // An escape sequence that is none leaves no text at all.
    if (typeof literal !== 'string') refuse('it has an invalid escape sequence');
    if (/[{}]/.test(literal)) refuse('it has a brace. Substitutions are written ${id} here, not {0}');
  }
  const literals = strings.map(escapeText);
  const layout = { literals, separators: separatorsOf(literals, refuse) };
  layouts.set(strings, layout);
  return layout;
}
