import { Buffer } from 'node:buffer';
import { describe, quote } from '../shared/describe.js';
import { OptionsError } from '../shared/errors.js';
import { parseOptions, unchecked, type Option } from '../shared/option-schema.js';
import { becomeInstance, isClass, isPlainObject, ownData, type Class } from './instances.js';

/**
 * How the instances of one class are stored, wherever they occur in a value. `encode` and `decode` have the types of methods,
 * so that codecs of different classes can be in one list.
 */
export interface TypeCodec<T = unknown, Data = unknown> {
  /** The class. Instances of its subclasses are not covered. */
  readonly type: Class<T>;
  /**
   * The name of the class in stored values, 1 to 100 characters. All processes that share a store must use the same one,
   * and it must not be given to another class later.
   */
  readonly name: string;
  /**
   * Returns the data of an instance: any value that can be stored.
   * @default its own enumerable properties
   */
  readonly encode?: { encode(instance: T): Data }['encode'] | undefined;
  /**
   * Makes an instance of the data. If it throws, the entry is a miss.
   * @default an instance with these properties, without a call of the constructor
   */
  readonly decode?: { decode(data: Data): T }['decode'] | undefined;
}

/** The schema of `TypeCodec`. */
export const typeCodecOptions = {
  type: unchecked<Class<unknown>>('a class'),
  name: unchecked<string>('a string of 1 to 100 characters'),
  encode: unchecked<(instance: unknown) => unknown>('a function'),
  decode: unchecked<(data: unknown) => unknown>('a function'),
} satisfies Record<keyof TypeCodec, Option<unknown>>;

/**
 * Types a codec for `codecs` of `new Caching`: `encode` takes an instance of `type`, and `decode` what `encode` returns.
 *
 * @throws OptionsError
 * @example
 * const decimal = defineCodec({
 *   type: Decimal,
 *   name: 'Decimal',
 *   encode: (value) => value.toString(),
 *   decode: (text) => new Decimal(text),
 * });
 * const caching = new Caching({ adapter: memory(), codecs: [decimal] });
 */
export function defineCodec<T, Data>(codec: TypeCodec<T, Data>): TypeCodec<T, Data> {
  checkCodec(codec, 'defineCodec');
  return codec;
}

/** The codecs of one `Caching`. */
export class TypeCodecs {
  readonly #byPrototype = new Map<object, TypeCodec>();
  readonly #byName = new Map<string, TypeCodec>();

  /** @throws OptionsError */
  constructor(codecs: readonly TypeCodec[], label: string) {
    for (const codec of codecs) {
      checkCodec(codec, label);
      const prototype = codec.type.prototype as object;
      if (this.#byName.has(codec.name) || this.#byPrototype.has(prototype)) {
        throw new OptionsError(
          `${label} has two codecs for the name ${quote(codec.name)} or for its class. Each class needs one, with a name of ` +
            'its own.',
        );
      }
      this.#byPrototype.set(prototype, codec);
      this.#byName.set(codec.name, codec);
    }
  }

  /** The codec of the objects with this prototype. */
  of(prototype: object): TypeCodec | undefined {
    return this.#byPrototype.get(prototype);
  }

  /** @throws an error for an unknown name, and what the codec throws */
  decode(name: unknown, data: unknown): unknown {
    const codec = typeof name === 'string' ? this.#byName.get(name) : undefined;
    if (codec === undefined) throw new SyntaxError('Expected the name of a known codec.');
    if (codec.decode !== undefined) return codec.decode(data);
    if (!isPlainObject(data)) throw new SyntaxError('Expected the properties of an instance.');
    return becomeInstance(data, codec.type);
  }
}

/**
 * The data of an instance.
 * @throws what the codec throws; an error for an instance that is more than its properties, if the codec has no `encode`
 */
export function encodeInstance(codec: TypeCodec, instance: object): unknown {
  if (codec.encode !== undefined) return codec.encode(instance);
  const data = ownData(instance);
  if (data === undefined)
    throw new TypeError('Its content is not in its properties: it needs an encode and a decode.');
  return data;
}

/** These come back equal without a codec, so that a codec of them would never be used. */
const KEPT: ReadonlySet<unknown> = new Set([
  ...[Object, Array, Map, Set, Date, RegExp, URL, URLSearchParams, ArrayBuffer, DataView, Buffer, Uint8Array],
  ...[Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array],
  ...[Float32Array, Float64Array, BigInt64Array, BigUint64Array],
]);

function checkCodec(codec: TypeCodec, label: string): void {
  const { type, name, encode, decode } = parseOptions(typeCodecOptions, codec, `a codec of ${label}`);
  if (!isClass(type)) {
    throw new OptionsError(`type of a codec of ${label} is a class, and ${describe(type)} was given.`);
  }
  if (KEPT.has(type)) {
    throw new OptionsError(
      `${label} has a codec for ${type.name}, which is stored without one. Leave it out.`,
    );
  }
  if (typeof name !== 'string' || name === '' || name.length > 100) {
    throw new OptionsError(
      `name of a codec of ${label} is a string of 1 to 100 characters, and ${describe(name)} was given.`,
    );
  }
  for (const [part, value] of Object.entries({ encode, decode })) {
    if (value !== undefined && typeof value !== 'function') {
      throw new OptionsError(
        `${part} of the codec ${quote(name)} of ${label} is a function, and ${describe(value)} was given.`,
      );
    }
  }
  if ((encode === undefined) !== (decode === undefined)) {
    throw new OptionsError(
      `The codec ${quote(name)} of ${label} has only one of encode and decode. Give both, or none to store the properties.`,
    );
  }
}
