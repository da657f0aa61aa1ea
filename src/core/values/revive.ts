import { types } from 'node:util';
import { describe } from '../shared/describe.js';
import { ValueError } from '../shared/errors.js';
import {
  becomeInstance,
  hasHiddenContent,
  isClass,
  isPlainObject,
  ownData,
  type Class,
} from './instances.js';

type Item<R> = R extends null | undefined ? never : R extends readonly (infer One)[] ? NonNullable<One> : R;

// Written as a method, so that the function may take a narrower type than unknown.
type ReviveFunction<R> = { revive(data: unknown): R }['revive'];

/** What makes the instances of a result of type `R` from their data. */
export type Revive<R> = Class<Item<R>> | ReviveFunction<R>;

/** Takes the data out of the instances of a value, and makes instances of it again. */
export interface Reviver {
  /** @throws ValueError for a part that would not become what it was */
  dataOf(value: unknown): unknown;
  /** @throws for data that it does not accept */
  revive(data: unknown): unknown;
}

export function reviverOf(revive: Revive<unknown>): Reviver {
  return isClass(revive) ? classReviver(revive) : functionReviver(revive as ReviveFunction<unknown>);
}

/** The value, or each item of an array, is an instance of the class, null or undefined. */
function classReviver(type: Class<unknown>): Reviver {
  const prototype: unknown = type.prototype;
  return {
    dataOf: (value) =>
      eachItem(value, (item, path) => {
        if (item === null || item === undefined) return item;
        const isInstance = typeof item === 'object' && Object.getPrototypeOf(item) === prototype;
        const data = isInstance ? ownData(item) : undefined;
        if (data === undefined) throw notRevivable(type, item, isInstance, path);
        return data;
      }),
    revive: (data) => {
      const reviveItem = (item: unknown): unknown => {
        if (item === null || item === undefined) return item;
        if (!isPlainObject(item)) throw new TypeError(`Expected the data of an instance of ${type.name}.`);
        return becomeInstance(item, type);
      };
      if (!Array.isArray(data)) return reviveItem(data);
      data.forEach((item, i) => reviveItem(item) !== item && (data[i] = item));
      return data;
    },
  };
}

/** The function receives the properties of the value, or of each item of an array, if it is an instance. */
function functionReviver(revive: ReviveFunction<unknown>): Reviver {
  return {
    dataOf: (value) =>
      eachItem(value, (item) => {
        if (typeof item !== 'object' || item === null || isPlainObject(item)) return item;
        return hasHiddenContent(item) ? item : ownData(item);
      }),
    revive: (data) => {
      const value = revive(data);
      if (types.isPromise(value)) {
        value.catch(() => {});
        throw new TypeError('revive has returned a promise. It must return the value.');
      }
      return value;
    },
  };
}

/** Maps the value, or each item of an array. Holes and named properties of an array stay. */
function eachItem(value: unknown, map: (item: unknown, path: string) => unknown): unknown {
  if (!Array.isArray(value) || Object.getPrototypeOf(value) !== Array.prototype) return map(value, '');
  const copy = Object.assign(new Array<unknown>(value.length), value);
  copy.forEach((item, i) => (copy[i] = map(item, `[${i}]`)));
  return copy;
}

function notRevivable(type: Class<unknown>, item: unknown, isInstance: boolean, path: string): ValueError {
  const hint = isInstance
    ? 'Its content is not in its properties: use a codec with encode and decode (codecs of new Caching).'
    : 'Return an instance, or give revive a function that makes of the data what the method returns.';
  return new ValueError(
    `Expected an instance of ${type.name}, null or undefined, as revive says; found ${describe(item)} at value${path}. ${hint}`,
    'unsupported',
  );
}
