import { Buffer } from 'node:buffer';

/** Returns the data of an instance of a class with a codec; undefined for any other object. */
export type InstanceData = (instance: object) => unknown;

/** A name that is shown in a path. Others may be data: an id or an address, as of the properties of an object by id. */
const NAME = /^[A-Za-z_$][\w$]{0,63}$/;
const MAX_PATH_LENGTH = 300;

/**
 * Finds the first part of a value that two later values have in common, and this one has not. What differs between the later
 * ones is ignored: a time of the load, a random id.
 *
 * Order counts in arrays; it does not in objects, nor in Maps and Sets of primitive values. A property that is undefined is
 * one that is missing.
 *
 * @param instanceData for instances whose content is not in their properties
 * @returns the path to the part, such as `.orders[3].total`: empty for the value itself, undefined if there is none. It has
 * names of properties and places in arrays, and no values
 */
export function firstDifference(
  value: unknown,
  later: readonly [first: unknown, second: unknown],
  instanceData?: InstanceData,
): string | undefined {
  const path = new Comparison(instanceData).difference(value, later[0], later[1], '');
  return path === undefined || path.length <= MAX_PATH_LENGTH ? path : `${path.slice(0, MAX_PATH_LENGTH)}...`;
}

class Comparison {
  readonly #instanceData: InstanceData | undefined;
  /** The objects that were compared with each other, which a cycle meets again. */
  readonly #met = new Map<object, Set<object>>();

  constructor(instanceData: InstanceData | undefined) {
    this.#instanceData = instanceData;
  }

  difference(value: unknown, first: unknown, second: unknown, path: string): string | undefined {
    // guard: what-differs-between-loads-does-not-count
    if (!isAlike(value, first)) return this.#agree(first, second) ? path : undefined;
    // guard: loads-of-two-kinds-are-not-compared
    if (!isAlike(first, second)) return undefined;
    if (!isObject(value) || isLeaf(value)) return undefined;
    // guard: comparison-ends-in-cycles
    if (this.#hasMet(value, first as object)) return undefined;
    const parts = [value, first as object, second as object].map((one) => this.#partsOf(one));
    const names = new Set(parts.flatMap((one) => [...one.keys()]));
    for (const name of names) {
      const [own, ofFirst, ofSecond] = parts.map((one) => one.get(name));
      const found = this.difference(own, ofFirst, ofSecond, `${path}${shown(value, name)}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #agree(first: unknown, second: unknown): boolean {
    if (first === second) return true;
    return new Comparison(this.#instanceData).difference(first, second, second, '') === undefined;
  }

  #hasMet(value: object, other: object): boolean {
    const others = this.#met.get(value) ?? new Set();
    if (others.has(other)) return true;
    this.#met.set(value, others.add(other));
    return false;
  }

  #partsOf(value: object): ReadonlyMap<unknown, unknown> {
    if (Array.isArray(value)) return inOrder(value);
    if (value instanceof Map) {
      const entries = [...(value as Map<unknown, unknown>)];
      return entries.some(([key]) => isObject(key)) ? inOrder(entries) : new Map(entries);
    }
    if (value instanceof Set) {
      const members = [...(value as Set<unknown>)];
      return members.some(isObject) ? inOrder(members) : new Map(members.map((member) => [member, member]));
    }
    const isPlain = isPlainPrototype(Object.getPrototypeOf(value));
    const data = isPlain ? undefined : this.#instanceData?.(value);
    return data === undefined ? new Map(Object.entries(value)) : new Map([['', data]]);
  }
}

/** For keys and members that are objects, of which no other value has the same. */
function inOrder(parts: readonly unknown[]): ReadonlyMap<unknown, unknown> {
  return new Map(parts.entries());
}

/** Equal primitives, equal leaves, or objects of one class, whose parts may differ. */
function isAlike(a: unknown, b: unknown): boolean {
  if (!isObject(a) || !isObject(b)) return a === b || Object.is(a, b);
  return (
    Object.getPrototypeOf(a) === Object.getPrototypeOf(b) && (!isLeaf(a) || contentOf(a) === contentOf(b))
  );
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** True for an object that has no parts to compare. */
function isLeaf(value: object): boolean {
  return (
    value instanceof Date ||
    value instanceof RegExp ||
    value instanceof URL ||
    value instanceof URLSearchParams ||
    value instanceof ArrayBuffer ||
    ArrayBuffer.isView(value)
  );
}

function contentOf(leaf: object): string {
  if (leaf instanceof Date) return String(leaf.getTime());
  if (leaf instanceof ArrayBuffer) return Buffer.from(leaf).toString('latin1');
  if (ArrayBuffer.isView(leaf)) {
    return Buffer.from(leaf.buffer, leaf.byteOffset, leaf.byteLength).toString('latin1');
  }
  return (leaf as RegExp | URL | URLSearchParams).toString();
}

function isPlainPrototype(prototype: unknown): boolean {
  return prototype === Object.prototype || prototype === null;
}

function shown(parent: object, name: unknown): string {
  if (Array.isArray(parent)) return `[${String(name)}]`;
  if (name === '') return '';
  // guard: path-has-no-data
  if (parent instanceof Map || parent instanceof Set || !NAME.test(String(name))) return '[...]';
  return `.${String(name)}`;
}
