import { describe, quote } from '../shared/describe.js';
import { KeyError, OptionsError } from '../shared/errors.js';
import { escapeCharacter, escapeText } from './escape.js';
import { finishKey, renderPart } from './key.js';

interface Placeholder {
  readonly source: string;
  readonly position: number;
  readonly path: readonly string[];
}

/**
 * Between two holes: a character that the first part escapes, so that it ends where the text says. The spaces
 * are for reading: one in a template is `%20` when it is looked at.
 */
const SEPARATORS = `: - . / , ; | @ # & = + ! $ ^ < > ( ) "`;

/**
 * A key template as a function of a method's arguments: `'user:{0}'`, `'order:{0.customer.id}:{1}'`. Paths
 * read properties of the object itself and getters of its class, and call nothing; a path through null or
 * undefined ends as undefined.
 *
 * @param label names the place in the error: `key of @Cached on Users.find`
 * @returns throws a KeyError for an argument that cannot be a part
 * @throws OptionsError for a template that cannot be
 */
export function compileTemplate(template: string, label: string): (args: readonly unknown[]) => string {
  if (typeof template !== 'string' || template === '') {
    const received = template === '' ? 'an empty string' : describe(template);
    throw new OptionsError(`${label} is a template such as 'user:{0}', and ${received} was given.`);
  }
  const refuse = (reason: string): never => {
    throw new OptionsError(`${label}: ${quote(template)} is no key template: ${reason}.`);
  };
  if (/\p{Cc}/u.test(template)) refuse('it has a control character');
  const { literals, placeholders } = parse(template, refuse);
  const separators = separatorsOf(literals, refuse);
  const labels = placeholders.map(({ source }) => `${label} (${quote(template)}): {${source}}`);
  return (args) => {
    let text = literals[0]!;
    for (let i = 0; i < placeholders.length; i++) {
      const placeholder = placeholders[i]!;
      const argument = args[placeholder.position];
      const value =
        placeholder.path.length === 0 ? argument : readPath(argument, placeholder.path, labels[i]!);
      text += escapeSeparator(renderPart(value, labels[i]!), separators[i]) + literals[i + 1]!;
    }
    return finishKey(text, label);
  };
}

/** Linear: it stops at the first mistake. The literals are escaped; there is one more of them than holes. */
function parse(
  template: string,
  refuse: (reason: string) => never,
): { literals: string[]; placeholders: Placeholder[] } {
  const literals: string[] = [];
  const placeholders: Placeholder[] = [];
  for (let from = 0; ;) {
    const open = template.indexOf('{', from);
    const literal = template.slice(from, open === -1 ? undefined : open);
    if (literal.includes('}')) refuse("it has a '}' without a '{' before it");
    literals.push(escapeText(literal));
    if (open === -1) return { literals, placeholders };
    const close = template.indexOf('}', open);
    if (close === -1) refuse("it has a '{' without a '}' after it");
    placeholders.push(parsePlaceholder(template.slice(open + 1, close), refuse));
    from = close + 1;
  }
}

function parsePlaceholder(source: string, refuse: (reason: string) => never): Placeholder {
  const shown = quote(`{${source}}`);
  if (source.includes('{')) refuse(`the hole ${shown} has a '{' in it; braces cannot be escaped`);
  const [position, ...path] = source.split('.');
  if (position === undefined || !/^(?:0|[1-9]\d{0,2})$/.test(position)) {
    refuse(
      `the hole ${shown} does not begin with a position. Parameter names do not exist at run time: {0} is ` +
        `the first argument, {0.id} a property of it`,
    );
  }
  for (const step of path) {
    if (step === '__proto__' || step === 'constructor' || step === 'prototype') {
      refuse(`the hole ${shown} leads to '${step}', which is no data`);
    }
    if (!/^[\p{L}\p{N}_$-]+$/u.test(step)) {
      refuse(
        `the hole ${shown} has the property name ${quote(step)}. Names are of letters, digits, _, $ and -`,
      );
    }
  }
  return { source, position: Number(position), path };
}

/**
 * For each hole but the last, the character that ends its part. With it escaped inside the part, the text can
 * be taken apart again in one way only, so that different parts make different keys.
 */
export function separatorsOf(
  literals: readonly string[],
  refuse: (reason: string) => never,
): readonly string[] {
  return literals.slice(1, -1).map((literal, i) => {
    const separator = literal[0];
    if (separator === undefined) {
      return refuse(`there is nothing between hole ${i + 1} and hole ${i + 2}; put ':' between them`);
    }
    if (!SEPARATORS.includes(separator)) {
      return refuse(
        `what stands between hole ${i + 1} and hole ${i + 2} begins with none of ${SEPARATORS} and so may ` +
          `be part of what fills the first; put ':' between them`,
      );
    }
    return separator;
  });
}

/** `:` and `"` are escaped in every part. */
export function escapeSeparator(text: string, separator: string | undefined): string {
  return separator === undefined || separator === ':' || separator === '"' || !text.includes(separator)
    ? text
    : text.replaceAll(separator, escapeCharacter(separator));
}

function readPath(argument: unknown, path: readonly string[], label: string): unknown {
  let value = argument;
  for (const name of path) {
    if (value === null || value === undefined) return undefined;
    value = readProperty(value, name, label);
  }
  return value;
}

function readProperty(owner: {}, name: string, label: string): unknown {
  let found: PropertyKind;
  try {
    found = classifyProperty(owner, name);
    if (found === 'readable') return (owner as Record<string, unknown>)[name];
  } catch (error) {
    throw new KeyError(`${label}: reading '${name}' threw an error.`, { cause: error });
  }
  if (found === 'absent') return undefined;
  throw new KeyError(
    `${label}: '${name}' is inherited and no getter of the object's class. A path reads data and calls ` +
      `nothing; use a key function instead.`,
  );
}

type PropertyKind = 'readable' | 'inherited' | 'absent';

/** Own properties and getters of the class are readable; methods and all of Object.prototype are not. */
function classifyProperty(owner: {}, name: string): PropertyKind {
  if (Object.hasOwn(owner, name)) return 'readable';
  for (let holder: unknown = Object.getPrototypeOf(owner); holder !== null;) {
    const above: unknown = Object.getPrototypeOf(holder);
    const descriptor = Object.getOwnPropertyDescriptor(holder, name);
    if (descriptor !== undefined) {
      return descriptor.get !== undefined && above !== null ? 'readable' : 'inherited';
    }
    holder = above;
  }
  return 'absent';
}
