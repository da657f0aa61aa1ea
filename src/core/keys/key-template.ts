import { describe, quote } from '../shared/describe.js';
import { KeyError, OptionsError } from '../shared/errors.js';
import { escapeCharacter, escapeText } from './escape.js';
import { finishKey, renderPart } from './key.js';
import { KeyMemo, type RememberedKey } from './key-memo.js';

interface Placeholder {
  readonly source: string;
  readonly position: number;
  readonly path: readonly string[];
}

/**
 * The characters that may follow a placeholder. The separator is escaped in the part before it, so that the part's end is
 * unambiguous. The spaces in this list are only for readability: a space in a template is already `%20` when it is checked.
 */
const SEPARATORS = `: - . / , ; | @ # & = + ! $ ^ < > ( ) "`;

/** Renders a template with the arguments of a method. */
export interface RenderTemplate {
  (args: readonly unknown[]): string;
  /** The rendered key, if it was remembered. Absent on templates whose keys are not. */
  readonly recall?: (args: readonly unknown[]) => RememberedKey | undefined;
}

/**
 * Compiles a key template to a function of a method's arguments: `'user:{0}'`, `'order:{0.customer.id}:{1}'`. A path reads
 * own properties and getters of the class, and calls no methods. A path through null or undefined ends as undefined.
 *
 * @param label names the option in errors: `key of @Cached on Users.find`
 * @returns a function that throws a KeyError for an argument that is not a `KeyPart`
 * @throws OptionsError for an invalid template
 */
export function compileTemplate(template: string, label: string): RenderTemplate {
  if (typeof template !== 'string' || template === '') {
    const received = template === '' ? 'an empty string' : describe(template);
    throw new OptionsError(`${label} is a template such as 'user:{0}', and ${received} was given.`);
  }
  const refuse = (reason: string): never => {
    throw new OptionsError(`${label}: ${quote(template)} is not a valid key template: ${reason}.`);
  };
  if (/\p{Cc}/u.test(template)) refuse('it has a control character');
  const { literals, placeholders } = parse(template, refuse);
  const separators = separatorsOf(literals, refuse);
  const labels = placeholders.map(({ source }) => `${label} (${quote(template)}): {${source}}`);
  const render = (args: readonly unknown[]): string => {
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
  const [only] = placeholders;
  return placeholders.length === 1 && only!.path.length === 0 ? withMemo(render, only!.position) : render;
}

function withMemo(render: (args: readonly unknown[]) => string, position: number): RenderTemplate {
  const memo = new KeyMemo();
  const recall = (args: readonly unknown[]): RememberedKey | undefined => {
    const argument = args[position];
    if (typeof argument !== 'string') return undefined;
    return memo.get(argument) ?? memo.set(argument, render(args));
  };
  return Object.assign((args: readonly unknown[]) => recall(args)?.text ?? render(args), { recall });
}

/** The placeholders of a valid template, without braces: `0`, `0.id`. */
export function placeholdersOf(template: string): readonly string[] {
  return [...template.matchAll(/\{([^}]*)\}/g)].map(([, source]) => source!);
}

/** Parses a template in linear time. Returns the escaped literals, which are one more than the placeholders. */
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
  if (source.includes('{')) refuse(`the placeholder ${shown} has a '{' in it; braces cannot be escaped`);
  const [position, ...path] = source.split('.');
  if (position === undefined || !/^(?:0|[1-9]\d{0,2})$/.test(position)) {
    refuse(
      `the placeholder ${shown} does not begin with a position. Parameter names do not exist at run time: {0} is ` +
        `the first argument, {0.id} a property of it`,
    );
  }
  for (const step of path) {
    if (step === '__proto__' || step === 'constructor' || step === 'prototype') {
      refuse(`the placeholder ${shown} leads to '${step}', which is not data`);
    }
    if (!/^[\p{L}\p{N}_$-]+$/u.test(step)) {
      refuse(
        `the placeholder ${shown} has the property name ${quote(step)}. Names consist of letters, digits, _, $ and -`,
      );
    }
  }
  return { source, position: Number(position), path };
}

/**
 * Returns the separator after each placeholder except the last. Because it is escaped within the part, a key can be split
 * into its parts in one way only, so different parts give different keys.
 */
export function separatorsOf(
  literals: readonly string[],
  refuse: (reason: string) => never,
): readonly string[] {
  return literals.slice(1, -1).map((literal, i) => {
    const separator = literal[0];
    if (separator === undefined) {
      return refuse(
        `there is nothing between placeholder ${i + 1} and placeholder ${i + 2}; put ':' between them`,
      );
    }
    if (!SEPARATORS.includes(separator)) {
      return refuse(
        `the text between placeholder ${i + 1} and placeholder ${i + 2} starts with none of ${SEPARATORS} and could ` +
          `be part of the first argument; put ':' between them`,
      );
    }
    return separator;
  });
}

/** Escapes the separator within a part. `:` and `"` are already escaped in every part. */
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
    `${label}: '${name}' is inherited and not a getter of the object's class. A path reads own properties and getters, ` +
      `and calls no methods. Use a key function instead.`,
  );
}

type PropertyKind = 'readable' | 'inherited' | 'absent';

/** Own properties and getters of the class are readable. Methods and the members of Object.prototype are not. */
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
